// Package worker is the child's side of the wire: [Serve] takes jobs from the
// coordinator, has a refresher do them and sends back what became of each.
//
// It never stops reading what the coordinator sends, however busy it is: that
// the coordinator is gone shows there first, and a worker must not outlive it.
// It catches no panic: one that the parser's own recover has not caught is to
// end the process, for the coordinator to see.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
)

// A Refresher does jobs. A *feeds.Refresher is one.
type Refresher interface {
	// Run does the jobs that come from jobs until that is closed, and calls
	// emit once for each, from any goroutine. When ctx is done, jobs under
	// way may finish within a grace and others end as feeds.Cancelled.
	Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result))
	// Status says what Run is doing. It does not wait.
	Status() feeds.Status
	// Close gives back what the refresher holds. Run has returned by then.
	Close()
}

// Options configures Serve. NewRefresher must be set.
type Options struct {
	Build     string        // what the worker was built from, for people
	Sandbox   string        // the sandbox level that was reached, for people
	MaxFrame  uint32        // the limit that the Conn was made with, in bytes; 0 means ipc.DefaultMaxFrame
	Heartbeat time.Duration // time between two; 0 means ipc.HeartbeatEvery
	ParseCPU  time.Duration // CPU time that one document may take; 0 means DefaultParseCPU

	// Board is told what is done, and Capture keeps a document that the
	// coordinator wants. Both may be nil, and belong to the caller.
	Board   *board.Board
	Capture *board.Capture

	// NewRefresher makes the refresher, once the coordinator has said with
	// which options.
	NewRefresher func(feeds.Options) (Refresher, error)
}

// A server is one conversation with a coordinator.
type server struct {
	conn      *ipc.Conn
	board     *board.Board
	refresher Refresher
	jobs      chan feeds.Job // has room for as many as the coordinator may send; closed by read
	owed      atomic.Int64   // jobs received and not answered
	word      *lastWord
	leash     *leash        // nil where there is none
	every     time.Duration // between two heartbeats

	mu      sync.Mutex    // held while a message is sent; the goroutine that reads never needs it
	sendErr error         // guarded by mu; set before failC is closed
	beaten  time.Time     // when the last heartbeat was sent; guarded by mu
	failC   chan struct{} // closed when a message could not be sent
	parting atomic.Bool   // Bye is being said, or was
	mute    atomic.Bool   // nothing more is to be said
}

// Serve does what the coordinator at the other end of conn asks for. It sends
// Hello, waits for the coordinator's, then takes shards until it is told to
// drain, answers every job, sends Bye, and returns when the coordinator has
// closed its end.
//
// It returns nil after that, and also when the coordinator's end closes before
// it: then nobody wants an answer any more, so Serve returns at once, in the
// middle of a job if need be. As a parser cannot be interrupted, what is under
// way is then left behind, and the caller should end the process. The same
// goes for any error: that of ctx when it is done, an [ipc.VersionError] when
// the coordinator speaks another version, an [ipc.ProtocolError] when it
// breaks the protocol, an [OverrunError] when a document takes too much CPU
// time, [ErrUnanswered] when the coordinator answers no heartbeat for as long as
// it said, else what NewRefresher, reading or writing returned.
func Serve(ctx context.Context, conn *ipc.Conn, o Options) error {
	crash.At("worker: before hello")
	o.Board.Enter(os.Getpid())
	conn.Probe(o.Board)
	begun := time.Now()
	options, err := greet(conn, o)
	if err != nil || options == nil {
		return err
	}
	r, err := o.NewRefresher(*options)
	if err != nil {
		return fmt.Errorf("make refresher: %w", err)
	}
	s := &server{
		conn: conn, board: o.Board, word: &lastWord{board: o.Board}, refresher: r,
		jobs: make(chan feeds.Job, options.Window()), failC: make(chan struct{}),
		every: cmp.Or(o.Heartbeat, ipc.HeartbeatEvery),
	}
	if o.Board == nil {
		s.word.tell = s.tell
	}
	if options.Leash > 0 {
		s.leash = &leash{begun: begun, length: options.Leash}
		s.every = min(s.every, options.Leash/leashBeats)
	}
	conn.Pause(s.pause)
	if r, ok := r.(observable); ok {
		r.Observe(observer{s.word, o.Capture})
	}
	readC, overrunC, stop := make(chan error, 1), make(chan error, 2), make(chan struct{})
	defer close(stop)
	// What is broken off is not answered: the coordinator would take it for done,
	// where it has it done again when this process is gone.
	work, drain := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		s.mute.Store(true)
		drain()
	}()
	go func() { readC <- s.read(drain) }()
	go func() { overrunC <- s.watchCPU(cmp.Or(o.ParseCPU, DefaultParseCPU), stop) }()
	if s.leash != nil {
		go func() { overrunC <- s.leash.wait(stop) }()
	}
	go s.work(work)
	// That all is done is no reason to return: the coordinator looks at this
	// process once more before it lets it go, and what is asked of a process
	// that has ended is lost.
	select {
	case err := <-readC:
		// Not behind the sending of Bye: the coordinator may be quicker than
		// the goroutine that has sent it, and this one then returns.
		if s.parting.Load() {
			crash.At("worker: after bye")
		}
		return err
	case err := <-overrunC:
		return err
	case <-s.failC:
		return s.sendErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// greet exchanges Hellos and returns the coordinator's options. It returns nil
// and no error if the coordinator is gone.
func greet(conn *ipc.Conn, o Options) (*feeds.Options, error) {
	err := conn.Send(&ipc.Hello{
		Version: ipc.Version, Build: o.Build, MaxFrame: cmp.Or(o.MaxFrame, ipc.DefaultMaxFrame), Sandbox: o.Sandbox,
	})
	if err != nil {
		return nil, fmt.Errorf("send Hello: %w", err)
	}
	crash.At("worker: after hello")
	m, err := conn.Recv()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	hello, err := ipc.CheckHello(m)
	if err != nil {
		return nil, err
	}
	options, err := ipc.DecodeOptions(hello.Options)
	if err != nil {
		return nil, ipc.Unexpected("%v", err)
	}
	return &options, nil
}

// read takes the coordinator's messages until its end closes, for which it
// returns nil. It waits for nothing else. When it returns, or when Drain came, it
// has closed s.jobs, and for Drain called drain: nothing more is to be begun.
func (s *server) read(drain func()) error {
	end := sync.OnceFunc(func() { close(s.jobs) })
	defer end()
	drained := false
	for {
		m, err := s.conn.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *ipc.Shard:
			crash.At("worker: after shard read")
			if drained {
				return ipc.Unexpected("Shard after Drain")
			}
			if err := s.take(m.Jobs); err != nil {
				return err
			}
		case *ipc.Drain:
			drained = true
			drain()
			end()
		case *ipc.Heartbeat:
			if s.leash == nil {
				return ipc.Unexpected("an answer to no heartbeat")
			}
			s.leash.answered(m.At)
		default:
			return ipc.Unexpected("a message that a coordinator does not send")
		}
	}
}

// take passes jobs on to the refresher. There is room for all that a
// coordinator may send at a time.
func (s *server) take(jobs []feeds.Job) error {
	s.owe(len(jobs))
	for _, j := range jobs {
		crash.At("worker: before fetch")
		select {
		case s.jobs <- j:
		default:
			return ipc.Unexpected("more than %d jobs", cap(s.jobs))
		}
	}
	return nil
}

// owe adds n, which may be negative, to the jobs that are this worker's to
// answer.
func (s *server) owe(n int) {
	s.owed.Add(int64(n))
	s.board.Owe(n)
}

// work has the jobs done and answered, and says Bye.
func (s *server) work(ctx context.Context) {
	var beating sync.WaitGroup
	stop := make(chan struct{})
	beating.Go(func() { s.beat(stop) })
	s.refresher.Run(ctx, s.jobs, s.answer)
	close(stop)
	beating.Wait()
	s.refresher.Close()
	crash.At("worker: before bye")
	s.parting.Store(true)
	s.send(func() error { return s.conn.Send(&ipc.Bye{CPU: cpuTime()}) })
}

// beat sends a Heartbeat at each interval in which there is something to do, or
// an answer to be had.
func (s *server) beat(stop <-chan struct{}) {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if s.owed.Load() > 0 || s.leash != nil {
			s.tell()
		}
	}
}

// tell sends a Heartbeat.
func (s *server) tell() { s.send(s.heartbeat) }

// pause sends a Heartbeat between two pieces of a long answer, which others would
// wait for, if one is due.
func (s *server) pause() {
	if s.leash != nil && time.Since(s.beaten) >= s.every {
		s.heartbeat() // if it fails, so does the next piece
	}
}

// heartbeat sends a Heartbeat. The caller holds s.mu.
func (s *server) heartbeat() error {
	h := &ipc.Heartbeat{CPU: cpuTime()}
	s.beaten = time.Now()
	if s.leash != nil {
		h.At = s.beaten.Sub(s.leash.begun)
	}
	now := s.word.now()
	h.Job, h.Phase, h.Bytes = now.Job, uint32(now.Phase), now.Bytes
	return s.conn.Send(h)
}

// answer sends what became of a job.
func (s *server) answer(r feeds.Result) {
	s.send(func() error {
		crash.At("worker: before encode")
		err := s.conn.SendResult(&r)
		if errors.Is(err, ipc.ErrMessageTooLarge) {
			err = s.conn.SendResult(tooLong(&r, err))
		}
		crash.At("worker: after write")
		s.owe(-1)
		return err
	})
}

// tooLong returns the answer to a job whose result r does not fit a frame:
// without all that can be long, and without validators, so that what is stored
// stays.
func tooLong(r *feeds.Result, err error) *feeds.Result {
	return &feeds.Result{
		ID: r.ID, Class: feeds.LimitSize, Detail: err.Error(),
		Status: r.Status, Attempts: r.Attempts, Pacing: r.Pacing, Cost: r.Cost,
	}
}

// send calls one, which sends a message, unless one has failed before or Serve is
// about to return. The
// coordinator may be slow to take it, and whatever else there is to be sent
// waits then: that is how a slow store slows the workers.
func (s *server) send(one func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sendErr != nil || s.mute.Load() {
		return
	}
	if s.sendErr = one(); s.sendErr != nil {
		close(s.failC)
	}
}
