package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

// A round is what one refresh needs, from whichever command: one round of refs, or,
// on a store that others use at the same time, as many as its sweep makes.
type round struct {
	db      store.DB
	path    string // of the store, for people
	refs    []feeds.Ref
	refused []feedLine // lines of URLs that could not even be subscribed
	flags   *runnerFlags
	options feeds.Options
	plan    refresh.Options // what the flags say; the callbacks are set here
	sweep   *sweep          // nil where nobody else uses the store
	report  *report
	strict  bool   // feeds that fail are an error
	items   bool   // new items are printed, too
	metrics string // a file for what the round came to; empty for none
	bars    *terminal.Progress
	log     *slog.Logger

	online atomic.Bool // a host has answered: our own network works

	mu   sync.Mutex // guards what follows, and report: two rounds of a sweep may be under way
	sum  refresh.Summary
	bill bill
}

// findsDue reports whether the feeds that are due are found as the round goes, by its
// sweep.
func (r *round) findsDue() bool { return r.sweep != nil && !r.sweep.named }

// run does the round and prints its report. It returns errFeeds when feeds
// failed and that is an error, and else what ended the round early, if anything did.
func (r *round) run(ctx context.Context) error {
	defer r.bars.Close()
	runner, err := r.flags.newRunner(r.refs, r.options, r.log)
	if err != nil {
		return err
	}
	id, err := r.db.BeginRun(context.WithoutCancel(ctx), store.Run{Mode: r.flags.mode.value, Workers: r.flags.workers})
	if err != nil {
		return storeProblem(r.path, err)
	}
	crash.At("coordinator: after begin run")
	r.plan.Seed = cmp.Or(r.plan.Seed, rand.Uint64())
	cpu, start := cpuTime(), time.Now()
	r.sum.Classes = make(map[feeds.Class]int)
	for _, l := range r.refused {
		r.report.feed(l)
	}
	if r.flags.mode.value != goroutineMode { // which reads documents here
		boundMemory(r.refs)
	}
	if r.sweep == nil {
		err = r.once(ctx, runner, r.db, r.refs, r.plan, nil)
	} else {
		err = r.sweepAll(ctx, start)
		r.sum.Wall = time.Since(start)
	}
	r.bars.Close()

	line := r.summary(r.sum, r.bill)
	line.CPUMS.Coordinator = (cpuTime() - cpu).Milliseconds()
	r.report.summary(line)
	crash.At("coordinator: before end run")
	if e := r.endRun(ctx, id, line); err == nil {
		err = e
	}
	if r.report.err == nil { // what could not be printed is told the next time
		e := r.db.Tell(context.WithoutCancel(ctx), r.report.teller.failing, r.report.teller.back)
		if err == nil {
			err = storeProblem(r.path, e)
		}
	}
	crash.At("coordinator: after end run")
	err = r.outcome(err, line)
	if r.metrics != "" {
		e := writeMetrics(r.metrics, line, r.report.counts, time.Now(), err != nil && !errors.Is(err, errFeeds))
		if e != nil && err == nil {
			err = usage("", "--metrics: %w", e)
		}
	}
	if lost := printError(r.report.err); lost != nil {
		switch {
		case err == nil:
			return lost
		case errors.Is(err, errFeeds): // the report, which was to say so, is lost
			return &problem{code: exitFeeds, err: lost}
		}
	}
	return err
}

// What the coordinator's memory may come to, in bytes: so much, and for each feed
// that is due its URL and so much. It is some twice what is kept for a feed, so the
// collector has room.
const (
	easyMemory    = 100 << 20
	easyMemoryRef = 100
)

// boundMemory has the garbage collector work harder where the heap would come to
// twice what a long list takes, unless somebody has said what it may come to.
func boundMemory(refs []feeds.Ref) {
	limit := int64(easyMemory)
	for i := range refs {
		limit += easyMemoryRef + int64(len(refs[i].URL))
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(limit)
	}
}

// once does one round over refs with a runner, and adds it to what the run has come
// to. nearly, unless nil, is called when most hosts are done.
func (r *round) once(ctx context.Context, runner runner, db refresh.Store, refs []feeds.Ref, plan refresh.Options, nearly func()) error {
	plan.Workers = r.flags.workers
	plan.Logger = r.log
	plan.Online = r.online.Load()
	plan.Planned = r.bars.Planned
	var end *countdown
	if nearly != nil {
		end = newCountdown(refs, nearly)
	}
	plan.Finished = func(worker int, res *feeds.Result) {
		r.bars.Finished(worker, res.Class)
		if res.Status != 0 {
			r.online.Store(true)
		}
		if end != nil {
			end.answered(res.ID)
		}
	}
	plan.Stored = r.stored
	sum, err := refresh.Round(ctx, runner, db, refs, plan)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Add(sum)
	r.sum.Wall = sum.Wall
	r.bill.add(runner.bill())
	return err
}

// sweepAll does rounds under leases until none is left to do. The feeds that were
// named and that others have are reported as that.
func (r *round) sweepAll(ctx context.Context, start time.Time) error {
	r.sweep.do = func(ctx context.Context, db refresh.Store, refs []feeds.Ref, nearly func()) error {
		plan := r.plan
		if plan.Deadline > 0 {
			if plan.Deadline -= time.Since(start); plan.Deadline <= 0 {
				return &refresh.DeadlineError{After: r.plan.Deadline}
			}
		}
		plan.Now = r.sweep.db.Now
		flags := *r.flags
		runner, err := flags.newRunner(refs, r.options, r.log)
		if err != nil {
			return err
		}
		if err = r.once(ctx, runner, db, refs, plan, nearly); errors.Is(err, feeds.ErrLost) {
			r.log.Warn("leases were lost", "err", err)
		}
		return err
	}
	if r.plan.Deadline > 0 {
		r.sweep.until = start.Add(r.plan.Deadline)
	}
	left, err := r.sweep.run(ctx, r.refs)
	for _, ref := range left {
		r.stored(refresh.Report{URL: ref.URL, Told: ref.Told, Outcome: &feeds.Outcome{Fails: ref.Fails, Result: feeds.Result{
			ID: ref.ID, Class: feeds.Cancelled, Detail: "another coordinator has " + feeds.Domain(ref.URL),
		}}})
		r.sum.Feeds++
		r.sum.Classes[feeds.Cancelled]++
	}
	if late, ok := errors.AsType[*refresh.DeadlineError](err); ok {
		late.After, late.Left = r.plan.Deadline, r.sum.Classes[feeds.Cancelled]
	}
	return err
}

// stored prints the line of a feed that has been stored, or that the round
// ended without.
func (r *round) stored(rep refresh.Report) {
	o := rep.Outcome
	detail := o.Detail
	if o.Hint != "" {
		detail += ": " + o.Hint
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Debug("asked", "url", feeds.RedactURL(rep.URL), "class", o.Class, "status", o.Status, "requests", o.Attempts,
		"bytes", o.Cost.Wire, "fetch", o.Cost.Fetch, "parse", o.Cost.Parse, "new", rep.Saved.New, "due", o.NextDue.UTC())
	r.report.readers.count(&o.Result)
	r.report.feed(feedLine{
		URL: feeds.RedactURL(rep.URL), Class: o.Class, Detail: detail, Status: o.Status,
		New: rep.Saved.New, Updated: rep.Saved.Updated, Items: rep.Saved.Items,
		Bytes: o.Cost.Wire, MS: (o.Cost.Fetch + o.Cost.Parse).Milliseconds(), Attempts: o.Attempts,
		MovedTo: feeds.RedactURL(rep.Saved.MovedTo), Fails: o.Fails, id: o.ID, told: rep.Told,
	})
	if r.items && rep.Saved.New > 0 {
		r.report.items(r.db.Items(context.Background(), store.ItemQuery{
			FeedIDs: []int64{o.ID}, After: rep.Saved.FirstID - 1, Limit: rep.Saved.New,
		}))
	}
	r.bars.Recorded(o.Class)
	crash.At("coordinator: after report")
}

// summary returns the last line of the report.
func (r *round) summary(sum refresh.Summary, b bill) summaryLine {
	peak, _ := pool.MemoryOf(os.Getpid())
	s := summaryLine{
		Mode: r.flags.mode.value, Workers: r.flags.workers,
		Feeds: sum.Feeds + len(r.refused), Failed: len(r.refused),
		OK: sum.Classes[feeds.OK], NotModified: sum.Classes[feeds.NotModified], Unchanged: sum.Classes[feeds.Unchanged], Cancelled: sum.Classes[feeds.Cancelled],
		New: sum.New, Updated: sum.Updated,
		WallMS:       sum.Wall.Milliseconds(),
		CPUMS:        perProcess{Workers: b.cpu.Milliseconds()},
		Bytes:        byteCounts{Body: sum.Wire, Sent: b.sent, Received: b.received},
		PeakRSS:      peaks{Coordinator: peak, Worker: b.peak},
		Readers:      r.report.readers,
		WorkerDeaths: b.deaths, Sandbox: b.sandbox, Seed: r.plan.Seed, DB: r.path,
	}
	s.Failed += sum.Feeds - s.OK - s.NotModified - s.Unchanged - s.Cancelled
	return s
}

// endRun writes the round into the store's table of runs. An interrupted
// round is written too.
func (r *round) endRun(ctx context.Context, id int64, s summaryLine) error {
	return storeProblem(r.path, r.db.EndRun(context.WithoutCancel(ctx), id, store.RunResult{
		Feeds: s.Feeds, Succeeded: s.OK + s.NotModified + s.Unchanged, Failed: s.Failed, New: s.New, Updated: s.Updated,
	}))
}

// outcome says how the round ended: what stopped it, else whether feeds
// failed.
func (r *round) outcome(err error, s summaryLine) error {
	const rest = "what was stored stays; the others are still due"
	switch {
	case is[*refresh.StoreError](err), errors.Is(err, feeds.ErrLost):
		return &problem{code: exitStore, err: err, hint: cmp.Or(storeHint(err), "what was stored before stays; see coordinator doctor")}
	case is[*refresh.OutageError](err):
		check := "the network"
		if e, _ := errors.AsType[*refresh.OutageError](err); e.Distrust {
			check = "the clock, the authorities that are trusted (SSL_CERT_FILE; in an image, ca-certificates), and whether the network wants a login"
		}
		return &problem{code: exitNetwork, err: err, hint: "check " + check + "; " + rest}
	case is[*refresh.DeadlineError](err):
		return &problem{code: exitDeadline, err: err, hint: rest}
	case is[*signalled](err):
		return err
	case err != nil && s.Feeds > s.Cancelled: // something was attempted
		return &problem{code: exitFeeds, err: r.flags.problem(err), hint: rest}
	case err != nil:
		return r.flags.problem(err)
	case s.Failed > 0 && r.strict:
		return errFeeds
	}
	return nil
}
