package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/terminal"
)

// dryRun prints what a round would ask now, and why, and of the feeds that it
// would not ask how many there are, by reason. It changes nothing and asks nobody.
func (a *app) dryRun(ctx context.Context, in *input, force bool) error {
	return a.withStore(ctx, store.Options{ReadOnly: true}, func(db store.DB) error {
		now := time.Now()
		holds, err := db.Holds(ctx, now)
		if err != nil {
			return err
		}
		due, err := db.Due(ctx, store.DueQuery{Now: now})
		if err != nil {
			return err
		}
		d := dry{force: force, now: now, holds: holds}
		t := a.table(terminal.Column{Name: "FEED"}, terminal.Column{Name: "NAME", Least: 12, Drop: 1}, terminal.Column{Name: "URL", Least: 24}, terminal.Column{Name: "WHY", Least: 20})
		t.Rows = func(yield func([]string) bool) { err = d.walk(db.Feeds(ctx, store.FeedQuery{}), in, due, yield) }
		shown := a.show(t)
		if err != nil {
			return err
		}
		return cmp.Or(shown, d.sum(a))
	})
}

// A dry is a round that is not done.
type dry struct {
	force bool
	now   time.Time
	holds map[string]time.Time
	due   []feeds.Ref    // by growing id, from the feed that is looked at
	asked int            // of the rows
	left  map[string]int // why those are not asked that are not
}

// walk yields the rows of the table: what would become of each feed that is to be
// told of, and of those that were named and are none yet.
func (d *dry) walk(all iter.Seq2[store.Feed, error], in *input, due []feeds.Ref, yield func([]string) bool) error {
	d.due, d.asked, d.left = due, 0, make(map[string]int)
	found := make(map[uint64]struct{}) // of those that are named
	for f, err := range all {
		if err != nil {
			return err
		}
		key := in.feeds.fingerprint(f.URL)
		_, named := in.feeds.seen[key]
		if named {
			found[key] = struct{}{}
		}
		if row := d.look(&f, in.given, named); row != nil && !yield(row) {
			return nil
		}
	}
	for s, err := range in.feeds.all() {
		if err != nil {
			return err
		}
		if _, ok := found[in.feeds.fingerprint(s.URL)]; ok {
			continue
		}
		d.asked++
		if !yield([]string{"-", "", terminal.Printable(feeds.RedactURL(s.URL)), "would be subscribed: it is named"}) {
			return nil
		}
	}
	return nil
}

// isDue reports whether a feed is due. Feeds come by growing id.
func (d *dry) isDue(id int64) bool {
	for len(d.due) > 0 && d.due[0].ID < id {
		d.due = d.due[1:]
	}
	return len(d.due) > 0 && d.due[0].ID == id
}

// look says what would become of a feed, as a row of the table; nil for one that
// would not be asked and is only counted.
func (d *dry) look(f *store.Feed, given, named bool) []string {
	due := d.isDue(f.ID)
	until, held := d.holds[feeds.Domain(f.URL)]
	force := d.force
	why := ""
	switch {
	case given && !named:
		d.left["not named"]++
	case f.Settings.Paused && !(force && named):
		d.left["paused"]++
	case f.Class == feeds.Gone && !force:
		d.left["gone (410)"]++
	case held && !force:
		d.left["of a host that asked to be left alone"]++
		why = fmt.Sprintf("left alone: the host asked for it until %s", until.In(zone).Format(time.DateTime))
	case named:
		why = "it is named"
	case force:
		why = "--force"
	case due && f.LastChecked.IsZero():
		why = "it has never been asked"
	case due:
		why = fmt.Sprintf("due %s, last asked %s", since(d.now, f.NextDue), ago(d.now, f.LastChecked))
	default:
		d.left["not due"]++
	}
	if why == "" {
		return nil
	}
	if !held || force {
		d.asked++
	}
	return []string{fmt.Sprint(f.ID), terminal.Printable(f.Label()), terminal.Printable(feeds.RedactURL(f.URL)), why}
}

// since says for how long a feed has been due.
func since(now, due time.Time) string {
	if due.IsZero() {
		return "at once"
	}
	return "since " + short(now.Sub(due))
}

// sum says how many feeds would be asked, and how many not, by reason.
func (d *dry) sum(a *app) error {
	fmt.Fprintf(a.stdout, "%s would be asked", count(d.asked, "feed"))
	for _, why := range []string{"not due", "not named", "paused", "gone (410)", "of a host that asked to be left alone"} {
		if n := d.left[why]; n > 0 {
			fmt.Fprintf(a.stdout, ", %d %s", n, why)
		}
	}
	_, err := fmt.Fprintln(a.stdout)
	return printError(err)
}
