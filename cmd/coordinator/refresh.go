package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
)

const refreshLong = `Refresh feeds and store what is new.

With URLs, --list or --opml: subscribe these, then refresh just these. Without:
refresh every subscribed feed that is due. A feed is due when the server, the
document and the minimum interval (an hour, or a day where the server helps
with no validators) all allow it. Feeds that are named are asked before that,
but not those that are gone (410) and not on a host that asked to be left alone;
--force asks all of them.

Each feed that has news or failed gets a line, and the round a summary; with
--json every feed gets a line of JSON as it is stored, and the summary is the
last. Addresses that are not public are refused unless --allow-net allows them.

Exit status is 0 when every feed ended well, 3 when some failed; see
coordinator --help for the others.`

const refreshExample = `  coordinator refresh https://example.org/feed.xml
  coordinator refresh --list feeds.txt --workers 4
  coordinator refresh
  coordinator refresh --force --json --quiet
  coordinator refresh --opml subscriptions.opml --per-host 2 --timeout 10s`

// refreshFlags are the flags of refresh.
type refreshFlags struct {
	lists, opmls []string
	runner       runnerFlags
	ship         choice
	parser       choice
	force        bool
	fetch        fetchFlags
	perHost      int
	hostDelay    time.Duration
	durability   choice
	minInterval  time.Duration
	seed         uint64
	json, quiet  bool
}

func (a *app) refreshCommand() *cobra.Command {
	r := &refreshFlags{
		ship:       choice{"new", []string{"new", "all"}},
		parser:     choice{"auto", []string{"auto", "gofeed"}},
		durability: choice{"full", []string{"full", "normal"}},
	}
	c := &cobra.Command{
		Use:     "refresh [URL ...]",
		Short:   "Refresh feeds and store what is new",
		Long:    refreshLong,
		Example: refreshExample,
		RunE:    func(c *cobra.Command, args []string) error { return a.refresh(c.Context(), r, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&r.lists, "list", nil, "refresh the feeds of `FILE`, one URL a line; - is stdin; repeatable")
	f.StringArrayVar(&r.opmls, "opml", nil, "refresh the feeds of this OPML `FILE`; repeatable")
	r.runner.register(c)
	f.StringVar(&r.runner.poison, "keep-poison", "", "keep feeds that kill their workers, and what is known of it, in `DIR`")
	f.StringVar(&r.runner.manager, "manager", "", "with --mode manager: the one at `HOST:PORT`, a worker --manager, and not one of its own")
	f.StringVar(&r.runner.key, "manager-key", "", "with --manager: `FILE` with its key")
	r.parser.register(c, "parser", "who reads feeds: gofeed alone, or a faster reader where it can (auto)")
	r.ship.register(c, "ship", "what workers send back: new (and updated) items, or all")
	f.BoolVar(&r.force, "force", false, "refresh also what is not due, gone or to be left alone")
	r.fetch.register(f)
	f.IntVar(&r.perHost, "per-host", feeds.DefaultPerHost, "have at most `N` requests under way for one host")
	f.DurationVar(&r.hostDelay, "host-delay", 0, "pause between two requests to one host")
	f.DurationVar(&r.minInterval, "min-interval", 0, "between two requests to a feed [default: 1h, 24h without validators]")
	f.Uint64Var(&r.seed, "seed", 0, "ask hosts in the order of the round that had seed `N`")
	r.durability.register(c, "durability", "what is stored survives a power cut (full) or a crash (normal)")
	f.BoolVar(&r.json, "json", false, "print a line of JSON for each feed and a summary, nothing else")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "no progress, and nothing at all about a round without news")
	return c
}

// check refuses what no round could be done with.
func (r *refreshFlags) check() error {
	switch {
	case r.perHost < 1 || r.perHost > 64:
		return usage("", "%d requests per host: want 1 to 64", r.perHost)
	case r.hostDelay < 0 || r.hostDelay > time.Hour:
		return usage("", "host delay of %v: want 0s to 1h", r.hostDelay)
	case r.minInterval < 0 || r.minInterval > 7*24*time.Hour:
		return usage("", "minimum interval of %v: want 0s to 168h", r.minInterval)
	}
	if err := r.fetch.check(); err != nil {
		return err
	}
	return r.runner.complete()
}

// options returns what a Refresher is told.
func (r *refreshFlags) options() feeds.Options {
	o := r.fetch.options()
	o.PerHost, o.HostDelay = r.perHost, r.hostDelay
	if r.ship.value == "all" {
		o.Ship = feeds.ShipAll
	}
	if r.parser.value == "gofeed" {
		o.Parser = feeds.ParserGofeed
	}
	return o
}

// storeDurability returns what a commit is to wait for.
func (r *refreshFlags) storeDurability() store.Durability {
	if r.durability.value == "normal" {
		return store.Normal
	}
	return store.Full
}

// refresh is the command.
func (a *app) refresh(ctx context.Context, r *refreshFlags, args []string) (err error) {
	if err := r.check(); err != nil {
		return err
	}
	in, err := a.readInput(args, r.lists, r.opmls)
	if err != nil {
		return err
	}
	workInBatch()
	crash.At("coordinator: before open")
	bars := newProgress(a.stderr, r.quiet)
	defer bars.close() // where the round does not come to do so
	log := a.loggerOn(bars.over(a.stderr))
	ahead := r.runner.startAhead(ctx, in.subs, r.options(), log)
	defer ahead.close()
	db, err := a.openStore(ctx, store.Options{Durability: r.storeDurability()})
	if err != nil {
		return err
	}
	crash.At("coordinator: after open")
	defer func() {
		crash.At("coordinator: before close")
		if e := db.Close(); err == nil || errors.Is(err, errFeeds) {
			err = cmp.Or(storeProblem(db.Path(), e), err)
		}
		crash.At("coordinator: after close")
	}()
	refs, err := dueFeeds(ctx, db, in, r.force)
	if err != nil {
		return storeProblem(db.Path(), err)
	}
	crash.At("coordinator: after subscribe")
	if r.runner.mode.value != goroutineMode {
		collectLess(len(refs))
	}
	if len(refs) == 0 && len(in.refused) == 0 && !r.quiet {
		why, err := nothingDue(ctx, db, in)
		if err != nil {
			return storeProblem(db.Path(), err)
		}
		fmt.Fprintln(a.stderr, "coordinator:", why)
	}
	rep := newReport(bars.over(a.stdout), r.json)
	rep.quiet = r.quiet
	job := &round{
		db: db, path: db.Path(), refs: refs, refused: in.refused,
		flags: &r.runner, ahead: ahead, options: r.options(), plan: refresh.Options{Force: r.force, MinInterval: r.minInterval, Seed: r.seed},
		report: rep, bars: bars, log: log,
	}
	return job.run(ctx)
}

// nothingDue says why a round is about no feed.
func nothingDue(ctx context.Context, db *store.DB, in *input) (string, error) {
	switch {
	case len(in.subs) > 0:
		return "all that was named is gone (410); --force asks again", nil
	case in.given:
		return "no feed was named", nil
	}
	for _, err := range db.Feeds(ctx, store.FeedQuery{}) {
		return "no feed is due; --force asks all of them", err
	}
	return noFeeds, nil
}

// dueFeeds returns what a round is about: the feeds that were named, or all
// that are due. A feed that was named is asked before its time, but not when it
// is gone, and refresh.Round leaves hosts alone that asked for it.
func dueFeeds(ctx context.Context, db *store.DB, in *input, force bool) ([]feeds.Ref, error) {
	q := store.DueQuery{Now: time.Now(), Force: force}
	if in.given {
		done, err := db.Subscribe(ctx, in.subs)
		if err != nil {
			return nil, err
		}
		q.IDs, q.Early = make([]int64, 0, len(done)), true
		for _, d := range done {
			q.IDs = append(q.IDs, d.ID)
		}
	}
	return db.Due(ctx, q)
}
