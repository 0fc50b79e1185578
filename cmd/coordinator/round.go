package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
)

// A round is what one refresh needs, from whichever command.
type round struct {
	db      *store.DB
	path    string // of the store, for people
	refs    []feeds.Ref
	refused []feedLine // lines of URLs that could not even be subscribed
	flags   *runnerFlags
	ahead   *headStart // workers that run already; may be nil
	options feeds.Options
	plan    refresh.Options // what the flags say; the callbacks are set here
	report  *report
	bars    *progress
	log     *slog.Logger
}

// run does the round and prints its report. It returns errFeeds when feeds
// failed, and else what ended the round early, if anything did.
func (r *round) run(ctx context.Context) error {
	defer r.bars.close()
	runner, err := r.flags.newRunner(r.refs, r.options, r.log, r.ahead)
	if err != nil {
		return err
	}
	id, err := r.db.BeginRun(context.WithoutCancel(ctx), store.Run{Mode: r.flags.mode.value, Workers: r.flags.workers})
	if err != nil {
		return storeProblem(r.path, err)
	}
	crash.At("coordinator: after begin run")
	if r.plan.Seed == 0 {
		r.plan.Seed = rand.Uint64()
	}
	cpu := cpuTime()
	r.plan.Workers = r.flags.workers
	r.plan.Logger = r.log
	r.plan.Planned = r.bars.planned
	r.plan.Finished = func(worker int, res *feeds.Result) { r.bars.finished(worker, res.Class) }
	r.plan.Stored = r.stored
	for _, l := range r.refused {
		r.report.feed(l)
	}
	sum, err := refresh.Round(ctx, runner, r.db, r.refs, r.plan)
	r.bars.close()

	line := r.summary(sum, runner.bill())
	line.CPUMS.Coordinator = (cpuTime() - cpu).Milliseconds()
	r.report.summary(line)
	crash.At("coordinator: before end run")
	if e := r.endRun(ctx, id, line); err == nil {
		err = e
	}
	crash.At("coordinator: after end run")
	err = r.outcome(err, line)
	if lost := printError(r.report.err); lost != nil {
		switch {
		case err == nil:
			return lost
		case errors.Is(err, errFeeds): // the report, which was to say so, is lost
			return &problem{exitFeeds, lost, ""}
		}
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
	r.report.readers.count(&o.Result)
	r.report.feed(feedLine{
		URL: feeds.RedactURL(rep.URL), Class: o.Class, Detail: detail, Status: o.Status,
		New: rep.Saved.New, Updated: rep.Saved.Updated, Items: rep.Saved.Items,
		Bytes: o.Cost.Wire, MS: (o.Cost.Fetch + o.Cost.Parse).Milliseconds(), Attempts: o.Attempts,
		MovedTo: feeds.RedactURL(rep.Saved.MovedTo),
	})
	r.bars.recorded(o.Class)
	crash.At("coordinator: after report")
}

// summary returns the last line of the report.
func (r *round) summary(sum refresh.Summary, b bill) summaryLine {
	s := summaryLine{
		Mode: r.flags.mode.value, Workers: r.flags.workers,
		Feeds: sum.Feeds + len(r.refused), Failed: len(r.refused),
		New: sum.New, Updated: sum.Updated,
		WallMS:       sum.Wall.Milliseconds(),
		CPUMS:        perProcess{Workers: b.cpu.Milliseconds()},
		Bytes:        byteCounts{Body: sum.Wire, Sent: b.sent, Received: b.received},
		PeakRSS:      peaks{Coordinator: peakRSS(), Worker: b.peak},
		Readers:      r.report.readers,
		WorkerDeaths: b.deaths, Sandbox: b.sandbox, Seed: r.plan.Seed, DB: r.path,
	}
	for class, n := range sum.Classes {
		switch class {
		case feeds.OK:
			s.OK += n
		case feeds.NotModified:
			s.NotModified += n
		case feeds.Unchanged:
			s.Unchanged += n
		case feeds.Cancelled:
			s.Cancelled += n
		default:
			s.Failed += n
		}
	}
	return s
}

// endRun writes the round into the store's table of runs. An interrupted
// round is written too.
func (r *round) endRun(ctx context.Context, id int64, s summaryLine) error {
	err := r.db.EndRun(context.WithoutCancel(ctx), id, store.RunResult{
		Feeds: s.Feeds, Succeeded: s.OK + s.NotModified + s.Unchanged, Failed: s.Failed, New: s.New, Updated: s.Updated,
	})
	if err != nil {
		return storeProblem(r.path, err)
	}
	return nil
}

// outcome says how the round ended: what stopped it, else whether feeds
// failed.
func (r *round) outcome(err error, s summaryLine) error {
	if _, ok := errors.AsType[*refresh.StoreError](err); ok {
		return &problem{exitStore, err, "what was stored before stays; see coordinator doctor"}
	}
	if _, ok := errors.AsType[*refresh.OutageError](err); ok {
		return &problem{exitFeeds, err, "check the network; every feed is still due"}
	}
	if _, ok := errors.AsType[*signalled](err); ok {
		return err
	}
	if err != nil {
		err = r.flags.problem(err)
		if s.Feeds > s.Cancelled { // something was attempted
			return &problem{exitFeeds, err, "what was stored stays; the others are still due"}
		}
		return err
	}
	if s.Failed > 0 {
		return errFeeds
	}
	return nil
}
