package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// connKey is the context key of a request's *conn.
type connKey struct{}

// Run answers requests until ctx is done, then closes every connection, also
// those in the middle of an answer, and returns nil when all goroutines are
// gone, well within a second. It returns an error when it cannot accept or
// the request log cannot be written. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web := s.web(ctx)
	var own sync.WaitGroup
	failed := make(chan error, 1+len(s.tls))
	serve := func(ln net.Listener) {
		own.Go(func() { failed <- web.Serve(ln) })
	}
	serve(s.listener)
	for _, p := range s.tls {
		if p.config != nil {
			serve(p.tlsListener())
		} else {
			own.Go(func() { s.holdSilently(p.listener) })
		}
	}
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
	return errors.Join(err, s.log.close())
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
