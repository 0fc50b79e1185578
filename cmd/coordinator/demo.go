package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/terminal"
)

const demoLong = `Show the main job with no network: serve generated feeds on loopback hosts,
refresh them with worker processes, give some of them news, refresh again, and
print what the store then holds.

The store is a file in a temporary folder that is removed in the end, unless
--keep says where it goes.`

const demoExample = `  coordinator demo
  coordinator demo --feeds 1000 --hosts 200 --workers 4
  coordinator demo --keep demo.db`

// demoNews is in how many epochs a feed of the demo gets a new item.
const demoNews = 4

// A demo is what the demo's flags were set to.
type demo struct {
	feeds, hosts, items int
	keep                string
	quiet               bool
	runner              runnerFlags
}

func (a *app) demoCommand() *cobra.Command {
	d := &demo{}
	c := &cobra.Command{
		Use:     "demo",
		Short:   "Show the main job on generated feeds, with no network",
		Long:    demoLong,
		Example: demoExample,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), d) },
	}
	f := c.Flags()
	f.IntVar(&d.feeds, "feeds", 200, "`N` generated feeds")
	f.IntVar(&d.hosts, "hosts", 40, "`N` loopback hosts that they are spread on")
	f.IntVar(&d.items, "items", origin.DefaultItems, "`N` items of a feed")
	f.StringVar(&d.keep, "keep", "", "keep the store as `FILE`, which must be new")
	f.BoolVarP(&d.quiet, "quiet", "q", false, "no progress")
	d.runner.register(a, c)
	return c
}

// check refuses what would be no demo, and a store that is somebody's already:
// feeds of a server that ends with the demo are not to be mixed into it.
func (d *demo) check() error {
	for _, f := range []struct {
		n    int
		flag string
	}{{d.feeds, "feeds"}, {d.hosts, "hosts"}, {d.items, "items"}} {
		if f.n < 1 {
			return usage("", "--%s %d: want 1 or more", f.flag, f.n)
		}
	}
	if _, err := os.Lstat(d.keep); d.keep != "" && err == nil {
		return usage("name a file that is not there yet", "--keep %s: there is such a file", d.keep)
	}
	return d.runner.complete()
}

// demo serves, refreshes twice and shows what is stored.
func (a *app) demo(ctx context.Context, d *demo) (err error) {
	if err := d.check(); err != nil {
		return err
	}
	server, err := origin.New(origin.Options{Feeds: d.feeds, Hosts: d.hosts, Items: d.items, NewsEvery: demoNews})
	if err != nil {
		return usage("", "%w", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var served error
	wg.Go(func() { served = server.Run(serving) })
	defer func() {
		stop()
		wg.Wait()
		err = errors.Join(err, served)
	}()

	path, remove, err := d.place()
	if err != nil {
		return err
	}
	defer remove()
	db, err := sqlite.Open(ctx, path, store.Options{})
	if err != nil {
		return storeProblem(path, err)
	}
	defer func() { err = errors.Join(err, storeProblem(path, db.Close())) }()
	return a.demoRounds(ctx, d, server, db, path)
}

// place returns where the store goes, and what removes it again.
func (d *demo) place() (path string, remove func(), err error) {
	if d.keep != "" {
		return d.keep, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "feedmill-demo-")
	if err != nil {
		return "", nil, &problem{code: exitStore, err: err, hint: "say where with --keep FILE"}
	}
	return filepath.Join(dir, "feeds.db"), func() { os.RemoveAll(dir) }, nil
}

func (a *app) demoRounds(ctx context.Context, d *demo, server *origin.Server, db store.DB, path string) error {
	a.say("%s of %s on %s, served at http://%s/", count(server.Feeds(), "feed"), count(d.items, "item"), count(server.Hosts(), "host"), server.Addr())
	var subs []feeds.Subscription
	for u := range server.URLs() {
		subs = append(subs, feeds.Subscription{URL: u})
	}
	if _, err := db.Subscribe(ctx, subs); err != nil {
		return storeProblem(path, err)
	}
	a.say("first round: everything is new")
	if err := a.demoRound(ctx, d, db, path); err != nil {
		return err
	}
	server.AddEpochs(1)
	a.say("second round: about one feed in %d has a new item, the others answer 304", demoNews)
	if err := a.demoRound(ctx, d, db, path); err != nil {
		return err
	}
	a.say("what the store now holds, newest first")
	latest := func(yield func(store.Item, error) bool) {
		db.Items(ctx, store.ItemQuery{Limit: 8, Newest: true})(yield)
	}
	if err := a.printItemsTable(latest, true); err != nil {
		return storeProblem(path, err)
	}
	if d.keep != "" {
		a.say("kept: coordinator items --db %s, or sqlite3 %s", path, path)
	}
	return nil
}

// demoRound refreshes all feeds of the demo, due or not, and prints only what
// it came to.
func (a *app) demoRound(ctx context.Context, d *demo, db store.DB, path string) error {
	refs, err := db.Due(ctx, store.DueQuery{Force: true})
	if err != nil {
		return storeProblem(path, err)
	}
	rep := newReport(a.stdout, false)
	rep.show = showSummary
	r := &round{
		db: db, path: path, refs: refs, flags: &d.runner,
		options: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		plan:    refresh.Options{Force: true},
		report:  rep, bars: terminal.NewProgress(a.stderr, d.quiet, true), log: a.logger(),
	}
	return r.run(ctx)
}

// say prints a heading.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stdout, "\n== "+format+"\n", args...)
}
