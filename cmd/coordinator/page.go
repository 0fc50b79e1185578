package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/page"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const pageLong = `Write what is new as a static site: by day, by folder and by feed, with an Atom
feed and an OPML file beside. Any server can serve it, or open its index.html.
HTML of feeds is sanitised; no page runs a script or loads anything, but for
images with --images, which their servers see.

The folder must be new, or of a page that was made before: only what has changed
is written then, and what is gone is removed.`

type pageFlags struct {
	out, title, self string
	since            age
	limit            int
	images           bool
}

func (a *app) pageCommand() *cobra.Command {
	r := &pageFlags{since: age(30 * 24 * time.Hour)}
	c := &cobra.Command{
		Use:     "page --out DIR",
		Short:   "Write what is new as a static site",
		Long:    pageLong,
		Example: "  coordinator page --out site\n  coordinator page --out site --since 7d --title 'My news'",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.page(c.Context(), r) },
	}
	f := c.Flags()
	f.StringVar(&r.out, "out", "", "the `DIR` of the site")
	f.Var(&r.since, "since", "what arrived at most `AGE` ago [default: 30d]")
	f.Lookup("since").DefValue = ""
	f.IntVar(&r.limit, "limit", 2000, "at most the last `N` items; 0 is all, in memory")
	f.StringVar(&r.title, "title", "feedmill", "its `TITLE`")
	f.StringVar(&r.self, "self", "", "the `URL` at which it will be found, for its Atom feed")
	f.BoolVar(&r.images, "images", false, "let pages load images from where they are")
	return c
}

func (a *app) page(ctx context.Context, r *pageFlags) error {
	switch {
	case r.out == "":
		return usage("see coordinator page --help", "page: say where with --out DIR")
	case r.limit < 0:
		return usage("", "--limit %d: want 0 (all) or more", r.limit)
	}
	if err := checkLabels(r.title, r.self); err != nil {
		return err
	}
	return a.withStore(ctx, store.Options{ReadOnly: true}, func(db store.DB) error {
		q := store.ItemQuery{Since: time.Now().Add(-time.Duration(r.since)), Newest: true}
		if r.limit > 0 {
			q.Limit = r.limit + 1 // one more tells that there are more
		}
		items, err := collected(db.Items(ctx, q))
		if err != nil {
			return err
		}
		left := ""
		if r.limit > 0 && len(items) > r.limit {
			items, left = items[:r.limit], fmt.Sprintf(" (the newest: --limit %d)", r.limit)
		}
		var lost error // of the store
		opml := func(w io.Writer) error {
			lost = writeOPML(ctx, db, w, r.title, false)
			return lost
		}
		made, err := page.Write(r.out, items, opml, page.Options{Title: r.title, Self: r.self, Images: r.images, Zone: zone})
		if _, ok := errors.AsType[*page.ForeignError](err); ok {
			return usage("name a folder that is new or empty", "--out: %w", err)
		}
		if err != nil && !errors.Is(err, lost) {
			return usage("", "%w", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s%s in %s: %d written, %d as they were, %d removed\n", count(len(items), "item"), left, terminal.Printable(feeds.RedactText(r.out)), made.Written, made.Kept, made.Removed)
		return nil
	})
}
