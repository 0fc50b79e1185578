package fetch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/origin/hostile"
)

// startShelf serves the HTTP/2 shelf.
func startShelf(t *testing.T) *origin.Server {
	t.Helper()
	s, err := origin.New(origin.Options{HTTPS: true, Feeds: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestHTTP2Shelf: whatever a server says over HTTP/2, its feed ends in a class
// that the shelf names, in time, after two requests at most; it costs next to
// nothing, and nobody else anything.
func TestHTTP2Shelf(t *testing.T) {
	s := startShelf(t)
	const patience = 4 * time.Second
	var waiting sync.WaitGroup // for those that end by a limit, all at once
	defer waiting.Wait()
	for _, c := range hostile.HTTP2() {
		waits := strings.Contains(c.Want, "timeout") || strings.Contains(c.Want, "slow")
		test := func(t *testing.T) {
			r := refresher(t, feeds.Options{}, func(l *limits) { l.total, l.slowAfter = patience, 2*time.Second })
			r.transport.tls.RootCAs = s.TLSRoots()
			start := time.Now()
			res := get(t, r, s.HostileURL(c.Name))
			took := time.Since(start)
			if !slices.Contains(strings.Fields(c.Want), string(res.Class)) {
				t.Errorf("%s: %s (%s), want one of %s", c.About, res.Class, res.Detail, c.Want)
			}
			if !res.Class.OK() && res.Detail == "" {
				t.Error("no detail")
			}
			if !waits && took > patience-time.Second {
				t.Errorf("took %v, want an end of its own (%s: %s)", took, res.Class, res.Detail)
			}
			if took > patience+5*time.Second {
				t.Errorf("took %v with a limit of %v", took, patience)
			}
			if got := s.HostileHits(c.Name); got > 2 || res.Attempts > 2 {
				t.Errorf("%d connections, %d attempts, want 2 at most", got, res.Attempts)
			}
		}
		if waits {
			waiting.Go(func() { t.Run(c.Name, test) })
		} else {
			t.Run(c.Name, test)
		}
	}
	r := refresher(t, feeds.Options{})
	r.transport.tls.RootCAs = s.TLSRoots()
	for u := range s.URLs() {
		wantClass(t, get(t, r, u), feeds.OK)
	}
}

// TestNginxThatReturns444 sees two requests at most: it closes an HTTP/2
// connection without a word, which is how operators turn clients away
// (golang.org/issue/52459).
func TestNginxThatReturns444(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("there is no nginx here")
	}
	dir := t.TempDir()
	street := newStreet(t, 1, []string{"h2"}, nil) // for its certificate
	ln := freePort(t)
	street.write(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	conf := fmt.Sprintf(`pid %[1]s/pid; error_log %[1]s/error.log; daemon off; worker_processes 1; events {}
http { access_log %[1]s/access.log; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
server { listen %[2]s ssl http2; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem; location / { return 444; } } }`, dir, ln)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"), "-p", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	reachable(t, ln)
	r := refresher(t, feeds.Options{})
	r.transport.tls.RootCAs = street.roots
	wantClass(t, get(t, r, "https://"+ln+"/"), feeds.HTTPError)
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	log, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if n := strings.Count(string(log), "\n"); err != nil || n < 1 || n > 2 {
		t.Errorf("nginx was asked %d times, %v, want once or twice\n%.500s", n, err, log)
	}
}
