package postgres

import (
	"os"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/pgtest"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

// BenchmarkAMillionFeeds has coordinators go through a million feeds on 300,000 domains,
// that were refreshed before, 300 domains at a time, as a sweep does: claim, due, jobs,
// save that nothing has changed, release. It says how many feeds a second they come to.
// FEEDMILL_LARGE=1, since making them takes a minute.
func BenchmarkAMillionFeeds(b *testing.B) {
	if os.Getenv("FEEDMILL_LARGE") == "" {
		b.Skip("set FEEDMILL_LARGE=1")
	}
	const all = 1_000_000
	server := pgtest.Start(b, "max_wal_size=4GB", "shared_buffers=1GB")
	url := server.CreateDB(b) + "&host=" + server.Dir
	dbs := coordinators(b, url, "a", "b", "c")
	engine{}.Exec(b, url, `INSERT INTO feeds (url, domain, title, link, etag, body_hash, last_checked, last_success, class, status)
		SELECT 'https://w' || i || '.d' || i % 300000 || '.example/feed.xml', 'd' || i % 300000 || '.example',
		'A feed', 'https://example.org/', 'W/"1700000000"', 1, 1, 1, 'ok', 200 FROM generate_series(1, ?::int) i`, all)
	engine{}.Exec(b, url, "VACUUM ANALYZE")
	for _, n := range []int{1, 3} {
		b.Run(map[int]string{1: "coordinators=1", 3: "coordinators=3"}[n], func(b *testing.B) {
			for _, db := range dbs[:n] {
				sweepOnce(b, db) // whose connection is there when the meter is made
			}
			m := newMeter(server)
			theirs0, ours0 := m.theirs(b), m.ours(b)
			feedsDone := 0
			for b.Loop() {
				var mu sync.Mutex
				var wg sync.WaitGroup
				for _, db := range dbs[:n] {
					wg.Go(func() {
						for range 30 / n {
							done := sweepOnce(b, db)
							mu.Lock()
							feedsDone += done
							mu.Unlock()
						}
					})
				}
				wg.Wait()
			}
			per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(feedsDone) }
			b.ReportMetric(float64(feedsDone)/b.Elapsed().Seconds(), "feeds/s")
			b.ReportMetric(per(m.ours(b)-ours0), "coordinator-µs/feed")
			b.ReportMetric(per(m.theirs(b)-theirs0), "server-µs/feed")
		})
	}
}

// sweepOnce does what a sweep does to one claim, and returns how many feeds that were.
func sweepOnce(b *testing.B, db *DB) int {
	held := claim(b, db, 300)
	h := db.Held(held)
	refs, err := h.Due(b.Context(), store.DueQuery{Now: db.Now()})
	if err != nil {
		b.Error(err)
	}
	for at := 0; at < len(refs); at += 256 {
		some := refs[at:min(at+256, len(refs))]
		ids := make([]int64, len(some))
		outcomes := make([]feeds.Outcome, len(some))
		for i, r := range some {
			ids[i] = r.ID
			outcomes[i] = storetest.Succeeded(r.ID, db.Now())
			outcomes[i].Class = feeds.NotModified
		}
		if _, err := h.Jobs(b.Context(), ids); err != nil {
			b.Error(err)
		}
		if saved, err := h.Save(b.Context(), outcomes); err != nil || saved[0].Err != nil {
			b.Error(saved, err)
		}
	}
	if err := db.Release(b.Context(), held); err != nil {
		b.Error(err)
	}
	return len(refs)
}
