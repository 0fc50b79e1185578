package fetch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// loopback allows the addresses that the tests' servers listen on.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// feedBody is a small feed with n items.
func feedBody(n int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title><link>http://example.org/</link>`)
	for i := range n {
		fmt.Fprintf(&b, `<item><guid>g%d</guid><title>Item %d</title><link>http://example.org/%d</link></item>`, i, i, i)
	}
	b.WriteString(`</channel></rss>`)
	return b.String()
}

// refresher returns a Refresher that may ask the loopback range.
func refresher(tb testing.TB, o feeds.Options, change ...func(*limits)) *Refresher {
	tb.Helper()
	o.AllowNet = append(o.AllowNet, loopback...)
	l := newLimits(o, cap(files().connections))
	l.retryPause = time.Millisecond
	for _, c := range change {
		c(l)
	}
	r, err := newRefresher(o, l, read.Read)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// serve starts an HTTP server for the length of the test.
func serve(tb testing.TB, h http.HandlerFunc) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return s
}

// serveRaw starts a server that hands each connection, with the request's head
// already read, to talk, and closes it afterwards.
func serveRaw(tb testing.TB, talk func(conn net.Conn)) string {
	tb.Helper()
	return "http://" + serveConns(tb, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				return
			}
		}
		talk(conn)
	}) + "/"
}

// serveConns starts a server that hands each connection to talk, and closes it
// afterwards. It returns the server's address.
func serveConns(tb testing.TB, talk func(conn net.Conn)) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				talk(conn)
			})
		}
	})
	tb.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// answer writes a raw answer and closes the connection.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) { io.WriteString(conn, text) }
}

// untilClosed says nothing until the client hangs up.
func untilClosed(conn net.Conn) { io.Copy(io.Discard, conn) }

// get refreshes url once, with nothing known.
func get(t *testing.T, r *Refresher, url string) feeds.Result {
	t.Helper()
	return r.Refresh(t.Context(), feeds.Job{ID: 1, URL: url})
}

// wantClass fails the test unless res has the class, and what a failure must
// not have is not there.
func wantClass(t *testing.T, res feeds.Result, want feeds.Class) {
	t.Helper()
	if res.Class != want {
		t.Fatalf("class %s (%s), want %s", res.Class, res.Detail, want)
	}
	if !want.OK() && (res.Validators != feeds.Validators{} || res.BodyHash != 0 || res.MovedTo != "") {
		t.Errorf("a failure moved validators %q, hash %x or URL %q", res.Validators, res.BodyHash, res.MovedTo)
	}
}

// TestMain silences net/http, which logs what servers send.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// Refresh does one job and returns what became of it. It waits as Run does, and
// ends as cancelled when ctx does.
func (r *Refresher) Refresh(ctx context.Context, job feeds.Job) feeds.Result {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := r.newFetch(stop, &job, place{}, false)
	resp, fail := f.run(ctx)
	return f.result(ctx, resp, fail)
}
