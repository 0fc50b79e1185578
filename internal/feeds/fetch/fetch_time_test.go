package fetch

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// A pipeNet is a network of one server for every host, made of pipes so that
// the time of a synctest bubble moves on while everybody waits.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error   { n.once.Do(func() { close(n.done) }); return nil }
func (n *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (n *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble calls test in a synctest bubble with a Refresher of the default
// limits whose every request reaches h.
func inBubble(t *testing.T, o feeds.Options, h http.HandlerFunc, test func(t *testing.T, r *Refresher)) {
	t.Helper()
	files() // not of the bubble
	synctest.Test(t, func(t *testing.T) {
		n := &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})}
		s := &http.Server{Handler: h, ErrorLog: quiet()}
		go s.Serve(n)
		r, err := New(o, read.Read)
		if err != nil {
			t.Fatal(err)
		}
		r.transport.dial = n.dial
		test(t, r)
		r.Close()
		s.Close()
		time.Sleep(time.Minute) // lets handlers that sleep find out
	})
}

// drip writes n bytes a second until the client is gone.
func drip(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			io.WriteString(w, strings.Repeat("x", n))
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
	}
}

// stalling sends a part of a text, and then nothing.
func stalling(w http.ResponseWriter, req *http.Request, status int) {
	w.Header().Set("Content-Length", "100")
	w.WriteHeader(status)
	io.WriteString(w, "moved")
	w.(http.Flusher).Flush()
	<-req.Context().Done()
}

func TestTimeLimitsAreAsDocumented(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		class feeds.Class
		after time.Duration
	}{
		{"no answer", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, feeds.Timeout, 30 * time.Second},
		{"half the lowest rate", drip(512), feeds.Slow, 5 * time.Second},
		{"twice the lowest rate", drip(2048), feeds.Timeout, 30 * time.Second},
		{"fast, then slow", func(w http.ResponseWriter, req *http.Request) {
			io.WriteString(w, strings.Repeat("x", 8<<10))
			drip(1)(w, req)
		}, feeds.Slow, 9 * time.Second}, // 8 KiB last for 8 s; looked at once a second
		{"late to its first byte, but done", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(29 * time.Second)
			io.WriteString(w, feedBody(1))
		}, feeds.OK, 29 * time.Second},
		{"late, but done", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(9 * time.Second)
			io.WriteString(w, feedBody(1))
		}, feeds.OK, 9 * time.Second},
		{"a redirect that takes its time", func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(9 * time.Second)
			http.Redirect(w, req, req.URL.Path+"x", http.StatusFound)
		}, feeds.Timeout, 30 * time.Second},
		{"a redirect with a text that stops", func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/" {
				io.WriteString(w, feedBody(1))
				return
			}
			w.Header().Set("Location", "/feed")
			stalling(w, req, http.StatusFound)
		}, feeds.OK, maxDrainTime},
		{"an error with a text that stops", func(w http.ResponseWriter, req *http.Request) {
			stalling(w, req, http.StatusNotFound)
		}, feeds.HTTPError, maxDrainTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, feeds.Options{}, tt.serve, func(t *testing.T, r *Refresher) {
				start := time.Now()
				res := get(t, r, "http://a.example/")
				wantClass(t, res, tt.class)
				if got := time.Since(start); got.Round(100*time.Millisecond) != tt.after {
					t.Errorf("ended after %v, want %v", got, tt.after)
				}
			})
		})
	}
}

// A visitLog notes when which host was asked.
type visitLog struct {
	mu    sync.Mutex
	start time.Time
	at    map[string][]time.Duration
}

func (v *visitLog) note(host string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == nil {
		v.at = make(map[string][]time.Duration)
	}
	v.at[host] = append(v.at[host], time.Since(v.start).Round(time.Millisecond))
}

func TestHostDelayIsKeptToTheMillisecond(t *testing.T) {
	var log visitLog
	var broke sync.Once
	handler := func(w http.ResponseWriter, req *http.Request) {
		log.note(feeds.Domain("http://" + req.Host))
		switch req.URL.Path {
		case "/away":
			http.Redirect(w, req, "http://b.example/", http.StatusFound)
		case "/here":
			http.Redirect(w, req, "/", http.StatusFound)
		case "/breaks":
			broken := false
			broke.Do(func() { broken = true })
			if broken {
				panic(http.ErrAbortHandler)
			}
			fallthrough
		default:
			time.Sleep(time.Second)
			io.WriteString(w, feedBody(1))
		}
	}
	inBubble(t, feeds.Options{PerHost: 2, HostDelay: 40 * time.Second}, handler, func(t *testing.T, r *Refresher) {
		log.start = time.Now()
		urls := []string{
			"http://a.example/", "http://www.a.example/here", "http://a.example/breaks", "http://a.example/away",
			"http://b.example/", "http://x.b.example/",
		}
		for id, res := range runAll(t, r, jobsFor(len(urls), urls...)) {
			// Waiting for a turn is not held against the time limit.
			if res.Class != feeds.OK {
				t.Errorf("job %d: %s (%s)", id, res.Class, res.Detail)
			}
		}
	})
	const d = 40 * time.Second
	want := map[string][]time.Duration{
		"a.example": {0, d, 2 * d, 3 * d, 4 * d, 5 * d},
		"b.example": {0, d},
	}
	for host, times := range want {
		got := log.at[host]
		if host == "b.example" { // the redirect comes whenever a.example lets it
			if len(got) != 3 {
				t.Errorf("%s was asked at %v, want three times", host, got)
				continue
			}
			got = got[:2]
		}
		if !slices.Equal(got, times) {
			t.Errorf("%s was asked at %v, want %v", host, got, times)
		}
	}
}

func TestGraceEndsWhatIsUnderWay(t *testing.T) {
	hang := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	inBubble(t, feeds.Options{DrainGrace: 3 * time.Second}, hang, func(t *testing.T, r *Refresher) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		ended := map[time.Duration]int{}
		runWith(t, ctx, r, jobsFor(4, "http://a.example/", "http://b.example/"), func(res feeds.Result) {
			if res.Class != feeds.Cancelled {
				t.Errorf("job %d: %s (%s), want cancelled", res.ID, res.Class, res.Detail)
			}
			ended[time.Since(start).Round(time.Millisecond)]++
		})
		if ended[time.Second] != 2 || ended[4*time.Second] != 2 {
			t.Errorf("ended at %v, want two at 1s and two at 4s", ended)
		}
	})
}

func TestIdleFetcherDoesNotHoldBackOthers(t *testing.T) {
	second := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		io.WriteString(w, feedBody(1))
	}
	inBubble(t, feeds.Options{HostDelay: 2 * time.Second}, second, func(t *testing.T, r *Refresher) {
		in := make(chan feeds.Job, 8)
		start := time.Now()
		ended := map[int64]time.Duration{}
		in <- feeds.Job{ID: 1, URL: "http://a.example/"}
		r.Run(t.Context(), in, func(res feeds.Result) {
			ended[res.ID] = time.Since(start).Round(time.Millisecond)
			if res.ID == 1 {
				// One fetcher waits now, and a.example's next start is a second off.
				in <- feeds.Job{ID: 2, URL: "http://b.example/"}
				in <- feeds.Job{ID: 3, URL: "http://c.example/"}
				in <- feeds.Job{ID: 4, URL: "http://a.example/"}
				close(in)
			}
		})
		want := map[int64]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 2 * time.Second, 4: 3 * time.Second}
		if !maps.Equal(ended, want) {
			t.Errorf("ended at %v, want %v", ended, want)
		}
	})
}

func TestRetryComesAfterAPause(t *testing.T) {
	var log visitLog
	handler := func(_ http.ResponseWriter, req *http.Request) {
		log.note(req.Host)
		panic(http.ErrAbortHandler)
	}
	inBubble(t, feeds.Options{}, handler, func(t *testing.T, r *Refresher) {
		log.start = time.Now()
		wantClass(t, get(t, r, "http://a.example/"), feeds.Connect)
	})
	if want := []time.Duration{0, 250 * time.Millisecond}; !slices.Equal(log.at["a.example"], want) {
		t.Errorf("asked at %v, want %v", log.at["a.example"], want)
	}
}

func TestWaitForATurnCanBeGivenUp(t *testing.T) {
	files() // not of the bubble
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 0)
		p := place{domain: "a.example", host: "a.example"}
		if err := g.enter(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 2)
		go func() { errs <- g.enter(ctx, p) }()
		synctest.Wait()
		go func() { errs <- g.enter(t.Context(), p) }()
		synctest.Wait()
		cancel(&feeds.Failure{Class: feeds.Cancelled})
		if err, ok := (<-errs).(*feeds.Failure); !ok || err.Class != feeds.Cancelled {
			t.Errorf("gave up with %v, want the cause", err)
		}
		g.leave(p.domain)
		if err := <-errs; err != nil {
			t.Errorf("the next in line got %v, want a turn", err)
		}
		g.leave(p.domain)
		if len(g.domains) != 0 {
			t.Errorf("%d domains are remembered, want none", len(g.domains))
		}
	})
}
