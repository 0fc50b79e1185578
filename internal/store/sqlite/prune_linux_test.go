package sqlite

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"feedmill/internal/store"
)

// TestPruningNeedsLittleMemory: what goes from a store of gigabytes is not kept in
// memory until all of it has gone.
func TestPruningNeedsLittleMemory(t *testing.T) {
	db := newStore(t)
	text := strings.Repeat("x", 3_000)
	var unique uint64
	for _, id := range subscribe(t, db, 200) {
		items := benchItems(100, &unique)
		for i := range items {
			items[i].Content = text
		}
		save(t, db, succeeded(id, epoch, items...))
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip("the peak of memory cannot be reset:", err)
	}
	before := memory(t, "VmRSS")
	p, err := db.Prune(t.Context(), store.PruneQuery{Keep: 1, UpTo: 1 << 62})
	if want := 200 * 99; err != nil || p.Items != want {
		t.Fatalf("got %d items, %v, want %d", p.Items, err, want)
	}
	if got := memory(t, "VmHWM") - before; got > 14<<10 {
		t.Errorf("deleting 60 MB took %d KB of memory, want at most 14 MB", got)
	}
}

// memory returns a line of this process's memory in KB.
func memory(t *testing.T, line string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(regexp.MustCompile(line + `:\s*(\d+)`).FindSubmatch(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
