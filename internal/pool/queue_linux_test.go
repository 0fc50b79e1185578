package pool_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A worker's ends of the two queues.
const (
	resultFD = ipc.CarrierFD
	jobFD    = ipc.CarrierFD + 1
)

func init() {
	rawWrites[ipc.ModeQueue] = func(b []byte) { unix.Send(resultFD, b, unix.MSG_NOSIGNAL) }
	behaviours["is hostile to the queue"] = func() { answers(harm) }
}

// harm answers a job well unless its URL asks for something else.
func harm(c *ipc.Conn, r *feeds.Result) {
	switch r.Title {
	case "shut results":
		unix.Shutdown(resultFD, unix.SHUT_RDWR)
		forever()
	case "shut jobs":
		unix.Shutdown(jobFD, unix.SHUT_RDWR)
	case "steal":
		go func() {
			b := make([]byte, 1<<20)
			for {
				if _, _, err := unix.Recvfrom(jobFD, b, 0); err != nil {
					time.Sleep(time.Millisecond) // it does not wait, as the flags are shared
				}
			}
		}()
	case "no room":
		unix.SetsockoptInt(resultFD, unix.SOL_SOCKET, unix.SO_SNDBUF, 0)
	case "empty":
		raw(nil)
	case "too long":
		raw(make([]byte, 200_000))
	case "claim of others":
		for n := range int64(100) {
			c.Send(&ipc.Message{Claim: &ipc.Claim{Batch: n + 1}})
		}
	}
	c.SendResult(r)
}

// TestAWorkerThatHarmsTheQueueCostsAtMostItsFeed: whatever one of those who
// share the queues does to them, all other feeds are done.
func TestAWorkerThatHarmsTheQueueCostsAtMostItsFeed(t *testing.T) {
	for url, says := range map[string]string{
		"shut results":    "it has shut down its queue",
		"shut jobs":       "",
		"steal":           "",
		"no room":         "",
		"empty":           "an empty message",
		"too long":        "a message of more than",
		"claim of others": "Claim that it may not make",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			o := as(t, "is hostile to the queue")
			o.Mode, o.Workers, o.Batch, o.HangAfter, o.StallAfter = ipc.ModeQueue, 3, 4, 2*time.Second, 20*time.Second
			if url == "steal" { // it takes a few of these to be sure
				o.HangAfter = 400 * time.Millisecond
			}
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

// TestAQueueKeepsADomainWithOneWorker: also when many take from it, and some of
// them die.
func TestAQueueKeepsADomainWithOneWorker(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	js := jobs(600, map[int64]string{100: "exit", 400: "exit"})
	domain := make(map[int64]int)
	for i := range js {
		if js[i].URL == "ok" {
			domain[js[i].ID] = random.IntN(40)
			js[i].URL = fmt.Sprintf("http://host%d.example/%d", domain[js[i].ID], i)
		}
	}
	o := as(t, "good")
	o.Mode, o.Workers, o.Batch, o.StallAfter = ipc.ModeQueue, 4, 8, 20*time.Second
	// By domain, the processes that had its feeds in the order of the answers:
	// whoever comes after another one comes because that is dead.
	had := make(map[int][]string)
	r := newRound(js, o.Workers, 32)
	r.onEmit = func(res feeds.Result) {
		d, ok := domain[res.ID]
		if n := len(had[d]); ok && (n == 0 || had[d][n-1] != res.Link) {
			had[d] = append(had[d], res.Link)
		}
	}
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"exit": feeds.WorkerSignal})
	workers := make(map[string]bool)
	for d, pids := range had {
		seen := make(map[string]bool)
		for _, pid := range pids {
			if workers[pid] = true; seen[pid] {
				t.Errorf("seed %d: domain %d was with %v: with one, with another and with the first again", seed, d, pids)
			}
			seen[pid] = true
		}
		if len(pids) > 1+p.Stats().Deaths {
			t.Errorf("seed %d: domain %d was with %v, and %d workers died", seed, d, pids, p.Stats().Deaths)
		}
	}
	if len(workers) < 2 {
		t.Errorf("all was done by %v: the test shows nothing", workers)
	}
}
