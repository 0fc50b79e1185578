package fetch

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
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
