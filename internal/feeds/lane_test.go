package feeds

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quiet is where the noise of servers that are let down goes.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// runAll does jobs with Run and returns the results by id. It fails the test
// when a job is answered other than once, or two at a time.
func runAll(t *testing.T, r *Refresher, jobs []Job) map[int64]Result {
	t.Helper()
	return runWith(t, t.Context(), r, jobs, nil)
}

// runWith is runAll with a context and a look at each result as it comes.
func runWith(t *testing.T, ctx context.Context, r *Refresher, jobs []Job, look func(Result)) map[int64]Result {
	t.Helper()
	in := make(chan Job)
	go func() {
		defer close(in)
		for _, job := range jobs {
			in <- job
		}
	}()
	results := make(map[int64]Result)
	var emitting atomic.Bool
	r.Run(ctx, in, func(res Result) {
		if !emitting.CompareAndSwap(false, true) {
			t.Error("two emits at a time")
		}
		defer emitting.Store(false)
		if _, twice := results[res.ID]; twice {
			t.Errorf("job %d was answered twice", res.ID)
		}
		results[res.ID] = res
		if look != nil {
			look(res)
		}
	})
	if len(results) != len(jobs) {
		t.Errorf("%d results for %d jobs", len(results), len(jobs))
	}
	if s := r.Status(); s != (Status{}) {
		t.Errorf("status %+v after the run, want nothing", s)
	}
	if n := len(r.jobs); n != 0 {
		t.Errorf("%d jobs are still known to Cancel", n)
	}
	return results
}

// A crowd counts requests that are under way.
type crowd struct {
	mu        sync.Mutex
	now, most int
	starts    []time.Time
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	c.starts = append(c.starts, time.Now())
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	io.WriteString(w, feedBody(1))
}

func jobsFor(n int, urls ...string) []Job {
	var jobs []Job
	for i := range n {
		jobs = append(jobs, Job{ID: int64(i + 1), URL: urls[i%len(urls)]})
	}
	return jobs
}

func TestLaneKeepsToItsLimits(t *testing.T) {
	for _, tt := range []struct{ perHost, fetches, want int }{{1, 16, 1}, {3, 16, 3}, {8, 2, 2}} {
		c := new(crowd)
		s := serve(t, c.ServeHTTP)
		for id, res := range runAll(t, refresher(t, Options{PerHost: tt.perHost, Fetches: tt.fetches}), jobsFor(40, s.URL)) {
			if res.Class != OK {
				t.Errorf("job %d: %s (%s)", id, res.Class, res.Detail)
			}
		}
		if c.most > tt.want || tt.want > 1 && c.most < 2 {
			t.Errorf("per host %d, fetches %d: %d at a time, want %d", tt.perHost, tt.fetches, c.most, tt.want)
		}
	}
}

func TestBusyHostDoesNotBlockOthers(t *testing.T) {
	release := make(chan struct{})
	slow := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		io.WriteString(w, feedBody(1))
	})
	fast := listenOn(t, "127.0.0.3", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	var jobs []Job
	for i := range int64(20) {
		jobs = append(jobs, Job{ID: i + 1, URL: slow})
	}
	for i := range int64(20) {
		jobs = append(jobs, Job{ID: i + 21, URL: fast})
	}
	done := 0
	runWith(t, t.Context(), refresher(t, Options{Fetches: 2}), jobs, func(res Result) {
		if res.Class != OK {
			t.Errorf("job %d: %s (%s)", res.ID, res.Class, res.Detail)
		}
		if res.ID > 20 {
			if done++; done == 20 {
				close(release) // only now may the slow host answer
			}
		}
	})
}

func TestHostDelayKeepsRequestsApart(t *testing.T) {
	const delay = 20 * time.Millisecond
	c := new(crowd)
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/r" {
			c.mu.Lock()
			c.starts = append(c.starts, time.Now())
			c.mu.Unlock()
			http.Redirect(w, req, "/x", http.StatusFound) // a redirect is a request, too
			return
		}
		c.ServeHTTP(w, req)
	})
	runAll(t, refresher(t, Options{PerHost: 4, HostDelay: delay}), jobsFor(8, s.URL, s.URL+"/r"))
	if len(c.starts) != 12 {
		t.Fatalf("%d requests, want 12", len(c.starts))
	}
	slices.SortFunc(c.starts, time.Time.Compare)
	// A request may reach the server late, so two may look closer than they
	// began; all together they cannot.
	if got, want := c.starts[11].Sub(c.starts[0]), 11*delay-delay/2; got < want {
		t.Errorf("12 requests within %v, want at least %v", got, want)
	}
}

func TestDeadHostIsLeftAloneAfterThreeFailures(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	alive := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	r := refresher(t, Options{HostDelay: time.Millisecond})
	n := map[Class]int{}
	for _, res := range runAll(t, r, jobsFor(600, "http://"+ln.Addr().String()+"/", alive)) {
		n[res.Class]++
		if res.Class == HostBackoff && (res.Attempts != 0 || !strings.Contains(res.Detail, "127.0.0.1")) {
			t.Errorf("backoff with %d attempts: %s", res.Attempts, res.Detail)
		}
		if res.Class == Connect && !res.Refused {
			t.Error("a refused connection was not called so")
		}
	}
	if n[Connect] != 3 || n[HostBackoff] != 297 || n[OK] != 300 {
		t.Errorf("%v, want 3 connect, 297 host_backoff, 300 ok", n)
	}
	wantClass(t, get(t, r, "http://"+ln.Addr().String()+"/"), HostBackoff)
}

func TestSuccessForgivesFailures(t *testing.T) {
	g := newGate(1, 0)
	p := place{"example.org", "www.example.org"}
	for range 5 {
		g.failed(p.domain, &Failure{Class: Connect})
		g.failed(p.domain, &Failure{Class: Connect})
		g.failed(p.host, &Failure{Class: DNS})
		if f := g.refusal(p); f != nil {
			t.Fatalf("left alone after two failures: %v", f)
		}
		g.reached(p)
	}
}

func TestUnknownNameSaysNothingOfItsSiblings(t *testing.T) {
	r := withDNS(t, serveDNS(t, noNames))
	n := map[Class]int{}
	for _, res := range runAll(t, r, jobsFor(12, "http://a.none.invalid/", "http://b.none.invalid/")) {
		n[res.Class]++
	}
	if n[DNS] != 6 || n[HostBackoff] != 6 {
		t.Errorf("%v, want 3 dns and 3 host_backoff for each of two names", n)
	}
}

func TestRateLimitHoldsTheDomain(t *testing.T) {
	for _, status := range []int{429, 503} {
		var asked atomic.Int64
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(status)
		})
		n := map[Class]int{}
		for _, res := range runAll(t, refresher(t, Options{}), jobsFor(50, s.URL)) {
			n[res.Class]++
			if res.Class == HostBackoff && !strings.Contains(res.Detail, "1h0m0s") {
				t.Errorf("detail %q, want the pause in it", res.Detail)
			}
		}
		if n[RateLimited] != 1 || n[HostBackoff] != 49 || asked.Load() != 1 {
			t.Errorf("%d: %v with %d requests, want one", status, n, asked.Load())
		}
	}
}

func TestCancelledRunAnswersEveryJob(t *testing.T) {
	begun := make(chan struct{}, 100)
	s := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		begun <- struct{}{}
		<-req.Context().Done()
	})
	var asked atomic.Int64
	other := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); io.WriteString(w, feedBody(1)) })
	ctx, cancel := context.WithCancel(t.Context())
	r := refresher(t, Options{DrainGrace: 20 * time.Millisecond})
	in := make(chan Job)
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, in, func(res Result) {
			n.Add(1)
			if res.Class != Cancelled {
				t.Errorf("job %d: %s (%s), want cancelled", res.ID, res.Class, res.Detail)
			}
		})
	}()
	for id := range int64(10) {
		in <- Job{ID: id + 1, URL: s.URL}
	}
	<-begun
	cancel()
	for id := range int64(10) { // what comes now is not begun
		in <- Job{ID: id + 11, URL: other}
	}
	close(in)
	<-done
	if n.Load() != 20 || asked.Load() != 0 {
		t.Errorf("%d answers, %d requests after the end; want 20 and 0", n.Load(), asked.Load())
	}
}

func TestJobUnderWayMayFinishWithinTheGrace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		time.Sleep(10 * time.Millisecond)
		io.WriteString(w, feedBody(1))
	})
	n := map[Class]int{}
	runWith(t, ctx, refresher(t, Options{}), jobsFor(5, s.URL), func(res Result) { n[res.Class]++ })
	if n[OK] != 1 || n[Cancelled] != 4 {
		t.Errorf("%v, want 1 ok and 4 cancelled", n)
	}
}

func TestRunThatIsOverBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	for _, res := range runWith(t, ctx, refresher(t, Options{}), jobsFor(50, s.URL), nil) {
		wantClass(t, res, Cancelled)
	}
}

func TestOneJobIsCancelled(t *testing.T) {
	r := refresher(t, Options{})
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/hang" {
			r.Cancel(3) // queued behind this one
			r.Cancel(1) // this one
			r.Cancel(99)
			<-req.Context().Done()
			return
		}
		io.WriteString(w, feedBody(1))
	})
	in := make(chan Job, 3)
	in <- Job{ID: 1, URL: s.URL + "/hang"}
	in <- Job{ID: 2, URL: s.URL}
	in <- Job{ID: 3, URL: s.URL}
	close(in)
	got := map[int64]Class{}
	r.Run(t.Context(), in, func(res Result) { got[res.ID] = res.Class })
	want := map[int64]Class{1: Cancelled, 2: OK, 3: OK}
	// Job 3 may not have been read yet when it was cancelled.
	if got[3] == Cancelled {
		want[3] = Cancelled
	}
	for id, class := range want {
		if got[id] != class {
			t.Errorf("job %d: %s, want %s", id, got[id], class)
		}
	}
}

func TestQueuedJobIsCancelledAtOnce(t *testing.T) {
	r := refresher(t, Options{})
	free := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		<-free
		io.WriteString(w, feedBody(1))
	})
	fast := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	in := make(chan Job)
	done := make(chan []Result)
	var seen []Result
	go func() {
		r.Run(t.Context(), in, func(res Result) {
			seen = append(seen, res)
			switch res.ID {
			case 3: // all are read now
				go r.Cancel(2)
			case 2:
				close(free)
			}
		})
		done <- seen
	}()
	in <- Job{ID: 1, URL: s.URL}
	in <- Job{ID: 2, URL: s.URL}
	in <- Job{ID: 3, URL: fast}
	close(in)
	var ids []int64
	var classes []Class
	for _, res := range <-done {
		ids, classes = append(ids, res.ID), append(classes, res.Class)
	}
	if !slices.Equal(ids, []int64{3, 2, 1}) || !slices.Equal(classes, []Class{OK, Cancelled, OK}) {
		t.Errorf("answers %v %v, want 3 ok, 2 cancelled, 1 ok", ids, classes)
	}
}

func TestReadAheadIsBounded(t *testing.T) {
	free := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		<-free
		io.WriteString(w, feedBody(1))
	})
	r := refresher(t, Options{}, func(l *limits) { l.ahead = 5 })
	in := make(chan Job)
	taken := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(t.Context(), in, func(Result) {})
	}()
	for full := false; !full && taken < 20; {
		select {
		case in <- Job{ID: int64(taken + 1), URL: s.URL}:
			taken++
		case <-time.After(200 * time.Millisecond):
			full = true
		}
	}
	// One under way, five queued, one in the hand of the reader.
	if taken > 7 {
		t.Errorf("%d jobs were taken, want at most 7", taken)
	}
	if st := r.Status(); st.UnderWay != 1 || st.Queued != 5 {
		t.Errorf("status %+v, want 1 under way and 5 queued", st)
	}
	close(free)
	close(in)
	<-done
}
