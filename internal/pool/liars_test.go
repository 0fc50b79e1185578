//go:build unix

package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
	"feedmill/internal/pool"
)

func init() {
	behaviours["lies"] = func() { lie(false) }
	behaviours["lies from the start"] = func() { lie(true) }
}

// lie is a worker that answers each job well, but for those whose URL names a
// liar, or for all.
func lie(always bool) {
	c := hello(goodHello())
	for jobs := range shards(c) {
		for _, j := range jobs {
			r := want(j)
			if l, ok := liars[j.URL]; ok || always {
				if always {
					l = liars[os.Getenv(envArg)]
				}
				scoreboard.Document(board.PhaseParse, j.ID)
				l.lie(c, &r)
				forever()
			}
			c.SendResult(&r)
		}
	}
}

// A liar is what a worker does instead of answering a job.
type liar struct {
	lie func(c *ipc.Conn, r *feeds.Result)
	// says is part of the detail of the feed that is with it whenever it lies;
	// when it is empty, the class is not worker_protocol.
	says  string
	waits bool // it is found out by how long it takes
	pipe  bool // it writes bytes that are no message, which in other modes is told by other tests
}

// endless repeats do.
func endless(do func()) {
	for {
		do()
	}
}

var liars = map[string]liar{
	"floods heartbeats": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() { c.Send(&ipc.Heartbeat{}) })
	}, "heartbeats within", false, false},
	"beats and never answers": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() {
			c.Send(&ipc.Heartbeat{})
			time.Sleep(100 * time.Millisecond)
		})
	}, "answered nothing", true, false},
	"drips a frame": {func(c *ipc.Conn, r *feeds.Result) {
		for _, b := range encoded(r) {
			raw([]byte{b})
			time.Sleep(200 * time.Millisecond)
		}
		endless(func() { time.Sleep(time.Second) })
	}, "has not ended", true, true},
	"stops within a frame": {func(c *ipc.Conn, r *feeds.Result) {
		raw(encoded(r)[:20])
	}, "has not ended", true, true},
	"drips items": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() {
			c.Send(&ipc.Items{ID: r.ID, Items: []feeds.Item{{GUID: "x"}}})
			time.Sleep(10 * time.Millisecond)
		})
	}, "answered nothing", true, false},
	"floods small items": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() { c.Send(&ipc.Items{ID: r.ID, Items: []feeds.Item{{GUID: "x"}}}) })
	}, "parts", false, false},
	"floods large items": {func(c *ipc.Conn, r *feeds.Result) {
		large := []feeds.Item{{Content: strings.Repeat("x", 1<<20)}}
		endless(func() { c.Send(&ipc.Items{ID: r.ID, Items: large}) })
	}, "bytes without a result", false, false},
	"sends empty parts": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() { c.Send(&ipc.Items{ID: r.ID}) })
	}, "parts", false, false},
	"answers for a feed of others": {func(c *ipc.Conn, r *feeds.Result) {
		r.ID += 1000
		c.SendResult(r)
	}, "which it does not have", false, false},
	"answers for no feed": {func(c *ipc.Conn, r *feeds.Result) {
		r.ID = 0
		c.SendResult(r)
	}, "", false, false}, // the sender itself refuses that number
	"answers for a feed below zero": {func(c *ipc.Conn, r *feeds.Result) {
		r.ID = -r.ID
		c.SendResult(r)
	}, "", false, false},
	"has items for a feed of others": {func(c *ipc.Conn, r *feeds.Result) {
		c.Send(&ipc.Items{ID: r.ID + 1000, Items: []feeds.Item{{GUID: "x"}}})
	}, "which it does not have", false, false},
	"says Bye with jobs": {func(c *ipc.Conn, r *feeds.Result) {
		c.Send(&ipc.Bye{})
	}, "Bye with jobs unanswered", false, false},
	"says Hello again": {func(c *ipc.Conn, r *feeds.Result) {
		c.Send(goodHello())
	}, "a message that a worker does not send", false, false},
	"gives the coordinator jobs": {func(c *ipc.Conn, r *feeds.Result) {
		c.Send(&ipc.Shard{Jobs: []feeds.Job{{ID: 1, URL: "http://169.254.169.254/"}}})
	}, "a message that a worker does not send", false, false},
	"tells the coordinator to drain": {func(c *ipc.Conn, r *feeds.Result) {
		c.Send(&ipc.Drain{})
	}, "a message that a worker does not send", false, false},
	"sends no message": {func(c *ipc.Conn, r *feeds.Result) {
		raw([]byte("<!DOCTYPE html><title>It works!</title>"))
	}, "not a frame", false, true},
	"sends zeros": {func(c *ipc.Conn, r *feeds.Result) {
		endless(func() { raw(make([]byte, 60_000)) })
	}, "not a frame", false, true},
	"announces 4 GB": {func(c *ipc.Conn, r *feeds.Result) {
		b := encoded(r)
		copy(b[13:], "\xff\xff\xff\xff")
		raw(b)
	}, "frame too large", false, true},
	"sends an old frame": {func(c *ipc.Conn, r *feeds.Result) {
		raw(encoded(r))
	}, "wrong sequence", false, true},
	"damages a frame": {func(c *ipc.Conn, r *feeds.Result) {
		b := encoded(r)
		b[len(b)-1] ^= 1
		raw(b)
	}, "checksum", false, true},
	"closes its output": {func(c *ipc.Conn, r *feeds.Result) {
		os.Stdout.Close()
		os.Stderr.Close()
		os.Exit(0)
	}, "", false, false}, // how it ends comes before or after that is noticed
	"ends well":                     {func(*ipc.Conn, *feeds.Result) { os.Exit(0) }, "exit status 0", false, false},
	"ends as failed":                {func(*ipc.Conn, *feeds.Result) { os.Exit(ipc.ExitInternal) }, "exit status 70", false, false},
	"refuses late":                  {func(*ipc.Conn, *feeds.Result) { os.Exit(ipc.ExitRefused) }, "exit status 64", false, false},
	"ends as one who heard nothing": {func(*ipc.Conn, *feeds.Result) { os.Exit(73) }, "exit status 73", false, false}, // and has no leash
	"says nothing":                  {func(*ipc.Conn, *feeds.Result) { ignoreAll() }, "", true, false},
	"stops": {func(*ipc.Conn, *feeds.Result) {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}, "", true, false},
	"kills its group": {func(*ipc.Conn, *feeds.Result) {
		syscall.Kill(0, syscall.SIGKILL)
	}, "", false, false},
	"floods stderr": {func(*ipc.Conn, *feeds.Result) {
		line := bytes.Repeat([]byte("no harm meant "), 5000)
		endless(func() { os.Stderr.Write(line) })
	}, "to stderr", false, false},
	"closes stdin and goes on": {func(c *ipc.Conn, r *feeds.Result) {
		os.Stdin.Close()
		endless(func() {
			c.Send(&ipc.Heartbeat{})
			time.Sleep(100 * time.Millisecond)
		})
	}, "", true, false}, // whoever writes to it finds out first
}

// encoded returns a frame with r that is the first of a conversation.
func encoded(r *feeds.Result) []byte {
	var b bytes.Buffer
	ipc.NewConn(os.Stdin, &b, ipc.Options{}).SendResult(r)
	return b.Bytes()
}

// TestALiarCostsAtMostItsFeed: whatever a worker says instead of an answer, all
// other feeds are done, its own is answered once, nobody else is blamed, and it
// is soon over.
func TestALiarCostsAtMostItsFeed(t *testing.T) {
	t.Parallel()
	if len(liars) < 25 {
		t.Errorf("%d liars, want 25 or more", len(liars))
	}
	var waiting sync.WaitGroup        // for those that take time and nothing else
	places := make(chan struct{}, 16) // as many of them at once: their processes, all starting, would hold up other tests
	for _, mode := range carrier.Modes() {
		for name, l := range liars {
			if l.waits && l.liesIn(mode) {
				waiting.Go(func() {
					places <- struct{}{}
					defer func() { <-places }()
					t.Run(name+", "+string(mode), func(t *testing.T) { l.costsItsFeed(t, name, mode) })
				})
			}
		}
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			for name, l := range liars {
				if !l.waits && l.liesIn(mode) {
					t.Run(name, func(t *testing.T) { l.costsItsFeed(t, name, mode) })
				}
			}
		})
	}
	waiting.Wait()
}

// liesIn reports whether the lie is told in a mode: bytes that are no message are, in
// the others, in TestHostileFramesAreNamedAndDropped.
func (l *liar) liesIn(mode carrier.Mode) bool {
	return !l.pipe || mode == carrier.Pipe || mode == carrier.Manager
}

// managed returns where an honest manager is, for this test alone.
func managed(t *testing.T) *manager.Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, manager.KeySize)
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&manager.Server{Key: key}).Serve(ctx, l) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &manager.Address{Network: "tcp", Addr: l.Addr().String(), Key: key}
}

// costsItsFeed does a round in which a worker lies about one feed.
func (l liar) costsItsFeed(t *testing.T, name string, mode carrier.Mode) {
	o := impatient(as(t, "lies"))
	if o.Mode = mode; mode == carrier.Manager {
		o.Manager = managed(t)
	}
	if raceDetector && l.says == "bytes without a result" {
		o.HangAfter = time.Minute // to send so many takes seconds with it
	}
	r := newRound(jobs(24, map[int64]string{5: name}), o.Workers, 4)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	got := r.results[5]
	said := strings.Contains(got.Detail, l.says) || mode == carrier.Manager && strings.Contains(got.Detail, "the manager") // where items go
	if l.says != "" && (got.Class != feeds.WorkerProtocol || !said) {
		t.Errorf("%s: got %s, %q, want %s and %q", name, got.Class, got.Detail, feeds.WorkerProtocol, l.says)
	}
	if !got.Class.Kills() {
		t.Errorf("%s: got %s, %q, want a class that says what its worker did", name, got.Class, got.Detail)
	}
	r.check(t, map[string]feeds.Class{name: got.Class})
	if s := p.Stats(); s.Deaths > 3 {
		t.Errorf("%s: %d deaths, want 3 at most", name, s.Deaths)
	}
}

// impatient makes o wait for seconds where it usually waits for a minute.
func impatient(o pool.Options) pool.Options {
	o.HangAfter, o.Refresh.Timeout, o.StopGrace = 3*time.Second, 500*time.Millisecond, 500*time.Millisecond
	o.Refresh.MaxBody = 1 << 20
	return o
}

// TestAMadWorkerEndsItsSlotAndNotTheRound: each process of worker 0 lies, those
// of worker 1 are honest.
func TestAMadWorkerEndsItsSlotAndNotTheRound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"floods heartbeats", "gives the coordinator jobs", "ends well"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			odd := make(map[int64]string)
			for id := int64(1); id <= 400; id++ {
				if (id-1)/10%2 == 0 { // those of worker 0
					odd[id] = name
				}
			}
			o := impatient(as(t, "lies"))
			r := newRound(jobs(400, odd), o.Workers, 10)
			p, err := r.run(t, t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "worker 0 was given up") {
				t.Errorf("got %v, want that worker 0 was given up", err)
			}
			classes := make(map[feeds.Class]int)
			for id, res := range r.results {
				if odd[id] == "" && res.Class != feeds.OK {
					t.Errorf("job %d of the honest worker ended as %s (%s)", id, res.Class, res.Detail)
				}
				if odd[id] != "" {
					classes[res.Class]++
				}
			}
			if classes[feeds.OK] > 0 || classes[feeds.WorkerProtocol] > 3 {
				t.Errorf("got %v for the liar's, want %s but for three at most", classes, feeds.Cancelled)
			}
			if s := p.Stats(); s.Deaths > 7 {
				t.Errorf("%d deaths, want 7 at most", s.Deaths)
			}
		})
	}
}

// TestAProgramThatAlwaysLiesEndsTheRun soon, whatever the number of feeds.
func TestAProgramThatAlwaysLiesEndsTheRun(t *testing.T) {
	t.Parallel()
	o := impatient(as(t, "lies from the start", "says Hello again"))
	r := newRound(jobs(500, nil), o.Workers, 10)
	p, err := r.run(t, t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "was given up") || errors.As(err, new(*pool.StallError)) {
		t.Errorf("got %v, want that the workers were given up", err)
	}
	var ended []string
	for _, res := range r.results {
		ended = append(ended, string(res.Class))
	}
	slices.Sort(ended)
	if ended = slices.Compact(ended); slices.Contains(ended, string(feeds.OK)) {
		t.Errorf("results are %v, want none ok", ended)
	}
	if s := p.Stats(); s.Deaths > 7*o.Workers {
		t.Errorf("%d deaths, want %d at most", s.Deaths, 7*o.Workers)
	}
	if len(r.twice) > 0 {
		t.Error(fmt.Sprint("answered twice: ", r.twice))
	}
}
