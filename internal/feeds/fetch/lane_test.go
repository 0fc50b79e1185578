package fetch

import (
	"context"
	"fmt"
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

	"feedmill/internal/feeds"
)

// quiet is where the noise of servers that are let down goes.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// runAll does jobs with Run and returns the results by id. It fails the test
// when a job is answered other than once, or two at a time.
func runAll(t *testing.T, r *Refresher, jobs []feeds.Job) map[int64]feeds.Result {
	t.Helper()
	return runWith(t, t.Context(), r, jobs, nil)
}

// runWith is runAll with a context and a look at each result as it comes.
func runWith(t *testing.T, ctx context.Context, r *Refresher, jobs []feeds.Job, look func(feeds.Result)) map[int64]feeds.Result {
	t.Helper()
	in := make(chan feeds.Job)
	go func() {
		defer close(in)
		for _, job := range jobs {
			in <- job
		}
	}()
	results := make(map[int64]feeds.Result)
	var emitting atomic.Bool
	r.Run(ctx, in, func(res feeds.Result) {
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
	if s := r.Status(); s != (feeds.Status{}) {
		t.Errorf("status %+v after the run, want nothing", s)
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

func jobsFor(n int, urls ...string) []feeds.Job {
	var jobs []feeds.Job
	for i := range n {
		jobs = append(jobs, feeds.Job{ID: int64(i + 1), URL: urls[i%len(urls)]})
	}
	return jobs
}

func TestLaneKeepsToItsLimits(t *testing.T) {
	for _, tt := range []struct{ perHost, fetches, want int }{{1, 16, 1}, {3, 16, 3}, {8, 2, 2}} {
		c := new(crowd)
		s := serve(t, c.ServeHTTP)
		for id, res := range runAll(t, refresher(t, feeds.Options{PerHost: tt.perHost, Fetches: tt.fetches}), jobsFor(40, s.URL)) {
			if res.Class != feeds.OK {
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
	var jobs []feeds.Job
	for i := range int64(20) {
		jobs = append(jobs, feeds.Job{ID: i + 1, URL: slow})
	}
	for i := range int64(20) {
		jobs = append(jobs, feeds.Job{ID: i + 21, URL: fast})
	}
	done := 0
	runWith(t, t.Context(), refresher(t, feeds.Options{Fetches: 2}), jobs, func(res feeds.Result) {
		if res.Class != feeds.OK {
			t.Errorf("job %d: %s (%s)", res.ID, res.Class, res.Detail)
		}
		if res.ID > 20 {
			if done++; done == 20 {
				close(release) // only now may the slow host answer
			}
		}
	})
}

// TestAHostWithAConnectionGoesFirst: the next job of a host comes when its last one is
// answered, behind those of many others, and is done while the connection is open.
func TestAHostWithAConnectionGoesFirst(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	var jobs []feeds.Job
	note := func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		host, _, _ := net.SplitHostPort(req.Host)
		asked = append(asked, host+req.URL.Path)
		io.WriteString(w, feedBody(1))
	}
	hosts := make(map[string]string)
	for _, place := range []string{"127.0.0.1/a", "127.0.0.2/b", "127.0.0.3/c", "127.0.0.1/d", "127.0.0.4/e"} {
		host, path, _ := strings.Cut(place, "/")
		if hosts[host] == "" {
			hosts[host] = listenOn(t, host, note)
		}
		jobs = append(jobs, feeds.Job{ID: int64(len(jobs) + 1), URL: hosts[host] + "/" + path})
	}
	come, given := make(chan feeds.Job), make(chan bool)
	go func() {
		for _, job := range jobs[:3] {
			come <- job
		}
		close(given)
	}()
	refresher(t, feeds.Options{Fetches: 1}).Run(t.Context(), come, func(res feeds.Result) {
		if res.Class != feeds.OK {
			t.Errorf("job %d: %s (%s), want ok", res.ID, res.Class, res.Detail)
		}
		if res.ID == 1 {
			<-given
			come <- jobs[3]
			come <- jobs[4] // and now the other one is in the lane
			close(come)
		}
	})
	if want := []string{"127.0.0.1/a", "127.0.0.1/d", "127.0.0.2/b", "127.0.0.3/c", "127.0.0.4/e"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
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
	runAll(t, refresher(t, feeds.Options{PerHost: 4, HostDelay: delay}), jobsFor(8, s.URL, s.URL+"/r"))
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
	r := refresher(t, feeds.Options{HostDelay: time.Millisecond})
	n := map[feeds.Class]int{}
	for _, res := range runAll(t, r, jobsFor(600, "http://"+ln.Addr().String()+"/", alive)) {
		n[res.Class]++
		if res.Class == feeds.HostBackoff && (res.Attempts != 0 || !strings.Contains(res.Detail, "127.0.0.1")) {
			t.Errorf("backoff with %d attempts: %s", res.Attempts, res.Detail)
		}
		if res.Class == feeds.Connect && !res.Refused {
			t.Error("a refused connection was not called so")
		}
	}
	if n[feeds.Connect] != 3 || n[feeds.HostBackoff] != 297 || n[feeds.OK] != 300 {
		t.Errorf("%v, want 3 connect, 297 host_backoff, 300 ok", n)
	}
	wantClass(t, get(t, r, "http://"+ln.Addr().String()+"/"), feeds.HostBackoff)
}

func TestSuccessForgivesFailures(t *testing.T) {
	g := newGate(1, 0)
	p := place{domain: "example.org", host: "www.example.org"}
	for range 5 {
		g.failed(p, &feeds.Failure{Class: feeds.Connect})
		g.failed(p, &feeds.Failure{Class: feeds.DNS})
		if f := g.refusal(p); f != nil {
			t.Fatalf("left alone after two failures: %v", f)
		}
		g.reached(p)
	}
}

func TestUnknownNameSaysNothingOfItsSiblings(t *testing.T) {
	r := withDNS(t, serveDNS(t, noNames))
	n := map[feeds.Class]int{}
	for _, res := range runAll(t, r, jobsFor(12, "http://a.none.invalid/", "http://b.none.invalid/")) {
		n[res.Class]++
	}
	if n[feeds.DNS] != 6 || n[feeds.HostBackoff] != 6 {
		t.Errorf("%v, want 3 dns and 3 host_backoff for each of two names", n)
	}
}

// TestADeadHostSilencesNobodyElse: under duckdns.org each name is a machine of its
// own, and all of them are one registrable domain.
func TestADeadHostSilencesNobodyElse(t *testing.T) {
	url := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	port := url[strings.LastIndexByte(url, ':'):]
	dns := serveDNS(t, func(name string) ([]string, bool) {
		if strings.HasPrefix(name, "dead") {
			return []string{"127.0.0.3"}, true // where nobody listens on that port
		}
		return []string{"127.0.0.2"}, !strings.HasPrefix(name, "broken")
	})
	var urls []string
	for _, domain := range []string{"duckdns.org", "github.io", "wordpress.com"} {
		for i := range 30 {
			urls = append(urls, fmt.Sprintf("http://dead%d.%s%s/", i%10, domain, port), fmt.Sprintf("http://good%d.%s%s/", i, domain, port))
		}
		for range 4 {
			urls = append(urls, "http://broken."+domain+port+"/")
		}
	}
	n := map[feeds.Class]int{}
	for id, res := range runAll(t, withDNS(t, dns, "127.0.0.0/8"), jobsFor(len(urls), urls...)) {
		n[res.Class]++
		if url := urls[id-1]; strings.Contains(url, "//good") != (res.Class == feeds.OK) {
			t.Errorf("%s: %s (%s)", url, res.Class, res.Detail)
		}
	}
	if n[feeds.Connect] != 90 || n[feeds.DNS] != 9 || n[feeds.HostBackoff] != 3 {
		t.Errorf("%v, want each of 30 dead names tried three times, and of 3 broken ones a fourth time left alone", n)
	}
}

// TestAnAnswerThatIsNoHTTPIsNoDeadHost: the host was reached.
func TestAnAnswerThatIsNoHTTPIsNoDeadHost(t *testing.T) {
	odd := serveRaw(t, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"+feedBody(1)))
	good := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) }).URL
	urls := []string{odd + "1", odd + "2", odd + "3", odd + "4", good, good + "/2", good + "/3", good + "/4"}
	for id, res := range runAll(t, refresher(t, feeds.Options{}), jobsFor(len(urls), urls...)) {
		if res.Class == feeds.HostBackoff || (urls[id-1] == good) && res.Class != feeds.OK {
			t.Errorf("%s: %s (%s)", urls[id-1], res.Class, res.Detail)
		}
	}
}

// TestTroubleAfterARedirectIsTheSendersAlone: whoever redirects to other people's
// hosts must not have them left alone.
func TestTroubleAfterARedirectIsTheSendersAlone(t *testing.T) {
	victim := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/busy" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, feedBody(1))
	})
	sender := serve(t, func(w http.ResponseWriter, req *http.Request) {
		to := map[string]string{"busy": victim + "/busy", "dead": "http://127.0.0.2:1/"}[strings.Split(req.URL.Path, "/")[1]]
		http.Redirect(w, req, to, http.StatusFound)
	}).URL
	for _, how := range []string{"/busy/", "/dead/"} {
		r := refresher(t, feeds.Options{})
		n := map[feeds.Class]int{}
		for range 8 {
			n[get(t, r, sender+how).Class]++
		}
		if want := map[string]int{"/busy/": 7, "/dead/": 5}[how]; n[feeds.HostBackoff] != want {
			t.Errorf("%s: %v of 8 that are sent there, want %d left alone", how, n, want)
		}
		wantClass(t, get(t, r, victim), feeds.OK)
		if res := get(t, r, sender+"/elsewhere/"); res.Class == feeds.HostBackoff {
			t.Errorf("%s: the sender's own host is left alone: %s", how, res.Detail)
		}
	}
}

// TestARedirectToAHostThatAskedForAPauseIsNotFollowedForEver: many may send their
// readers to one host. Once it has asked three of them for a pause it has one from
// all, but not from its own feeds.
func TestARedirectToAHostThatAskedForAPauseIsNotFollowedForEver(t *testing.T) {
	var asked atomic.Int64
	shared := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/busy" {
			io.WriteString(w, feedBody(1))
			return
		}
		asked.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	var urls []string
	for i := range 10 {
		urls = append(urls, listenOn(t, fmt.Sprintf("127.0.1.%d", i+1), func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, shared+"/busy", http.StatusFound)
		}))
	}
	r := refresher(t, feeds.Options{})
	n := map[feeds.Class]int{}
	for _, url := range urls {
		n[get(t, r, url).Class]++
	}
	if n[feeds.RateLimited] != 3 || n[feeds.HostBackoff] != 7 || asked.Load() != 3 {
		t.Errorf("got %v with %d requests, want 3 that were asked for a pause and 7 left alone", n, asked.Load())
	}
	wantClass(t, get(t, r, shared), feeds.OK)
}

// TestOneSenderSpeaksForItselfAlone: however many of its feeds are asked at a time where it
// sends us, another one's are asked there.
func TestOneSenderSpeaksForItselfAlone(t *testing.T) {
	const atOnce = 4
	var came sync.WaitGroup
	came.Add(atOnce)
	shared := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/busy" {
			came.Done()
			came.Wait()
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, feedBody(1))
	})
	to := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, shared+path, http.StatusFound) }
	}
	r := refresher(t, feeds.Options{PerHost: atOnce})
	for id, res := range runAll(t, r, jobsFor(atOnce, listenOn(t, "127.0.0.3", to("/busy")))) {
		if res.Class != feeds.RateLimited {
			t.Errorf("job %d: got %s (%s), want rate_limited", id, res.Class, res.Detail)
		}
	}
	wantClass(t, get(t, r, listenOn(t, "127.0.0.4", to("/"))), feeds.OK)
}

func TestRateLimitHoldsTheDomain(t *testing.T) {
	for _, status := range []int{429, 503} {
		var asked atomic.Int64
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(status)
		})
		n := map[feeds.Class]int{}
		for _, res := range runAll(t, refresher(t, feeds.Options{}), jobsFor(50, s.URL)) {
			n[res.Class]++
			if res.Class == feeds.HostBackoff && !strings.Contains(res.Detail, "1h0m0s") {
				t.Errorf("detail %q, want the pause in it", res.Detail)
			}
		}
		if n[feeds.RateLimited] != 1 || n[feeds.HostBackoff] != 49 || asked.Load() != 1 {
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
	r := refresher(t, feeds.Options{DrainGrace: 20 * time.Millisecond})
	in := make(chan feeds.Job)
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx, in, func(res feeds.Result) {
			n.Add(1)
			if res.Class != feeds.Cancelled {
				t.Errorf("job %d: %s (%s), want cancelled", res.ID, res.Class, res.Detail)
			}
		})
	}()
	for id := range int64(10) {
		in <- feeds.Job{ID: id + 1, URL: s.URL}
	}
	<-begun
	cancel()
	for id := range int64(10) { // what comes now is not begun
		in <- feeds.Job{ID: id + 11, URL: other}
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
	n := map[feeds.Class]int{}
	runWith(t, ctx, refresher(t, feeds.Options{}), jobsFor(5, s.URL), func(res feeds.Result) { n[res.Class]++ })
	if n[feeds.OK] != 1 || n[feeds.Cancelled] != 4 {
		t.Errorf("%v, want 1 ok and 4 cancelled", n)
	}
}

func TestRunThatIsOverBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	for _, res := range runWith(t, ctx, refresher(t, feeds.Options{}), jobsFor(50, s.URL), nil) {
		wantClass(t, res, feeds.Cancelled)
	}
}
