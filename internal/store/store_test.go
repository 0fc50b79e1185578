package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// TestMain also plays the processes that tests kill.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// epoch is when tests happen.
var epoch = time.Unix(1_700_000_000, 0)

// newStore opens a store in a new directory.
func newStore(t testing.TB) *DB {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "feeds.db"))
}

// openStore opens the store at path. When the test ends it must still be open
// and keep every promise, or be closed.
func openStore(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, db) })
	return db
}

// closeStore checks db and closes it.
func closeStore(t testing.TB, db *DB) {
	t.Helper()
	if db.closed {
		return
	}
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// shell runs a statement as somebody with the sqlite3 shell would: on another
// connection, with foreign keys off.
func shell(t testing.TB, db *DB, statement string, args ...any) {
	t.Helper()
	c, err := sql.Open("sqlite", dataSource(db.path, "mode=rw"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// subscribe adds n feeds and returns their ids.
func subscribe(t testing.TB, db *DB, n int) []int64 {
	t.Helper()
	subs := make([]feeds.Subscription, n)
	for i := range subs {
		subs[i].URL = feedURL(i)
	}
	done, err := db.Subscribe(context.Background(), subs)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, n)
	for i := range done {
		ids[i] = done[i].ID
	}
	return ids
}

func feedURL(i int) string { return fmt.Sprintf("https://host%d.example/feed.xml", i) }

// save stores outcomes that must all be stored.
func save(t testing.TB, db *DB, outcomes ...feeds.Outcome) []feeds.Saved {
	t.Helper()
	saved, err := db.Save(context.Background(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range saved {
		if s.Err != nil || s.ID != outcomes[i].ID {
			t.Fatalf("outcome %d of feed %d: got %+v", i, outcomes[i].ID, s)
		}
	}
	return saved
}

// succeeded returns the outcome of a document with items.
func succeeded(id int64, at time.Time, items ...feeds.Item) feeds.Outcome {
	return feeds.Outcome{
		Result: feeds.Result{ID: id, Class: feeds.OK, Status: 200, Attempts: 1, Items: items, Title: "A feed", Link: "https://example.org/",
			Validators: feeds.Validators{ETag: fmt.Sprintf(`W/"%d"`, at.Unix())}, BodyHash: uint64(at.Unix()) << 30,
			Spans: fmt.Sprintf("spans\x00%d", at.Unix())},
		At: at, NextDue: at.Add(time.Hour),
	}
}

// failed returns the outcome of a failure.
func failed(id int64, at time.Time, class feeds.Class, fails int) feeds.Outcome {
	return feeds.Outcome{
		Result: feeds.Result{ID: id, Class: class, Detail: "it went wrong", Attempts: 1},
		At:     at, NextDue: at.Add(2 * time.Hour), Fails: fails,
	}
}

// item returns an item whose key follows from name and whose hash from both.
func item(name, content string) feeds.Item {
	sum := sha256.Sum256([]byte(name + "\x00" + content))
	return feeds.Item{
		Key: keyOf(name), Hash: uint64(sum[0])<<56 | uint64(sum[1])<<8 | 1,
		GUID: name, Link: "https://example.org/" + name, Title: "Title of " + name, Author: "A. Uthor",
		Content: content, Published: epoch.Unix() - 1000,
		Categories: []string{"news", `"quoted" & <b>`},
		Enclosures: []feeds.Enclosure{{URL: "https://example.org/a.mp3", Type: "audio/mpeg", Length: 12345}},
	}
}

func keyOf(name string) feeds.Key {
	sum := sha256.Sum256([]byte(name))
	return feeds.Key(sum[:16])
}

// itemsOf returns the stored items of the feed with this URL, the first
// arrival first.
func itemsOf(t testing.TB, db *DB, url string) []Item {
	t.Helper()
	var list []Item
	for it, err := range db.Items(context.Background(), ItemQuery{FeedURL: url}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, it)
	}
	return list
}

// allFeeds returns all feeds.
func allFeeds(t testing.TB, db *DB) []Feed {
	t.Helper()
	var list []Feed
	for f, err := range db.Feeds(context.Background(), FeedQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// job returns the job of one feed, its known items sorted.
func job(t testing.TB, db *DB, id int64) feeds.Job {
	t.Helper()
	jobs, err := db.Jobs(context.Background(), []int64{id})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("Jobs(%d): got %d jobs and error %v, want one job", id, len(jobs), err)
	}
	slices.SortFunc(jobs[0].Known, func(a, b feeds.Known) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return jobs[0]
}

// TestStoreIsWhatARoundWants holds DB to the methods of refresh.Store, which
// this package must not import.
func TestStoreIsWhatARoundWants(t *testing.T) {
	var _ interface {
		Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error)
		Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error)
		Holds(ctx context.Context, now time.Time) (map[string]time.Time, error)
	} = (*DB)(nil)
}
