package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// noFeeds says that nothing is subscribed.
const noFeeds = "no feeds; add some with: coordinator feeds add URL"

// listDetail is how much of an error a table shows, in runes.
const listDetail = 60

func (a *app) feedsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "feeds",
		Short: "List, add, remove, import and export feeds",
		Long:  "List, add, remove, import and export the feeds that are subscribed.\n\nWithout a subcommand it lists them.",
		Args:  noArguments,
	}
	list := a.feedsListCommand()
	c.RunE = func(c *cobra.Command, args []string) error { return list.RunE(c, args) }
	c.AddCommand(list, a.feedsAddCommand(), a.feedsRemoveCommand(), a.feedsImportCommand(), a.feedsExportCommand())
	return c
}

func (a *app) feedsListCommand() *cobra.Command {
	format := choice{"table", []string{"table", "jsonl"}}
	failing := false
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the feeds with their status, last error, next due time and item count",
		Example: "  coordinator feeds list\n  coordinator feeds list --failing --format jsonl",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db *store.DB) error {
				all := db.Feeds(c.Context(), store.FeedQuery{Failing: failing})
				if format.value == "jsonl" {
					return a.printFeedsJSON(all)
				}
				nothing := noFeeds
				if failing {
					nothing = "no feed is failing"
				}
				return a.printFeedsTable(all, time.Now(), nothing)
			})
		},
	}
	format.register(c, "format", "table or jsonl")
	c.Flags().BoolVar(&failing, "failing", false, "only feeds whose last refresh failed")
	return c
}

func (a *app) feedsImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "import FILE",
		Short:   "Subscribe the feeds of an OPML file or a plain list; - is standard input",
		Example: "  coordinator feeds import subscriptions.opml\n  coordinator feeds import feeds.txt",
		Args:    cobraArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := &input{seen: make(map[string]bool)}
			if err := a.read(args[0], in.readEither); err != nil {
				return err
			}
			for _, bad := range in.refused {
				fmt.Fprintf(a.stderr, "coordinator: left out %s: %s: %s\n", printable(bad.URL), bad.Class, printable(bad.Detail))
			}
			return a.importFeeds(c.Context(), in)
		},
	}
}

// importFeeds adds the feeds of an input and says how many are new.
func (a *app) importFeeds(ctx context.Context, in *input) error {
	return a.withStore(ctx, store.Options{}, func(db *store.DB) error {
		done, err := db.Subscribe(ctx, in.subs)
		if err != nil {
			return err
		}
		added := 0
		for _, d := range done {
			if d.Added {
				added++
			}
		}
		fmt.Fprintf(a.stdout, "%d added, %d known, %d left out\n", added, len(done)-added, len(in.refused))
		return nil
	})
}

func (a *app) feedsRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove URL ...",
		Short:   "Unsubscribe feeds and delete their items",
		Example: "  coordinator feeds remove https://example.org/feed.xml",
		Args:    someArguments,
		RunE:    func(c *cobra.Command, args []string) error { return a.removeFeeds(c.Context(), args) },
	}
}

// removeFeeds removes all that it is given, or nothing when one of them is not
// subscribed.
func (a *app) removeFeeds(ctx context.Context, args []string) error {
	in, err := a.readInput(args, nil, nil)
	if err != nil {
		return err
	}
	return a.withStore(ctx, store.Options{}, func(db *store.DB) error {
		var urls []string
		for _, s := range in.subs {
			if err := subscribed(ctx, db, s.URL); err != nil {
				return err
			}
			urls = append(urls, s.URL)
		}
		for _, l := range in.refused {
			return usage("see coordinator feeds list", "not subscribed: %s", l.URL)
		}
		if _, err := db.Unsubscribe(ctx, urls); err != nil {
			return err
		}
		for _, url := range urls {
			fmt.Fprintf(a.stdout, "%-8s %s\n", "removed", feeds.RedactURL(url))
		}
		return nil
	})
}

// subscribed returns a problem unless there is a feed that has, or had, the
// URL.
func subscribed(ctx context.Context, db *store.DB, url string) error {
	for _, err := range db.Feeds(ctx, store.FeedQuery{URLs: []string{url}}) {
		return err
	}
	return usage("see coordinator feeds list", "not subscribed: %s", feeds.RedactURL(url))
}

func (a *app) feedsExportCommand() *cobra.Command {
	format := choice{"opml", []string{"opml", "list"}}
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write the subscriptions to standard output, as OPML or as a plain list",
		Long:    "Write the subscriptions to standard output, as OPML or as a plain list, with the\npasswords that URLs have in them.",
		Example: "  coordinator feeds export > subscriptions.opml",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db *store.DB) error {
				return a.exportFeeds(c.Context(), db, format.value == "list")
			})
		},
	}
	format.register(c, "format", "opml or list")
	return c
}

func (a *app) exportFeeds(ctx context.Context, db *store.DB, plain bool) error {
	var subs []feeds.Subscription
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return err
		}
		subs = append(subs, feeds.Subscription{URL: f.URL, Title: f.Title, Category: f.Category})
	}
	if plain {
		for _, s := range subs {
			if _, err := fmt.Fprintln(a.stdout, s.URL); err != nil {
				return printError(err)
			}
		}
		return nil
	}
	return printError(feeds.WriteOPML(a.stdout, "feedmill subscriptions", subs))
}

// feedJSON is a feed as feeds list --format jsonl prints it.
type feedJSON struct {
	URL         string      `json:"url"`
	Title       string      `json:"title"`
	Category    string      `json:"category"`
	Class       feeds.Class `json:"class"` // of the last refresh; empty when there was none
	Detail      string      `json:"detail"`
	Status      int         `json:"status"`
	Fails       int         `json:"fails"`
	Items       int         `json:"items"`
	NextDue     *time.Time  `json:"next_due"` // null: at once
	LastChecked *time.Time  `json:"last_checked"`
	LastSuccess *time.Time  `json:"last_success"`
}

func (a *app) printFeedsJSON(all func(func(store.Feed, error) bool)) error {
	out := bufio.NewWriter(a.stdout)
	for f, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		err := printJSON(out, feedJSON{
			URL: feeds.RedactURL(f.URL), Title: f.Title, Category: f.Category, Class: f.Class, Detail: f.Detail,
			Status: f.Status, Fails: f.Fails, Items: f.Items,
			NextDue: known(f.NextDue), LastChecked: known(f.LastChecked), LastSuccess: known(f.LastSuccess),
		})
		if err != nil {
			return printError(err)
		}
	}
	return printError(out.Flush())
}

// known returns nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// printFeedsTable prints a table for people, and tells them nothing when it has
// no row.
func (a *app) printFeedsTable(all func(func(store.Feed, error) bool), now time.Time, nothing string) error {
	var t table
	t.row("STATUS", "ITEMS", "CHECKED", "DUE", "URL", "ERROR")
	n := 0
	for f, err := range all {
		if err != nil {
			return errors.Join(err, t.print(a.stdout))
		}
		n++
		status, detail := string(f.Class), ""
		if status == "" {
			status = "new"
		}
		if !f.Class.OK() {
			detail = clip(printable(f.Detail), listDetail)
		}
		t.row(status, strconv.Itoa(f.Items), ago(now, f.LastChecked), dueIn(now, f.NextDue), printable(feeds.RedactURL(f.URL)), detail)
	}
	if err := t.print(a.stdout); err != nil {
		return printError(err)
	}
	if n == 0 {
		fmt.Fprintln(a.stderr, "coordinator:", nothing)
	}
	return nil
}

// ago says how long before now t was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return short(now.Sub(t)) + " ago"
}

// dueIn says when t is, as seen from now.
func dueIn(now, t time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + short(t.Sub(now))
}

// short spells a duration in its largest unit.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// someArguments refuses a command line without arguments.
func someArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("see "+c.CommandPath()+" --help", "%s: nothing was named", strings.TrimPrefix(c.CommandPath(), "coordinator "))
	}
	return nil
}

// cobraArgs refuses any other number of arguments than n.
func cobraArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("see "+c.CommandPath()+" --help", "%s, want %d", count(len(args), "argument"), n)
		}
		return nil
	}
}
