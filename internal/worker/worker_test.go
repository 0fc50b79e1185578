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
	begun   chan int64 // the jobs that wait for the end of ctx
	options feeds.Options
	closed  bool
}

func newRefresher() *refresher { return &refresher{begun: make(chan int64, 10)} }

// await returns when a job waits for the end of its context.
func (r *refresher) await(id int64) {
	for <-r.begun != id {
	}
}

func (r *refresher) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for j := range jobs {
		if ctx.Err() != nil {
			emit(feeds.Result{ID: j.ID, Class: feeds.Cancelled})
			continue
		}
		r.mu.Lock()
		r.status = feeds.Status{Parsing: j.ID}
		r.mu.Unlock()
		res := feeds.Result{ID: j.ID, Class: feeds.OK}
		switch {
		case strings.HasPrefix(j.URL, "stuck"):
			select {}
		case strings.HasPrefix(j.URL, "wait"):
			r.begun <- j.ID
			<-ctx.Done()
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

func (r *refresher) Close() { r.closed = true }
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
		Conn: ipc.NewConn(outR, inW, ipc.Options{MaxFrame: 2 << 20}), t: t, stdin: inW, stdout: outR,
		refresher: newRefresher(), served: make(chan error, 1),
	}
	go func() {
		err := worker.Serve(ctx, ipc.NewConn(inR, outW, ipc.Options{}), worker.Options{
			Build: "b", Sandbox: "s", Heartbeat: 5 * time.Millisecond,
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
	if m, ok := c.recv().(*ipc.Hello); !ok || m.Version != ipc.Version || m.Build != "b" || m.Sandbox != "s" {
		t.Fatalf("got %+v, want a Hello", m)
	}
	return c
}

// start is begin and the coordinator's Hello.
func start(t *testing.T, ctx context.Context) *coordinator {
	t.Helper()
	c := begin(t, ctx)
	c.send(&ipc.Hello{Version: ipc.Version, MaxFrame: 2 << 20, Options: ipc.EncodeOptions(feeds.Options{MaxBody: 77})})
	return c
}

func (c *coordinator) send(m ipc.Message) {
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
	c.send(&ipc.Shard{Jobs: jobs})
}

func (c *coordinator) recv() ipc.Message {
	c.t.Helper()
	m, err := c.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// results receives until Bye, or until n results came, and returns the classes
// by job and whether Bye came.
func (c *coordinator) results(n int) (map[int64]feeds.Class, bool) {
	c.t.Helper()
	got := map[int64]feeds.Class{}
	for len(got) < n {
		switch m := c.recv().(type) {
		case *ipc.Result:
			if _, twice := got[m.ID]; twice {
				c.t.Errorf("job %d answered twice", m.ID)
			}
			got[m.ID] = m.Class
		case *ipc.Bye:
			return got, true
		}
	}
	return got, false
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
	c.refresher.await(41)
	c.send(&ipc.Drain{})
	rest, bye := c.results(1000)
	if len(got)+len(rest) != 100 || !bye {
		t.Errorf("%d and %d jobs answered, Bye %v, want 100 and Bye", len(got), len(rest), bye)
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
	n := int64(feeds.Options{}.Window())
	for id := range n { // an io.Pipe holds nothing, so each is read when it is sent
		c.shard(id+1, id+1, "ok")
	}
	if got, _ := c.results(int(n)); len(got) != int(n) {
		t.Errorf("%d jobs answered, want %d", len(got), n)
	}
}

func TestABusyWorkerSaysThatItIsAlive(t *testing.T) {
	c := start(t, t.Context())
	c.shard(7, 7, "wait")
	for range 3 {
		if m := c.recv(); ipc.Name(m) != "Heartbeat" {
			t.Errorf("got %+v, want a Heartbeat", m)
		}
	}
}

func TestResultThatFitsNoFrameIsLimitSize(t *testing.T) {
	for _, url := range []string{"long item"} {
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
			c.send(&ipc.Hello{Version: ipc.Version + 1, Options: ipc.EncodeOptions(good)})
		}, func(err error) bool { _, ok := errors.AsType[*ipc.VersionError](err); return ok }},
		{"no Hello", func(c *coordinator) { c.shard(1, 1, "ok") }, isUnexpected},
		{"Hello without options", func(c *coordinator) {
			c.send(&ipc.Hello{Version: ipc.Version})
		}, isUnexpected},
		{"second Hello", func(c *coordinator) {
			for range 2 {
				c.send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(good)})
			}
		}, isUnexpected},
		{"Shard after Drain", func(c *coordinator) {
			c.send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(good)})
			c.send(&ipc.Drain{})
			c.shard(1, 1, "ok")
		}, isUnexpected},
		{"more jobs than it may hold", func(c *coordinator) {
			c.send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(good)})
			c.shard(1, int64(good.Window())+2, "stuck") // one is under way
		}, isUnexpected},
		{"garbage", func(c *coordinator) { c.stdin.Write(bytes.Repeat([]byte("x"), 99)) },
			func(err error) bool { return errors.Is(err, ipc.ErrNotFrame) }},
		{"cut frame", func(c *coordinator) { c.stdin.Write([]byte{0x94}); c.stdin.Close() },
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"gone at once", func(c *coordinator) { c.stdin.Close() },
			func(err error) bool { return err == nil }},
		{"impossible options", func(c *coordinator) {
			c.send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{UserAgent: "impossible"})})
		}, func(err error) bool { return err != nil && strings.Contains(err.Error(), "impossible options") }},
		{"nobody reads", func(c *coordinator) {
			c.send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(good)})
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

func isUnexpected(err error) bool { return errors.Is(err, ipc.Unexpected("").Kind) }

func TestADocumentThatTakesTooLongIsAnError(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	defer inW.Close()
	c := ipc.NewConn(outR, inW, ipc.Options{})
	served := make(chan error, 1)
	busy := &spinning{}
	defer busy.stop.Store(true)
	go func() {
		served <- worker.Serve(t.Context(), ipc.NewConn(inR, outW, ipc.Options{}), worker.Options{
			ParseCPU:     50 * time.Millisecond,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return busy, nil },
		})
	}()
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, outR)
	c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})})
	c.Send(&ipc.Shard{Jobs: []feeds.Job{{ID: 5}}})
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

func (s *spinning) Close()               {}
func (s *spinning) Status() feeds.Status { return feeds.Status{Parsing: s.job.Load()} }
