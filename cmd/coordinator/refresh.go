package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const refreshLong = `Refresh feeds and store what is new.

With URLs, --list or --opml: subscribe these, then refresh just these. Without:
refresh every subscribed feed that is due. A feed is due when the server, the
document and the minimum interval (an hour; as little is new, up to a day where
the server helps with no validators) all allow it. Feeds that are named are
asked before that, but not those that are gone (410) and not on a host that
asked to be left alone; --force asks all of them.

Feeds with news get a line each, failures of one kind a line together, and the
round a summary. --report new leaves only the first of these; --report failing
says of a feed once that it has failed --tell-after times in a row, and once
that it is back. --quiet prints nothing unless the run itself failed. With
--json every feed gets a line of JSON as it is stored, and the summary is the
last. Addresses that are not public are refused unless --allow-net allows them.

Exit status is 0 when the round did its work, whatever became of single feeds
(with --strict 3 when some failed); see coordinator --help for the others.`

const refreshExample = `  coordinator refresh https://example.org/feed.xml
  coordinator refresh --list feeds.txt --workers 4
  coordinator refresh
  coordinator refresh --quiet --report failing
  coordinator refresh --force --json --quiet
  coordinator refresh --opml subscriptions.opml --per-host 2 --timeout 10s`

type refreshFlags struct {
	lists, opmls []string
	runner       runnerFlags
	ship         choice
	parser       choice
	force        bool
	fetch        fetchFlags
	perHost      int
	fetches      int
	hostDelay    time.Duration
	durability   choice
	minInterval  time.Duration
	seed         uint64
	json, items  bool
	quiet        bool
	report       choice
	tellAfter    int
	strict       bool
	wait         time.Duration
	deadline     time.Duration
	dry          bool
	metrics      string
	hooks        hookFlags
	leases       leaseFlags
}

func (a *app) refreshCommand() *cobra.Command {
	r := &refreshFlags{
		ship:       choice{"new", []string{"new", "all"}},
		parser:     choice{"auto", []string{"auto", "gofeed"}},
		durability: choice{"full", []string{"full", "normal"}},
		report:     choice{showAll, []string{showAll, showNew, showFailing}},
	}
	c := &cobra.Command{
		Use:     "refresh [URL ...]",
		Short:   "Refresh feeds and store what is new",
		Long:    refreshLong,
		Example: refreshExample,
		RunE:    func(c *cobra.Command, args []string) error { return a.refresh(c.Context(), r, args) },
	}
	f := c.Flags()
	f.StringArrayVar(&r.lists, "list", nil, "refresh the feeds of `FILE` or URL, one a line; - is stdin; repeatable")
	f.StringArrayVar(&r.opmls, "opml", nil, "refresh the feeds of this OPML `FILE` or URL; repeatable")
	r.runner.register(a, c)
	f.StringVar(&r.runner.poison, "keep-poison", "", "keep feeds that kill their workers, and what is known of it, in `DIR`")
	f.StringVar(&r.runner.manager, "manager", "", "with --mode manager: the one at `HOST:PORT`, a worker --manager, and not one of its own")
	f.StringVar(&r.runner.key, "manager-key", "", "with --manager: `FILE` with its key")
	r.parser.register(c, "parser", "who reads feeds: gofeed alone, or a faster reader where it can (auto)")
	r.ship.register(c, "ship", "what workers send back: new (and updated) items, or all")
	f.BoolVar(&r.force, "force", false, "refresh also what is not due, gone or to be left alone")
	r.fetch.register(f)
	f.IntVar(&r.fetches, "fetches", 0, "have at most `N` requests under way in all [default: 512 a worker, while neither the CPU nor the uplink is full]")
	f.IntVar(&r.perHost, "per-host", feeds.DefaultPerHost, "have at most `N` requests under way for one host")
	f.DurationVar(&r.hostDelay, "host-delay", 0, "pause for `TIME` between two requests to one host")
	f.Var((*age)(&r.minInterval), "min-interval", "the least `TIME` between two requests to a feed [default: 1h]")
	f.Uint64Var(&r.seed, "seed", 0, "ask hosts in the order of the round that had seed `N`")
	r.durability.register(c, "durability", "what is stored survives a power cut (full) or a crash (normal)")
	f.BoolVar(&r.json, "json", false, "print a line of JSON for each feed and a summary, nothing else")
	f.BoolVar(&r.items, "items", false, "with --json: after a feed's line, one for each of its new items")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print nothing unless the run itself fails; --report and --json still print")
	r.report.register(c, "report", "print all, only new items' feeds, or what is failing: each once")
	f.IntVar(&r.tellAfter, "tell-after", 3, "--report failing: tell of a feed that failed `N` times in a row")
	f.BoolVar(&r.strict, "strict", false, "exit with status 3 when a feed failed")
	f.DurationVar(&r.wait, "wait", 0, "wait `TIME` for another run to end [default: exit with status 5]")
	f.DurationVar(&r.deadline, "deadline", 0, "end the round after `TIME`, in order; the rest stays due [default: never]")
	f.BoolVar(&r.dry, "dry-run", false, "print what would be asked, and why; ask nobody")
	f.StringVar(&r.metrics, "metrics", "", "write what the round came to into `FILE`, as Prometheus reads it")
	r.hooks.register(f)
	r.leases.register(c)
	c.PreRun = func(*cobra.Command, []string) {
		if r.quiet && !f.Changed("report") {
			r.report.value = showNothing
		}
	}
	return c
}

// check refuses what no round could be done with.
func (r *refreshFlags) check() error {
	switch {
	case r.fetches < 0 || r.fetches > 1<<16:
		return usage("", "--fetches %d: want 1 to 65536", r.fetches)
	case r.perHost < 1 || r.perHost > 64:
		return usage("", "--per-host %d: want 1 to 64", r.perHost)
	case r.hostDelay < 0 || r.hostDelay > time.Hour:
		return usage("", "--host-delay %v: want 0s to 1h", r.hostDelay)
	case r.items && !r.json:
		return usage("add --json", "--items is for lines of JSON")
	case r.tellAfter < 1:
		return usage("", "--tell-after %d: want 1 or more", r.tellAfter)
	case r.deadline < 0:
		return usage("", "--deadline %v: want more than 0s", r.deadline)
	case r.wait < 0:
		return usage("", "--wait %v: want 0s or more", r.wait)
	case r.minInterval < 0 || r.minInterval > 7*24*time.Hour:
		return usage("", "--min-interval %v: want 0s to 168h", r.minInterval)
	}
	if err := errors.Join(r.fetch.check(), checkMetrics(r.metrics), r.leases.check()); err != nil {
		return err
	}
	if err := r.runner.complete(); err != nil {
		return err
	}
	if r.fetches > 0 {
		r.runner.workers = min(r.runner.workers, r.fetches)
	}
	return nil
}

// options returns what a Refresher is told.
func (r *refreshFlags) options() feeds.Options {
	o := r.fetch.options()
	o.PerHost, o.HostDelay = r.perHost, r.hostDelay
	if r.deadline > 0 {
		o.DrainGrace = min(feeds.DefaultDrainGrace, r.deadline/10)
	}
	if r.fetches > 0 {
		o.Fetches = r.fetches / r.runner.workers
	}
	if r.ship.value == "all" {
		o.Ship = feeds.ShipAll
	}
	if r.parser.value == "gofeed" {
		o.Parser = feeds.ParserGofeed
	}
	return o
}

// forPeople reports whether somebody watches the round, and not a program.
func (r *refreshFlags) forPeople() bool { return !r.quiet && r.report.value == showAll }

func (a *app) refresh(ctx context.Context, r *refreshFlags, args []string) (err error) {
	if err := r.check(); err != nil {
		return err
	}
	in, err := a.readInput(ctx, r.options(), args, r.lists, r.opmls)
	if err != nil {
		return err
	}
	defer in.feeds.close()
	if in.given && in.feeds.n+len(in.refused) == 0 {
		return usage("give a list with one URL a line, or OPML", "no feed was named: the list is empty")
	}
	if r.dry {
		return a.dryRun(ctx, in, r.force)
	}
	given, err := a.hooks(&r.hooks)
	if err != nil {
		return err
	}
	workInBatch()
	crash.At("coordinator: before open")
	bars := terminal.NewProgress(a.stderr, r.quiet, r.forPeople())
	defer bars.Close() // where the round does not come to do so
	db, err := a.openForRound(ctx, r, in.given)
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
	if err := noteHooks(ctx, db, given); err != nil {
		return storeProblem(db.Path(), err)
	}
	job, why, err := a.newRound(ctx, db, r, in, bars)
	if err != nil {
		return storeProblem(db.Path(), err)
	}
	err = a.runRound(ctx, job, why, r.forPeople())
	if ctx.Err() == nil {
		if e := storeProblem(db.Path(), runHooks(ctx, db, given)); err == nil || errors.Is(err, errFeeds) && e != nil {
			err = e
		}
	}
	if err == nil && in.feeds.n == 0 && len(in.refused) > 0 {
		return usage("", "no feed was named: %s, of which none is the URL of one", count(len(in.refused), "line"))
	}
	return err
}

// newRound returns the round that the flags ask for and, where it begins without
// any feed, why.
func (a *app) newRound(ctx context.Context, db store.DB, r *refreshFlags, in *input, bars *terminal.Progress) (job *round, why string, err error) {
	job = &round{
		db: db, path: db.Path(), refused: in.refused, strict: r.strict, items: r.items, metrics: r.metrics,
		flags: &r.runner, options: r.options(), plan: refresh.Options{Force: r.force, MinInterval: r.minInterval, Seed: r.seed, Deadline: r.deadline},
		sweep: newSweep(db, &r.leases), report: newReport(bars.Over(a.stdout), r.json), bars: bars, log: a.loggerOn(bars.Over(a.stderr)),
	}
	job.report.show, job.report.teller.after = r.report.value, r.tellAfter
	if s := job.sweep; s != nil {
		s.query = store.DueQuery{Early: in.given, Force: r.force}
		s.wait, s.named = r.wait, in.given || r.force
		r.leases.bound(&job.options)
	}
	if !job.findsDue() {
		if job.refs, err = dueFeeds(ctx, db, in, r.force); err != nil {
			return nil, "", err
		}
	}
	crash.At("coordinator: after subscribe")
	if len(job.refs) == 0 {
		why, err = nothingDue(ctx, db, in)
	}
	return job, why, err
}

// runRound does a round, and tells people why it is about no feed: before it, but
// where the round finds itself what is due, after it.
func (a *app) runRound(ctx context.Context, job *round, why string, people bool) error {
	if people && why != "" && !job.findsDue() {
		fmt.Fprintln(a.stderr, "coordinator:", why)
	}
	err := job.run(ctx)
	if people && err == nil && job.findsDue() && job.sum.Feeds == 0 {
		fmt.Fprintln(a.stderr, "coordinator:", why)
	}
	return err
}

// openForRound opens the store for a round. One that is not there is made only
// for feeds that are named: a round of all feeds that are due would be of none,
// and whoever wrote the job meant another store.
func (a *app) openForRound(ctx context.Context, r *refreshFlags, named bool) (store.DB, error) {
	o := store.Options{Durability: store.Full}
	if r.durability.value == "normal" {
		o.Durability = store.Normal
	}
	path, err := a.dbPath()
	if err != nil {
		return nil, err
	}
	if isShared(path) {
		return a.openShared(ctx, path, o, &r.leases)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named {
		return nil, noStore(path)
	}
	until := time.Now().Add(r.wait)
	for {
		db, err := a.openStore(ctx, o)
		p, ok := errors.AsType[*problem](err)
		if !ok || p.code != exitLocked {
			return db, err
		}
		if !time.Now().Before(until) {
			p.quiet = r.quiet // it does the work
			return nil, p
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(min(waitStep, time.Until(until))):
		}
	}
}

// nothingDue says why a round is about no feed. That nothing is subscribed is an
// error.
func nothingDue(ctx context.Context, db store.DB, in *input) (string, error) {
	switch {
	case in.feeds.n > 0:
		return "all that was named is gone (410) or paused; --force asks again", nil
	case in.given:
		return "", nil
	}
	for _, err := range db.Feeds(ctx, store.FeedQuery{}) {
		return "no feed is due; --force asks all of them", err
	}
	return "", usage("add some with: coordinator feeds add URL", "no feeds are subscribed in %s", db.Path())
}

// dueFeeds returns what a round is about: the feeds that were named, or all
// that are due. A feed that was named is asked before its time, but not when it
// is gone, and refresh.Round leaves hosts alone that asked for it.
func dueFeeds(ctx context.Context, db store.DB, in *input, force bool) ([]feeds.Ref, error) {
	q := store.DueQuery{Now: time.Now(), Force: force}
	if in.given {
		ids, err := subscribed(ctx, db, in.feeds)
		if err != nil {
			return nil, err
		}
		q.IDs, q.Early = ids, true
	}
	return db.Due(ctx, q)
}

// subscribedAtOnce is how many feeds are subscribed in one transaction.
const subscribedAtOnce = 10_000

// subscribed subscribes the feeds of a gathering, which it then closes: a round has no
// use for the list, and of a million feeds it is much. It returns their ids, and never
// nil.
func subscribed(ctx context.Context, db store.DB, list *gathering) ([]int64, error) {
	defer list.close()
	ids := make([]int64, 0, list.n)
	part := make([]feeds.Subscription, 0, min(list.n, subscribedAtOnce))
	for s, err := range list.all() {
		if err != nil {
			return nil, err
		}
		if part = append(part, s); len(part) < subscribedAtOnce && len(ids)+len(part) < list.n {
			continue
		}
		done, err := db.Subscribe(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, d := range done {
			ids = append(ids, d.ID)
		}
		part = part[:0]
	}
	return ids, nil
}
