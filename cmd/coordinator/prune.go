package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

const pruneLong = `Delete old items, of all feeds or of those that are named. Without --delete it
only says what would go.

--keep N leaves the last N items of each feed, --older 90d what arrived since
then; with both, an item goes only when both let it. What a cursor has not
passed stays: those of items --cursor and of refresh --exec and --post are
known. Items that were deleted do not come back.`

type pruneFlags struct {
	keep   int
	older  age
	delete bool
	forget string
}

func (a *app) feedsPruneCommand() *cobra.Command {
	r := &pruneFlags{}
	c := &cobra.Command{
		Use:     "prune [FEED ...]",
		Short:   "Delete old items; says first what would go",
		Long:    pruneLong,
		Example: "  coordinator feeds prune --keep 500 --older 90d\n  coordinator feeds prune --keep 500 --older 90d --delete",
		RunE:    func(c *cobra.Command, args []string) error { return a.prune(c.Context(), r, args) },
	}
	f := c.Flags()
	f.IntVar(&r.keep, "keep", 0, "leave the last `N` items of each feed")
	f.Var(&r.older, "older", "only what arrived longer ago than `AGE`, such as 90d")
	f.BoolVar(&r.delete, "delete", false, "delete what would go")
	f.StringVar(&r.forget, "forget-cursor", "", "do not wait any more for the cursor in `FILE`, or of a hook")
	return c
}

func (a *app) prune(ctx context.Context, r *pruneFlags, args []string) error {
	if r.keep < 0 {
		return usage("", "--keep %d: want 0 or more", r.keep)
	}
	return a.withStore(ctx, store.Options{Beside: true}, func(db store.DB) error {
		if r.forget != "" {
			there, err := db.DropCursor(ctx, r.forget)
			if err == nil && !there {
				err = usage("", "the store knows of no cursor %s", r.forget)
			}
			if err != nil || r.keep == 0 && r.older == 0 {
				return err
			}
		}
		if r.keep == 0 && r.older == 0 {
			return usage("see coordinator feeds prune --help", "feeds prune: say what may go with --keep or --older")
		}
		q := store.PruneQuery{Keep: r.keep, DryRun: !r.delete}
		if r.older > 0 {
			q.Older = time.Now().Add(-time.Duration(r.older))
		}
		var err error
		if q.FeedIDs, err = chosenFeeds(ctx, db, args, ""); err != nil {
			return err
		}
		var last string
		if q.UpTo, last, err = a.passed(ctx, db); err != nil {
			return err
		}
		p, err := db.Prune(ctx, q)
		if err != nil {
			return err
		}
		if !r.delete {
			fmt.Fprintf(a.stdout, "%s of %s would go; --delete deletes them\n", count(p.Items, "item"), count(p.Feeds, "feed"))
			if q.UpTo = everything; last != "" {
				all, err := db.Prune(ctx, q)
				if err == nil && all.Items > p.Items {
					fmt.Fprintf(a.stderr, "coordinator: %s more wait for the cursor %s; if nobody uses it any more: --forget-cursor %[2]s\n", count(all.Items-p.Items, "item"), terminal.Printable(last))
				}
				return err
			}
			return nil
		}
		fmt.Fprintf(a.stdout, "%s of %s deleted\n", count(p.Items, "item"), count(p.Feeds, "feed"))
		return nil
	})
}

// everything is an id that no item has yet.
const everything = int64(1) << 62

// passed returns the id of the last item that every cursor has passed, and the name
// of the cursor that is behind all others, if there is one and nothing was said of it.
func (a *app) passed(ctx context.Context, db store.DB) (last int64, behind string, err error) {
	all, err := db.Cursors(ctx)
	if err != nil {
		return 0, "", err
	}
	last = everything
	for _, c := range all {
		at, err := c.At, error(nil)
		if at < 0 {
			at, err = cursorFile(c.Name).read()
		}
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(a.stderr, "coordinator: nothing has passed the cursor %s, which is not there; if nobody uses it any more: --forget-cursor %[1]s\n", terminal.Printable(c.Name))
			last, behind = 0, "" // which says it all
		} else if err != nil {
			return 0, "", err
		} else if at < last {
			last, behind = at, c.Name
		}
	}
	return last, behind, nil
}

const indexLong = `Keep an index of the words of all items, which items --search needs, or keep
none (the default). The index is made of the items that are there, and from then
on whoever stores items keeps it, which takes time and room.`

func (a *app) indexCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "index [on|off]",
		Short:     "Keep an index for items --search, or keep none",
		Long:      indexLong,
		Example:   "  coordinator index on\n  coordinator index",
		ValidArgs: []string{"on", "off"},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 1 || len(args) == 1 && args[0] != "on" && args[0] != "off":
				return usage("see coordinator index --help", "index: want on, off or nothing")
			case len(args) == 1:
				return a.withStore(c.Context(), store.Options{}, func(db store.DB) error {
					return db.SetIndex(c.Context(), args[0] == "on")
				})
			}
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db store.DB) error {
				on, err := db.Indexed(c.Context())
				if err != nil {
					return err
				}
				fmt.Fprintln(a.stdout, map[bool]string{true: "on", false: "off"}[on])
				return nil
			})
		},
	}
}
