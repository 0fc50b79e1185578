package sqlite

import (
	"errors"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// TestCheckFindsWhatOnlyAFileCanLack: besides the promises that every engine makes.
func TestCheckFindsWhatOnlyAFileCanLack(t *testing.T) {
	for _, c := range []struct{ statement, want string }{
		{"DROP INDEX feeds_due", "index feeds_due: is not there"},
		{"DROP TABLE runs", "table runs: is not there"},
		{"DROP TRIGGER items_left", "trigger items_left: is not there"},
		{"PRAGMA ignore_check_constraints = ON; UPDATE items SET key = x'00' WHERE guid = 'a'", "key of 1 bytes"},
	} {
		db := newStore(t)
		save(t, db, succeeded(subscribe(t, db, 1)[0], epoch, item("a", "1")))
		shell(t, db, c.statement)
		err := db.Check(t.Context())
		if _, ok := errors.AsType[*store.CorruptError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a CorruptError that says %q", c.statement, err, c.want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSuccessClassesAreInTheRules(t *testing.T) {
	if got, want := store.SQLClasses(feeds.Class.OK), "'ok', 'not_modified', 'unchanged'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
