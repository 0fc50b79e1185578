package fetch

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// TestMoreRequestsAreUnderWayWhileServersTakeTheirTime: as many as wait at once,
// and never more than were allowed. No server here answers before so many wait.
func TestMoreRequestsAreUnderWayWhileServersTakeTheirTime(t *testing.T) {
	for _, tt := range []struct{ fetches, waitFor, most int }{{0, 100, 120}, {40, 40, 40}} {
		var mu sync.Mutex
		var now, most int
		var once sync.Once
		enough := make(chan struct{})
		h := func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			now++
			if most = max(most, now); most >= tt.waitFor {
				once.Do(func() { close(enough) })
			}
			mu.Unlock()
			select {
			case <-enough:
			case <-time.After(20 * time.Second): // the test has failed by then
			}
			mu.Lock()
			now--
			mu.Unlock()
			io.WriteString(w, feedBody(1))
		}
		url := listenOn(t, "0.0.0.0", h)
		var port string
		fmt.Sscanf(url, "http://[::]:%s", &port)
		var jobs []feeds.Job
		for i := range 120 {
			jobs = append(jobs, feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("http://127.31.0.%d:%s/", i+1, port)})
		}
		for id, res := range runAll(t, refresher(t, feeds.Options{Fetches: tt.fetches}), jobs) {
			if res.Class != feeds.OK {
				t.Fatalf("job %d: %s (%s)", id, res.Class, res.Detail)
			}
		}
		if most < tt.waitFor || most > tt.most {
			t.Errorf("with --fetches %d: %d requests under way at most, want %d to %d", tt.fetches, most, tt.waitFor, tt.most)
		}
	}
}

// TestTheCeilingFallsWhileTheUplinkIsFull, by half, and not again before as many are under way;
// then it rises slowly. Where nothing is under way but what cannot be less, how long
// connections take is taken as usual.
func TestTheCeilingFallsWhileTheUplinkIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUplink()
		c := newCeiling(u, 512)
		want := func(n int, what string) {
			t.Helper()
			if c.n != n {
				t.Fatalf("the ceiling is %d %s, want %d", c.n, what, n)
			}
		}
		look := func(underWay int) {
			time.Sleep(uplinkEvery)
			c.heed(underWay)
		}
		connect := func(d time.Duration) {
			for range connectCohort {
				defer u.connecting()()
			}
			time.Sleep(d)
		}
		want(firstFetches, "at first")
		for range 64 {
			c.raise()
		}
		want(firstFetches+64*raisedBy, "after 64 requests")
		look(144)
		want(180, "while no server answers")
		connect(20 * time.Millisecond)
		connect(20*time.Millisecond + connectMore)
		look(180)
		want(90, "where connections take longer")
		for range 8 {
			if c.raise(); !u.full() {
				t.Fatal("it is not full while too many are under way")
			}
			look(100)
		}
		want(90, "while more are under way")
		var beside []func()
		for range connectCohort {
			beside = append(beside, u.connecting())
		}
		look(90)
		for _, end := range beside {
			end()
		}
		look(90)
		want(91, "when no more are")
		for range 40 {
			c.raise()
		}
		want(91+40/raisedEvery, "after 40 requests")
		for range 8 {
			connect(connectMost + 1) // nobody answers any more
			look(c.n)
			look(c.n)
		}
		if got := u.usual; got != connectMost || c.n < fewestFetches {
			t.Errorf("a connection takes %v usually, want %v; the ceiling is %d, want %d at least", got, connectMost, c.n, fewestFetches)
		}
	})
}
