package refresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// batch is how many jobs a worker is given at a time, at most.
const batch = 32

// Options configures a round. The zero value of each field means its default.
//
// The callbacks of one kind are called one at a time, those of different kinds
// at the same time. The round waits for them.
type Options struct {
	// Workers is the number of workers that the runner has; 0 means one for
	// each CPU.
	Workers int

	// Seed shuffles the hosts and spreads the times at which feeds come due.
	// The same seed gives the same order.
	Seed uint64

	// Deadline is how long the round may take; 0 means as long as it does. What
	// is not done by then stays due, and what is under way has the grace of
	// whoever does it.
	Deadline time.Duration

	// MinInterval is the least time between two requests to a feed, where the
	// feed has none of its own; 0 means an hour.
	MinInterval time.Duration

	// Force also asks domains that an earlier round was asked to leave alone.
	Force bool

	// Online says that our own network is known to work: a host that cannot be
	// reached is at fault itself, also where it is the only one.
	Online bool

	// Now is the clock that dates results and what follows from them; nil
	// means time.Now.
	Now func() time.Time

	// Planned is told, before the first job, how many jobs each worker has
	// before it. Workers that are done early take from the others later.
	Planned func(shards []int)

	// Finished is told every result as it comes, before it is stored: once for
	// each feed of the round, with worker -1 where none was meant to have it.
	// The result must not be kept or changed.
	Finished func(worker int, r *feeds.Result)

	// Stored is given the report of each feed, once.
	Stored func(Report)

	// Logger gets what is worth knowing afterwards; nil means none.
	Logger *slog.Logger
}

// A Report is the last word on a feed of the round, given after the commit
// that stored it. A class of cancelled means that nothing was stored and that
// the feed is still due, because the round ended or because another coordinator has its
// domain, a class of store that the store failed.
type Report struct {
	URL     string         // as in the feed's Ref
	Told    bool           // as in the feed's Ref
	Outcome *feeds.Outcome // without its items; the receiver's to keep
	Saved   feeds.Saved    // zero but for its ID when nothing was stored
}

// A DeadlineError says that a round took longer than Options.Deadline.
type DeadlineError struct {
	After time.Duration
	Left  int // feeds that were not done, and are still due
}

// Error returns both numbers.
func (e *DeadlineError) Error() string {
	return fmt.Sprintf("the deadline of %v came first: %d feeds are left", e.After, e.Left)
}

// A Summary adds up a round's reports.
type Summary struct {
	Feeds   int                 // reports given: the length of refs, unless planning failed
	Classes map[feeds.Class]int // how many ended in each class, those that occurred
	New     int                 // items added to the store
	Updated int                 // items replaced in the store
	Wire    int64               // body bytes as they came
	Wall    time.Duration       // of the whole round
}

// Round refreshes the feeds that refs name, whose ids must grow, and returns when every one of them
// has its report and everything that it started is gone.
//
// It returns a *StoreError when the store failed, an *OutageError when our own
// network seems to be down, or no certificate is trusted here, a *DeadlineError when
// the deadline left feeds undone, the cause of ctx when that ended before all feeds
// were done, feeds.ErrLost when the store took a lease for another's or was lost
// itself, and the runner's error when the runner gave up. Whichever it is, what was
// reported as stored is stored. The summary is valid in any case.
func Round(ctx context.Context, runner Runner, store Store, refs []feeds.Ref, o Options) (Summary, error) {
	start := time.Now()
	o = o.withDefaults()
	sum := Summary{Classes: make(map[feeds.Class]int)}
	began, held := o.Now(), map[string]time.Time(nil)
	if !o.Force {
		// Also when ctx is done: every feed is to have its report.
		var err error
		if held, err = store.Holds(context.WithoutCancel(ctx), began); err != nil {
			return sum, &StoreError{Op: "read holds", Err: err}
		}
	}
	p, err := newPlan(refs, o.Workers, o.Seed, held)
	if err != nil {
		return sum, err
	}
	o.Planned(p.shards())

	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(run, p.stop)()
	if o.Deadline > 0 {
		defer time.AfterFunc(o.Deadline, func() { stop(&DeadlineError{After: o.Deadline}) }).Stop()
	}
	out := make(chan []entry, 16)
	r := &round{store: store, plan: p, o: &o, stop: stop}
	r.settler = settler{
		plan: p, o: &o, began: began, out: out, stop: stop,
		cause:   func() error { return context.Cause(run) },
		outages: [2]*outage{newOutage(p.domains(), o.Workers, o.Online), newDistrust(o.Workers)},
	}
	rec := recorder{store: store, refs: refs, quiet: p.quiet, stop: stop, report: func(rep Report) {
		sum.count(rep)
		o.Stored(rep)
	}}
	var wg sync.WaitGroup
	wg.Go(func() { rec.run(context.WithoutCancel(ctx), out) })
	err = r.run(run, runner, held)
	close(out)
	wg.Wait()
	sum.Wall = time.Since(start)
	return sum, r.firstCause(ctx, run, &rec, &sum, err)
}

// A round is what Round's goroutines share.
type round struct {
	store   Store
	plan    *plan
	o       *Options
	stop    context.CancelCauseFunc
	settler settler
}

// run has the runner do the plan's jobs and answers those that it left.
func (r *round) run(ctx context.Context, runner Runner, held map[string]time.Time) error {
	r.settler.leave(held)
	var err error
	if r.plan.domains() > 0 && ctx.Err() == nil { // workers cost something to start
		err = runner.Run(ctx, r.next, r.settler.emit)
	}
	ended := "the workers stopped"
	if cause := context.Cause(ctx); cause != nil {
		ended = why(cause)
	}
	if left := r.settler.end(ended); err == nil && left > 0 && ctx.Err() == nil {
		err = fmt.Errorf("the runner left %d jobs without a result", left)
	}
	return err
}

// next is the Next of the round.
func (r *round) next(ctx context.Context, worker int) ([]feeds.Job, error) {
	if worker < 0 || worker >= r.o.Workers {
		return nil, fmt.Errorf("plan round: there is no worker %d of %d", worker, r.o.Workers)
	}
	for {
		crash.At("coordinator: before next")
		ids := r.plan.take(ctx, worker, batch)
		if len(ids) == 0 {
			return nil, nil
		}
		jobs, err := r.store.Jobs(ctx, ids)
		if err != nil {
			if ctx.Err() == nil {
				err = &StoreError{Op: "load jobs", Err: err}
				r.stop(err)
			}
			return nil, err
		}
		if len(jobs) < len(ids) {
			r.settler.vanished(missing(ids, jobs))
		}
		if len(jobs) > 0 {
			r.askInFull(jobs)
			crash.At("coordinator: after jobs loaded")
			return jobs, nil
		}
	}
}

// askInFull takes the validators from jobs whose servers have said nothing but
// 304 for too long, and those that no server can have given: what is wrong in one
// row of a store is no reason for a worker to refuse all of its jobs.
func (r *round) askInFull(jobs []feeds.Job) {
	for i := range jobs {
		if v := &jobs[i].Validators; !credible(v) || wantsInFull(r.settler.began, r.plan.ref(jobs[i].ID)) {
			*v = feeds.Validators{}
		}
	}
}

// mostValidators bounds an ETag and a Last-Modified together, in bytes: far more
// than is ever stored.
const mostValidators = 8 << 10

// credible reports whether a server can have given v.
func credible(v *feeds.Validators) bool {
	if len(v.ETag)+len(v.LastModified) > mostValidators {
		return false
	}
	if v.URL == "" {
		return true
	}
	_, err := feeds.NormalizeURL(v.URL)
	return err == nil
}

// missing returns the ids that have no job; both are in the same order.
func missing(ids []int64, jobs []feeds.Job) []int64 {
	var none []int64
	for _, id := range ids {
		if len(jobs) > 0 && jobs[0].ID == id {
			jobs = jobs[1:]
		} else {
			none = append(none, id)
		}
	}
	return none
}

// firstCause decides what Round returns, where one fault led to
// another.
func (r *round) firstCause(ctx, run context.Context, rec *recorder, sum *Summary, err error) error {
	if rec.failed != nil {
		return rec.failed
	}
	cause := context.Cause(run)
	if e, ok := errors.AsType[*StoreError](cause); ok {
		return e
	}
	if e, ok := errors.AsType[*OutageError](cause); ok {
		return e
	}
	if e, ok := errors.AsType[*DeadlineError](cause); ok {
		if e.Left = sum.Classes[feeds.Cancelled]; e.Left == 0 {
			return nil // it came too late to end anything
		}
		return e
	}
	if ctx.Err() != nil || errors.Is(cause, feeds.ErrLost) {
		if sum.Classes[feeds.Cancelled] == 0 {
			return nil // it came too late to end anything
		}
		return fmt.Errorf("refresh feeds: %w", cause)
	}
	if err != nil {
		return fmt.Errorf("run workers: %w", err)
	}
	return nil
}

// Add adds the counts of another round; the times of both are the caller's to add.
func (s *Summary) Add(o Summary) {
	s.Feeds += o.Feeds
	s.New += o.New
	s.Updated += o.Updated
	s.Wire += o.Wire
	for class, n := range o.Classes {
		s.Classes[class] += n
	}
}

// count counts a report.
func (s *Summary) count(rep Report) {
	s.Feeds++
	s.Classes[rep.Outcome.Class]++
	s.New += rep.Saved.New
	s.Updated += rep.Saved.Updated
	s.Wire += rep.Outcome.Cost.Wire
}

// withDefaults fills in what is zero, so that nothing need be asked later.
func (o Options) withDefaults() Options {
	o.Workers = cmp.Or(max(o.Workers, 0), runtime.NumCPU())
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Planned == nil {
		o.Planned = func([]int) {}
	}
	if o.Finished == nil {
		o.Finished = func(int, *feeds.Result) {}
	}
	if o.Stored == nil {
		o.Stored = func(Report) {}
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}
