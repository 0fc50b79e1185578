package storetest

import (
	"errors"
	"strings"
	"testing"

	"feedmill/internal/store"
)

// testCheckFindsEachBrokenPromise breaks a sound store in one way at a time.
func testCheckFindsEachBrokenPromise(t *testing.T, e Engine) {
	db := newStore(t, e)
	for _, c := range []struct{ statement, want string }{
		{"UPDATE items SET seq = 9 WHERE guid = 'b'", "seq is above the last one given, 3"},
		{"UPDATE items SET seq = -1 WHERE guid = 'a'", "seq is below 1"},
		{"UPDATE items SET seq = 1 WHERE guid = 'b'", "seq did not grow; the item before has 1"},
		{"UPDATE feeds SET items = items + 1", "4 items are counted and 3 are there"},
		{"INSERT INTO removed SELECT feed_id, key, seq FROM items LIMIT 1", "is there although it was removed"},
		{"UPDATE items SET edits = 25 WHERE guid = 'a'", "was edited 25 times"},
		{"UPDATE items SET categories = '{\"a\":1}'", "categories are not a JSON array"},
		{"UPDATE items SET categories = '[1]'", "categories are not a JSON array"},
		{"UPDATE items SET enclosures = '[{'", "enclosures are not a JSON array"},
		{"UPDATE feeds SET last_success = NULL", "has validators or a body hash without any success"},
		{"UPDATE feeds SET fails = 2", "succeeded, but counts 2 failures"},
		{"UPDATE feeds SET class = 'splendid'", "has the unknown class 'splendid'"},
		{"UPDATE feeds SET class = ''", "was never tried, but has items or a state"},
		{"UPDATE feeds SET seq = -1", "a count is negative"},
		{"UPDATE items SET feed_id = 77 WHERE guid = 'c'", "belongs to no row of feeds"}, // at the end: it stays
	} {
		id := Subscribe(t, db, 1)[0]
		Save(t, db, Succeeded(id, Epoch, Item("a", "1"), Item("b", "1"), Item("c", "1")))
		shell(t, db, c.statement)
		err := db.Check(t.Context())
		if _, ok := errors.AsType[*store.CorruptError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a CorruptError that says %q", c.statement, err, c.want)
		}
		if _, err := db.Unsubscribe(t.Context(), []string{FeedURL(0)}); err != nil { // and all of it is gone
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
