package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const addLong = `Subscribe feeds and refresh those that are new, so that it is known what they
are. The address of a web page is replaced by the best feed that the page names
(--all: by all that it names), once that was read. What cannot be asked now, or
is no feed, is subscribed as given and the reason is said; a later refresh asks
again. An address without https:// or http:// is asked by the first, then by the
second.

With --offline nobody is asked: the feeds are due at once, and the next refresh
asks for them.`

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
	f.BoolVar(&r.offline, "offline", false, "subscribe as given and ask nobody")
	f.BoolVar(&r.all, "all", false, "of a web page, subscribe every feed that it names")
	r.fetch.register(f)
	r.runner.register(a, c)
	return c
}

func (a *app) addFeeds(ctx context.Context, r *addFlags, args []string) error {
	if err := r.fetch.check(); err != nil {
		return err
	}
	if err := r.runner.complete(); err != nil {
		return err
	}
	in, err := a.readInput(ctx, r.fetch.options(), args, nil, nil)
	if err != nil {
		return err
	}
	defer in.feeds.close()
	if len(in.refused) > 0 {
		bad := in.refused[0]
		return usage("give an address such as https://example.org/feed.xml", "%s: %s", bad.URL, bad.Detail)
	}
	list, err := collected(in.feeds.all())
	if err != nil {
		return err
	}
	return a.besideARun(ctx, r, func(db store.DB) error {
		done, err := db.Subscribe(ctx, list)
		if err != nil {
			return err
		}
		reports, err := a.firstRefresh(ctx, r, db, done)
		if err != nil {
			return err
		}
		for i, d := range done {
			page, report := list[i].URL, reports[d.ID]
			if d.Added && guessed(args, page) && unanswered(report.Outcome) {
				plain := "http" + strings.TrimPrefix(page, "https")
				if rep, ok, e := a.try(ctx, r, db, plain); e != nil {
					return e
				} else if ok && rep.Outcome != nil && !unanswered(rep.Outcome) {
					if _, err = db.Unsubscribe(ctx, []string{page}); err != nil {
						return err
					}
					page, report = plain, rep
				}
			}
			switch o := report.Outcome; {
			case !d.Added:
				a.added("known", page, "")
			case o != nil && o.Class == feeds.NotAFeed && len(o.Links) > 0:
				err = a.followPage(ctx, r, db, page, o.Links)
			default:
				a.added("added", page, outcomeOf(report))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// besideARun has f use the store, beside a run that is under way: then nobody is
// asked, and the feeds are due at the next one.
func (a *app) besideARun(ctx context.Context, r *addFlags, f func(store.DB) error) error {
	err := a.withStore(ctx, store.Options{Beside: r.offline}, f)
	if p, ok := errors.AsType[*problem](err); ok && p.code == exitLocked && !r.offline {
		fmt.Fprintln(a.stderr, "coordinator: a run is under way; the next one asks for these feeds")
		r.offline = true
		return a.withStore(ctx, store.Options{Beside: true}, f)
	}
	return err
}

// firstRefresh refreshes the feeds that are new, unless r forbids it, and
// returns their reports by id. When the workers cannot do it, that is said and
// some reports are missing: the subscriptions stay.
func (a *app) firstRefresh(ctx context.Context, r *addFlags, db store.DB, done []store.Subscribed) (map[int64]refresh.Report, error) {
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
	o, sweep := r.fetch.options(), newSweep(db, &leaseFlags{claim: len(refs), ttl: defaultTTL})
	ask := func(ctx context.Context, db refresh.Store, refs []feeds.Ref) error {
		runner, err := r.runner.newRunner(refs, o, a.logger())
		if err != nil {
			return err
		}
		_, err = refresh.Round(ctx, runner, db, refs, refresh.Options{
			Workers: r.runner.workers,
			Stored:  func(rep refresh.Report) { reports[rep.Outcome.ID] = rep },
			Logger:  a.logger(),
		})
		return err
	}
	if sweep == nil {
		err = ask(ctx, db, refs)
	} else {
		sweep.flags.bound(&o)
		sweep.query.Early, sweep.named = true, true
		sweep.do = func(ctx context.Context, db refresh.Store, refs []feeds.Ref, _ func()) error {
			return ask(ctx, db, refs)
		}
		_, err = sweep.run(ctx, refs)
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "coordinator: not asked: %s\n", terminal.Printable(err.Error()))
	}
	return reports, nil
}

// guessed reports whether url is an argument whose scheme was guessed.
func guessed(args []string, url string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		whole, err := feeds.GuessURL(arg)
		return err == nil && whole == url && !strings.Contains(arg, "://")
	})
}

// unanswered reports whether nobody spoke TLS, or anything, where a feed was asked
// for.
func unanswered(o *feeds.Outcome) bool {
	return o != nil && (o.Class == feeds.Connect || o.Class == feeds.TLS || o.Class == feeds.Timeout)
}

// try subscribes one feed and refreshes it. When it was subscribed before, added is
// false and nothing is asked; a new one that the caller does not want must be
// unsubscribed.
func (a *app) try(ctx context.Context, r *addFlags, db store.DB, url string) (rep refresh.Report, added bool, err error) {
	done, err := db.Subscribe(ctx, []feeds.Subscription{{URL: url}})
	if err != nil || !done[0].Added {
		return rep, false, err
	}
	reports, err := a.firstRefresh(ctx, r, db, done)
	return reports[done[0].ID], true, err
}

// followPage subscribes feeds that a page names in the page's place: the best of
// those that are feeds, or all. A page may name what it likes: what was not read is
// not subscribed, and an address that is not public least of all.
func (a *app) followPage(ctx context.Context, r *addFlags, db store.DB, page string, links []string) error {
	var named []string
	for _, link := range links {
		if url, err := feeds.SubscriptionURL(link); err == nil && url != page && !slices.Contains(named, url) {
			named = append(named, url)
		}
	}
	slices.SortStableFunc(named, func(a, b string) int { return cmp.Compare(secondary(a), secondary(b)) })
	from, found := "named by "+feeds.RedactURL(page), false
	for _, url := range named {
		if found && !r.all {
			a.added("not", url, from+" too; --all subscribes it")
			continue
		}
		rep, added, err := a.try(ctx, r, db, url)
		switch o := rep.Outcome; {
		case err != nil:
			return err
		case !added:
			found = true
			a.added("known", url, from)
		case o != nil && o.Class.OK():
			found = true
			a.added("added", url, from+"; "+outcomeOf(rep))
		default:
			if _, err := db.Unsubscribe(ctx, []string{url}); err != nil {
				return err
			}
			a.added("not", url, from+", "+strings.TrimPrefix(outcomeOf(rep), "as given: "))
		}
	}
	if !found {
		a.added("added", page, "as given: a web page that names no other feed that can be read")
		return nil
	}
	_, err := db.Unsubscribe(ctx, []string{page})
	return err
}

// secondary ranks the feeds of a page by their addresses: 0 for what may be its
// articles, more for comments, and for what is more likely an interface of programs.
func secondary(url string) int {
	url = strings.ToLower(url)
	switch {
	case strings.Contains(url, "comment"):
		return 1
	case strings.Contains(url, "/wp-json/"), strings.Contains(url, "/api"), strings.Contains(url, "oembed"):
		return 2
	}
	return 0
}

// added prints what became of one URL, and why when there is more to say.
func (a *app) added(word, url, why string) {
	if why != "" {
		why = "  " + terminal.Printable(why)
	}
	fmt.Fprintf(a.stdout, "%-8s %s%s\n", word, terminal.Printable(feeds.RedactURL(url)), why)
}

// outcomeOf says how the first refresh of a feed went; "" when there was none.
func outcomeOf(rep refresh.Report) string {
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
