package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/subs"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

func (a *app) feedsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "feeds",
		Short: "List, add, change, remove, prune, import and export feeds",
		Long:  "List, add, change, remove, prune, import and export subscribed feeds.\n\nWithout a subcommand it lists them.",
		Args:  noArguments,

		SuggestionsMinimumDistance: 2,
	}
	list := a.feedsListCommand()
	c.RunE = func(c *cobra.Command, args []string) error { return list.RunE(c, args) }
	c.AddCommand(list, a.feedsAddCommand(), a.feedsSetCommand(), a.feedsRemoveCommand(), a.feedsPruneCommand(), a.feedsImportCommand(), a.feedsExportCommand())
	return c
}

func (a *app) feedsImportCommand() *cobra.Command {
	r := &fetchFlags{}
	c := &cobra.Command{
		Use:     "import FILE",
		Short:   "Subscribe the feeds of OPML or a plain list; - is standard input",
		Long:    "Subscribe the feeds of OPML or a plain list: a file, a URL, or - for standard\ninput.",
		Example: "  coordinator feeds import subscriptions.opml\n  coordinator feeds import feeds.txt",
		Args:    oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			in := &input{feeds: newGathering(), leftOut: func(bad feedLine) {
				fmt.Fprintf(a.stderr, "coordinator: left out %s: %s: %s\n", terminal.Printable(bad.URL), bad.Class, terminal.Printable(bad.Detail))
			}}
			defer in.feeds.close()
			if err := a.read(c.Context(), r.options(), args[0], in.readEither); err != nil {
				return err
			}
			return a.importFeeds(c.Context(), in)
		},
	}
	r.register(c.Flags())
	return c
}

// importFeeds adds the feeds of an input, brings what it says anew of those that
// are there, and says how many are which.
func (a *app) importFeeds(ctx context.Context, in *input) error {
	if in.feeds.n == 0 {
		return usage("give OPML, or a list with one URL a line", "it names no feed")
	}
	return a.withStore(ctx, store.Options{Beside: true}, func(db store.DB) error {
		done, err := db.Import(ctx, store.List{Feeds: in.feeds.all(), Folders: in.feeds.folders})
		if err != nil {
			return err
		}
		known := fmt.Sprintf("%d known", done.Known)
		if done.Changed > 0 {
			known += fmt.Sprintf(" (%d changed)", done.Changed)
		}
		fmt.Fprintf(a.stdout, "%d added, %s, %d left out\n", done.Added, known, in.left)
		return nil
	})
}

func (a *app) feedsRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove FEED ...",
		Short:   "Unsubscribe feeds and delete their items",
		Long:    "Unsubscribe feeds and delete their items. FEED is an id or a URL, or a part of\nthe URL, name or title that fits one feed.",
		Example: "  coordinator feeds remove https://example.org/feed.xml",
		Args:    someArguments,
		RunE:    func(c *cobra.Command, args []string) error { return a.removeFeeds(c.Context(), args) },
	}
}

// removeFeeds removes all that it is given, or nothing when one of them is not
// subscribed.
func (a *app) removeFeeds(ctx context.Context, args []string) error {
	return a.withStore(ctx, store.Options{Beside: true}, func(db store.DB) error {
		list, err := namedFeeds(ctx, db, args)
		if err != nil {
			return err
		}
		var urls []string
		for _, f := range list {
			urls = append(urls, f.URL)
		}
		if _, err := db.Unsubscribe(ctx, urls); err != nil {
			return err
		}
		for _, url := range urls {
			fmt.Fprintf(a.stdout, "%-8s %s\n", "removed", terminal.Printable(feeds.RedactURL(url)))
		}
		return nil
	})
}

func (a *app) feedsExportCommand() *cobra.Command {
	format, passwords := choice{"opml", []string{"opml", "list"}}, false
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write the subscriptions, as OPML or as a plain list",
		Long:    "Write the subscriptions to standard output, as OPML or as a plain list. Names\nand passwords that URLs have in them are left out, so that the list can be given\naway; --passwords keeps them.",
		Example: "  coordinator feeds export > subscriptions.opml",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db store.DB) error {
				return a.exportFeeds(c.Context(), db, format.value == "list", passwords)
			})
		},
	}
	format.register(c, "format", "opml or list")
	c.Flags().BoolVar(&passwords, "passwords", false, "keep the names and passwords that URLs have in them")
	return c
}

func (a *app) exportFeeds(ctx context.Context, db store.DB, plain, passwords bool) error {
	if !plain {
		err := writeOPML(ctx, db, a.stdout, "feedmill subscriptions", passwords)
		if out, ok := a.stdout.(*terminal.Output); ok && out.Err() != nil {
			return printError(out.Err())
		}
		return err
	}
	return printEach(a, exported(ctx, db, store.FeedQuery{}, passwords), func(out io.Writer, s *subs.Listed) error {
		_, err := fmt.Fprintln(out, s.URL)
		return err
	})
}

// writeOPML writes all feeds of a store as OPML of that title.
func writeOPML(ctx context.Context, db store.DB, w io.Writer, title string, passwords bool) error {
	again := func(ids []int64) iter.Seq2[subs.Listed, error] {
		return exported(ctx, db, store.FeedQuery{IDs: ids}, passwords)
	}
	return subs.WriteOPML(w, title, exported(ctx, db, store.FeedQuery{}, passwords), again)
}

// exported yields the feeds that q chooses as lists have them.
func exported(ctx context.Context, db store.DB, q store.FeedQuery, passwords bool) iter.Seq2[subs.Listed, error] {
	return func(yield func(subs.Listed, error) bool) {
		for f, err := range db.Feeds(ctx, q) {
			if !yield(subs.Listed{ID: f.ID, Subscription: exportedFeed(&f, passwords)}, err) {
				return
			}
		}
	}
}

// exportedFeed returns a feed as lists have it.
func exportedFeed(f *store.Feed, passwords bool) feeds.Subscription {
	url, link := f.URL, f.Link
	if plain, err := feeds.NormalizeURL(url); err == nil {
		url = plain
	}
	if !passwords {
		url, link = feeds.WithoutPasswords(url), feeds.WithoutPasswords(link)
	}
	return feeds.Subscription{URL: url, Title: cmp.Or(f.Name, f.Title), Category: f.Category, Link: link}
}
