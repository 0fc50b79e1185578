package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
)

// A run is what the slots of one call of Run share.
type run struct {
	o       *Options
	count   *counters
	out     *output
	starter *starter
	carrier carrier.Carrier
	keeper  *keeper
	slots   []*slot

	reached atomic.Bool   // some worker has said Hello
	spareC  chan *process // workers for slots that reach none

	mu   sync.Mutex    // guards the field below
	news chan struct{} // closed when a slot is done, or knows where its worker is
}

// An output passes results on, one at a time.
type output struct {
	mu    sync.Mutex // held while emit runs; never together with a slot's
	emit  func(r feeds.Result)
	doing activity
}

// put passes on a result.
func (o *output) put(r feeds.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doing.set("passes on a result")
	o.emit(r)
	o.doing.set("waits for results")
}

// A slot is one worker number: the jobs that next handed out for it and, one
// after the other, the processes that do them. That they stay with the slot
// keeps every host with one process at a time.
type slot struct {
	n      int
	shared *run // with the other slots
	log    *slog.Logger

	running activity // of the goroutine that runs processes
	filling activity // of the goroutine that calls next

	// Both hold at most one value, which says: look again. Whoever changes
	// what the other side waits for puts one in and never blocks.
	workC chan struct{} // for the goroutine that runs processes
	roomC chan struct{} // for the goroutine that calls next

	mu     sync.Mutex // guards the fields below; never held while a pipe or emit is waited for
	ledger ledger
	dry    bool // next has no more
	fails  int  // processes in a row that ended badly without one answer
	// breaches is how often in a row, without one answer, the worker was at fault.
	breaches int
	stops    int    // processes that a signal had stopped, in this run
	over     string // why it takes no more jobs while others do; empty when it is not so
	done     bool   // run has returned, or is about to
	// away is how often in a row, without one answer, no worker was reached or the
	// link to one was lost. elsewhere says that the worker is not on this machine,
	// or has not said yet where it is; leash is until when one may live whose link
	// was lost.
	away      int
	elsewhere bool
	leash     time.Time
	current   *process // that has the jobs; nil when none has
}

func newSlot(r *run, n int) *slot {
	return &slot{
		n: n, shared: r, log: r.o.Logger.With("worker", n),
		workC: make(chan struct{}, 1), roomC: make(chan struct{}, 1),
	}
}

// wake makes the goroutine that waits on c look again.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// accept takes over jobs that next handed out.
func (s *slot) accept(jobs []feeds.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake(s.workC)
	return s.ledger.adopt(jobs)
}

// full reports whether the slot is to ask for no more jobs now.
func (s *slot) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ledger.unanswered) >= s.shared.o.Refresh.Window()
}

// owes reports whether the process has jobs that it has not answered.
func (s *slot) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ledger.sent) > 0
}

// finished reports whether there is nothing more to do for the slot. The caller
// holds s.mu.
func (s *slot) finished() bool { return s.dry && len(s.ledger.unanswered) == 0 }

// setCurrent says which process has the jobs.
func (s *slot) setCurrent(w *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = w
}

// urls names jobs for people. The caller holds s.mu.
func (s *slot) urls(ids []int64) (names []string) {
	for _, id := range ids {
		if e := s.ledger.unanswered[id]; e != nil {
			names = append(names, fmt.Sprintf("%d %s", id, feeds.RedactURL(e.job.URL)))
		}
	}
	return names
}

// An activity is what somebody does, and since when.
type activity struct{ now atomic.Pointer[doing] }

type doing struct {
	what  string
	since time.Time
}

func (a *activity) set(what string) { a.now.Store(&doing{what, time.Now()}) }

func (a *activity) String() string {
	d := a.now.Load()
	if d == nil {
		return "has not begun"
	}
	return fmt.Sprintf("%s for %v", d.what, time.Since(d.since).Round(time.Millisecond))
}

// run does all jobs of the slot. When it returns, each of them is emitted or
// will be by run.rest, and nothing that it started is left. When it fails it has
// told cancel why.
//
// A slot whose processes are at fault one after the other ends alone: the
// others go on, and take what it has not begun.
func (s *slot) run(ctx context.Context, cancel context.CancelCauseFunc, next nextFunc) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var filling sync.WaitGroup
	var nextErr error
	filling.Go(func() {
		if nextErr = s.fill(ctx, next); nextErr != nil {
			cancel(nextErr)
		}
	})
	err := s.work(ctx)
	if errors.Is(err, errGivenUp) {
		giveUp()
	} else if err != nil {
		cancel(err)
	}
	filling.Wait()
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.shared.announce()
	return errors.Join(err, nextErr)
}

// nextFunc hands out a worker's next batch; see refresh.Runner.
type nextFunc = func(ctx context.Context, worker int) ([]feeds.Job, error)

// fill takes jobs from next for as long as there is room for them, and returns
// when there are no more. An error of a ctx that is done is none.
func (s *slot) fill(ctx context.Context, next nextFunc) error {
	defer func() {
		s.mu.Lock()
		s.dry = true
		s.mu.Unlock()
		s.filling.set("has no more jobs")
		wake(s.workC)
	}()
	for {
		s.filling.set("asks for jobs")
		jobs, err := next(ctx, s.n)
		s.shared.count.moved()
		if err != nil && ctx.Err() != nil {
			err = nil
		}
		if err = errors.Join(err, s.accept(jobs)); err != nil || len(jobs) == 0 {
			return err
		}
		s.filling.set("waits for room")
		for s.full() {
			select {
			case <-s.roomC:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// work runs one process after the other for as long as there are jobs for it.
// There is none while nothing is to do for it.
func (s *slot) work(ctx context.Context) error {
	var spare *process // of another slot
	defer func() {
		if spare != nil {
			s.dismiss(ctx, spare)
			s.setCurrent(nil)
		}
	}()
	for s.awaitJobs(ctx) {
		w, err := spare, error(nil)
		if spare = nil; w == nil {
			w, err = s.begin(ctx)
		}
		s.shared.count.moved()
		if err == nil {
			err = s.serve(ctx, w)
		} else if ctx.Err() == nil {
			err = s.startFailed(err)
		} else {
			err = nil
		}
		if err != nil {
			return err
		}
		spare = s.pause(ctx)
	}
	return nil
}

// awaitJobs waits until there is a job to send, and reports false when there
// will be none or ctx is done.
func (s *slot) awaitJobs(ctx context.Context) bool {
	s.running.set("waits for jobs")
	for ctx.Err() == nil {
		s.mu.Lock()
		some, dry := len(s.ledger.pending) > 0, s.dry
		s.mu.Unlock()
		if some || dry {
			return some
		}
		select {
		case <-s.workC:
		case <-ctx.Done():
		}
	}
	return false
}
