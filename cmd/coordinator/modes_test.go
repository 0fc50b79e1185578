package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/ipc/carrier"
	"feedmill/internal/origin"
)

// processModes returns the modes of this system that have worker processes,
// with pipe first.
func processModes() []string {
	all := []string{string(carrier.Pipe)}
	for _, m := range carrier.Modes() {
		if m != carrier.Pipe && slices.Contains(modes, string(m)) {
			all = append(all, string(m))
		}
	}
	return all
}

// everyMode returns all modes of this system, with pipe first.
func everyMode() []string { return append(processModes(), goroutineMode) }

// TestEveryModeMakesTheSameStore, byte for byte but for the times, whatever the
// lists are like: many, long ones, and long items; and whatever is shipped.
func TestEveryModeMakesTheSameStore(t *testing.T) {
	t.Parallel()
	many := origin.Options{Feeds: 150, Hosts: 50, Items: 20, Bytes: 1500}
	if raceEnabled {
		many.Feeds = 100 // more take a minute under the race detector
	}
	dir := t.TempDir()
	writeLongFeeds(t, dir)
	long := serve(t, origin.Options{Addr: "127.0.0.1:0", Feeds: -1, Dir: dir})
	list := fmt.Sprintf("http://%s/dir/many.xml\nhttp://%[1]s/dir/large.xml\n", long.Addr())
	for _, c := range []struct {
		name, list, ship string
		items            int
	}{
		{"many feeds", serve(t, many).list, "new", many.Feeds * many.Items},
		{"40 feeds over https", trusted(t, origin.Options{Feeds: 40, Hosts: 40, Items: 20, Bytes: 500}).list, "new", 800},
		{"10,000 items in one feed and 8 MB in another's item", writeFile(t, "long.txt", list), "all", 10_001},
	} {
		t.Run(c.name, func(t *testing.T) {
			if raceEnabled && c.items > 10_000 {
				t.Skip("10,000 items take a minute under the race detector, six times over")
			}
			var want, states []string
			for _, mode := range everyMode() {
				db := filepath.Join(t.TempDir(), mode+".db")
				out := refreshed(t, db, "--list", c.list, "-n", "2", "--mode", mode, "--ship", c.ship)
				out.want(t, exitOK)
				if out.summary.New != c.items || out.summary.Mode != mode || out.summary.WorkerDeaths != 0 {
					t.Errorf("%s: %d new items in mode %s, %d deaths, want %d in the mode that was asked for, and none; stderr:\n%s",
						mode, out.summary.New, out.summary.Mode, out.summary.WorkerDeaths, c.items, out.stderr)
				}
				got, gotStates := contents(t, db), feedStates(t, db)
				if want == nil {
					want, states = got, gotStates
					continue
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %d items, want the %d of pipe\n%s", mode, len(got), len(want), firstDifference(got, want))
				}
				if !slices.Equal(gotStates, states) {
					t.Errorf("%s: feeds differ from pipe\n%s", mode, firstDifference(gotStates, states))
				}
			}
		})
	}
}

// writeLongFeeds makes a feed of 10,000 items and one of 8 MB in one item,
// half of it content, of which 1 MiB is kept, and half of it categories.
func writeLongFeeds(t *testing.T, dir string) {
	t.Helper()
	var many, large strings.Builder
	many.WriteString("<rss version='2.0'><channel><title>many</title>")
	for i := range 10_000 {
		fmt.Fprintf(&many, "<item><guid>%d</guid><title>item %[1]d</title></item>", i)
	}
	many.WriteString("</channel></rss>")
	large.WriteString("<rss version='2.0'><channel><title>large</title><item><guid>1</guid><description>")
	random := rand.New(rand.NewPCG(1, 1)) // or it would look like a bomb
	for large.Len() < 4<<20 {
		fmt.Fprintf(&large, "%x ", random.Uint64())
	}
	large.WriteString("</description>")
	for i := range 4 << 10 {
		fmt.Fprintf(&large, "<category>%d", i)
		for range 60 {
			fmt.Fprintf(&large, " %016x", random.Uint64())
		}
		large.WriteString("</category>")
	}
	large.WriteString("</item></channel></rss>")
	for name, text := range map[string]string{"many.xml": many.String(), "large.xml": large.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
