package sqlite

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// benchItems returns n items of 1.5 KB with keys that no other call returns.
func benchItems(n int, unique *uint64) []feeds.Item {
	items := make([]feeds.Item, n)
	content := strings.Repeat("lorem ipsum dolor sit amet ", 46)
	for i := range items {
		*unique++
		it := feeds.Item{
			Hash: *unique, GUID: fmt.Sprintf("tag:example.org,2024:%d", *unique), Link: fmt.Sprintf("https://example.org/path/%d", *unique),
			Title: "A title of the usual length, more or less", Author: "An Author", Summary: "What it is about, in a sentence.",
			Content: content, Published: epoch.Unix(), Categories: []string{"news", "local"},
		}
		// Spread like a hash: keys of a feed do not come in order.
		binary.BigEndian.PutUint64(it.Key[:], *unique*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(it.Key[8:], *unique)
		items[i] = it
	}
	return items
}

// BenchmarkSaveNew is one durable group commit of feeds with 20 new items each.
func BenchmarkSaveNew(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("feeds=%d", n), func(b *testing.B) {
			benchmarkSave(b, n, 20)
		})
	}
}

// BenchmarkSaveNews is one durable group commit of 256 feeds with one new item
// each, beside the 20 that they have.
func BenchmarkSaveNews(b *testing.B) {
	benchmarkSave(b, 256, 1)
}

func benchmarkSave(b *testing.B, groupOf, itemsEach int) {
	db := newStore(b)
	const groups = 16
	ids := subscribe(b, db, groups*groupOf)
	var unique uint64
	at := epoch
	outcomes := make([]feeds.Outcome, groupOf)
	fill := func(group, items int) {
		at = at.Add(time.Second)
		for i := range outcomes {
			// Neighbours in a group are no neighbours in the file.
			outcomes[i] = succeeded(ids[i*groups+group], at, benchItems(items, &unique)...)
		}
	}
	if itemsEach < 20 {
		for group := range groups {
			fill(group, 20)
			save(b, db, outcomes...)
		}
	}
	b.ReportAllocs()
	group := 0
	for b.Loop() {
		b.StopTimer()
		fill(group%groups, itemsEach)
		group++
		b.StartTimer()
		if _, err := db.Save(b.Context(), outcomes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*groupOf*itemsEach)/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkSaveNotModified is one durable group commit of 256 feeds without
// news, spread over 10,000.
func BenchmarkSaveNotModified(b *testing.B) {
	db := newStore(b)
	const groups = 40
	ids := subscribe(b, db, groups*256)
	outcomes := make([]feeds.Outcome, 256)
	group := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range outcomes {
			outcomes[i] = succeeded(ids[i*groups+group%groups], epoch.Add(time.Duration(group)*time.Second))
			outcomes[i].Class, outcomes[i].Title, outcomes[i].Link = feeds.NotModified, "", ""
		}
		group++
		if _, err := db.Save(b.Context(), outcomes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(256*b.N), "µs/feed")
}

// BenchmarkDue is the begin of a round over 100,000 feeds.
func BenchmarkDue(b *testing.B) {
	db := newStore(b)
	subscribe(b, db, 100_000)
	for b.Loop() {
		refs, err := db.Due(b.Context(), store.DueQuery{Now: epoch})
		if err != nil || len(refs) != 100_000 {
			b.Fatalf("got %d feeds, %v", len(refs), err)
		}
	}
}

// BenchmarkJobs loads 64 jobs with 20 known items each.
func BenchmarkJobs(b *testing.B) {
	db := newStore(b)
	ids := subscribe(b, db, 64)
	var unique uint64
	for _, id := range ids {
		save(b, db, succeeded(id, epoch, benchItems(20, &unique)...))
	}
	b.ReportAllocs()
	for b.Loop() {
		jobs, err := db.Jobs(b.Context(), ids)
		if err != nil || len(jobs) != 64 || len(jobs[0].Known) != 20 {
			b.Fatalf("got %d jobs, %v", len(jobs), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(64*b.N), "µs/feed")
}

// BenchmarkOpen opens and closes a store of 10,000 feeds.
func BenchmarkOpen(b *testing.B) {
	db := newStore(b)
	subscribe(b, db, 10_000)
	closeStore(b, db)
	for b.Loop() {
		db, err := Open(b.Context(), db.path, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
