package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/pgtest"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/store/storetest"
)

// A meter reads the processor time that this process has used, and that a server has,
// as far as its processes were there when it was made: those that end count as when they
// were last looked at.
type meter struct{ server map[int]time.Duration }

func newMeter(server *pgtest.Cluster) meter {
	m := meter{make(map[int]time.Duration)}
	for _, pid := range server.Processes() {
		m.server[pid] = 0
	}
	return m
}

func (m meter) ours(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m meter) theirs(t testing.TB) (sum time.Duration) {
	t.Helper()
	for pid := range m.server {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid)); err == nil {
			ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			m.server[pid] = time.Duration(ns)
		}
		sum += m.server[pid]
	}
	return sum
}

// groupOf is how many feeds of 20 items of 1.5 KB a group commit has: 4 MiB.
const groupOf = 134

// costItems returns n items of 1.5 KB with keys that no other call returns.
func costItems(n int, unique *uint64) []feeds.Item {
	items := make([]feeds.Item, n)
	content := strings.Repeat("lorem ipsum dolor sit amet ", 46)
	for i := range items {
		*unique++
		it := feeds.Item{
			Hash: *unique, GUID: fmt.Sprintf("tag:example.org,2024:%d", *unique), Link: fmt.Sprintf("https://example.org/path/%d", *unique),
			Title: "A title of the usual length, more or less", Author: "An Author", Summary: "What it is about, in a sentence.",
			Content: content, Published: storetest.Epoch.Unix(), Categories: []string{"news", "local"},
		}
		it.Key = feeds.Identify(&it)
		items[i] = it
	}
	return items
}

// A phase is a round's work on the store: its jobs, and what became of them.
type phase struct {
	name  string
	items bool // new ones; else what was there has not changed
	class feeds.Class
	turns int // of both engines: where there is little to do, one says little
}

var phases = []phase{{"new", true, feeds.OK, 1}, {"again", false, feeds.OK, 3}, {"304", false, feeds.NotModified, 12}}

// BenchmarkRoundBesideSQLite has both engines do the same rounds, one after the other,
// and counts the processor time of everybody who takes part: with
// PostgreSQL the server, too. A round is Jobs and Save. Tables are vacuumed before each, as
// the server does after a while, or left as they were filled.
func BenchmarkRoundBesideSQLite(b *testing.B) {
	b.Run("vacuumed", func(b *testing.B) { besideSQLite(b, "VACUUM ANALYZE") })
	b.Run("filled", func(b *testing.B) { besideSQLite(b, "") })
}

func besideSQLite(b *testing.B, before string) {
	server := pgtest.Shared(b)
	feedsEach := 30 * groupOf
	for b.Loop() {
		file, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "feeds.db"), store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		url := server.CreateDB(b) + "&host=" + server.Dir // by its socket, as on one machine
		shared := openStore(b, url, Options{})
		stores := [2]store.DB{file, shared}
		var ids [2][]int64
		for i, db := range stores {
			ids[i] = storetest.Subscribe(b, db, feedsEach)
		}
		m := newMeter(server)
		var unique uint64
		all := make([][]feeds.Item, feedsEach)
		for i := range all {
			all[i] = costItems(20, &unique)
		}
		for n, p := range phases {
			engine{}.Exec(b, url, before)
			var spent [2]time.Duration
			var theirs time.Duration
			if p.class == feeds.NotModified {
				clear(all) // no store has to see to what only the benchmark keeps
			}
			for k := range 2 * p.turns {
				i := k % 2
				theirs0, ours0 := m.theirs(b), m.ours(b)
				when := storetest.Epoch.Add(time.Duration(100*n+k) * time.Hour)
				for at := 0; at < feedsEach; at += groupOf {
					turn(b, stores[i], ids[i][at:at+groupOf], p, when, all[at:at+groupOf])
				}
				if spent[i] += m.ours(b) - ours0; i == 1 {
					theirs += m.theirs(b) - theirs0
				}
			}
			spent[1] += theirs
			per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(feedsEach*p.turns) }
			b.ReportMetric(per(spent[0]), p.name+"-sqlite-µs/feed")
			b.ReportMetric(per(spent[1]), p.name+"-postgres-µs/feed")
			b.ReportMetric(per(theirs), p.name+"-server-µs/feed")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), p.name+"-ratio")
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// turn does a group's part of a round.
func turn(b *testing.B, db store.DB, ids []int64, p phase, at time.Time, items [][]feeds.Item) {
	jobs, err := db.Jobs(b.Context(), ids)
	if err != nil || len(jobs) != len(ids) {
		b.Fatalf("got %d jobs, %v, want %d", len(jobs), err, len(ids))
	}
	outcomes := make([]feeds.Outcome, len(ids))
	for i, id := range ids {
		outcomes[i] = storetest.Succeeded(id, at)
		if outcomes[i].Class = p.class; p.class == feeds.OK {
			outcomes[i].Items = items[i]
		}
	}
	for i, s := range storetest.Save(b, db, outcomes...) {
		if want := len(items[i]); p.items && s.New != want || !p.items && s.New+s.Updated != 0 {
			b.Fatalf("%s: got %+v", p.name, s)
		}
	}
}
