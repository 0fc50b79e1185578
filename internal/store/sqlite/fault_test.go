package sqlite

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	sqlitelib "modernc.org/sqlite/lib"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// TestADiskThatFailsLosesNothingThatWasReported has the disk fail an operation in
// each way that SQLite tells apart, once or from then on, wherever that falls in
// some rounds and a Close: what Save reported is there when the disk is well again,
// a round is there in full or not at all, and the store takes the next one.
func TestADiskThatFailsLosesNothingThatWasReported(t *testing.T) {
	const write, truncate, sync, read = diskWrite, diskTruncate, diskSync, diskRead
	faults := map[string][5]int32{
		"full (ENOSPC)":                  {write: sqlitelib.SQLITE_FULL},
		"no write (EIO, EDQUOT)":         {write: sqlitelib.SQLITE_IOERR_WRITE},
		"nothing durable (EIO)":          {sync: sqlitelib.SQLITE_IOERR_FSYNC},
		"no read (EIO)":                  {read: sqlitelib.SQLITE_IOERR_READ},
		"not cut to length (EIO)":        {truncate: sqlitelib.SQLITE_IOERR_TRUNCATE},
		"read-only from now on (EROFS)":  {write: sqlitelib.SQLITE_IOERR_WRITE, truncate: sqlitelib.SQLITE_IOERR_TRUNCATE, sync: sqlitelib.SQLITE_IOERR_FSYNC},
		"gone for good (ENODEV, ESTALE)": {write: sqlitelib.SQLITE_IOERR_WRITE, truncate: sqlitelib.SQLITE_IOERR_TRUNCATE, sync: sqlitelib.SQLITE_IOERR_FSYNC, read: sqlitelib.SQLITE_IOERR_READ},
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for name, codes := range faults {
		t.Run(name, func(t *testing.T) {
			failed := 0
			for range 5 {
				f := &diskFault{code: codes, stays: r.IntN(2) == 0}
				after := r.Int64N(40)
				f.after.Store(after)
				if failedRounds(t, f) {
					failed++
				}
				if t.Failed() {
					t.Fatalf("seed %d: operation %d failed, and all later ones: %v", seed, after, f.stays)
				}
			}
			t.Logf("seed %d: %d of 5 stores noticed", seed, failed)
		})
	}
}

// failedRounds saves rounds in a store whose disk fails as f has it, and reports
// whether that was noticed.
func failedRounds(t *testing.T, f *diskFault) (noticed bool) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	disk := watchDisk(t, dir)
	path := filepath.Join(dir, "feeds.db")
	db := openStore(t, path)
	subscribe(t, db, crashFeeds)
	refs, err := db.Due(t.Context(), store.DueQuery{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	disk.fault.Store(f)
	reported := 0
	for round := range 3 {
		saved, err := db.Save(t.Context(), crashRound(refs, round))
		if err != nil {
			if noticed = true; saved != nil {
				t.Errorf("round %d: saved %d outcomes, and %v", round, len(saved), err)
			}
			break
		}
		reported++
	}
	if err := db.Close(); err != nil {
		noticed = true
	}
	disk.fault.Store(nil)
	rounds, err := roundsIn(t, path)
	if err != nil || rounds < reported || rounds > reported+1 {
		t.Errorf("%d rounds are stored, %d were reported, and %v", rounds, reported, err)
		return noticed
	}
	again := openStore(t, path)
	if _, err := again.Save(t.Context(), crashRound(refs, rounds)); err != nil {
		t.Errorf("with the disk well again: %v", err)
	}
	closeStore(t, again)
	return noticed
}

// TestAStoreThatIsTakenAwayIsNoticed: what is deleted, moved, replaced or cut under
// a run is an error of the next write, and nothing is reported that would go where
// nobody can open it. What another program may do to a store is no such thing.
func TestAStoreThatIsTakenAwayIsNoticed(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	replace := func(t *testing.T, path string) {
		b, err := os.ReadFile(path + "-wal") // to read the store itself would drop SQLite's locks
		must(t, err)
		must(t, os.WriteFile(path+".new", b, 0o600))
		must(t, os.Rename(path+".new", path))
	}
	statement := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			c := theirs(t, path)
			must(t, script(c, text))
			must(t, c.Close())
		}
	}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, path string)
		gone bool
	}{
		{"deleted", func(t *testing.T, path string) { must(t, os.Remove(path)) }, true},
		{"moved", func(t *testing.T, path string) { must(t, os.Rename(path, path+".old")) }, true},
		{"replaced", replace, true},
		{"cut to nothing", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, true},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, 5*pageSize)) }, true},
		{"log deleted", func(t *testing.T, path string) { must(t, os.Remove(path+"-wal")) }, true},
		{"log moved", func(t *testing.T, path string) { must(t, os.Rename(path+"-wal", path+".old")) }, true},
		{"log cut to nothing", func(t *testing.T, path string) { must(t, os.Truncate(path+"-wal", 0)) }, true},
		{"log cut", func(t *testing.T, path string) { must(t, os.Truncate(path+"-wal", pageSize)) }, true},
		{"lock deleted", func(t *testing.T, path string) { must(t, os.Remove(path+".lock")) }, false},
		{"log copied by another program", statement("PRAGMA wal_checkpoint(TRUNCATE)"), false},
		{"vacuumed by another program", statement("DELETE FROM items WHERE feed_id > 1; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "feeds.db")
			db, err := Open(t.Context(), path, store.Options{Now: func() time.Time { return epoch }})
			must(t, err)
			ids := subscribe(t, db, crashFeeds)
			refs, err := db.Due(t.Context(), store.DueQuery{Force: true})
			must(t, err)
			save(t, db, crashRound(refs, 0)...)
			must(t, script(db.w.conn, "PRAGMA wal_checkpoint(PASSIVE)")) // a file with everything in it
			save(t, db, crashRound(refs, 1)...)

			tt.do(t, path)
			for range 2 {
				_, err = db.Save(t.Context(), []feeds.Outcome{succeeded(ids[0], epoch, item("later", "1"))})
				if _, gone := errors.AsType[*store.GoneError](err); gone != tt.gone || err != nil != tt.gone {
					t.Errorf("got %v, want an error that it is gone: %v", err, tt.gone)
				}
			}
			if err := db.Close(); err != nil && !tt.gone {
				t.Errorf("close: %v", err)
			}
		})
	}
}
