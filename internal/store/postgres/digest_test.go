package postgres

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/store/storetest"
)

// TestBothEnginesComeToTheSame: what the same rounds make of the same feeds, with new
// items, edits, items that share an identity, random guids, redirects, failures, texts
// that are none, pruning and a list that is imported again, has the same digests.
func TestBothEnginesComeToTheSame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "feeds.db"), store.Options{Durability: store.Normal})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var digests [2]map[string]store.Digest
	for i, db := range []store.DB{file, openStore(t, engine{}.New(t), Options{})} {
		rng := rand.New(rand.NewPCG(seed, 0))
		ids := storetest.Subscribe(t, db, 12)
		for round := range 30 {
			playRound(t, db, rng, ids, storetest.Epoch.Add(time.Duration(round)*time.Hour))
		}
		if digests[i], err = store.Digests(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !maps.Equal(digests[0], digests[1]) {
		for url, d := range digests[0] {
			if d != digests[1][url] {
				t.Errorf("seed %d: %s: SQLite has %s with %d items, PostgreSQL %s with %d", seed, url, d.Class, d.Items, digests[1][url].Class, digests[1][url].Items)
			}
		}
	}
}

func playRound(t *testing.T, db store.DB, rng *rand.Rand, ids []int64, at time.Time) {
	if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
		t.Fatal(err)
	}
	var outcomes []feeds.Outcome
	for _, id := range ids {
		o := storetest.Succeeded(id, at)
		switch rng.IntN(8) {
		case 0:
			o = storetest.Failed(id, at, feeds.Timeout, 1+rng.IntN(4))
		case 1:
			o.Class = feeds.NotModified
		case 2:
			o.MovedTo = fmt.Sprintf("https://elsewhere%d.example/feed", rng.IntN(6))
		case 3:
			o.Reader = feeds.ReaderGofeed
		}
		if o.Class == feeds.OK {
			o.Items = playItems(rng)
		}
		outcomes = append(outcomes, o)
	}
	if _, err := db.Save(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	switch rng.IntN(5) {
	case 0:
		last, err := db.LastItem(t.Context())
		if err == nil {
			_, err = db.Prune(t.Context(), store.PruneQuery{Keep: 5, UpTo: last, Older: at})
		}
		if err != nil {
			t.Fatal(err)
		}
	case 1:
		list := []feeds.Subscription{{URL: storetest.FeedURL(rng.IntN(14)), Title: "n\xff", Category: "c"}, {URL: storetest.FeedURL(rng.IntN(14))}}
		if _, err := db.Import(t.Context(), storetest.ListOf(list...)); err != nil {
			t.Fatal(err)
		}
	}
}

// playItems returns a document's items, as a reader gives them their keys.
func playItems(rng *rand.Rand) []feeds.Item {
	var items []feeds.Item
	random := rng.IntN(4) == 0 // guids, that is
	for range 1 + rng.IntN(7) {
		n := rng.IntN(12)
		it := storetest.Item(fmt.Sprint(n), fmt.Sprint(rng.IntN(3)))
		it.Title, it.Content = fmt.Sprintf("t%d\x00\xfe", n), it.Content+"\xc3("
		it.Published = storetest.Epoch.Unix() + int64(n)*60
		switch {
		case random:
			it.GUID = fmt.Sprint(rng.Uint64())
		case rng.IntN(3) == 0:
			it.GUID = "shared"
		}
		if rng.IntN(4) == 0 {
			it.Published = 0
		}
		items = append(items, it)
	}
	for i := range items {
		items[i].Hash = feeds.ContentHash(&items[i])
	}
	items, _ = feeds.AssignKeys(items, false)
	return items
}
