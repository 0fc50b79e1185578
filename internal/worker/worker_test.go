package worker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/worker"
)

// A refresher does each job when the test lets it: at once, unless its URL
// says otherwise.
type refresher struct {
	mu      sync.Mutex
	status  feeds.Status
	stopped map[int64]chan struct{}
	options feeds.Options
	closed  bool
}

func newRefresher() *refresher { return &refresher{stopped: map[int64]chan struct{}{}} }

func (r *refresher) stop(id int64) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped[id] == nil {
		r.stopped[id] = make(chan struct{})
	}
	return r.stopped[id]
}

func (r *refresher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for j := range jobs {
		r.mu.Lock()
		r.status = feeds.Status{Parsing: j.ID, UnderWay: 1}
		r.mu.Unlock()
		res := feeds.Result{ID: j.ID, Class: feeds.OK}
		switch {
		case strings.HasPrefix(j.URL, "stuck"):
			select {}
		case strings.HasPrefix(j.URL, "wait"):
			select {
			case <-r.stop(j.ID):
				res.Class = feeds.Cancelled
			case <-ctx.Done():
			}
		case strings.HasPrefix(j.URL, "long title"):
			res.Title = strings.Repeat("x", 3<<20)
		case strings.HasPrefix(j.URL, "long item"):
			res.Items = []feeds.Item{{Title: "short"}, {Content: strings.Repeat("x", 3<<20)}}
		}
		r.mu.Lock()
		r.status = feeds.Status{}
		r.mu.Unlock()
		emit(res)
	}
}

func (r *refresher) Cancel(id int64) { close(r.stop(id)) }
func (r *refresher) Close()          { r.closed = true }
func (r *refresher) Status() feeds.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// A coordinator is the other end of a worker under test.
type coordinator struct {
	*ipc.Conn
	t         *testing.T
	stdin     *io.PipeWriter
	stdout    *io.PipeReader
	refresher *refresher
	served    chan error // what Serve returned
}

// begin starts a worker and takes its Hello.
func begin(t *testing.T, ctx context.Context) *coordinator {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &coordinator{
		Conn: ipc.NewConn(outR, inW, 2<<20), t: t, stdin: inW, stdout: outR,
		refresher: newRefresher(), served: make(chan error, 1),
	}
	go func() {
		err := worker.Serve(ctx, ipc.NewConn(inR, outW, 0), worker.Options{
			Build: "b", Sandbox: "s", TickEvery: 5 * time.Millisecond,
			NewRefresher: func(o feeds.Options) (worker.Refresher, error) {
				c.refresher.options = o
				if o.UserAgent == "impossible" {
					return nil, errors.New("impossible options")
				}
				return c.refresher, nil
			},
		})
		outW.Close()
		c.served <- err
	}()
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
	})
	m := c.recv()
	if m.Hello == nil || m.Hello.Version != ipc.Version || m.Hello.Build != "b" || m.Hello.Sandbox != "s" || m.Hello.PID == 0 {
		t.Fatalf("got %+v, want a Hello", m.Hello)
	}
	return c
}

// start is begin and the coordinator's Hello.
func start(t *testing.T, ctx context.Context) *coordinator {
	t.Helper()
	c := begin(t, ctx)
	c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, MaxFrame: 2 << 20, Options: &feeds.Options{MaxBody: 77}}})
	return c
}

func (c *coordinator) send(m *ipc.Message) {
	c.t.Helper()
	if err := c.Send(m); err != nil {
		c.t.Fatal(err)
	}
}

func (c *coordinator) shard(from, to int64, url string) {
	c.t.Helper()
	var jobs []feeds.Job
	for id := from; id <= to; id++ {
		jobs = append(jobs, feeds.Job{ID: id, URL: url})
	}
	c.send(&ipc.Message{Shard: &ipc.Shard{Jobs: jobs}})
}

func (c *coordinator) recv() *ipc.Message {
	c.t.Helper()
	m, err := c.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// results receives until Bye, or until n results came, and returns the classes
// by job and Bye's count, -1 without one.
func (c *coordinator) results(n int) (map[int64]feeds.Class, int) {
	c.t.Helper()
	got := map[int64]feeds.Class{}
	for len(got) < n {
		switch m := c.recv(); {
		case m.Result != nil:
			if _, twice := got[m.Result.ID]; twice {
				c.t.Errorf("job %d answered twice", m.Result.ID)
			}
			got[m.Result.ID] = m.Result.Class
		case m.Bye != nil:
			return got, m.Bye.Answered
		}
	}
	return got, -1
}

// await returns what Serve returned.
func (c *coordinator) await() error {
	c.t.Helper()
	select {
	case err := <-c.served:
		return err
	case <-time.After(10 * time.Second):
		c.t.Fatal("Serve does not return")
		return nil
	}
}

func TestDrainedWorkerHasAnsweredEveryJob(t *testing.T) {
	c := start(t, t.Context())
	c.shard(1, 40, "ok")
	c.shard(41, 41, "wait")
	c.shard(42, 100, "ok")
	got, _ := c.results(40)
	for m := c.recv(); m.Tick == nil || m.Tick.Parsing != 41; m = c.recv() {
	}
	c.send(&ipc.Message{Drain: &ipc.Drain{}})
	rest, answered := c.results(1000)
	if len(got)+len(rest) != 100 || answered != 100 {
		t.Errorf("%d and %d jobs answered, Bye says %d, want 100", len(got), len(rest), answered)
	}
	if rest[41] != feeds.OK {
		t.Errorf("job under way ended as %s, want that it may finish", rest[41])
	}
	for id := int64(42); id <= 100; id++ {
		if rest[id] != feeds.Cancelled {
			t.Errorf("job %d, not begun, ended as %s, want %s", id, rest[id], feeds.Cancelled)
		}
	}
	select {
	case err := <-c.served:
		t.Errorf("Serve returned %v before the coordinator let go", err)
	default:
	}
	c.stdin.Close()
	if err := c.await(); err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if !c.refresher.closed || c.refresher.options.MaxBody != 77 {
		t.Errorf("refresher closed: %v, options %+v, want it closed and the coordinator's", c.refresher.closed, c.refresher.options)
	}
}

func TestDoneContextEndsABusyWorker(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, ctx)
	c.shard(1, 9, "stuck")
	c.recv() // a tick: it is busy
	cancel()
	if err := c.await(); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v, want %v", err, context.Canceled)
	}
}

func TestEndOfStdinEndsABusyWorker(t *testing.T) {
	c := start(t, t.Context())
	c.shard(1, 3, "stuck")
	c.recv() // a tick: it is busy
	c.stdin.Close()
	if err := c.await(); err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}

func TestStdinIsReadThoughNobodyTakesResults(t *testing.T) {
	c := start(t, t.Context())
	for i := range int64(100) { // an io.Pipe holds nothing, so each is read when it is sent
		c.shard(100*i+1, 100*i+100, "ok")
	}
	got, _ := c.results(10_000)
	if len(got) != 10_000 {
		t.Errorf("%d jobs answered, want 10000", len(got))
	}
}

func TestBusyWorkerTicks(t *testing.T) {
	c := start(t, t.Context())
	c.shard(7, 9, "wait")
	for range 3 {
		m := c.recv()
		for m.Tick == nil || m.Tick.Queued != 2 {
			m = c.recv()
		}
		if m.Tick.Parsing != 7 || m.Tick.UnderWay != 1 {
			t.Errorf("got %+v, want job 7 under way", *m.Tick)
		}
	}
}

func TestCancelEndsAJobWhereverItIs(t *testing.T) {
	c := start(t, t.Context())
	c.shard(1, 4, "wait")
	for m := c.recv(); m.Tick == nil || m.Tick.Parsing != 1; m = c.recv() {
	}
	for _, id := range []int64{3, 1, 2} {
		c.send(&ipc.Message{Cancel: &ipc.Cancel{ID: id}})
	}
	got, _ := c.results(3)
	for _, id := range []int64{1, 2, 3} {
		if got[id] != feeds.Cancelled {
			t.Errorf("job %d ended as %q, want %s", id, got[id], feeds.Cancelled)
		}
	}
}

func TestResultThatFitsNoFrameIsLimitSize(t *testing.T) {
	for _, url := range []string{"long title", "long item"} {
		c := start(t, t.Context())
		c.shard(1, 1, url)
		c.shard(2, 2, "ok")
		got, _ := c.results(2)
		if got[1] != feeds.LimitSize || got[2] != feeds.OK {
			t.Errorf("%s: got %v, want %s, and the next job to go well", url, got, feeds.LimitSize)
		}
	}
}

func TestABrokenConversationEndsTheWorker(t *testing.T) {
	good := feeds.Options{}
	tests := []struct {
		name string
		send func(c *coordinator)
		want func(error) bool
	}{
		{"other version", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version + 1, Options: &good}})
		}, func(err error) bool { _, ok := errors.AsType[*ipc.VersionError](err); return ok }},
		{"no Hello", func(c *coordinator) { c.shard(1, 1, "ok") }, isUnexpected},
		{"Hello without options", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version}})
		}, isUnexpected},
		{"second Hello", func(c *coordinator) {
			for range 2 {
				c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &good}})
			}
		}, isUnexpected},
		{"Shard after Drain", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &good}})
			c.send(&ipc.Message{Drain: &ipc.Drain{}})
			c.shard(1, 1, "ok")
		}, isUnexpected},
		{"Grant of what was not claimed", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &good}})
			c.send(&ipc.Message{Grant: &ipc.Grant{Batch: 7, Begin: true}})
		}, isUnexpected},
		{"garbage", func(c *coordinator) { c.stdin.Write(bytes.Repeat([]byte("x"), 99)) },
			func(err error) bool { return errors.Is(err, ipc.ErrNotFrame) }},
		{"cut frame", func(c *coordinator) { c.stdin.Write([]byte{0x94}); c.stdin.Close() },
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"gone at once", func(c *coordinator) { c.stdin.Close() },
			func(err error) bool { return err == nil }},
		{"impossible options", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &feeds.Options{UserAgent: "impossible"}}})
		}, func(err error) bool { return err != nil && strings.Contains(err.Error(), "impossible options") }},
		{"nobody reads", func(c *coordinator) {
			c.send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &good}})
			c.stdout.Close()
			c.shard(1, 1, "ok")
		}, func(err error) bool { return errors.Is(err, io.ErrClosedPipe) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := begin(t, t.Context())
			go io.Copy(io.Discard, c.stdout)
			tt.send(c)
			if err := c.await(); !tt.want(err) {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}

func isUnexpected(err error) bool { return errors.Is(err, ipc.ErrUnexpected) }

func TestADocumentThatTakesTooLongIsAnError(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	defer inW.Close()
	c := ipc.NewConn(outR, inW, 0)
	served := make(chan error, 1)
	busy := &spinning{}
	defer busy.stop.Store(true)
	go func() {
		served <- worker.Serve(t.Context(), ipc.NewConn(inR, outW, 0), worker.Options{
			ParseCPU:     50 * time.Millisecond,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return busy, nil },
		})
	}()
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, outR)
	c.Send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &feeds.Options{}}})
	c.Send(&ipc.Message{Shard: &ipc.Shard{Jobs: []feeds.Job{{ID: 5}}}})
	err := <-served
	e, ok := errors.AsType[*worker.OverrunError](err)
	if !ok {
		t.Fatalf("got %v, want an OverrunError", err)
	}
	if e.Job != 5 || e.CPU < 50*time.Millisecond || !bytes.Contains(e.Stacks, []byte("spinning")) {
		t.Errorf("got job %d after %v and stacks\n%s", e.Job, e.CPU, e.Stacks)
	}
}

// A spinning refresher reads its first document until the test is over.
type spinning struct {
	stop atomic.Bool
	job  atomic.Int64
}

func (s *spinning) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	j := <-jobs
	s.job.Store(j.ID)
	for !s.stop.Load() {
	}
}

func (s *spinning) Cancel(int64)         {}
func (s *spinning) Close()               {}
func (s *spinning) Status() feeds.Status { return feeds.Status{Parsing: s.job.Load(), UnderWay: 1} }
