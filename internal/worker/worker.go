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
)

// A Refresher does jobs. A *feeds.Refresher is one.
type Refresher interface {
	// Run does the jobs that come from jobs until that is closed, and calls
	// emit once for each, from any goroutine. When ctx is done, jobs under
	// way may finish within a grace and others end as feeds.Cancelled.
	Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result))
	// Cancel makes a job that Run has end as feeds.Cancelled. It does not
	// wait for that.
	Cancel(id int64)
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
	TickEvery time.Duration // 0 means ipc.TickEvery
	ParseCPU  time.Duration // CPU time that one document may take; 0 means DefaultParseCPU

	// Board is told what is done, and Specimen keeps a document that the
	// coordinator wants. Both may be nil, and belong to the caller.
	Board    *ipc.Scoreboard
	Specimen *ipc.Specimen

	// NewRefresher makes the refresher, once the coordinator has said with
	// which options.
	NewRefresher func(feeds.Options) (Refresher, error)
}

// A server is one conversation with a coordinator.
type server struct {
	conn      *ipc.Conn
	board     *ipc.Scoreboard
	refresher Refresher
	inbox     *inbox
	owed      atomic.Int64 // jobs received and not answered
	taker     *taker
	drainC    chan struct{} // closed when nothing more is to be begun
	drainOnce sync.Once
	word      *lastWord

	mu       sync.Mutex    // held while a message is sent; the goroutine that reads never needs it
	answered int           // guarded by mu
	awaits   bool          // guarded by mu: what was put aside will be handed over soon
	sendErr  error         // guarded by mu; set before failC is closed
	failC    chan struct{} // closed when a message could not be sent
	parting  atomic.Bool   // Bye is being said, or was
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
// time, else what NewRefresher, reading or writing returned.
func Serve(ctx context.Context, conn *ipc.Conn, o Options) error {
	crash.At("worker: before hello")
	o.Board.Begin(os.Getpid())
	conn.Show(o.Board)
	options, err := greet(conn, o)
	if err != nil || options == nil {
		return err
	}
	r, err := o.NewRefresher(*options)
	if err != nil {
		return fmt.Errorf("make refresher: %w", err)
	}
	s := &server{
		conn: conn, board: o.Board, word: &lastWord{board: o.Board}, refresher: r, inbox: newInbox(),
		taker:  newTaker(conn, cmp.Or(options.Fetches, feeds.DefaultFetches)),
		drainC: make(chan struct{}), failC: make(chan struct{}),
	}
	if r, ok := r.(observable); ok {
		r.Observe(observer{s.word, o.Specimen})
	}
	readC, overrunC, stop := make(chan error, 1), make(chan error, 1), make(chan struct{})
	defer close(stop)
	go func() { readC <- s.read() }()
	go func() { overrunC <- s.watchCPU(cmp.Or(o.ParseCPU, DefaultParseCPU), stop) }()
	go s.work(ctx, cmp.Or(o.TickEvery, ipc.TickEvery))
	// That all is done is no reason to return: the coordinator looks at this
	// process once more before it lets it go, and what is asked of a process
	// that has ended is lost.
	defer s.drain()
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
	limit := o.MaxFrame
	if limit == 0 {
		limit = ipc.DefaultMaxFrame
	}
	err := conn.Send(&ipc.Message{Hello: &ipc.Hello{
		Version: ipc.Version, Build: o.Build, MaxFrame: limit, PID: os.Getpid(), Sandbox: o.Sandbox,
	}})
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
	if err := ipc.CheckHello(m.Hello); err != nil {
		return nil, err
	}
	if m.Hello.Options == nil {
		return nil, unexpected("Hello without options")
	}
	return m.Hello.Options, nil
}

// unexpected returns the error for a well-formed message that may not come.
func unexpected(detail string) error {
	return &ipc.ProtocolError{Kind: ipc.ErrUnexpected, Detail: detail}
}

// read takes the coordinator's messages until its end closes, for which it
// returns nil. It waits for nothing else.
func (s *server) read() error {
	for {
		m, err := s.conn.Recv()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case m.Shard != nil:
			crash.At("worker: after shard read")
			if !s.inbox.add(m.Shard.Jobs) {
				return unexpected("Shard after Drain")
			}
			s.owe(len(m.Shard.Jobs))
		case m.Grant != nil:
			jobs, err := s.taker.grant(m.Grant)
			if err != nil {
				return err
			}
			if len(jobs) > 0 && s.inbox.add(jobs) {
				s.owe(len(jobs))
			}
		case m.Cancel != nil:
			if !s.inbox.cancel(m.Cancel.ID) {
				s.refresher.Cancel(m.Cancel.ID)
			}
		case m.Drain != nil:
			s.drain()
		default:
			return unexpected("a message that a coordinator does not send")
		}
	}
}

// owe adds n, which may be negative, to the jobs that are this worker's to
// answer.
func (s *server) owe(n int) {
	s.owed.Add(int64(n))
	s.board.Owe(n)
	s.taker.owe(n)
}

// drain makes sure that nothing more is begun.
func (s *server) drain() {
	s.taker.close()
	s.inbox.close()
	s.drainOnce.Do(func() { close(s.drainC) })
}

// work has the jobs done and answered, and says Bye.
func (s *server) work(ctx context.Context, tickEvery time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var dealing, ticking sync.WaitGroup
	jobs := make(chan feeds.Job)
	dealing.Go(func() {
		defer close(jobs)
		s.deal(jobs)
	})
	dealing.Go(func() {
		<-s.drainC
		cancel()
	})
	dealing.Go(s.take)
	stop := make(chan struct{})
	ticking.Go(func() { s.tick(tickEvery, stop) })
	s.refresher.Run(ctx, jobs, s.answer)
	dealing.Wait()
	close(stop)
	ticking.Wait()
	s.refresher.Close()
	crash.At("worker: before bye")
	s.parting.Store(true)
	s.send(func() error { return s.conn.Send(&ipc.Message{Bye: &ipc.Bye{Answered: s.answered}}) })
}

// take claims batches of the queue that all workers share, where there is one.
func (s *server) take() {
	err := s.taker.run(func(number int64) {
		s.send(func() error { return s.conn.Send(&ipc.Message{Claim: &ipc.Claim{Batch: number}}) })
	})
	if err != nil {
		s.send(func() error { return err })
	}
}

// deal hands the jobs of the inbox to the refresher, one by one, and answers
// those that are not to be begun any more. It returns when the inbox is closed
// and empty.
func (s *server) deal(jobs chan<- feeds.Job) {
	for {
		job, state := s.inbox.head()
		switch state {
		case inboxEnded:
			return
		case inboxEmpty:
			<-s.inbox.changed
		case inboxRefused:
			s.inbox.pop()
			s.answer(feeds.Result{ID: job.ID, Class: feeds.Cancelled})
		case inboxReady:
			crash.At("worker: before fetch")
			select {
			case jobs <- job:
				if cancelled := s.inbox.pop(); cancelled {
					s.refresher.Cancel(job.ID)
				}
			case <-s.inbox.changed:
			}
		}
	}
}

// tick sends a Tick at each interval in which there is something to do.
func (s *server) tick(every time.Duration, stop <-chan struct{}) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		st := s.refresher.Status()
		tick := ipc.Tick{Parsing: st.Parsing, UnderWay: st.UnderWay, Queued: st.Queued + s.inbox.len()}
		if tick.UnderWay+tick.Queued > 0 {
			s.send(func() error { return s.conn.Send(&ipc.Message{Tick: &tick}) })
		}
	}
}

// answer sends what became of a job.
func (s *server) answer(r feeds.Result) {
	s.send(func() error {
		s.answered++
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

// send calls one, which sends a message, unless one has failed before. The
// coordinator may be slow to take it, and whatever else there is to be sent
// waits then: that is how a slow store slows the workers.
func (s *server) send(one func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sendErr != nil {
		return
	}
	if s.sendErr = one(); s.sendErr == nil {
		s.sendErr = s.handOver()
	}
	if s.sendErr != nil {
		close(s.failC)
	}
}

// handOverWithin is how long an answer may wait for others to be handed over
// with it, in modes where that is worth it.
const handOverWithin = 5 * time.Millisecond

// handOver sees to it that what was put aside reaches the coordinator: at once
// when there is nothing else to do, and soon when there is. The caller holds
// s.mu.
func (s *server) handOver() error {
	switch {
	case !s.conn.Pending():
	case s.owed.Load() == 0:
		return s.conn.Flush()
	case !s.awaits:
		s.awaits = true
		time.AfterFunc(handOverWithin, func() {
			s.send(func() error {
				s.awaits = false
				return s.conn.Flush()
			})
		})
	}
	return nil
}
