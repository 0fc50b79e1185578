package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"feedmill/internal/feeds"
)

const (
	// writeBuffer is room for a usual request, in bytes. The buffers are half of
	// what is allocated for a connection.
	writeBuffer = 1 << 10

	// idleHTTP2 is how long a kept HTTP/2 connection waits at most.
	idleHTTP2 = 250 * time.Millisecond

	// sessions bounds the TLS sessions that are remembered, of a few kilobytes. With
	// 300 feeds each on two hosts that close after every answer they save a worker
	// 11 % of its CPU, and the servers 13 %; on hosts that are visited once they
	// are within the noise.
	sessions = 64
)

// A transport makes connections and keeps a few. It holds each in its own hands,
// whatever it speaks: whoever asks gets one for a request, and gives it back.
//
// Rejected: the pool of http.Transport. It counts no connection that speaks
// HTTP/2, keeps each of them until its idle timeout, and sends a request again
// over another one as often as a server breaks them (golang.org/issue/52459).
type transport struct {
	limits *limits
	files  *fileCount
	uplink *uplink
	dialer *dialer
	tls    *tls.Config
	proxy  func(*http.Request) (*url.URL, error) // nil for none
	dial   func(ctx context.Context, host, port string) (net.Conn, error)

	http1, http2, proxied *http.Transport // what speaks HTTP over a connection

	mu    sync.Mutex
	only1 map[string]bool // hosts that want HTTP/1.1

	hopeless atomic.Bool // who waited in vain for what is lacking, and nobody since got it
}

// newTransport returns the one transport of a Refresher. It follows no
// redirect, decodes no body and keeps no cookie: all that is done above it.
func newTransport(o feeds.Options, l *limits, g *addressPolicy, f *fileCount) (*transport, error) {
	proxy, err := proxyFunc(o.Proxy)
	if err != nil {
		return nil, err
	}
	protocols := []string{"h2", "http/1.1"}
	if o.HTTP1 {
		protocols = protocols[1:]
	}
	k := newUplink()
	t := &transport{
		only1: make(map[string]bool), limits: l, files: f, uplink: k, dialer: newDialer(l, g, f, k), proxy: proxy,
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			NextProtos:         protocols,
			ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		},
	}
	t.dial = t.dialer.dial
	if proxy != nil && o.Proxy != "env" {
		t.dialer.net.ControlContext = nil // every connection goes to the user's own choice
	}
	t.http1, t.http2, t.proxied = t.speaker(), t.speaker(), t.speaker()
	// net/http holds a closed HTTP/2 connection that it has not seen in a pool, of
	// some 30 KB, for five seconds, or for this if it is less.
	t.http2.IdleConnTimeout = idleHTTP2
	t.http1.Protocols, t.http2.Protocols, t.proxied.Protocols = new(http.Protocols), new(http.Protocols), new(http.Protocols)
	t.http1.Protocols.SetHTTP1(true)
	t.http2.Protocols.SetUnencryptedHTTP2(true) // what is encrypted has been by then
	t.proxied.Protocols.SetHTTP1(true)
	t.proxied.Proxy = func(req *http.Request) (*url.URL, error) {
		return req.Context().Value(handedKey{}).(*handed).proxy, nil
	}
	t.proxied.DialContext, t.proxied.DialTLSContext = t.dialProxy, nil
	t.proxied.TLSClientConfig = t.tls.Clone() // which net/http changes
	t.proxied.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return &feeds.Failure{Class: feeds.Connect, Detail: "the proxy answered CONNECT with " + statusText(resp.StatusCode)}
		}
		return nil
	}
	return t, nil
}

// speaker returns an http.Transport that is handed its connections.
func (t *transport) speaker() *http.Transport {
	given := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return ctx.Value(handedKey{}).(*handed).conn.wire, nil
	}
	return &http.Transport{
		DialContext:            given,
		DialTLSContext:         given,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20},
		DisableCompression:     true,
		WriteBufferSize:        writeBuffer,
		MaxResponseHeaderBytes: t.limits.headerBytes,
	}
}

// proxyFunc returns what http.Transport asks for a proxy; nil for none. A proxy that is
// none is an error, in the environment too, where net/http would go without: whoever
// names one has reasons.
func proxyFunc(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case "env":
		env := httpproxy.FromEnvironment()
		all := cmp.Or(os.Getenv("all_proxy"), os.Getenv("ALL_PROXY"))
		for _, p := range []*string{&env.HTTPProxy, &env.HTTPSProxy} {
			if *p = cmp.Or(*p, all); *p == "" {
				continue
			}
			if !strings.Contains(*p, "://") {
				*p = "http://" + *p
			}
			if _, err := proxyURL(*p); err != nil {
				return nil, fmt.Errorf("read the environment: %w", err)
			}
		}
		choose := env.ProxyFunc()
		return func(req *http.Request) (*url.URL, error) { return choose(req.URL) }, nil
	}
	u, err := proxyURL(proxy)
	return http.ProxyURL(u), err
}

// proxyURL reads the URL of a proxy.
func proxyURL(proxy string) (*url.URL, error) {
	u, err := url.Parse(proxy)
	if err != nil {
		// The parser's text would repeat the proxy's password.
		return nil, errors.New("read proxy: not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("read proxy %s: scheme must be http, https or socks5", feeds.RedactURL(proxy))
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("read proxy %s: no host", feeds.RedactURL(proxy))
	}
	return u, nil
}

// dialProxy connects to a proxy.
func (t *transport) dialProxy(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	h := ctx.Value(handedKey{}).(*handed)
	if err := h.conn.connect(t.dial(ctx, host, port)); err != nil {
		return nil, err
	}
	h.conn.wire = newWire(h.conn.tcp, t.limits)
	return h.conn.wire, nil
}

// A handed is what whoever makes a connection finds in the context.
type handed struct {
	conn  *connection
	proxy *url.URL
	clock *clock // of the exchange, which stands still while a lookup waits for its turn
}

type handedKey struct{}

// connect returns a connection to where a request goes: one that was kept, or a
// new one. The caller gives it back with release.
func (t *transport) connect(ctx context.Context, to *url.URL, c *clock) (*connection, *feeds.Failure) {
	host, port := to.Hostname(), to.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.Scheme]
	}
	origin := to.Scheme + "://" + net.JoinHostPort(host, port)
	if conn := t.files.reuse(t, origin); conn != nil {
		return conn, nil
	}
	waited, pause, again := time.Duration(0), lackPause, false
	for {
		conn, err := t.open(ctx, to, origin, host, port, c)
		if err == nil {
			t.hopeless.Store(false)
			return conn, nil
		}
		l := shortageOf(err, false)
		h, _ := errors.AsType[*handshakeError](err)
		if (err == errIdle || h != nil && h.resuming) && !again && ctx.Err() == nil {
			again = true
			continue
		}
		if l == nil || ctx.Err() != nil {
			return nil, unconnected(ctx, err)
		}
		t.files.drop(nil, 0)
		if waited >= lackPatience || t.hopeless.Load() {
			t.hopeless.Store(true)
			if isDNS(l.err) && t.dialer.names.answers.Load() {
				return nil, unconnected(ctx, l.err) // others are answered: it is the name
			}
			return nil, l.cancelled()
		}
		c.pause()
		if sleep(ctx, pause) != nil {
			return nil, interrupted(ctx)
		}
		c.start()
		waited, pause = waited+pause, min(2*pause, lackPauseMax)
	}
}

// open makes a connection. The error is one of those of dialer.dial, or of a
// handshake.
//
// It does so in a goroutine of its own: the stack that a handshake has made grow,
// to 16 KB and more, ends with it, and the request that then waits for an answer
// keeps a small one.
func (t *transport) open(ctx context.Context, to *url.URL, origin, host, port string, c *clock) (conn *connection, err error) {
	if err := t.token(ctx, c); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err = t.build(ctx, to, origin, host, port, c)
	}()
	<-done
	return conn, err
}

// build makes a connection, for which there is a token.
func (t *transport) build(ctx context.Context, to *url.URL, origin, host, port string, c *clock) (conn *connection, err error) {
	conn = &connection{origin: origin, host: host, by: t}
	defer func() {
		if err != nil {
			conn.abandon()
			conn = nil
		}
	}()
	h := &handed{conn: conn, clock: c}
	if t.proxy != nil {
		if h.proxy, err = t.proxy(&http.Request{URL: to, Header: http.Header{}}); err != nil {
			return conn, &feeds.Failure{Class: feeds.Connect, Detail: "the proxy of the environment is not a URL", Err: err}
		}
	}
	with := context.WithValue(ctx, handedKey{}, h)
	address := net.JoinHostPort(host, port)
	if h.proxy != nil {
		conn.http, err = t.proxied.NewClientConn(with, to.Scheme, address)
		return conn, err
	}
	conn.direct = true
	if err = conn.connect(t.dial(with, host, port)); err != nil {
		return conn, err
	}
	speaker, above := t.http1, net.Conn(conn.tcp)
	if to.Scheme == "https" {
		s, err := t.handshake(ctx, conn.tcp, origin, host)
		if err != nil {
			return conn, err
		}
		if above = s; s.ConnectionState().NegotiatedProtocol == "h2" {
			speaker, conn.http2 = t.http2, true
		}
	}
	conn.wire = newWire(above, t.limits)
	if conn.http2 {
		conn.wire.frames = new(frameMeter)
	} else {
		conn.wire.heads = &mender{bound: t.limits.headerBytes}
	}
	if conn.http, err = speaker.NewClientConn(with, to.Scheme, address); err != nil {
		return conn, err
	}
	if conn.http.Reserve() != nil && conn.http.Err() != nil && !conn.wire.over() {
		return conn, errIdle
	}
	return conn, nil // what the server has ended already, the request will say
}

// errIdle says that a connection was closed as idle before its first request,
// which happens on a machine under load. Another one is made.
var errIdle = errors.New("closed as idle")

// token takes a token for a connection. Waiting for what others have is not the
// server's fault.
func (t *transport) token(ctx context.Context, c *clock) error {
	if t.files.tryTake() {
		return nil
	}
	c.pause()
	defer c.start()
	return t.files.take(ctx)
}

// handshake begins TLS.
func (t *transport) handshake(ctx context.Context, conn net.Conn, origin, host string) (*tls.Conn, error) {
	config := t.tls.Clone()
	config.ServerName = host
	if t.speaksHTTP1(origin) {
		config.NextProtos = []string{"http/1.1"}
	}
	s := tls.Client(conn, config)
	_, resuming := config.ClientSessionCache.Get(host)
	limited, stop := within(ctx, t.limits.tls, t.uplink)
	defer stop()
	err := s.HandshakeContext(limited)
	switch {
	case err == nil:
		return s, nil
	case limited.Err() != nil && ctx.Err() == nil:
		return nil, &feeds.Failure{Class: feeds.Timeout, Detail: fmt.Sprintf("no TLS session within %v", t.limits.tls), Err: err}
	}
	return nil, &handshakeError{err, resuming && ctx.Err() == nil}
}

// maxOnly1 bounds the hosts that are remembered to want HTTP/1.1. They have
// asked for it, so of more than that some are told again.
const maxOnly1 = 1024

// wantsHTTP1 notes that a host wants to be asked over HTTP/1.1.
func (t *transport) wantsHTTP1(origin string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.only1) >= maxOnly1 {
		clear(t.only1)
	}
	t.only1[origin] = true
}

func (t *transport) speaksHTTP1(origin string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.only1[origin]
}

// release takes back a connection whose exchange is over. whole says that
// another request may use it.
func (t *transport) release(c *connection, whole bool) {
	if h := c.wire.heads; !whole || c.http.Available() == 0 || h != nil && h.mended.Load() {
		c.abandon()
		return
	}
	t.files.keep(c)
}

// closeKept closes the connections that nobody uses.
func (t *transport) closeKept() { t.files.drop(t, 0) }
