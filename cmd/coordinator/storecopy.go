package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/store"
)

const storeCopyLong = `Copy a store into another one, from a file to a server or back: feeds, items
with their ids, what was removed or has moved, settings, cursors and holds. Runs
are not copied. TO may be new, or have a part of FROM, as a copy that was cut
off leaves it: then what is there already is compared and left alone, up to the
first difference. In the end both are compared. Nobody should refresh either
meanwhile.`

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Copy a store into a file, or to a server",
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:     "copy FROM TO",
		Short:   "Copy a store, either way, and compare both",
		Long:    storeCopyLong,
		Example: "  coordinator store copy feeds.db postgres:///feedmill\n  coordinator store copy postgres:///feedmill backup.db",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("see coordinator store copy --help", "want FROM and TO, each a file or postgres://…")
			}
			return a.copyStore(c.Context(), args[0], args[1])
		},
	})
	return c
}

// copiedAtOnce is how many feeds one transaction copies.
const copiedAtOnce = 200

func (a *app) copyStore(ctx context.Context, from, to string) (err error) {
	source, err := a.openCopied(ctx, from, false)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := a.openCopied(ctx, to, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, storeProblem(target.Path(), target.Close())) }()
	ids, err := idsToCopy(ctx, source, target)
	if err != nil {
		return err
	}
	for at := 0; at < len(ids); at += copiedAtOnce {
		after, upTo := int64(0), ids[min(at+copiedAtOnce, len(ids))-1]
		if at > 0 {
			after = ids[at-1]
		}
		if err := copyRange(ctx, source, target, after, upTo); err != nil {
			return storeProblem(target.Path(), err)
		}
	}
	items, err := endCopy(ctx, source, target)
	if err != nil {
		return storeProblem(target.Path(), err)
	}
	fmt.Fprintf(a.stdout, "copied and compared: %s, %s\n", count(len(ids), "feed"), count(items, "item"))
	return nil
}

// openCopied opens one side of a copy. A source must be there.
func (a *app) openCopied(ctx context.Context, path string, make bool) (store.DB, error) {
	side := *a
	side.db = path
	if !make { // it is said that there is none before one is made
		db, err := side.openStore(ctx, store.Options{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		db.Close()
	}
	return side.openStore(ctx, store.Options{})
}

// idsToCopy returns the ids of the source's feeds in order. A target with feeds that
// are not the source's is left alone.
func idsToCopy(ctx context.Context, source, target store.DB) (ids []int64, err error) {
	urls := make(map[int64]string)
	for f, err := range source.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return nil, storeProblem(source.Path(), err)
		}
		ids, urls[f.ID] = append(ids, f.ID), f.URL
	}
	for f, err := range target.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return nil, storeProblem(target.Path(), err)
		}
		if urls[f.ID] != f.URL {
			return nil, usage("copy into a store that is new", "%s has feeds of its own", target.Path())
		}
	}
	return ids, nil
}

// copyRange copies what there is of some feeds, unless it is there. Feeds that come
// after a difference are copied anew.
func copyRange(ctx context.Context, source, target store.DB, after, upTo int64) error {
	want, err := source.CopyOut(ctx, after, upTo)
	if err != nil {
		return err
	}
	have, err := target.CopyOut(ctx, after, upTo)
	if err != nil || reflect.DeepEqual(want, have) {
		return err
	}
	return target.CopyIn(ctx, after, want)
}

// endCopy copies what belongs to no feed, and compares both stores. It returns how
// many items they have.
func endCopy(ctx context.Context, source, target store.DB) (items int, err error) {
	last, err := source.LastItem(ctx)
	if err != nil {
		return 0, err
	}
	holds, err := source.Holds(ctx, time.Now())
	if err != nil {
		return 0, err
	}
	if err := target.CopyEnd(ctx, last, holds); err != nil {
		return 0, err
	}
	cursors, err := source.Cursors(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range cursors {
		if err := target.MoveCursor(ctx, c); err != nil {
			return 0, err
		}
	}
	want, err := store.Digests(ctx, source)
	if err != nil {
		return 0, err
	}
	have, err := store.Digests(ctx, target)
	if err != nil {
		return 0, err
	}
	for url, d := range want {
		if items += d.Items; have[url] != d {
			return 0, &problem{code: exitStore, err: fmt.Errorf("%s differs from %s in a feed: somebody writes one of them", target.Path(), source.Path()), hint: "let no run be under way, and copy again"}
		}
	}
	return items, target.Check(ctx)
}
