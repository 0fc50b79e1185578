// Package pool runs jobs in worker processes: it starts them, feeds them over
// pipes, watches them, replaces those that die and stops them all. A [Pool] is
// a runner of a round like the one that uses goroutines.
//
// It believes no worker: a frame that breaks the protocol costs the worker its
// life and nothing of that frame is passed on. It parses no feed, and it never
// gives a job to two processes at a time.
//
// # Who closes what
//
// A process has three pipes. The child's ends are closed in the coordinator
// as soon as the child has started or failed to. The coordinator's end of
// stdin belongs to the slot that runs the process: it alone writes, and it
// closes that end when it stops the process. The coordinator's ends of stdout
// and stderr are read by one goroutine each, until they end, whatever the
// frames were worth; they are closed once, by the slot, after both goroutines
// are done, or before that to get them out of a read when a stranger still
// holds the other end.
//
// # How a worker is stopped
//
// Drain is sent and Bye awaited. Then comes a ladder: stdin is closed, after
// StopGrace its group gets SIGTERM, after another one SIGKILL, and after a
// last one the pipes are closed. Whoever has left the pipes before then is
// through. Only now is the group killed once more, for what the worker may
// have left behind, and the worker waited for, so that a number never is
// signalled that could belong to someone else. A worker that hangs gets SIGQUIT
// first, for the stacks of its goroutines.
//
// # Who has which job
//
// What next hands out for a slot is done by the slot's processes, one after the
// other. So a job, and all other jobs of its domain, are with one process at a
// time, however their results come back. Who is to blame when one dies is told in
// docs/architecture.md.
//
// Rejected: a queue of jobs that all workers take from, as the article's pool
// has. A domain must stay with one worker, so what is taken has to be claimed and
// granted, and looked for when its taker dies: 1,000 lines to give work to
// whoever is free, which the plan of a round does in every mode, for what the
// mode pipe costs.
//
// # What is kept
//
// Results carry the number of a job and never a URL, so no worker can answer
// for a feed that it was not given. (Where workers share a pipe without names, or
// a manager, one that means harm can speak for another one: see docs/modes.md.)
// The document of a feed that killed twice is kept in Options.KeepPoison as
// ID-HASH.body, at most 50 MiB of it, and beside it ID-HASH.txt with what is known
// of the death.
package pool

import (
	"context"
	"errors"
	"sync"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
)

// A Pool runs jobs in worker processes. It holds nothing between two calls of
// Run, so it needs no closing.
type Pool struct {
	o     Options
	count counters
}

// New returns a Pool. It starts nothing, but it looks for the worker program
// and fails with a [StartError] when there is none.
func New(o Options) (*Pool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	o.fit(resources())
	return &Pool{o: o, count: counters{
		stats: Stats{Workers: o.Workers, PeakRSS: make([]int64, o.Workers)}, ooms: oomKills(),
	}}, nil
}

// Stats returns what the workers have cost so far. It is complete once Run has
// returned.
func (p *Pool) Stats() Stats { return p.count.soFar() }

// Run does jobs in worker processes until next has none left for any worker,
// or ctx is done. It calls next from one goroutine for each worker and emit
// from one goroutine at a time, exactly once for each job.
//
// A worker that dies is replaced, and what it had not answered is done again;
// Attempts counts that. A job that is found to kill its workers is answered
// with one of the classes feeds.WorkerMemory, WorkerStack, WorkerCPU,
// WorkerSignal and WorkerProtocol. When ctx is done, jobs under way may finish
// within Refresh.DrainGrace, and all others are answered as feeds.Cancelled.
//
// Run returns when every worker is reaped and every goroutine gone. The error
// is nil, also when ctx ended it, unless workers cannot be started (a
// [StartError]), next failed, or nothing moved any more (a [StallError]); then
// too every job that next returned has been emitted, those that were not done
// as feeds.Cancelled. There is one exception, which a StallError tells of.
func (p *Pool) Run(ctx context.Context, next func(ctx context.Context, worker int) ([]feeds.Job, error), emit func(r feeds.Result)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := p.newRun(emit)
	if err != nil {
		return err
	}
	failed := make([]error, p.o.Workers)
	for n := range p.o.Workers {
		r.slots = append(r.slots, newSlot(r, n))
	}
	doneC := make(chan struct{})
	var wg sync.WaitGroup
	for n, s := range r.slots {
		wg.Go(func() { failed[n] = s.run(ctx, cancel, next) })
	}
	go func() {
		wg.Wait()
		r.rest()
		r.close()
		close(doneC)
	}()
	if stalled := r.awaitEnd(cancel, doneC); stalled != nil {
		return stalled
	}
	// The first failure makes the others stop, and they may then fail on
	// the way: the cause is the one to tell.
	err = errors.Join(failed...)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// newRun opens what the slots of a run share. It must be closed when they are
// done.
func (p *Pool) newRun(emit func(r feeds.Result)) (*run, error) {
	r := &run{o: &p.o, count: &p.count, out: &output{emit: emit}, starter: newStarter(p.o.Logger, p.o.Enclose),
		spareC: make(chan *process), news: make(chan struct{})}
	r.keeper = &keeper{run: r}
	var err error
	r.carrier, err = carrier.New(p.o.Mode, carrier.Options{Manager: r.keeper.find})
	if err != nil {
		r.starter.close()
		return nil, err
	}
	return r, nil
}

// rest answers what the slots, which are gone, have left.
func (r *run) rest() {
	for _, s := range r.slots {
		s.running.set("answers what is left")
		s.mu.Lock() // the report of a stall may be looking
		left := s.ledger.rest()
		s.mu.Unlock()
		for _, e := range left {
			r.out.put(feeds.Result{ID: e.job.ID, Class: feeds.Cancelled, Detail: s.over, Attempts: e.deaths})
		}
	}
}

// close gives back what the slots, which are gone, shared.
func (r *run) close() {
	if err := r.carrier.Close(); err != nil {
		r.o.Logger.Warn("close carrier", "mode", r.o.Mode, "err", err)
	}
	r.keeper.close()
	r.starter.close()
}

// A Greeting is what a worker says of itself.
type Greeting struct {
	Build   string        // what it was built from
	Sandbox string        // the level that it reached
	After   time.Duration // from start to Hello
}

// Greet starts one worker as a Pool with these options would, exchanges Hellos
// with it and stops it again. It fails with a [StartError].
func Greet(ctx context.Context, o Options) (Greeting, error) {
	p, err := New(o)
	if err != nil {
		return Greeting{}, err
	}
	r, err := p.newRun(nil)
	if err != nil {
		return Greeting{}, err
	}
	defer r.close()
	s := newSlot(r, 0)
	start := time.Now()
	w, err := s.begin(ctx)
	if err != nil {
		return Greeting{}, err
	}
	g := Greeting{Build: w.hello.Build, Sandbox: w.hello.Sandbox, After: time.Since(start)}
	s.dismiss(ctx, w)
	return g, nil
}
