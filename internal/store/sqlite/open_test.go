package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

func newRand(t *testing.T, seed int64) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

func wantLocked(t *testing.T, err error, pid int) {
	t.Helper()
	if e, ok := errors.AsType[*store.LockedError](err); !ok || e.PID != pid {
		t.Errorf("Open: got %v, want a LockedError with pid %d", err, pid)
	}
}

// raw opens a file with SQLite as another program would.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	c := theirs(t, path)
	for _, s := range statements {
		if err := script(c, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	c.Close()
}

// read returns the bytes of a file, or nil when there is none.
func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

func TestOpenCreatesForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", `odd ?#%'"&= é`)
	if runtime.GOOS == "windows" {
		dir = filepath.Join(t.TempDir(), "new", "odd #%'&= é")
	}
	path := filepath.Join(dir, "feeds.db")
	db := openStore(t, path)
	subscribe(t, db, 1)
	if runtime.GOOS == "windows" {
		return // no permission bits
	}
	for name, want := range map[string]fs.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + ".lock": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got mode %o, want %o", name, got, want)
		}
	}
}

func TestCloseLeavesOneFileAndMayBeRepeated(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1")))
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(db.path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", suffix, err)
		}
	}
	if _, err := db.Save(t.Context(), []feeds.Outcome{succeeded(id, epoch)}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Save after Close: got %v, want store.ErrClosed", err)
	}
	db = openStore(t, db.path)
	if got := itemsOf(t, db, feedURL(0)); len(got) != 1 {
		t.Errorf("opened again: got %d items, want 1", len(got))
	}
}

func TestReadOnlySeesAStoreThatIsBeingWritten(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	ro, err := Open(t.Context(), db.path, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	for n := 1; n <= 3; n++ {
		save(t, db, succeeded(id, epoch, item(fmt.Sprint(n), "1")))
		if got := len(itemsOf(t, ro, feedURL(0))); got != n {
			t.Errorf("got %d items, want %d", got, n)
		}
	}
	if _, err := ro.Save(t.Context(), []feeds.Outcome{succeeded(id, epoch)}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Save: got %v, want store.ErrReadOnly", err)
	}
	if err := ro.read(t.Context(), "", func(c *sqlite.Conn) error { return script(c, "DELETE FROM items") }); err == nil {
		t.Error("a reading connection deleted items")
	}
	if err := ro.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyCreatesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "sub", "feeds.db"), store.Options{ReadOnly: true})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("it made %v", left)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), empty, store.Options{ReadOnly: true})
	if e, ok := errors.AsType[*store.SchemaError](err); !ok || e.Have != 0 || e.Want != latestVersion {
		t.Errorf("an empty file: got %v, want a SchemaError", err)
	}
}

func TestReadOnlyReadsADirectoryThatCannotBeWritten(t *testing.T) {
	if !asNobody(t) {
		return
	}
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1")))
	closeStore(t, db)
	dir := filepath.Dir(db.path)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	ro, err := Open(t.Context(), db.path, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if got := len(itemsOf(t, ro, feedURL(0))); got != 1 {
		t.Errorf("got %d items, want 1", got)
	}
}

func TestAFileThatMayNotBeReadIsNamed(t *testing.T) {
	if !asNobody(t) {
		return
	}
	db := newStore(t)
	closeStore(t, db)
	if err := os.Chmod(db.path, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(db.path, 0o600) })
	_, err := Open(t.Context(), db.path, store.Options{ReadOnly: true})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), db.path) {
		t.Errorf("got %v, want fs.ErrPermission and the file's name", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	db := newStore(t)
	subscribe(t, db, 1)
	closeStore(t, db)
	raw(t, db.path, fmt.Sprintf("PRAGMA user_version = %d", latestVersion+1))
	before := read(t, db.path)
	for _, o := range []store.Options{{}, {ReadOnly: true}} {
		_, err := Open(t.Context(), db.path, o)
		if e, ok := errors.AsType[*store.SchemaError](err); !ok || e.Have != latestVersion+1 || e.Want != latestVersion {
			t.Errorf("%+v: got %v, want a SchemaError", o, err)
		}
	}
	if !bytes.Equal(read(t, db.path), before) {
		t.Error("the file was changed")
	}
}

// TestOlderStoreIsBroughtUp makes stores as each earlier version did.
func TestOlderStoreIsBroughtUp(t *testing.T) {
	for version := 1; version < latestVersion; version++ {
		path := filepath.Join(t.TempDir(), "feeds.db")
		for v := 1; v <= version; v++ {
			script, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", v))
			if err != nil {
				t.Fatal(err)
			}
			raw(t, path, string(script), fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", v))
		}
		raw(t, path, "INSERT INTO feeds (url) VALUES ('https://old.example/')")

		_, err := Open(t.Context(), path, store.Options{ReadOnly: true})
		if e, ok := errors.AsType[*store.SchemaError](err); !ok || e.Have != version {
			t.Errorf("version %d, for reading: got %v, want a SchemaError", version, err)
		}
		db := openStore(t, path)
		if list := allFeeds(t, db); len(list) != 1 || list[0].URL != "https://old.example/" {
			t.Errorf("version %d: got %+v", version, list)
		}
		save(t, db, succeeded(1, epoch, item("a", "1")))
		closeStore(t, db)
		ro, err := Open(t.Context(), path, store.Options{ReadOnly: true})
		if err != nil {
			t.Errorf("version %d, brought up: %v", version, err)
			continue
		}
		if err := ro.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestForeignFileIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain.db")
	raw(t, plain, "CREATE TABLE feeds (mine TEXT)", "INSERT INTO feeds VALUES ('x')")
	marked := filepath.Join(dir, "marked.db")
	raw(t, marked, "PRAGMA application_id = 1234")
	versioned := filepath.Join(dir, "versioned.db")
	raw(t, versioned, "PRAGMA user_version = 1")

	for _, path := range []string{text, plain, marked, versioned} {
		before := read(t, path)
		for _, o := range []store.Options{{}, {ReadOnly: true}} {
			_, err := Open(t.Context(), path, o)
			if e, ok := errors.AsType[*store.ForeignError](err); !ok || e.Path == "" {
				t.Errorf("%s, %+v: got %v, want a ForeignError", filepath.Base(path), o, err)
			}
		}
		if !bytes.Equal(read(t, path), before) {
			t.Errorf("%s was changed", path)
		}
	}
}

// TestForeignLogIsNotCopiedIn opens a file whose program died and left a log,
// which any connection that may write would copy into it.
func TestForeignLogIsNotCopiedIn(t *testing.T) {
	path, died := filepath.Join(t.TempDir(), "theirs.db"), filepath.Join(t.TempDir(), "died.db")
	if err := script(theirs(t, path), "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(died+suffix, read(t, path+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, log := read(t, died), read(t, died+"-wal")
	if len(log) == 0 {
		t.Fatal("there is no log")
	}
	_, err := Open(t.Context(), died, store.Options{})
	if _, ok := errors.AsType[*store.ForeignError](err); !ok {
		t.Errorf("got %v, want a ForeignError", err)
	}
	if !bytes.Equal(read(t, died), before) || !bytes.Equal(read(t, died+"-wal"), log) {
		t.Error("the file or its log was changed")
	}
}

// TestDamagedFileIsNamedAndNotWritten overwrites each page of a store in turn.
func TestDamagedFileIsNamedAndNotWritten(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 60)
	for n := range 3 {
		for _, id := range ids {
			save(t, db, succeeded(id, epoch, item(fmt.Sprint(n), strings.Repeat("content ", 50))))
		}
	}
	closeStore(t, db)
	sound := read(t, db.path)
	const page = pageSize
	step := page
	if testing.Short() || slowly {
		step *= 8
	}
	for at := 0; at < len(sound); at += step {
		broken := bytes.Clone(sound)
		for i := at; i < at+page; i++ {
			broken[i] ^= 0x5a
		}
		path := filepath.Join(t.TempDir(), "feeds.db")
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), path, store.Options{})
		if err == nil {
			db.Close()
			t.Errorf("page %d: Open found nothing", at/page+1)
			continue
		}
		_, corrupt := errors.AsType[*store.CorruptError](err)
		_, foreign := errors.AsType[*store.ForeignError](err)
		if !corrupt && !(foreign && at == 0) {
			t.Errorf("page %d: got %v, want a CorruptError", at/page+1, err)
		}
		if !bytes.Equal(read(t, path), broken) {
			t.Errorf("page %d: the file was changed", at/page+1)
		}
	}
}

// TestDamageThatShowsUpLateStopsAllWriting damages a file under an open store.
func TestDamageThatShowsUpLateStopsAllWriting(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 300)
	for _, id := range ids {
		save(t, db, succeeded(id, epoch, item("a", strings.Repeat("content ", 100))))
	}
	closeStore(t, db)
	db, err := Open(t.Context(), db.path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f, err := os.OpenFile(db.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const page = pageSize
	for at := int64(2 * page); at < info.Size(); at += page { // all but the schema and the first table's root
		if _, err := f.WriteAt(bytes.Repeat([]byte{0x5a}, 64), at); err != nil {
			t.Fatal(err)
		}
	}
	// f stays open: closing it would drop SQLite's locks (see fcntl(2)).
	defer f.Close()

	first := error(nil)
	for _, id := range ids {
		if _, first = db.Save(t.Context(), []feeds.Outcome{succeeded(id, epoch, item("b", "1"))}); first != nil {
			break
		}
	}
	if _, ok := errors.AsType[*store.CorruptError](first); !ok {
		t.Fatalf("Save: got %v, want a CorruptError", first)
	}
	if _, err := db.BeginRun(t.Context(), store.Run{}); !errors.Is(err, db.broken) || err == nil {
		t.Errorf("a later write: got %v, want %v", err, db.broken)
	}
	err = db.Check(t.Context())
	if _, ok := errors.AsType[*store.CorruptError](err); !ok {
		t.Errorf("Check: got %v, want a CorruptError", err)
	}
}

func TestInterruptedMigrationLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feeds.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if db, err := Open(ctx, path, store.Options{}); err == nil {
		db.Close()
		t.Fatal("Open succeeded although its context was done")
	}
	openStore(t, path)
}

// TestFirstTablesAreBroughtToTheLatest opens a store as the first release made
// it: all that is in it stays, and a feed counts as seen in full when it last
// succeeded.
func TestFirstTablesAreBroughtToTheLatest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feeds.db")
	first, err := migrations.ReadFile("migrations/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	raw(t, path, string(first), fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1", applicationID),
		`INSERT INTO feeds (url, class, etag, last_checked, last_success) VALUES
			('https://a.example/', 'not_modified', '"1"', 1700000000, 1700000000), ('https://b.example/', '', '', NULL, NULL)`)
	db := openStore(t, path)
	refs, err := db.Due(t.Context(), store.DueQuery{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []feeds.Ref{{ID: 1, URL: "https://a.example/", LastFull: 1700000000}, {ID: 2, URL: "https://b.example/"}}
	if !slices.Equal(refs, want) {
		t.Errorf("got %+v, want %+v", refs, want)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMakerKilledEarlyLeavesAUsableFile opens what is left of a file whose very
// first transaction was cut off: pages, and a journal that undoes them.
func TestMakerKilledEarlyLeavesAUsableFile(t *testing.T) {
	path, died := filepath.Join(t.TempDir(), "made.db"), filepath.Join(t.TempDir(), "feeds.db")
	// A cache of a page makes SQLite write before the commit.
	err := script(theirs(t, path), `PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x);
		INSERT INTO t SELECT randomblob(1000) FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]')`)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-journal"} {
		b := read(t, path+suffix)
		if len(b) == 0 {
			t.Fatalf("%q is empty", suffix)
		}
		if err := os.WriteFile(died+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(t, openStore(t, died), 1)
}

// TestTheLibraryDamagesNoFile: 3.51.3 is the first SQLite whose write-ahead log
// survives a checkpoint and a write at the same moment (sqlite.org/wal.html, "WAL-reset
// bug").
func TestTheLibraryDamagesNoFile(t *testing.T) {
	c, err := sqlite.OpenConn(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	version, err := ask(c, "SELECT sqlite_version()")
	var v [3]int
	if _, e := fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil || e != nil || slices.Compare(v[:], []int{3, 51, 3}) < 0 {
		t.Errorf("SQLite %s, %v", version, err)
	}
}

func TestSymbolicLinkHasTheSameLock(t *testing.T) {
	db := newStore(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(db.path, link); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	_, err := Open(t.Context(), link, store.Options{})
	wantLocked(t, err, os.Getpid())
}

// TestADamagedIndexIsSeenAtOpen: feeds that the index by which they are found does
// not know would never be asked again.
func TestADamagedIndexIsSeenAtOpen(t *testing.T) {
	db := newStore(t)
	subscribe(t, db, 3)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// What is done while the index is not in the schema it does not hear of.
	raw(t, db.path, "PRAGMA writable_schema = ON", "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'feeds_due'",
		"DELETE FROM sqlite_schema WHERE name = 'feeds_due'")
	raw(t, db.path, "INSERT INTO feeds (url) VALUES ('https://unknown.example/')", "PRAGMA writable_schema = ON",
		"INSERT INTO sqlite_schema SELECT * FROM kept", "DROP TABLE kept")
	_, err := Open(t.Context(), db.path, store.Options{})
	if corrupt, ok := errors.AsType[*store.CorruptError](err); !ok || !strings.Contains(corrupt.Error(), "feeds_due") {
		t.Errorf("got %v, want a CorruptError about feeds_due", err)
	}
	c := theirs(t, db.path)
	if got, err := column(c, indexSoundSQL); err != nil || len(got) != 1 {
		t.Errorf("counting finds %q, %v, want one problem", got, err)
	}
}

// TestADamagedIndexOfItemsIsSeenBeforeARound, which would take an item for a new
// one whose key is another in its index. Opening counts entries only, and so does
// a run on the day of one that ended.
func TestADamagedIndexOfItemsIsSeenBeforeARound(t *testing.T) {
	today := epoch.Unix()
	for _, tt := range []struct {
		name string
		last string // run
		seen bool
	}{
		{"no run was before", "DELETE FROM runs", true},
		{"the last run was killed", fmt.Sprintf("INSERT INTO runs (started, mode, workers, pid) VALUES (%d, '', 1, 1)", today), true},
		{"the last run was yesterday", fmt.Sprintf("INSERT INTO runs (started, finished, mode, workers, pid) VALUES (%d, %[1]d, '', 1, 1)", today-86400), true},
		{"a run ended today", fmt.Sprintf("INSERT INTO runs (started, finished, mode, workers, pid) VALUES (%d, %[1]d, '', 1, 1)", today), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := newStore(t)
			subscribe(t, db, 1)
			save(t, db, succeeded(1, epoch, item("a", "1")))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			raw(t, db.path, "PRAGMA writable_schema = ON", "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'items_known'",
				"DELETE FROM sqlite_schema WHERE name = 'items_known'")
			raw(t, db.path, "UPDATE items SET key = zeroblob(16)", tt.last,
				"PRAGMA writable_schema = ON", "INSERT INTO sqlite_schema SELECT * FROM kept", "DROP TABLE kept")
			db = openStore(t, db.path)
			defer db.Close() // and not by Check, which finds the same
			_, err := db.BeginRun(t.Context(), store.Run{Mode: "pipe", Workers: 1})
			corrupt, ok := errors.AsType[*store.CorruptError](err)
			if ok != tt.seen || ok && !strings.Contains(corrupt.Error(), "items_known") {
				t.Errorf("got %v, want a CorruptError about items_known: %t", err, tt.seen)
			}
		})
	}
}

// TestAStoreHasOneWriterByAnyName: neither a hard link nor a lock that somebody
// deleted lets a second run in.
func TestAStoreHasOneWriterByAnyName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the lock is known by its name")
	}
	db := newStore(t)
	subscribe(t, db, 1)
	link := filepath.Join(filepath.Dir(db.path), "linked.db")
	if err := os.Link(db.path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(db.path + ".lock"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, db.path} {
		second, err := Open(t.Context(), path, store.Options{})
		if _, ok := errors.AsType[*store.LockedError](err); !ok {
			t.Errorf("%s: got %v, want a LockedError", filepath.Base(path), err)
			if err == nil {
				second.Close()
			}
		}
	}
	save(t, db, succeeded(1, epoch, item("a", "1")))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, link)
	if got := itemsOf(t, again, feedURL(0)); len(got) != 1 {
		t.Errorf("opened by the link: %d items, want 1", len(got))
	}
}
