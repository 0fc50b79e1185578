package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"feedmill/internal/feeds"
)

// unconnected says why no connection came about.
func unconnected(ctx context.Context, err error) *feeds.Failure {
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if f, ok := errors.AsType[*feeds.Failure](err); ok {
		return f
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &feeds.Failure{Class: feeds.DNS, Detail: dns.Name + ": " + dns.Err, Err: err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return &feeds.Failure{Class: feeds.Connect, Detail: unreached(op), Err: err}
	}
	if is[*handshakeError](err) || isTLS(err) {
		return tlsFailure(err)
	}
	return &feeds.Failure{Class: feeds.Connect, Detail: "no connection: " + feeds.Clip(err.Error(), 200), Err: err}
}

// unreached says why a host was not reached, the reason first: where there is little room
// the address goes.
func unreached(op *net.OpError) string {
	errno, ok := errors.AsType[syscall.Errno](op)
	if !ok || op.Addr == nil || op.Op != "dial" {
		return op.Error()
	}
	return errno.Error() + ": " + op.Addr.String()
}

// A silence is why a request over a connection got no answer.
type silence struct {
	*feeds.Failure
	early   bool // no byte of an answer came, so it may be asked again
	only1_1 bool // the server wants to be asked over HTTP/1.1
}

// silence says why a request over c got no answer. read is what came meanwhile, in
// bytes.
func (c *connection) silence(ctx context.Context, err error, read int64, l *limits) silence {
	w := c.wire
	if ctx.Err() != nil {
		return silence{Failure: interrupted(ctx)}
	}
	if f := w.broken(); f != nil {
		return silence{Failure: f}
	}
	broke := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	if broke {
		// Why may have been said before, and be read a moment after the request fails.
		select {
		case <-w.end:
		case <-time.After(time.Second):
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil && isTLS(w.ended) { // TLS 1.3: what the server thinks of the client comes late
		return silence{Failure: tlsFailure(w.ended)}
	}
	early, idle := read == 0, c.reused && read == 0 // net/http takes no request when it has been idle for long
	if m := w.frames; m != nil {
		early = !m.answered
		if code, text, ok := m.said(); ok {
			again := code == codeRefusedStream || code == codeNone && m.reset == nil
			return silence{
				Failure: &feeds.Failure{Class: feeds.HTTPError, Detail: text, Err: err},
				early:   early && again || code == codeHTTP11, only1_1: code == codeHTTP11,
			}
		}
		read *= 2 // HPACK squeezes headers
	}
	switch {
	case early && (w.frames == nil || w.ended != nil || idle || broke):
		return silence{Failure: &feeds.Failure{Class: feeds.Connect, Detail: "the connection broke before an answer", Err: err}, early: true}
	case read >= l.headerBytes:
		// net/http says that it gave up for this reason only in words, and over
		// HTTP/2 not always in the same.
		return silence{Failure: &feeds.Failure{Class: feeds.HeaderTooLarge, Detail: fmt.Sprintf("response headers over %d bytes", l.headerBytes), Err: err}}
	case w.heads != nil && w.heads.alien.Load():
	case errors.Is(w.ended, io.ErrUnexpectedEOF) || errors.Is(w.ended, io.EOF) || errors.Is(w.ended, syscall.ECONNRESET):
		return silence{Failure: &feeds.Failure{Class: feeds.Connect, Detail: "the connection broke within the answer's headers", Err: err}}
	}
	return silence{Failure: &feeds.Failure{Class: feeds.HTTPError, Detail: "an answer that is no HTTP: " + feeds.Clip(err.Error(), 200), Err: err}}
}

// disconnected reports whether a body ended because its connection did, and not for
// what was said over it.
func disconnected(err error) bool {
	return is[*net.OpError](err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET)
}

// interrupted says why ctx ended. Whoever ends a job's context gives a
// *Failure as the cause; anything else came from outside.
func interrupted(ctx context.Context) *feeds.Failure {
	cause := context.Cause(ctx)
	if f, ok := errors.AsType[*feeds.Failure](cause); ok {
		return f
	}
	return &feeds.Failure{Class: feeds.Cancelled, Detail: "the run ended first", Err: cause}
}

// isTLS reports whether err is about trust or the TLS protocol.
func isTLS(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true // crypto/tls's words for an alert
	}
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err) || is[x509.HostnameError](err)
}

// isLate reports whether a failure is that something did not come in time.
func isLate(f *feeds.Failure) bool {
	switch f.Class {
	case feeds.Timeout, feeds.Slow:
		return true
	case feeds.DNS, feeds.Connect:
		dns, ok := errors.AsType[*net.DNSError](f)
		return ok && dns.IsTimeout || errors.Is(f, errNoConnection)
	}
	return false
}

// is reports whether err is, or wraps, an error of that type.
func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// tlsFailure says why no TLS session came about.
func tlsFailure(err error) *feeds.Failure {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return &feeds.Failure{Class: feeds.TLS, Detail: "the server closed the connection within the TLS handshake", Err: err}
	}
	return &feeds.Failure{Class: feeds.TLS, Detail: feeds.Clip(err.Error(), 300), Err: err}
}

// A handshakeError says that no TLS session came about. There are servers that
// break off over a session of theirs that they no longer know: crypto/tls has
// forgotten it by then, so the next handshake is made in full.
type handshakeError struct {
	err      error
	resuming bool // an earlier session was there to resume
}

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// refused reports whether a failure is the refusal to connect of a host, or of a
// name server that knows no such name, or ours to trust a certificate that is by an
// authority unknown here, not of this time, or another host's.
func refused(f *feeds.Failure) bool {
	if dns, ok := errors.AsType[*net.DNSError](f); ok {
		return f.Class == feeds.DNS && dns.IsNotFound
	}
	if f.Class == feeds.TLS {
		invalid, ok := errors.AsType[x509.CertificateInvalidError](f)
		return is[x509.UnknownAuthorityError](f) || is[x509.HostnameError](f) || ok && invalid.Reason == x509.Expired
	}
	op, ok := errors.AsType[*net.OpError](f)
	return ok && f.Class == feeds.Connect && op.Op == "dial" && errors.Is(f, syscall.ECONNREFUSED)
}
