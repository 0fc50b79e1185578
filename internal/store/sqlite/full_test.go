package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// TestFullDiskRollsTheGroupBack bounds the file's pages, which SQLite reports
// as it does a full disk.
func TestFullDiskRollsTheGroupBack(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 30)
	if err := script(db.w.conn, "PRAGMA max_page_count = 200"); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for n := 0; ; n++ {
		outcomes := make([]feeds.Outcome, len(ids))
		for i, id := range ids {
			outcomes[i] = succeeded(id, epoch.Add(time.Duration(n)*time.Second), item(fmt.Sprint(n), strings.Repeat("x", 1000)))
		}
		saved, err := db.Save(t.Context(), outcomes)
		if err != nil {
			if saved != nil || !strings.Contains(err.Error(), "full") {
				t.Errorf("got %v and %v, want an error that says full", saved, err)
			}
			break
		}
		if stored = n + 1; stored > 100 {
			t.Fatal("the disk did not fill")
		}
	}
	if stored == 0 {
		t.Fatal("not even one group fitted")
	}
	for i, f := range allFeeds(t, db) {
		if at := epoch.Add(time.Duration(stored-1) * time.Second); f.Items != stored || !f.LastSuccess.Equal(at) {
			t.Errorf("feed %d: got %d items, of %v, want %d, of %v", i, f.Items, f.LastSuccess, stored, at)
		}
	}
	// With room again the same goes through.
	if err := script(db.w.conn, "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	save(t, db, succeeded(ids[0], epoch.Add(time.Hour), item("later", "1")))
}
