package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
)

const addLong = `Subscribe feeds and refresh those that are new, so that it is known what they
are. The address of a web page is replaced by the feed that the page names first
(--all: by all that it names). What cannot be asked now, or is no feed, is
subscribed as given and the reason is said; a later refresh asks again.

With --offline nobody is asked: the feeds are due at once, and the next refresh
asks for them.`

// addFlags are the flags of feeds add.
type addFlags struct {
	offline, all bool
	fetch        fetchFlags
	runner       runnerFlags
}

func (a *app) feedsAddCommand() *cobra.Command {
	r := &addFlags{}
	c := &cobra.Command{
		Use:     "add URL ...",
		Short:   "Subscribe feeds, or those that web pages name",
		Long:    addLong,
		Example: "  coordinator feeds add https://example.org/feed.xml\n  coordinator feeds add --offline https://example.org/feed.xml",
		Args:    someArguments,
		RunE:    func(c *cobra.Command, args []string) error { return a.addFeeds(c.Context(), r, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&r.offline, "offline", false, "subscribe as given and ask nobody")
	f.BoolVar(&r.all, "all", false, "of a web page, subscribe every feed that it names")
	r.fetch.register(f)
	r.runner.register(c)
	return c
}

// addFeeds is the command.
func (a *app) addFeeds(ctx context.Context, r *addFlags, args []string) error {
	if err := r.fetch.check(); err != nil {
		return err
	}
	if err := r.runner.complete(); err != nil {
		return err
	}
	in, err := a.readInput(args, nil, nil)
	if err != nil {
		return err
	}
	if len(in.refused) > 0 {
		bad := in.refused[0]
		return usage("", "%s: %s: %s", bad.URL, bad.Class, bad.Detail)
	}
	return a.withStore(ctx, store.Options{}, func(db *store.DB) error {
		done, err := db.Subscribe(ctx, in.subs)
		if err != nil {
			return err
		}
		reports, err := a.firstRefresh(ctx, r, db, done)
		if err != nil {
			return err
		}
		for i, d := range done {
			page := in.subs[i].URL
			o := reports[d.ID].Outcome
			switch {
			case !d.Added:
				a.added("known", page, "")
			case o != nil && o.Class == feeds.NotAFeed && len(o.Links) > 0:
				err = a.followPage(ctx, db, page, o.Links, r.all)
			default:
				a.added("added", page, verdictOf(reports[d.ID]))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// firstRefresh refreshes the feeds that are new, unless r forbids it, and
// returns their reports by id. When the workers cannot do it, that is said and
// some reports are missing: the subscriptions stay.
func (a *app) firstRefresh(ctx context.Context, r *addFlags, db *store.DB, done []store.Subscribed) (map[int64]refresh.Report, error) {
	ids := []int64{}
	for _, d := range done {
		if d.Added && !r.offline {
			ids = append(ids, d.ID)
		}
	}
	refs, err := db.Due(ctx, store.DueQuery{IDs: ids, Early: true})
	if err != nil || len(refs) == 0 {
		return nil, err
	}
	reports := make(map[int64]refresh.Report)
	r.runner.workers = min(r.runner.workers, len(refs))
	runner, err := r.runner.newRunner(refs, r.fetch.options(), a.logger(), nil)
	if err == nil {
		_, err = refresh.Round(ctx, runner, db, refs, refresh.Options{
			Workers: r.runner.workers,
			Stored:  func(rep refresh.Report) { reports[rep.Outcome.ID] = rep },
			Logger:  a.logger(),
		})
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "coordinator: not asked: %s\n", printable(err.Error()))
	}
	return reports, nil
}

// followPage subscribes feeds that a page names in the page's place: the first
// of them, or all.
func (a *app) followPage(ctx context.Context, db *store.DB, page string, links []string, all bool) error {
	in := &input{seen: make(map[string]bool)}
	for _, link := range links {
		if url, err := feeds.SubscriptionURL(link); err == nil && url != page {
			in.add(feeds.Subscription{URL: url})
		}
	}
	if len(in.subs) == 0 {
		a.added("added", page, "as given: a web page that names no other feed")
		return nil
	}
	chosen, others := in.subs, []feeds.Subscription(nil)
	if !all {
		chosen, others = in.subs[:1], in.subs[1:]
	}
	done, err := db.Subscribe(ctx, chosen)
	if err != nil {
		return err
	}
	if _, err := db.Unsubscribe(ctx, []string{page}); err != nil {
		return err
	}
	for i, d := range done {
		word := "known"
		if d.Added {
			word = "added"
		}
		a.added(word, chosen[i].URL, "named by "+feeds.RedactURL(page))
	}
	for _, s := range others {
		a.added("not", s.URL, "named by "+feeds.RedactURL(page)+" too; --all subscribes it")
	}
	return nil
}

// added prints what became of one URL, and why when there is more to say.
func (a *app) added(word, url, why string) {
	if why != "" {
		why = "  " + printable(why)
	}
	fmt.Fprintf(a.stdout, "%-8s %s%s\n", word, printable(feeds.RedactURL(url)), why)
}

// verdictOf says how the first refresh of a feed went; "" when there was none.
func verdictOf(rep refresh.Report) string {
	o := rep.Outcome
	switch {
	case o == nil:
		return ""
	case o.Class.OK():
		return fmt.Sprintf("%d items", rep.Saved.Items)
	}
	why := "as given: " + string(o.Class)
	if o.Detail != "" {
		why += ": " + o.Detail
	}
	if o.Hint != "" {
		why += ": " + o.Hint
	}
	return why
}
