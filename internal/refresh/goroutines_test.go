package refresh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// serve answers on n loopback addresses with handler and returns their base
// URLs. Where a system has only 127.0.0.1, so has the test.
func serve(t *testing.T, n int, handler http.HandlerFunc) []string {
	t.Helper()
	var bases []string
	for i := range n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil {
			break
		}
		srv := httptest.NewUnstartedServer(handler)
		srv.Listener.Close()
		srv.Listener = l
		srv.Start()
		t.Cleanup(srv.Close)
		bases = append(bases, srv.URL)
	}
	if len(bases) == 0 {
		t.Fatal("no loopback address to listen on")
	}
	return bases
}

// feedsAt returns perHost feeds at each base.
func feedsAt(bases []string, perHost int) []feeds.Ref {
	var refs []feeds.Ref
	for f := range perHost {
		for _, base := range bases {
			refs = append(refs, feeds.Ref{ID: int64(len(refs) + 1), URL: fmt.Sprintf("%s/%d.xml", base, f)})
		}
	}
	return refs
}

func rss(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"1"`)
	fmt.Fprintf(w, `<rss version="2.0"><channel><title>%[1]s</title>
<item><guid>%[1]s#2</guid><title>two</title></item>
<item><guid>%[1]s#1</guid><title>one</title></item>
</channel></rss>`, r.URL.Path)
}

func TestGoroutinesRefreshFeeds(t *testing.T) {
	var mu sync.Mutex
	under, most, asked := make(map[string]int), 0, 0
	bases := serve(t, 8, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		under[r.Host]++
		most = max(most, under[r.Host])
		mu.Unlock()
		rss(w, r)
		mu.Lock()
		under[r.Host]--
		mu.Unlock()
	})
	refs := feedsAt(bases, 40)
	store := newMemStore(refs)
	items := 0
	store.save = func(_ int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
		for _, o := range outcomes {
			items += len(o.Items)
		}
		return savedAs(outcomes), nil
	}
	runner := &Goroutines{Workers: 3, Options: feeds.Options{AllowNet: loopback}, NewRefresher: newRefresher}
	var got reports
	sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 3, Stored: got.stored})
	if err != nil {
		t.Fatal(err)
	}
	got.check(t, refs)
	if sum.Classes[feeds.OK] != len(refs) || sum.New != 2*len(refs) || items != 2*len(refs) {
		t.Errorf("classes %v, %d new, %d items; want %d ok with 2 items each", sum.Classes, sum.New, items, len(refs))
	}
	if asked != len(refs) || most != 1 {
		t.Errorf("%d requests, at most %d at a time to one host; want %d and 1", asked, most, len(refs))
	}
	for _, o := range store.stored() {
		if o.Validators.ETag != `"1"` || o.NextDue.Sub(o.At) < soonest*9/10 {
			t.Errorf("feed %d: validators %+v, due after %v", o.ID, o.Validators, o.NextDue.Sub(o.At))
		}
	}
}

func TestInterruptedGoroutinesEndAndAnswerEveryJob(t *testing.T) {
	before := runtime.NumGoroutine()
	begun := make(chan struct{}, 1000)
	release := make(chan struct{})
	bases := serve(t, 4, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
		rss(w, r)
	})
	refs := feedsAt(bases, 50)
	store := newMemStore(refs)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range bases {
			<-begun // one request at a time and host
		}
		cancel()
		close(release) // those under way finish within the grace
	}()
	runner := &Goroutines{Workers: 2, Options: feeds.Options{AllowNet: loopback}, NewRefresher: newRefresher}
	var got reports
	sum, err := Round(ctx, runner, store, refs, Options{Workers: 2, Stored: got.stored})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("round: %v, want context.Canceled", err)
	}
	got.check(t, refs)
	ok, cancelled := sum.Classes[feeds.OK], sum.Classes[feeds.Cancelled]
	if ok < len(bases) || ok+cancelled != len(refs) || len(store.stored()) != ok {
		t.Errorf("classes %v with %d stored, want the %d under way finished and stored, the rest cancelled",
			sum.Classes, len(store.stored()), len(bases))
	}
	checkGoroutines(t, before+3*len(bases)+8)
}

// checkGoroutines waits until no more than most goroutines are left: servers
// and connections end in their own time.
func checkGoroutines(t *testing.T, most int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > most {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left, want at most %d", runtime.NumGoroutine(), most)
		}
		runtime.Gosched()
	}
}

// closedPort returns the port of a listener that was closed again.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestClosedPortsAreNoOutage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers on all of 127.0.0.0/8")
	}
	port := closedPort(t)
	for _, tt := range []struct {
		name    string
		hosts   int
		perHost int
		connect int // feeds that are asked, at least
	}{
		{"many hosts", 60, 1, 60},
		{"one host", 1, 60, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bases []string
			for h := range tt.hosts {
				bases = append(bases, fmt.Sprintf("http://127.0.1.%d:%d", h+1, port))
			}
			refs := feedsAt(bases, tt.perHost)
			runner := &Goroutines{Workers: 2, Options: feeds.Options{AllowNet: loopback}, NewRefresher: newRefresher}
			var got reports
			sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 2, Stored: got.stored})
			if err != nil {
				t.Errorf("round: %v, want nil: a host that refuses was reached", err)
			}
			got.check(t, refs)
			connect, backoff := sum.Classes[feeds.Connect], sum.Classes[feeds.HostBackoff]
			if connect < tt.connect || connect+backoff != len(refs) {
				t.Errorf("classes %v, want at least %d connect and the rest host_backoff", sum.Classes, tt.connect)
			}
			if sum.Wall > feeds.DefaultTimeout {
				t.Errorf("it took %v, want less than a single request may take, %v", sum.Wall, feeds.DefaultTimeout)
			}
		})
	}
}

// TestAServerThatHangsUpIsNoOutage: it was reached, so its feed has failed and is
// asked less and less often.
func TestAServerThatHangsUpIsNoOutage(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			conn.Close()
		}
	}()
	refs := feedsAt([]string{"http://" + ln.Addr().String()}, 1)
	runner := &Goroutines{Workers: 1, Options: feeds.Options{AllowNet: loopback}, NewRefresher: newRefresher}
	var got reports
	sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{Workers: 1, Stored: got.stored})
	if err != nil || sum.Classes[feeds.Connect] != 1 {
		t.Errorf("round: %v, classes %v; want no error and 1 connect", err, sum.Classes)
	}
	got.check(t, refs)
}

func TestGoroutinesReturnTheErrorOfNext(t *testing.T) {
	broken := errors.New("no jobs today")
	runner := &Goroutines{Workers: 2, NewRefresher: newRefresher}
	next := func(ctx context.Context, worker int) ([]feeds.Job, error) {
		if worker > 0 {
			<-ctx.Done() // the others are told
			return nil, nil
		}
		return nil, broken
	}
	emit := func(r feeds.Result) { t.Errorf("a result came for no job: %v", r) }
	if err := runner.Run(t.Context(), next, emit); !errors.Is(err, broken) {
		t.Errorf("Run: %v, want %v", err, broken)
	}
}

func TestGoroutinesRefuseWrongOptions(t *testing.T) {
	runner := &Goroutines{Workers: 2, Options: feeds.Options{Proxy: "gopher://proxy"}, NewRefresher: newRefresher}
	next := func(context.Context, int) ([]feeds.Job, error) {
		t.Error("next was called with options that are wrong")
		return nil, nil
	}
	if err := runner.Run(t.Context(), next, func(feeds.Result) {}); err == nil {
		t.Error("Run: nil, want an error that names the proxy")
	}
}

// newRefresher makes the refreshers of the tests.
func newRefresher(o feeds.Options) (Refresher, error) { return fetch.New(o, read.Read) }
