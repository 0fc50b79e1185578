package main

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

func (a *app) feedsListCommand() *cobra.Command {
	format := choice{"table", []string{"table", "jsonl"}}
	order := choice{"added", feedOrders}
	var failing bool
	var folder string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the feeds with their status, times, folder and last error",
		Example: "  coordinator feeds list\n  coordinator feeds list --failing --format jsonl",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), store.Options{ReadOnly: true}, func(db store.DB) error {
				by := store.FeedOrder(slices.Index(feedOrders, order.value))
				list := listFeeds(func(yield func(store.Feed, error) bool) { // the store's sequence is used once
					db.Feeds(c.Context(), store.FeedQuery{Failing: failing, Order: by})(yield)
				}, folder)
				if format.value == "jsonl" {
					return a.printFeedsJSON(list)
				}
				nothing := noFeeds
				switch {
				case failing:
					nothing = "no feed is failing"
				case folder != "":
					nothing = "no feed is in " + folder
				}
				return a.printFeedsTable(list, time.Now(), nothing)
			})
		},
	}
	format.register(c, "format", "table or jsonl")
	order.register(c, "sort", "by what comes first: "+strings.Join(order.of, ", "))
	c.Flags().StringVar(&folder, "category", "", "only feeds in this `FOLDER`, and below")
	c.Flags().BoolVar(&failing, "failing", false, "only feeds whose last refresh failed")
	return c
}

// noFeeds says that nothing is subscribed.
const noFeeds = "no feeds; add some with: coordinator feeds add URL"

// feedOrders are the store's orders by their names, from store.ByArrival on.
var feedOrders = []string{"added", "name", "category", "fails", "due", "checked", "items"}

// feedJSON is a feed as feeds list --format jsonl prints it.
type feedJSON struct {
	ID          int64       `json:"id"`
	URL         string      `json:"url"`
	Name        string      `json:"name"` // the user's
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
	Interval    int64       `json:"interval"` // seconds; 0: as for all
	Paused      bool        `json:"paused"`
}

func (a *app) printFeedsJSON(all iter.Seq2[store.Feed, error]) error {
	return printEach(a, all, func(out io.Writer, f *store.Feed) error {
		return export.JSON(out, feedJSON{
			ID: f.ID, URL: feeds.RedactURL(f.URL), Name: f.Name, Title: f.Title, Category: f.Category, Class: f.Class, Detail: f.Detail,
			Status: f.Status, Fails: f.Fails, Items: f.Items,
			NextDue: known(f.NextDue), LastChecked: known(f.LastChecked), LastSuccess: known(f.LastSuccess),
			Interval: int64(f.Settings.Interval / time.Second), Paused: f.Settings.Paused,
		})
	})
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
// no row. Where it is too wide, what says the least goes first.
func (a *app) printFeedsTable(all iter.Seq2[store.Feed, error], now time.Time, nothing string) error {
	t := a.table(
		terminal.Column{Name: "STATUS"}, terminal.Column{Name: "ID"}, terminal.Column{Name: "FAILS"}, terminal.Column{Name: "ITEMS", Drop: 3}, terminal.Column{Name: "CHECKED", Drop: 4}, terminal.Column{Name: "DUE", Drop: 5},
		terminal.Column{Name: "FOLDER", Least: 8, Drop: 2}, terminal.Column{Name: "NAME", Least: 20}, terminal.Column{Name: "URL", Least: 24, Drop: 1}, terminal.Column{Name: "ERROR", Least: 24},
	)
	empty, err := showEach(a, t, all, func(f *store.Feed) []string { return feedRow(f, now) })
	if err == nil && empty {
		fmt.Fprintln(a.stderr, "coordinator:", nothing)
	}
	return err
}

// feedRow returns the cells of one feed.
func feedRow(f *store.Feed, now time.Time) []string {
	status, detail, due := string(f.Class), "", dueIn(now, f.NextDue)
	switch {
	case f.Settings.Paused:
		status, due = "paused", "-"
	case status == "":
		status = "new"
	case f.Class == feeds.Gone:
		due = "never"
	}
	if !f.Class.OK() {
		detail = terminal.Printable(f.Detail)
	}
	return []string{status, strconv.FormatInt(f.ID, 10), strconv.Itoa(f.Fails), strconv.Itoa(f.Items), ago(now, f.LastChecked), due,
		terminal.Printable(strings.ReplaceAll(f.Category, "\n", ", ")), terminal.Printable(f.Label()), terminal.Printable(feeds.RedactURL(f.URL)), detail}
}

// listFeeds returns those of all that are in a folder, if one is named, to be walked
// as often as all may be.
func listFeeds(all iter.Seq2[store.Feed, error], folder string) iter.Seq2[store.Feed, error] {
	return func(yield func(store.Feed, error) bool) {
		for f, err := range all {
			if (err != nil || folder == "" || inFolder(f.Category, folder)) && !yield(f, err) {
				return
			}
		}
	}
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
