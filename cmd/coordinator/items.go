package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/export"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const itemsLong = `Show stored items, or write them for other programs.

The last to arrive come first. Within a feed the order is that of arrival, and
of items that arrived together the oldest of the document counts as the first;
the dates that feeds give are shown and never sorted by.

--after ID shows what arrived after the item with that id, the oldest first and
all of it. --cursor FILE does so with the id that it keeps in FILE, and moves it
on once everything has been written: whoever is interrupted sees the last part
again and misses nothing. Without FILE it begins with all items.`

const itemsExample = `  coordinator items
  coordinator items --since 7d --limit 100
  coordinator items --feed https://example.org/feed.xml --format jsonl
  coordinator items --cursor seen --format mbox >> news.mbox
  coordinator items --match 'go|rust' --format atom > news.xml`

type itemFlags struct {
	query    store.ItemQuery
	feeds    []string
	category string
	since    moment
	match    string
	fresh    int // days
	cursor   string
	format   choice
	out      string
	title    string
	self     string
	images   bool
}

// defaultItems is how many items are shown when nobody says how many.
const defaultItems = 50

func (a *app) itemsCommand() *cobra.Command {
	r := &itemFlags{since: moment{now: time.Now}, format: choice{"table", append([]string{"table"}, export.Formats()...)}}
	c := &cobra.Command{
		Use:     "items",
		Short:   "Show stored items, or write them for other programs",
		Long:    itemsLong,
		Example: itemsExample,
		Args:    noArguments,
	}
	f := c.Flags()
	r.format.register(c, "format", strings.Join(r.format.of, ", "))
	f.StringArrayVar(&r.feeds, "feed", nil, "only of this `FEED`: an id, a URL or a part that fits one; repeatable")
	f.StringVar(&r.category, "category", "", "only of feeds in this `FOLDER`, and below")
	f.Var(&r.since, "since", "only what arrived since `TIME`: 24h, 7d, yesterday, 2026-01-31, RFC 3339")
	f.StringVar(&r.match, "match", "", "only what the regular expression `REGEX` is found in; (?i) for any case")
	f.StringVar(&r.query.Search, "search", "", "only what the index finds for `WORDS`: 'word other', '\"a phrase\"', 'title: word', 'wor*'")
	f.IntVar(&r.fresh, "unseen-days", 0, "not what was dated over `N` days ago on arrival: a new feed's old items")
	f.Int64Var(&r.query.After, "after", 0, "what arrived after the item with this `ID`, the oldest first")
	f.StringVar(&r.cursor, "cursor", "", "--after the id in `FILE`, which is then moved on")
	f.IntVar(&r.query.Limit, "limit", defaultItems, "at most `N` items; 0 is all, as with --after and --cursor")
	f.StringVar(&r.out, "out", "", "write a maildir to `DIR`")
	f.StringVar(&r.title, "title", "feedmill", "of atom, rss, jsonfeed and html: its `TITLE`")
	f.StringVar(&r.self, "self", "", "of atom, rss and jsonfeed: the `URL` at which it will be found")
	f.BoolVar(&r.images, "images", false, "of html: let the page load images from where they are")
	c.RunE = func(c *cobra.Command, _ []string) error {
		r.query.Newest = true
		if f.Changed("after") || r.cursor != "" {
			r.query.Newest = false
			if !f.Changed("limit") {
				r.query.Limit = 0
			}
		}
		return a.items(c.Context(), r)
	}
	return c
}

// check refuses what means nothing.
func (r *itemFlags) check() (match *regexp.Regexp, err error) {
	switch {
	case r.query.Limit < 0:
		return nil, usage("", "--limit %d: want 0 (all) or more", r.query.Limit)
	case r.fresh < 0:
		return nil, usage("", "--unseen-days %d: want 0 or more", r.fresh)
	case r.query.After != 0 && r.cursor != "":
		return nil, usage("", "--after and --cursor say the same: give one")
	case r.query.After < 0:
		return nil, usage("", "--after %d: want an id, or 0", r.query.After)
	case (r.format.value == "maildir") != (r.out != ""):
		return nil, usage("", "--format maildir and --out DIR go together")
	}
	if err := checkLabels(r.title, r.self); err != nil {
		return nil, err
	}
	if match, err = regexp.Compile(r.match); err != nil {
		return nil, usage("", "--match: no regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return match, nil
}

// checkLabels refuses a --title and a --self that no feed may have.
func checkLabels(title, self string) error {
	if err := oneLine(title); err != nil || strings.TrimSpace(title) == "" {
		return usage("", "--title %q: want one line of text", title)
	}
	if self == "" {
		return nil
	}
	if _, err := webURL(self); err != nil {
		return usage("", "--self %w", err)
	}
	return nil
}

func (a *app) items(ctx context.Context, r *itemFlags) error {
	match, err := r.check()
	if err != nil {
		return err
	}
	return a.withStore(ctx, store.Options{ReadOnly: true}, func(db store.DB) error {
		q := r.query
		q.Since = r.since.Time
		if q.FeedIDs, err = chosenFeeds(ctx, db, r.feeds, r.category); err != nil {
			return err
		}
		cursor := cursorFile(r.cursor)
		q.Onward = r.cursor != "" || q.After != 0
		if r.cursor != "" {
			if q.After, err = a.readCursor(ctx, cursor); err != nil {
				return err
			}
		}
		if q.Search != "" {
			if err := searchable(ctx, db, q.Search); err != nil {
				return err
			}
		}
		all := &chosenItems{limit: q.Limit, match: match, fresh: time.Duration(r.fresh) * 24 * time.Hour}
		if r.match != "" || r.fresh > 0 {
			q.Limit = 0
		}
		items := all.of(func(yield func(store.Item, error) bool) { db.Items(ctx, q)(yield) }) // a table walks them twice
		if err := a.writeItems(r, items); err != nil {
			return err
		}
		if out, ok := a.stdout.(*terminal.Output); ok && out.Err() != nil {
			return printError(out.Err()) // the cursor stays where it is
		}
		if r.cursor == "" || all.last == 0 {
			return nil
		}
		return cursor.move(all.last)
	})
}

// searchable returns a problem unless there is an index and it takes the query.
func searchable(ctx context.Context, db store.DB, query string) error {
	on, err := db.Indexed(ctx)
	switch {
	case err != nil:
		return err
	case !on:
		return usage("make one with: coordinator index on", "--search needs an index, and the store has none")
	}
	for _, err := range db.Items(ctx, store.ItemQuery{Search: query, Limit: 1}) {
		if err != nil && ctx.Err() == nil {
			return usage("quote what is no word: '\"c++\"'", "--search: the index does not understand %q", query)
		}
	}
	return nil
}

// chosenFeeds returns the ids of the feeds that are named or in a folder; nil for
// any feed.
func chosenFeeds(ctx context.Context, db store.DB, names []string, folder string) (ids []int64, err error) {
	if len(names) == 0 && folder == "" {
		return nil, nil
	}
	var list []store.Feed
	if len(names) > 0 {
		list, err = namedFeeds(ctx, db, names)
	} else {
		list, err = feedsInFolder(ctx, db, folder)
	}
	ids = []int64{}
	for _, f := range list {
		if folder == "" || inFolder(f.Category, folder) {
			ids = append(ids, f.ID)
		}
	}
	return ids, err
}

// chosenItems are the items that the store's query alone cannot choose.
type chosenItems struct {
	limit int
	match *regexp.Regexp
	fresh time.Duration // dated at most so long before they arrived; 0 for any
	last  int64         // the id of the last item that was looked at
}

func (c *chosenItems) of(all iter.Seq2[store.Item, error]) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		n := 0
		for it, err := range all {
			if err == nil {
				c.last = max(c.last, it.ID)
				if !c.fits(&it) {
					continue
				}
			}
			if n++; !yield(it, err) || n == c.limit {
				return
			}
		}
	}
}

func (c *chosenItems) fits(it *store.Item) bool {
	if at := max(it.Published, it.Updated); c.fresh > 0 && at != 0 && it.FirstSeen.Sub(time.Unix(at, 0)) > c.fresh {
		return false
	}
	return slices.ContainsFunc([]string{it.Title, it.Link, it.Author, it.Summary, it.Content}, c.match.MatchString)
}

// writeItems writes items as r says.
func (a *app) writeItems(r *itemFlags, all iter.Seq2[store.Item, error]) error {
	if r.format.value == "table" {
		return a.printItemsTable(all, r.query.Newest)
	}
	w, err := export.New(r.format.value, export.Options{Out: a.stdout, Dir: r.out, Title: r.title, Self: r.self, Images: r.images})
	if err != nil {
		return usage("", "%w", err)
	}
	for it, err := range all {
		if err != nil {
			return errors.Join(err, w.Close())
		}
		if err := w.Write(&it); err != nil {
			w.Close() // which fails likewise
			return printError(err)
		}
	}
	return printError(w.Close())
}

// printItemsTable prints a table for people. That there is nothing is said where
// somebody looks for it, and not where a job asks what is new.
func (a *app) printItemsTable(all iter.Seq2[store.Item, error], say bool) error {
	t := a.table(
		terminal.Column{Name: "ARRIVED"}, terminal.Column{Name: "PUBLISHED", Drop: 1}, terminal.Column{Name: "ID", Drop: 2}, terminal.Column{Name: "FEED", Least: 12, Drop: 3}, terminal.Column{Name: "TITLE", Least: 20},
	)
	empty, err := showEach(a, t, all, itemRow)
	if err == nil && empty && say {
		fmt.Fprintln(a.stderr, "coordinator: no item is there, or none that fits")
	}
	return err
}

// itemRow returns the cells of one item.
func itemRow(it *store.Item) []string {
	published := "-"
	if it.Published != 0 {
		published = time.Unix(it.Published, 0).UTC().Format(time.DateOnly)
	}
	return []string{it.FirstSeen.In(zone).Format(time.DateTime), published, fmt.Sprint(it.ID), terminal.Printable(export.FeedOf(it)), terminal.Printable(export.TitleOf(it))}
}
