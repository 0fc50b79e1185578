package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A slot is one worker number: the jobs that next handed out for it and, one
// after the other, the processes that do them. That they stay with the slot
// keeps every host with one process at a time.
type slot struct {
	pool   *Pool
	n      int
	shared *run // with the other slots
	log    *slog.Logger

	free atomic.Bool // it has a process, or soon will, that has nothing to do; the dealer's

	running activity // of the goroutine that runs processes
	filling activity // of the goroutine that calls next

	// Both hold at most one value, which says: look again. Whoever changes
	// what the other side waits for puts one in and never blocks.
	workC chan struct{} // for the goroutine that runs processes
	roomC chan struct{} // for the goroutine that calls next

	mu     sync.Mutex // guards the fields below; never held while a pipe or emit is waited for
	ledger ledger
	asked  int  // jobs that next handed out for the slot and that are not answered
	dry    bool // next has no more
	fails  int  // processes in a row that ended badly without one answer
	// current is the process that has the jobs, nil when none has; warm is the
	// one that will have them next, nil when none is ready.
	current, warm *process
}

func newSlot(p *Pool, r *run, n int) *slot {
	return &slot{
		pool: p, n: n, shared: r, log: p.o.Logger.With("worker", n),
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

// run does all jobs of the slot. When it returns, each of them is emitted or
// will be by run.rest, and nothing that it started is left. When it fails it has
// told cancel why.
func (s *slot) run(ctx context.Context, cancel context.CancelCauseFunc, next nextFunc) error {
	var filling sync.WaitGroup
	var nextErr error
	filling.Go(func() {
		if nextErr = s.fill(ctx, next); nextErr != nil {
			cancel(nextErr)
		}
	})
	err := s.work(ctx)
	if err != nil {
		cancel(err)
	}
	filling.Wait()
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
		if s.shared.dealer != nil {
			s.shared.dealer.dry()
		}
		s.filling.set("has no more jobs")
		wake(s.workC)
	}()
	for {
		s.filling.set("asks for jobs")
		jobs, err := next(ctx, s.n)
		s.shared.begun.Store(true)
		s.pool.moved()
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
// There is none while nothing is to do for it, unless Options.Ahead asks for one.
func (s *slot) work(ctx context.Context) error {
	defer s.discard()
	if s.n < s.pool.o.Ahead {
		if err := s.goAhead(ctx); err != nil {
			return err
		}
		s.pause(ctx)
	}
	for s.awaitJobs(ctx) {
		w, err := s.nextProcess(ctx)
		s.pool.moved()
		if err == nil {
			s.serve(ctx, w)
		} else if ctx.Err() == nil {
			if err = s.bury(err); err != nil {
				return err
			}
		}
		s.pause(ctx)
	}
	return nil
}

// awaitJobs waits until there is a job to send, and reports false when there
// will be none or ctx is done.
func (s *slot) awaitJobs(ctx context.Context) bool {
	s.running.set("waits for jobs")
	for ctx.Err() == nil {
		more := s.more()
		s.mu.Lock()
		some := len(s.ledger.pending) > 0
		s.mu.Unlock()
		if some = some || s.offered(); some || !more {
			return some
		}
		select {
		case <-s.workC:
		case <-ctx.Done():
		}
	}
	return false
}

// pause waits before another process is started, when the last one failed.
func (s *slot) pause(ctx context.Context) {
	s.mu.Lock()
	fails := s.fails
	s.mu.Unlock()
	if fails == 0 {
		return
	}
	s.running.set("pauses")
	wait := time.NewTimer(backoff(fails-1, rand.Float64()))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// processes returns those that there are now.
func (s *slot) processes() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*process
	for _, w := range []*process{s.current, s.warm} {
		if w != nil {
			all = append(all, w)
		}
	}
	return all
}

// begin starts a process and exchanges Hellos with it. When that fails nothing
// of the process is left.
func (s *slot) begin(ctx context.Context) (*process, error) {
	s.running.set("starts a worker")
	s.mu.Lock()
	trial := len(s.ledger.pending) > 0 && s.ledger.pending[0].alone
	s.mu.Unlock()
	w, err := s.pool.start(s.shared, s.log, trial, s.handle)
	if err != nil {
		return nil, err
	}
	o := &s.pool.o
	err = w.greet(ctx, o.HelloWithin, &ipc.Hello{
		Version: ipc.Version, Build: o.Build, MaxFrame: maxFrame(o.MaxFrame), Options: &o.Refresh,
	})
	if err == nil {
		s.pool.ready(w.hello.Sandbox)
		w.log.Debug("worker ready", "build", w.hello.Build, "sandbox", w.hello.Sandbox)
		return w, nil
	}
	if errors.Is(err, errNoHello) || ctx.Err() != nil {
		w.kill(err)
	}
	s.end(w)
	w.release()
	return nil, noHello(o.Path, o.Mode, err, w)
}

// maxFrame returns the limit that a Conn made with n keeps.
func maxFrame(n uint32) uint32 {
	if n == 0 {
		return ipc.DefaultMaxFrame
	}
	return n
}

// bury decides what a process means that failed before its Hello: nil when
// another one may be started, else why not.
func (s *slot) bury(err error) error {
	tries := s.pool.stillborn()
	s.mu.Lock()
	s.fails++
	s.mu.Unlock()
	e, ok := errors.AsType[*StartError](err)
	if !ok {
		return err
	}
	e.Tries = tries
	if e.permanent || tries >= maxStartFailures {
		return e
	}
	s.log.Warn("worker failed to start", "err", e)
	return nil
}

// serve has a process do jobs until there are none left for it, it dies, it
// has grown too large, or ctx is done. Then the process is gone, and what it
// had not answered is pending again.
func (s *slot) serve(ctx context.Context, w *process) {
	s.setCurrent(w)
	over := make(chan struct{})
	var guarding sync.WaitGroup
	o := &s.pool.o
	guarding.Go(func() { w.guard(max(o.HangAfter/8, time.Millisecond), o.StopGrace, s.owes, over) })
	// A worker that does not read must not hold the run. Its guard would
	// find out as well, only later.
	loosen := context.AfterFunc(ctx, func() { w.stdin.SetWriteDeadline(time.Now().Add(o.StopGrace)) })

	if s.feed(ctx, w) {
		s.drain(w)
	}
	loosen()
	s.end(w)
	if s.shared.dealer != nil {
		s.shared.dealer.gone(s, w)
	}
	close(over)
	guarding.Wait()
	s.setCurrent(nil)
	defer w.release()
	s.pool.moved()
	if w.parted() && !s.owes() {
		return
	}
	s.pool.died()
	if ctx.Err() == nil {
		s.mourn(w)
	}
}

// setCurrent says which process has the jobs.
func (s *slot) setCurrent(w *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = w
}

// owes reports whether the process has jobs that it has not answered.
func (s *slot) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.out > 0
}

// feed sends jobs to a process and returns true when it is to be drained:
// there is nothing more to do for it, another one stands ready in its place, or
// ctx is done. It returns false when the process takes or says nothing more.
func (s *slot) feed(ctx context.Context, w *process) bool {
	for ctx.Err() == nil {
		if w.grown.Load() && s.warmUp(ctx, w) {
			w.retired.Store(true)
			return true
		}
		if err := s.attend(w); err != nil {
			w.log.Debug("send grant", "err", err)
			return false
		}
		more := s.more()
		s.mu.Lock()
		idle := s.ledger.out == 0
		jobs := s.ledger.take(s.pool.o.Batch, s.pool.o.Window)
		alone := len(jobs) == 1 && s.ledger.unanswered[jobs[0].ID].alone
		over := !more && len(s.ledger.unanswered) == 0
		s.idle(w, s.ledger.out == 0)
		s.mu.Unlock()
		switch {
		case over:
			return true
		case len(jobs) > 0:
			if idle {
				w.watch.begin(time.Now())
			}
			w.watchFor(jobs[0].ID, alone)
			s.running.set("sends jobs")
			if err := s.send(w, jobs); err != nil {
				w.log.Debug("send shard", "err", err)
				return false
			}
			s.pool.moved()
			continue
		}
		s.running.set("waits for answers")
		select {
		case <-s.workC:
		case <-w.endC:
			return false
		case <-ctx.Done():
		}
	}
	return true
}

// send sends jobs as one shard, or as several when one would be too long for
// a frame. A job that is too long on its own is answered at once.
func (s *slot) send(w *process, jobs []feeds.Job) error {
	crash.At("coordinator: before send shard")
	err := w.line.Send(&ipc.Message{Shard: &ipc.Shard{Jobs: jobs}})
	crash.At("coordinator: after send shard")
	if !errors.Is(err, ipc.ErrMessageTooLarge) {
		return err
	}
	if len(jobs) > 1 {
		half := len(jobs) / 2
		if err := s.send(w, jobs[:half]); err != nil {
			return err
		}
		return s.send(w, jobs[half:])
	}
	return s.settle(w, &ipc.Message{Result: &feeds.Result{
		ID: jobs[0].ID, Class: feeds.LimitSize, Detail: "the feed has too many known items to send to a worker",
	}})
}

// drain asks a process to finish and waits for its Bye, for as long as its
// jobs may take.
func (s *slot) drain(w *process) {
	s.running.set("waits for a worker to finish")
	s.pool.weigh(s.n, w.cmd.Process.Pid)
	w.drained.Store(true)
	s.forgo(w)
	crash.At("coordinator: before drain")
	if err := w.line.Send(&ipc.Message{Drain: &ipc.Drain{}}); err != nil {
		w.log.Debug("send drain", "err", err)
		return
	}
	grace := s.pool.o.Refresh.DrainGrace + s.pool.o.StopGrace
	if w.retired.Load() {
		grace += s.pool.o.patience() // it did nothing wrong; its guard ends it if it hangs
	}
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case <-w.byeC:
	case <-w.endC:
	case <-limit.C:
		w.log.Info("worker has not finished in time")
	}
}

// end stops a process and adds up what it has cost.
func (s *slot) end(w *process) {
	s.running.set("stops a worker")
	w.stop(s.pool.o.StopGrace)
	var cpu time.Duration
	if w.state != nil {
		cpu = w.state.UserTime() + w.state.SystemTime()
	}
	s.pool.bill(w.line.Sent(), w.line.Received(), cpu)
}

// maxBlameless is how many processes in a row may die without one answer before
// jobs are charged although none seems to be at fault.
const maxBlameless = 5

// mourn takes back what a dead process had not answered, and answers the job
// that is now known to have killed it.
func (s *slot) mourn(w *process) {
	how := w.autopsy(s.pool.outOfMemory())
	s.mu.Lock()
	lost := s.ledger.out
	s.fails++
	if s.fails > maxBlameless {
		how.blame.nobody = false // it does not end, so it may be somebody after all
	}
	accused := s.urls(how.blame.jobs)
	condemned := s.ledger.died(how.blame)
	s.mu.Unlock()
	w.log.Warn("worker died", "class", how.class, "how", how.detail, "doing", how.work.String(),
		"suspects", accused, "unanswered", lost)
	w.log.Debug("worker died", "stderr", w.tail.text())
	for _, e := range condemned {
		s.keepPoison(w, e, how)
		s.shared.out.put(feeds.Result{ID: e.job.ID, Class: how.class, Detail: how.detail, Attempts: e.deaths}, nil)
		s.shared.answered(e)
	}
	s.pool.moved()
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
