package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// TestCheckFindsEachBrokenPromise breaks a sound store in one way at a time.
func TestCheckFindsEachBrokenPromise(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1"), item("b", "1"), item("c", "1")))
	closeStore(t, db)
	sound := read(t, db.path)
	for _, c := range []struct{ statement, want string }{
		{"UPDATE items SET seq = 9 WHERE guid = 'b'", "seq is above the last one given, 3"},
		{"UPDATE items SET seq = -1 WHERE guid = 'a'", "seq is below 1"},
		{"UPDATE items SET seq = 1 WHERE guid = 'b'", "seq did not grow; the item before has 1"},
		{"UPDATE feeds SET items = items + 1", "4 items are counted and 3 are there"},
		{"INSERT INTO removed SELECT feed_id, key FROM items LIMIT 1", "is there although it was removed"},
		{"UPDATE items SET edits = 25 WHERE guid = 'a'", "was edited 25 times"},
		{"UPDATE items SET categories = '{\"a\":1}'", "categories are not a JSON array"},
		{"UPDATE items SET categories = '[1]'", "categories are not a JSON array"},
		{"UPDATE items SET enclosures = '[{'", "enclosures are not a JSON array"},
		{"UPDATE feeds SET last_success = NULL", "has validators or a body hash without any success"},
		{"UPDATE feeds SET fails = 2", "succeeded, but counts 2 failures"},
		{"UPDATE feeds SET class = 'splendid'", "has the unknown class 'splendid'"},
		{"UPDATE feeds SET class = ''", "was never tried, but has items or a state"},
		{"UPDATE feeds SET seq = -1", "a count is negative"},
		{"UPDATE items SET feed_id = 77 WHERE guid = 'c'", "belongs to no row of feeds"},
		{"PRAGMA ignore_check_constraints = ON; UPDATE items SET key = x'00' WHERE guid = 'a'", "key of 1 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "feeds.db")
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		shell(t, db, c.statement)
		err = db.Check(t.Context())
		if _, ok := errors.AsType[*CorruptError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a CorruptError that says %q", c.statement, err, c.want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSuccessClassesAreInTheRules(t *testing.T) {
	if got, want := classList(feeds.Class.OK), "'ok', 'not_modified', 'unchanged'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
