package main

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

const itemsLong = `Show stored items.

The last to arrive come first. Within a feed the order is that of arrival, and
of items that arrived together the oldest of the document counts as the first;
the dates that feeds give are shown and never sorted by.`

const itemsExample = `  coordinator items
  coordinator items --since 24h --limit 100
  coordinator items --feed https://example.org/feed.xml --format jsonl`

func (a *app) itemsCommand() *cobra.Command {
	q := store.ItemQuery{Newest: true}
	since := moment{now: time.Now}
	format := choice{"table", []string{"table", "jsonl"}}
	c := &cobra.Command{
		Use:     "items",
		Short:   "Show stored items",
		Long:    itemsLong,
		Example: itemsExample,
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			q.Since = since.Time
			if q.Limit < 0 {
				return usage("", "limit of %d: want 0 (all) or more", q.Limit)
			}
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db *store.DB) error {
				return a.items(c.Context(), db, q, format.value == "jsonl")
			})
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&q.FeedURL, "feed", "", "only of this feed (`URL`)")
	f.Var(&since, "since", "only what arrived since `TIME`: 2026-01-31, RFC 3339, or 24h ago")
	f.IntVar(&q.Limit, "limit", 50, "show at most `N` items; 0 is all")
	format.register(c, "format", "table or jsonl")
	return c
}

// items prints what q chooses. A feed that is not subscribed is an error, not
// an empty list.
func (a *app) items(ctx context.Context, db *store.DB, q store.ItemQuery, asJSON bool) error {
	if q.FeedURL != "" {
		url, err := feeds.SubscriptionURL(q.FeedURL)
		if err != nil {
			return usage("", "--feed %s: %w", q.FeedURL, err)
		}
		q.FeedURL = url
		if err := subscribed(ctx, db, url); err != nil {
			return err
		}
	}
	if asJSON {
		return a.printItemsJSON(db.Items(ctx, q))
	}
	return a.printItemsTable(db.Items(ctx, q))
}

// itemJSON is an item as items --format jsonl prints it.
type itemJSON struct {
	Feed       string          `json:"feed"`
	Seq        int64           `json:"seq"`
	GUID       string          `json:"guid"`
	Link       string          `json:"link"`
	Title      string          `json:"title"`
	Author     string          `json:"author"`
	Published  *time.Time      `json:"published"`
	Updated    *time.Time      `json:"updated"`
	FirstSeen  time.Time       `json:"first_seen"`
	Edits      int             `json:"edits"`
	Summary    string          `json:"summary"`
	Content    string          `json:"content"`
	Image      string          `json:"image"`
	Categories []string        `json:"categories"`
	Enclosures []enclosureJSON `json:"enclosures"`
}

type enclosureJSON struct {
	URL    string `json:"url"`
	Type   string `json:"type"`
	Length int64  `json:"length"`
}

func newItemJSON(it *store.Item) itemJSON {
	j := itemJSON{
		Feed: feeds.RedactURL(it.FeedURL), Seq: it.Seq, GUID: it.GUID, Link: it.Link, Title: it.Title, Author: it.Author,
		Published: unix(it.Published), Updated: unix(it.Updated), FirstSeen: it.FirstSeen.UTC(), Edits: it.Edits,
		Summary: it.Summary, Content: it.Content, Image: it.Image,
		Categories: append([]string{}, it.Categories...), Enclosures: []enclosureJSON{},
	}
	for _, e := range it.Enclosures {
		j.Enclosures = append(j.Enclosures, enclosureJSON(e))
	}
	return j
}

// unix returns the time of Unix seconds, nil for 0.
func unix(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	return known(time.Unix(seconds, 0))
}

func (a *app) printItemsJSON(all iter.Seq2[store.Item, error]) error {
	out := bufio.NewWriter(a.stdout)
	for it, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if err := printJSON(out, newItemJSON(&it)); err != nil {
			return printError(err)
		}
	}
	return printError(out.Flush())
}

func (a *app) printItemsTable(all iter.Seq2[store.Item, error]) error {
	var t table
	t.row("ARRIVED", "PUBLISHED", "FEED", "TITLE")
	for it, err := range all {
		if err != nil {
			return errors.Join(err, t.print(a.stdout))
		}
		published := "-"
		if it.Published != 0 {
			published = time.Unix(it.Published, 0).UTC().Format(time.DateOnly)
		}
		feed := it.FeedTitle
		if feed == "" {
			feed = feeds.RedactURL(it.FeedURL)
		}
		title := it.Title
		if title == "" {
			title = it.Link
		}
		t.row(it.FirstSeen.In(zone).Format(time.DateTime), published, clip(printable(feed), 32), clip(printable(title), 60))
	}
	return printError(t.print(a.stdout))
}
