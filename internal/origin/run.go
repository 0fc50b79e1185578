package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"feedmill/internal/origin/authority"
	"feedmill/internal/origin/hostile"
)

// New returns a Server that listens but does not answer yet: that is Run's
// part, which also closes it. A Server that will not be run must be closed.
func New(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("configure origin: %w", err)
	}
	s := &Server{opts: opts, counts: counters{hosts: make(map[netip.Addr]int64)}}
	s.hosts.scheme, s.hosts.counts = "http", slices.Clone(opts.HostCounts)
	if opts.HTTPS {
		s.hosts.scheme = "https"
	}
	if len(opts.HostCounts) == 0 {
		s.hosts.counts = spread(opts.Feeds, opts.Hosts)
	}
	c := &s.content
	c.generator, c.feeds = newGenerator(opts.Seed, opts.NewsEvery), opts.Feeds
	c.knobs = knobs{items: opts.Items, bytes: opts.Bytes, latency: opts.Latency, validators: !opts.NoValidators, gzip: !opts.NoGzip}
	c.cache.limit, c.cache.bodies = opts.CacheBytes, make(map[bodyKey][]byte)
	c.cache.set(opts.Epoch)
	s.log = newRequestLog(opts.Log, opts.Now)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mux = s.routes()
	return s, nil
}

// open takes what must be given back: the folder and the ports.
func (s *Server) open() error {
	if s.opts.Dir != "" {
		root, err := os.OpenRoot(s.opts.Dir)
		if err != nil {
			return fmt.Errorf("open served folder: %w", err)
		}
		s.content.folder.root = root
	}
	host, port, err := splitAddr(s.opts.Addr)
	if err != nil {
		return fmt.Errorf("configure origin: %w", err)
	}
	s.hosts.loopbacks = haveLoopbacks()
	ln, err := listen(host, port, s.hosts.loopbacks)
	if err != nil {
		return fmt.Errorf("listen for feed requests: %w", err)
	}
	s.listener = &listener{Listener: ln, set: &s.conns}
	s.hosts.base = netip.AddrPortFrom(host, uint16(ln.Addr().(*net.TCPAddr).Port))
	if s.opts.TLS || s.opts.HTTPS {
		if s.authority, err = authority.New(); err != nil {
			return err
		}
	}
	s.kit, err = hostile.New(stage{s}, hostile.Options{
		Authority: s.authority, TLS: s.opts.TLS, HTTP2: s.opts.HTTPS, Secure: s.opts.HTTPS})
	return err
}

// A stage is a Server as the hostile kit sees it.
type stage struct{ *Server }

func (s stage) Host(i int) netip.Addr { return s.hosts.host(i) }
func (s stage) URL(host netip.Addr, path string) string {
	return string(s.hosts.appendURL(nil, "http", host, path))
}

func (s stage) Listen(host netip.Addr) (net.Listener, error) {
	ln, err := net.Listen("tcp4", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return nil, err
	}
	return &listener{Listener: ln, set: &s.conns}, nil
}

// Close gives up the ports and the folder of a Server that was not run. After
// Run it does nothing.
func (s *Server) Close() error {
	var errs []error
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.kit != nil {
		errs = append(errs, s.kit.Close())
	}
	if s.content.folder.root != nil {
		errs = append(errs, s.content.folder.root.Close())
	}
	for i, err := range errs {
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Run answers requests until ctx is done, then closes every connection, also
// those in the middle of an answer, and returns nil when all goroutines are
// gone, well within a second. It returns an error when it cannot accept or
// the request log cannot be written. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web := s.web(ctx)
	var own sync.WaitGroup
	failed := make(chan error, 3+len(s.kit.Played()))
	serve := func(ln net.Listener) {
		own.Go(func() { failed <- web.Serve(ln) })
	}
	if s.opts.HTTPS || s.opts.Web {
		plain, secure := newHandedOver(s.listener), newHandedOver(s.listener)
		serve(plain)
		if s.opts.HTTPS {
			serve(tls.NewListener(secure, s.authority.ServerConfig()))
		}
		own.Go(func() { failed <- s.sortOut(s.listener, plain, secure) })
	} else {
		serve(s.listener)
	}
	own.Go(func() { s.kit.Serve(serve) })
	own.Go(func() { s.tick(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case e := <-failed:
		err = fmt.Errorf("accept feed requests: %w", e)
	}
	cancel()
	err = errors.Join(err, web.Close(), s.Close())
	s.conns.closeAll()
	own.Wait()
	s.work.Wait()
	return errors.Join(err, s.log.flush())
}

// web returns the HTTP server. Its contexts end with ctx, and the work group
// counts each connection from before its goroutine starts until that ends.
func (s *Server) web(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      answerLimit,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // broken clients are what a test server is for
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, underlying(c))
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.work.Add(1)
			case http.StateClosed, http.StateHijacked:
				// Who hijacks has added one for itself before.
				s.work.Done()
			}
		},
	}
}

// underlying returns our connection below a TLS one, or c itself.
func underlying(c net.Conn) *conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	return c.(*conn)
}

// tick moves the epoch on and flushes the log, so that it can be followed.
func (s *Server) tick(ctx context.Context) {
	flush := time.NewTicker(time.Second)
	defer flush.Stop()
	var next <-chan time.Time
	if s.opts.Every > 0 {
		t := time.NewTicker(s.opts.Every)
		defer t.Stop()
		next = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-next:
			s.AddEpochs(1)
		case <-flush.C:
			s.log.flush()
		}
	}
}

// ServeHTTP answers one request. It is for the HTTP server that Run starts:
// elsewhere there is no connection that it could know the host from.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		http.Error(w, "not served by an origin", http.StatusInternalServerError)
		return
	}
	rec := &response{ResponseWriter: w, conn: c, work: &s.work, began: s.log.now()}
	rec.underWay = s.counts.begin(c.host)
	// A client that has its answer may ask again at once. So that two requests
	// in a row never look like two at a time, the account is made before the
	// answer's end goes out: see Write, and the order here.
	defer func() {
		s.counts.end(c.host, rec.status, rec.bytes)
		s.log.write(r, rec)
		if rec.taken != nil {
			rec.taken.Close()
			s.work.Done()
		}
	}()
	s.mux.ServeHTTP(rec, r)
}
