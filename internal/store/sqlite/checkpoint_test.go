package sqlite

import (
	"os"
	"testing"

	"feedmill/internal/feeds"
)

// TestLogIsCopiedBesideTheRound writes more than the copier lets lie, and finds
// it in the file although the store is still open.
func TestLogIsCopiedBesideTheRound(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	before := fileSize(t, db.path)
	var unique uint64
	outcomes := []feeds.Outcome{succeeded(id, epoch, benchItems(copyEvery/1000, &unique)...)}
	if _, err := db.Save(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	copier := db.copier
	db.copier = newCopier(db.path)         // for Close
	if err := copier.close(); err != nil { // which waits for it
		t.Fatal(err)
	}
	if grown := fileSize(t, db.path) - before; grown < copyEvery {
		t.Errorf("the file has grown by %d bytes, want at least the %d that were stored", grown, copyEvery)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseMayComeBetweenACommitAndItsCopy: Save tells the copier when it has
// let go of the store, which may be closed by then.
func TestCloseMayComeBetweenACommitAndItsCopy(t *testing.T) {
	db := newStore(t)
	copier := newCopier(db.path)
	if err := copier.close(); err != nil {
		t.Fatal(err)
	}
	var unique uint64
	copier.saved([]feeds.Outcome{succeeded(1, epoch, benchItems(2*copyEvery/1000, &unique)...)})
	if n := copier.size.Load(); n != 0 {
		t.Errorf("%d bytes are still to be told of, want all told: the test shows nothing", n)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
