package fetch

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// A source is a connection that has what it is told to have.
type source struct {
	net.Conn
	n int
}

func (s *source) Read([]byte) (int, error) { return s.n, nil }

// TestAnUplinkIsFullWhileManyAnswersComeSlowly, and at no other time: servers that are slow,
// or silent, are a few or send nothing, and what comes quickly waits for nobody.
func TestAnUplinkIsFullWhileManyAnswersComeSlowly(t *testing.T) {
	const tick = 50 * time.Millisecond
	for _, tt := range []struct {
		name  string
		flows int
		rate  int           // bytes a second of each
		lasts time.Duration // an answer, then the next one begins
		full  bool
	}{
		{"many answers, slowly", 64, uplinkSlow / 2, time.Hour, true},
		{"as many, a little faster", 64, uplinkSlow * 2, time.Hour, false},
		{"few answers, slowly", uplinkFew - 1, uplinkSlow / 2, time.Hour, false},
		{"many small answers", 2000, uplinkSlow / 2, 400 * time.Millisecond, false},
		{"silent servers", 1000, 0, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newUplink()
				s := &source{n: tt.rate * int(tick) / int(time.Second)}
				flows := make([]*flow, tt.flows)
				for i := range flows {
					flows[i] = l.over(s)
				}
				begun := time.Now()
				for range 4 * time.Second / tick {
					if time.Since(begun) >= tt.lasts {
						begun = time.Now()
						for _, f := range flows {
							f.begin()
						}
					}
					for _, f := range flows {
						f.Read(nil)
					}
					time.Sleep(tick)
				}
				if l.full() != tt.full {
					t.Errorf("full: %v, want %v", l.full(), tt.full)
				}
				if time.Sleep(2 * uplinkEvery); l.full() {
					t.Error("it is full though nothing comes any more")
				}
			})
		})
	}
}

// TestAnUplinkThatIsFullIsNoServersFault: answers that share an uplink, and take longer than a
// request may because of that, are waited for.
func TestAnUplinkThatIsFullIsNoServersFault(t *testing.T) {
	const hosts, size, rate = 150, 20_000, 600_000 // bytes, and bytes a second
	var mu sync.Mutex
	next := time.Now()
	url := listenOn(t, "0.0.0.0", func(w http.ResponseWriter, _ *http.Request) {
		body := feedBody(1) + "<!--" + strings.Repeat("x", size) + "-->"
		for len(body) > 0 {
			piece := body[:min(len(body), 1000)]
			mu.Lock()
			if now := time.Now(); next.Before(now) {
				next = now
			}
			next = next.Add(time.Duration(len(piece)) * time.Second / rate)
			wait := time.Until(next)
			mu.Unlock()
			time.Sleep(wait) // its rate is the point
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			body = body[len(piece):]
		}
	})
	var port string
	fmt.Sscanf(url, "http://[::]:%s", &port)
	var jobs []feeds.Job
	for i := range hosts {
		jobs = append(jobs, feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("http://127.32.0.%d:%s/", i+1, port)})
	}
	for id, res := range runAll(t, refresher(t, feeds.Options{Timeout: 3 * time.Second}), jobs) {
		if res.Class != feeds.OK {
			t.Errorf("job %d: %s (%s), want ok", id, res.Class, res.Detail)
		}
	}
}

// TestAnUplinkIsFullWhileConnectionsTakeLonger than the first ones took, in the mean of those
// that began together, whichever is heard of first; and a process that stands still shows
// nothing.
func TestAnUplinkIsFullWhileConnectionsTakeLonger(t *testing.T) {
	const quick = 50 * time.Millisecond
	for _, tt := range []struct {
		name   string
		first  int // of 32 that nobody answers, when few are under way
		silent int // and later
		more   time.Duration
		full   bool
	}{
		{"as at first", 0, 0, 0, false},
		{"in a queue", 0, 0, connectMore, true},
		{"in a short queue", 0, 0, connectMore * 3 / 4, false},
		{"every third is lost", 0, 11, 0, true},
		{"some hosts are silent", 0, 4, 0, false},
		{"many hosts are silent, as at first", 20, 22, 0, false},
		{"nobody answers any more", 0, 32, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newUplink()
				connect := func(silent int, d time.Duration) {
					for range silent {
						l.connecting()
					}
					var ends []func()
					for range connectCohort - silent {
						ends = append(ends, l.connecting())
					}
					time.Sleep(d)
					for _, end := range ends {
						end()
					}
				}
				connect(tt.first, quick)
				time.Sleep(connectMost)
				if l.full() {
					t.Error("it is full before it is known what connections take")
				}
				connect(tt.silent, quick+tt.more)
				time.Sleep(connectMost - quick - tt.more)
				synctest.Wait()
				if l.full() != tt.full {
					t.Errorf("full: %v, want %v", l.full(), tt.full)
				}
				if time.Sleep(2 * uplinkEvery); l.full() {
					t.Error("it is full though nothing begins any more")
				}
			})
		})
	}
}

// TestWhatAFullUplinkDelaysIsAskedOnceMore, and once only; else a time limit is the server's
// fault at once.
func TestWhatAFullUplinkDelaysIsAskedOnceMore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		full   bool
		since  time.Duration // that nothing came
		silent int64         // requests that get no answer
		class  feeds.Class
		asked  int64
	}{
		{"an uplink that is full", true, 0, 1, feeds.OK, 2},
		{"and a server that is silent", true, 0, 100, feeds.Timeout, 2},
		{"an uplink that is gone", true, uplinkDead, 1, feeds.Timeout, 1},
		{"an uplink that is not full", false, 0, 1, feeds.Timeout, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r *Refresher
			var asked atomic.Int64
			s := serve(t, func(w http.ResponseWriter, req *http.Request) {
				if tt.full {
					r.transport.uplink.recount(true)
				}
				if asked.Add(1) <= tt.silent {
					<-req.Context().Done()
					return
				}
				io.WriteString(w, feedBody(1))
			})
			r = refresher(t, feeds.Options{Timeout: time.Second})
			r.transport.uplink.made = time.Now().Add(-tt.since)
			res := runAll(t, r, []feeds.Job{{ID: 1, URL: s.URL}})[1]
			if res.Class != tt.class || asked.Load() != tt.asked {
				t.Errorf("%s (%s) of %d requests, want %s of %d", res.Class, res.Detail, asked.Load(), tt.class, tt.asked)
			}
		})
	}
}
