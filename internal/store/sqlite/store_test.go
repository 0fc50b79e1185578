package sqlite

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

// TestMain also plays the processes that tests kill.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// newStore opens a store in a new directory.
func newStore(t testing.TB) *DB {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "feeds.db"))
}

// openStore opens the store at path. When the test ends it must still be open
// and keep every promise, or be closed.
func openStore(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, store.Options{Now: func() time.Time { return epoch }})
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

// theirs opens a file as another program would, and makes it where it is not
// there.
func theirs(t testing.TB, path string) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	c.SetBusyTimeout(busyTimeout)
	t.Cleanup(func() { c.Close() })
	return c
}

// shell runs a statement as somebody with the sqlite3 shell would: on another
// connection, with foreign keys off.
func shell(t testing.TB, db *DB, statement string, args ...any) {
	t.Helper()
	c, err := openConn(db.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := execute(c, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// execute executes several statements, or one that has arguments.
func execute(c *sqlite.Conn, statement string, args ...any) error {
	if len(args) == 0 {
		return script(c, statement)
	}
	return query(c, statement, func(*sqlite.Stmt) error { return nil }, args...)
}

// What every engine's tests have.
var (
	epoch     = storetest.Epoch
	feedURL   = storetest.FeedURL
	subscribe = storetest.Subscribe
	save      = storetest.Save
	succeeded = storetest.Succeeded
	failed    = storetest.Failed
	item      = storetest.Item

	itemsOf  = storetest.ItemsOf
	allFeeds = storetest.AllFeeds
)

// TestStore holds SQLite to what a store is.
func TestStore(t *testing.T) { storetest.Run(t, engine{}) }

// An engine is a storetest.Engine. A store's name is its file's path.
type engine struct{}

func (engine) Steps() int { return 300 }

func (engine) New(t testing.TB) string { return filepath.Join(t.TempDir(), "feeds.db") }

func (engine) Open(ctx context.Context, name string, o store.Options) (store.DB, error) {
	return Open(ctx, name, o)
}

func (engine) Exec(t testing.TB, name, statement string, args ...any) {
	t.Helper()
	shell(t, &DB{path: name}, statement, args...)
}

func (engine) Number(t testing.TB, name, text string, args ...any) (n int64) {
	t.Helper()
	c := theirs(t, name)
	if err := query(c, text, func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil }, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
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

func TestLatestShowsTheNewestFirst(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1"), item("b", "1")))
	var got []string
	err := db.read(t.Context(), "", func(c *sqlite.Conn) (err error) {
		got, err = column(c, "SELECT feed || ' | ' || title || ' | ' || arrived FROM latest LIMIT 1")
		return err
	})
	if want := []string{"A feed | Title of b | 2023-11-14 22:13:20"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestListingTheNewestReadsNoOthers: a million items cost the ten newest nothing.
func TestListingTheNewestReadsNoOthers(t *testing.T) {
	db := newStore(t)
	const place = "SEARCH i USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
	for name, c := range map[string]struct {
		q    store.ItemQuery
		want []string // what SQLite does with items
	}{
		"the newest":       {store.ItemQuery{Newest: true, Limit: 10}, []string{place}},
		"what is new":      {store.ItemQuery{After: 5}, []string{place}},
		"since a time":     {store.ItemQuery{Newest: true, Since: epoch}, []string{place, "SEARCH items USING INTEGER PRIMARY KEY (rowid>?)"}},
		"a folder's feeds": {store.ItemQuery{Newest: true, Limit: 10, FeedIDs: []int64{1, 2}}, []string{place}},
	} {
		var got []string
		text, args := itemsQuery(c.q)
		if err := db.read(t.Context(), "explain", func(conn *sqlite.Conn) error {
			return query(conn, "EXPLAIN QUERY PLAN "+text, func(s *sqlite.Stmt) error {
				if step := s.ColumnText(3); strings.Contains(step, " i ") || strings.Contains(step, " items ") || strings.Contains(step, "TEMP") {
					got = append(got, step)
				}
				return nil
			}, args...)
		}); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: SQLite does %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestHoldsThatAreOverAreForgotten(t *testing.T) {
	db := newStore(t)
	o := failed(subscribe(t, db, 1)[0], epoch, feeds.RateLimited, 1)
	o.Domain, o.HoldUntil = "over.example", epoch
	save(t, db, o)
	if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
		t.Fatal(err)
	}
	if n := (engine{}).Number(t, db.path, "SELECT count(*) FROM hosts"); n != 0 {
		t.Errorf("got %d domains, want none", n)
	}
}

func TestASecondRunIsNotLetIn(t *testing.T) {
	db := newStore(t)
	if _, err := Open(t.Context(), db.path, store.Options{}); err == nil {
		t.Error("a second run was let in")
	}
}

// TestAListOfKnownItemsIsReadToItsEnd, and one that is no such list is an error.
func TestAListOfKnownItemsIsReadToItsEnd(t *testing.T) {
	a, b := feeds.Key{1, ',', 2}, feeds.Key{',', ',', ','}
	for text, want := range map[string][]feeds.Known{
		"":                 nil,
		string(a[:]) + "7": {{Key: a, Hash: 7}},
		string(a[:]) + "-1," + string(b[:]) + "0": {{Key: a, Hash: math.MaxUint64}, {Key: b}},
	} {
		if got, err := appendKnown(nil, []byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is read as %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", string(a[:]), string(a[:]) + ",", string(a[:]) + "x", string(a[:]) + "1," + string(b[:])} {
		if got, err := appendKnown(nil, []byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// TestAPIDIsReadOrNone: the file is for people, who may write anything into it.
func TestAPIDIsReadOrNone(t *testing.T) {
	for text, want := range map[string]int{"12\n": 12, " 7 ": 7, "": 0, "-5": 0, "x": 0, "12x": 0, "0": 0} {
		f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(text)
		if got := readPID(f); got != want {
			t.Errorf("%q names process %d, want %d", text, got, want)
		}
		f.Close()
	}
}
