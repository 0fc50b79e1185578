package fetch

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
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
