package feeds

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds on kept connections: a round may touch 36,000 hosts, most of them
// once.
//
// Rejected: asking a host to close with the last of its jobs that is here. It
// costs as much as keeping the connection a while, and is wrong for a long
// host, whose jobs come a few at a time.
const (
	maxIdle         = 64 // at most, and maxIdlePerFetch for each request under way
	maxIdlePerFetch = 4
	idleTimeout     = 15 * time.Second
)

// writeBuffer is room for a usual request, in bytes. The buffers are half of
// what is allocated for a connection.
const writeBuffer = 1 << 10

// newTransport returns the one transport of a Refresher. It follows no
// redirect, decodes no body and keeps no cookie: all that is done above it.
func newTransport(o Options, l *limits, g *addressGuard) (*http.Transport, error) {
	dialer := newDialer(l, g)
	proxy, err := proxyFunc(o.Proxy)
	if err != nil {
		return nil, err
	}
	if proxy != nil && o.Proxy != "env" {
		dialer.ControlContext = nil // every connection goes to the user's own choice
	}
	return &http.Transport{
		Proxy:       proxy,
		DialContext: metered(dialer),
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(maxIdle),
		},
		TLSHandshakeTimeout:    l.tls,
		ForceAttemptHTTP2:      true, // a dialer of one's own would switch it off
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20},
		DisableCompression:     true,
		WriteBufferSize:        writeBuffer,
		MaxIdleConns:           min(maxIdle, maxIdlePerFetch*l.fetches),
		MaxIdleConnsPerHost:    l.perHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: l.headerBytes,
	}, nil
}

// newDialer returns a dialer that asks g before each connection. Looking up the
// name and connecting share one limit. The resolver is Go's own, so that a
// worker loads no name service modules.
func newDialer(l *limits, g *addressGuard) *net.Dialer {
	return &net.Dialer{
		Timeout:        l.dial,
		KeepAlive:      -1, // four system calls a connection, for what clock and idleTimeout do
		ControlContext: g.control,
		Resolver:       &net.Resolver{PreferGo: true},
	}
}

// metered returns what http.Transport asks for connections.
func metered(d *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &meteredConn{Conn: conn}, nil
	}
}

// proxyFunc returns what http.Transport asks for a proxy; nil for none.
func proxyFunc(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case "env":
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(proxy)
	if err != nil {
		// The parser's text would repeat the proxy's password.
		return nil, errors.New("read proxy: not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("read proxy %s: scheme must be http, https or socks5", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("read proxy %s: no host", u.Redacted())
	}
	return http.ProxyURL(u), nil
}

// A meteredConn counts what was read from a connection.
type meteredConn struct {
	net.Conn
	read atomic.Int64
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// How far a request got. Phases only go up.
const (
	phaseDial int32 = iota
	phaseTLS
	phaseAsked    // it has a connection
	phaseAnswered // the first byte came back
)

// A progress watches one request, so that its failure can be told from facts
// and not from the text of an error.
type progress struct {
	clock *clock
	phase atomic.Int32
	conn  atomic.Pointer[meteredConn]
	start int64 // bytes that conn had read before
	http2 bool
	hooks httptrace.ClientTrace
}

// trace returns the hooks that keep p up to date.
func (p *progress) trace() *httptrace.ClientTrace {
	p.hooks = httptrace.ClientTrace{
		TLSHandshakeStart: func() { p.reach(phaseTLS) },
		GotConn: func(info httptrace.GotConnInfo) {
			conn := info.Conn
			if c, ok := conn.(*tls.Conn); ok {
				p.http2 = c.ConnectionState().NegotiatedProtocol == "h2"
				conn = c.NetConn()
			}
			if c, ok := conn.(*meteredConn); ok {
				p.start = c.read.Load()
				p.conn.Store(c)
			}
			p.reach(phaseAsked)
			p.clock.awaitAnswer()
		},
		GotFirstResponseByte: func() { p.reach(phaseAnswered) },
	}
	return &p.hooks
}

func (p *progress) reach(phase int32) {
	for {
		old := p.phase.Load()
		if old >= phase || p.phase.CompareAndSwap(old, phase) {
			return
		}
	}
}

// headersTooLarge reports whether a request that got no answer had read as much
// as the bound on headers. net/http says that it gave up for this reason only
// in words, and over HTTP/2 not always in the same.
func (p *progress) headersTooLarge(bound int64) bool {
	if p.http2 {
		bound /= 2 // HPACK squeezes them
	}
	c := p.conn.Load()
	return c != nil && c.read.Load()-p.start >= bound
}

// failure says why a request got no answer.
func (p *progress) failure(ctx context.Context, err error, l *limits) *Failure {
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &Failure{Class: DNS, Detail: dns.Name + ": " + dns.Err, Err: err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return &Failure{Class: Connect, Detail: op.Error(), Err: err}
	}
	if p.phase.Load() == phaseTLS || isTLS(err) {
		return tlsFailure(err, l)
	}
	if p.headersTooLarge(l.headerBytes) {
		return &Failure{Class: HeaderTooLarge, Detail: fmt.Sprintf("response headers over %d bytes", l.headerBytes), Err: err}
	}
	if p.phase.Load() < phaseAnswered {
		return &Failure{Class: Connect, Detail: "the connection broke before an answer", Err: err}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return &Failure{Class: Connect, Detail: "the connection broke within the answer's headers", Err: err}
	}
	return &Failure{Class: Connect, Detail: "an answer that is no HTTP: " + clip(err.Error(), 200), Err: err}
}

// interrupted says why ctx ended. Whoever ends a job's context gives a
// *Failure as the cause; anything else came from outside.
func interrupted(ctx context.Context) *Failure {
	cause := context.Cause(ctx)
	if f, ok := errors.AsType[*Failure](cause); ok {
		return f
	}
	return &Failure{Class: Cancelled, Detail: "the run ended first", Err: cause}
}

// isTLS reports whether err is about trust or the TLS protocol.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}

// tlsFailure says why no TLS session came about.
func tlsFailure(err error, l *limits) *Failure {
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return &Failure{Class: Timeout, Detail: fmt.Sprintf("no TLS session within %v", l.tls), Err: err}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return &Failure{Class: TLS, Detail: "the server closed the connection within the TLS handshake", Err: err}
	}
	return &Failure{Class: TLS, Detail: clip(err.Error(), 300), Err: err}
}
