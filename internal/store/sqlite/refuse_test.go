package sqlite

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

// A refusal is a call, with what makes it fail: tables that somebody
// renamed, and changes that a trigger does not let happen.
type refusal struct {
	call            func(ctx context.Context, db *DB) error
	tables, changes string
}

// drained returns the error that ends a list.
func drained[T any](list func(func(T, error) bool)) (err error) {
	list(func(_ T, e error) bool { err = e; return true })
	return err
}

// refusals are all methods that read or write, for a store that whole fills.
func refusals() map[string]refusal {
	url, name, headers := "https://elsewhere.example/", "name", []store.Header{{Name: "Cookie", Value: "a"}}
	return map[string]refusal{
		"Due":    {func(ctx context.Context, db *DB) error { _, err := db.Due(ctx, store.DueQuery{Now: epoch}); return err }, "feeds runs", ""},
		"Jobs":   {func(ctx context.Context, db *DB) error { _, err := db.Jobs(ctx, []int64{1}); return err }, "feeds items removed shared", ""},
		"Holds":  {func(ctx context.Context, db *DB) error { _, err := db.Holds(ctx, epoch); return err }, "hosts", ""},
		"Status": {func(ctx context.Context, db *DB) error { _, err := db.Status(ctx); return err }, "feeds runs hosts", ""},
		"Feeds": {func(ctx context.Context, db *DB) error {
			return drained(db.Feeds(ctx, store.FeedQuery{URLs: []string{feedURL(0)}}))
		}, "feeds moved", ""},
		"Items":    {func(ctx context.Context, db *DB) error { return drained(db.Items(ctx, store.ItemQuery{})) }, "feeds items", ""},
		"LastItem": {func(ctx context.Context, db *DB) error { _, err := db.LastItem(ctx); return err }, "items arrivals", ""},
		"Indexed":  {func(ctx context.Context, db *DB) error { _, err := db.Indexed(ctx); return err }, "", ""},
		"Cursors":  {func(ctx context.Context, db *DB) error { _, err := db.Cursors(ctx); return err }, "cursors", ""},
		"MoveCursor": {func(ctx context.Context, db *DB) error { return db.MoveCursor(ctx, store.Cursor{Name: "c", At: 2}) },
			"cursors", "UPDATE ON cursors"},
		"DropCursor": {func(ctx context.Context, db *DB) error { _, err := db.DropCursor(ctx, "c"); return err }, "cursors", "DELETE ON cursors"},
		"Subscribe": {func(ctx context.Context, db *DB) error {
			_, err := db.Subscribe(ctx, []feeds.Subscription{{URL: url}, {URL: feedURL(0), Title: "t"}})
			return err
		}, "feeds moved", "INSERT ON feeds,UPDATE ON feeds"},
		"Import": {func(ctx context.Context, db *DB) error {
			_, err := db.Import(ctx, storetest.ListOf(feeds.Subscription{URL: feedURL(0), Title: "t"}))
			return err
		}, "feeds moved", "UPDATE ON feeds"},
		"Unsubscribe": {func(ctx context.Context, db *DB) error {
			_, err := db.Unsubscribe(ctx, []string{feedURL(0)})
			return err
		}, "feeds moved", "DELETE ON feeds"},
		"Edit":     {func(ctx context.Context, db *DB) error { return db.Edit(ctx, []int64{1}, store.Change{Name: &name}) }, "feeds", "UPDATE ON feeds"},
		"Edit URL": {func(ctx context.Context, db *DB) error { return db.Edit(ctx, []int64{1}, store.Change{URL: &url}) }, "feeds moved", "UPDATE OF url ON feeds,UPDATE OF etag ON feeds,INSERT ON moved"},
		"Edit headers": {func(ctx context.Context, db *DB) error {
			return db.Edit(ctx, []int64{1}, store.Change{Headers: headers})
		}, "feeds", "UPDATE OF headers ON feeds"},
		"Tell":     {func(ctx context.Context, db *DB) error { return db.Tell(ctx, []int64{1}, []int64{2}) }, "feeds", "UPDATE ON feeds"},
		"BeginRun": {func(ctx context.Context, db *DB) error { _, err := db.BeginRun(ctx, store.Run{}); return err }, "runs hosts", "INSERT ON runs,DELETE ON hosts"},
		"EndRun":   {func(ctx context.Context, db *DB) error { return db.EndRun(ctx, 1, store.RunResult{}) }, "runs", "UPDATE ON runs"},
		"Save": {func(ctx context.Context, db *DB) error {
			o := succeeded(1, epoch, item("a", "edited"), item("c", "1"), item("d", "1"), item("e", "1"))
			o.Domain, o.HoldUntil = "new.example", epoch.Add(time.Hour)
			_, err := db.Save(ctx, []feeds.Outcome{o})
			return err
		}, "feeds items removed arrivals hosts", "INSERT ON items,UPDATE ON items,UPDATE ON feeds,INSERT ON hosts"},
		"Prune": {func(ctx context.Context, db *DB) error {
			_, err := db.Prune(ctx, store.PruneQuery{UpTo: 9})
			return err
		}, "items removed", "DELETE ON items,INSERT ON removed"},
		"SetIndex": {func(ctx context.Context, db *DB) error { return db.SetIndex(ctx, true) }, "items", ""},
		"CopyOut":  {func(ctx context.Context, db *DB) error { _, err := db.CopyOut(ctx, 0, 9); return err }, "feeds items removed shared moved", ""},
		"CopyIn": {func(ctx context.Context, db *DB) error {
			rows := make(store.CopyRows, len(store.CopyTables))
			rows[4] = [][]any{{"https://before.example/", int64(1)}}
			return db.CopyIn(ctx, 1, rows)
		}, "feeds moved", "DELETE ON feeds,INSERT ON moved"},
		"CopyEnd": {func(ctx context.Context, db *DB) error {
			return db.CopyEnd(ctx, 99, map[string]time.Time{"copied.example": epoch})
		}, "arrivals hosts", "UPDATE ON arrivals,INSERT ON hosts"},
	}
}

// whole opens a store that has some of everything.
func whole(t *testing.T) *DB {
	db := newStore(t)
	subscribe(t, db, 2)
	save(t, db, succeeded(1, epoch, item("a", "1"), item("b", "1")))
	shell(t, db, "INSERT INTO hosts VALUES ('over.example', 1); INSERT INTO cursors VALUES ('c', 1); INSERT INTO runs (started) VALUES (1)")
	return db
}

// TestWhatTheFileRefusesIsAnError, of whichever call, and changes nothing.
func TestWhatTheFileRefusesIsAnError(t *testing.T) {
	db := whole(t)
	refuse := func(name string, call refusal, how, undo, what string) {
		before, err := store.Digests(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		shell(t, db, how)
		err = call.call(t.Context(), db)
		shell(t, db, undo)
		if err == nil {
			t.Errorf("%s, %s: got no error", name, what)
		}
		if after, err := store.Digests(t.Context(), db); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s, %s: the store has changed, %v", name, what, err)
		}
	}
	for name, call := range refusals() {
		for _, table := range strings.Fields(call.tables) {
			refuse(name, call, "ALTER TABLE "+table+" RENAME TO hidden", "ALTER TABLE hidden RENAME TO "+table, "without "+table)
		}
		for _, change := range strings.Split(call.changes, ",") {
			if change != "" {
				refuse(name, call, "CREATE TRIGGER refuse BEFORE "+change+" BEGIN SELECT RAISE(ABORT, 'refused'); END", "DROP TRIGGER refuse", "no "+change)
			}
		}
	}
}

// TestACallThatIsNotRefusedWorks: or the test above would say nothing. None works with
// a context that is done or, but for the last word of iterators, in a closed store.
func TestACallThatIsNotRefusedWorks(t *testing.T) {
	done, cancel := context.WithCancelCause(t.Context())
	over := fmt.Errorf("over")
	cancel(over)
	for name, call := range refusals() {
		db := whole(t)
		if err := call.call(done, db); err == nil || !strings.Contains(err.Error(), "over") {
			t.Errorf("%s: got %v of a context that is done, want its cause", name, err)
		}
		if err := call.call(t.Context(), db); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := call.call(t.Context(), db); err == nil {
			t.Errorf("%s: got no error of a store that is closed", name)
		}
	}
}
