package pool_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/carrier"
)

// resultFD is a worker's end of the queue.
const resultFD = carrier.FD

func init() {
	rawWrites[carrier.Queue] = func(b []byte) { unix.Send(resultFD, b, unix.MSG_NOSIGNAL) }
	behaviours["is hostile to the queue"] = func() { answers(harm) }
}

// harm answers a job well unless its URL asks for something else.
func harm(c *ipc.Conn, r *feeds.Result) {
	switch r.Title {
	case "shut results":
		unix.Shutdown(resultFD, unix.SHUT_RDWR)
		forever()
	case "no room":
		unix.SetsockoptInt(resultFD, unix.SOL_SOCKET, unix.SO_SNDBUF, 0)
	case "empty":
		raw(nil)
	case "too long":
		raw(make([]byte, 200_000))
	}
	c.SendResult(r)
}

// TestAWorkerThatHarmsTheQueueCostsAtMostItsFeed: whatever one of those who
// share the queue does to it, all other feeds are done. It has the processors to
// itself: a list that has no room comes in so many pieces that beside tests that
// compute it takes longer than a frame may.
func TestAWorkerThatHarmsTheQueueCostsAtMostItsFeed(t *testing.T) {
	for url, says := range map[string]string{
		"shut results": "it has shut down its queue",
		"no room":      "",
		"empty":        "an empty message",
		"too long":     "a message of more than",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			o := as(t, "is hostile to the queue")
			o.Mode, o.Workers, o.HangAfter, o.StallAfter = carrier.Queue, 3, 2*time.Second, 20*time.Second
			classes := map[string]feeds.Class{}
			if says != "" {
				classes[url] = feeds.WorkerProtocol
			}
			r := newRound(jobs(200, map[int64]string{7: url, 20: "items 300 of 2000"}), o.Workers, 16)
			if _, err := r.run(t, t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r.check(t, classes)
			if d := r.results[7].Detail; !strings.Contains(d, says) {
				t.Errorf("detail %q, want it to say %q", d, says)
			}
		})
	}
}
