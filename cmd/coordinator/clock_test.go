package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
)

// TestAClockThatJumpsDelaysNothing: the clock jumps a year or ten in the middle of
// a round, either way, and is right again for the next one. No feed and no domain
// is left alone because of it, and nothing is lost or doubled.
func TestAClockThatJumpsDelaysNothing(t *testing.T) {
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	const n = 30
	const year = 365 * 24 * time.Hour
	for _, jump := range []time.Duration{year, -year, 10 * year, -10 * year} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			s := serve(t, origin.Options{Feeds: n, Hosts: n, Items: 3})
			limited := []string{s.HostileURL("limited-hour"), s.HostileURL("limited-date"), s.HostileURL("busy-hour")}
			urls := append(strings.Fields(string(readFile(t, s.list))), limited...)
			right := time.Now()
			var asked atomic.Int64
			now := func() time.Time {
				if asked.Add(1) > n/6 { // early enough for one of those that are limited
					return right.Add(jump)
				}
				return right
			}
			db := filepath.Join(t.TempDir(), "feeds.db")
			classes := clockRound(t, db, urls, right, now)
			if classes[feeds.OK] != n || classes[feeds.RateLimited] != len(limited) {
				t.Fatalf("the first round ended as %v, want %d ok and %d rate_limited", classes, n, len(limited))
			}

			s.AddEpochs(1)
			right = right.Add(9 * 24 * time.Hour) // every feed is due that a right clock has set
			classes = clockRound(t, db, nil, right, func() time.Time { return right })
			if classes[feeds.OK] != n || classes[feeds.RateLimited] != len(limited) {
				t.Errorf("the next round ended as %v, want every feed asked: %d ok and %d rate_limited", classes, n, len(limited))
			}
			items := contents(t, db)
			if got := len(slices.Compact(items)); got != n*4 || len(items) != got {
				t.Errorf("%d items, %d of them different, want %d", len(items), got, n*4)
			}
		})
	}
}

// clockRound refreshes the feeds that are due at a time, after it subscribed
// those of urls, by a clock of the test's, and counts how they ended.
func clockRound(t *testing.T, path string, urls []string, at time.Time, now func() time.Time) map[feeds.Class]int {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var subs []feeds.Subscription
	for _, u := range urls {
		subs = append(subs, feeds.Subscription{URL: u})
	}
	if _, err := db.Subscribe(t.Context(), subs); err != nil {
		t.Fatal(err)
	}
	refs, err := db.Due(t.Context(), store.DueQuery{Now: at})
	if err != nil {
		t.Fatal(err)
	}
	runner := &refresh.Goroutines{Workers: 2, Options: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, NewRefresher: newRefresher}
	sum, err := refresh.Round(t.Context(), runner, db, refs, refresh.Options{Workers: 2, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return sum.Classes
}
