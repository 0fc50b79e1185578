package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/store/storetest"
)

// TestBothEnginesComeToTheSame: what the same rounds make of the same feeds, with new
// items, edits, items that share an identity, random guids, redirects, failures, holds, texts
// that are none, pruning, a list that is imported again and what the user says meanwhile, is
// the same in every column, and so is what is due, held and listed.
func TestBothEnginesComeToTheSame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	end := func() time.Time { return storetest.Epoch.Add(30 * time.Hour) }
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "feeds.db"), store.Options{Durability: store.Normal, Now: end})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var came [2]map[string]any
	for i, db := range []store.DB{file, openStore(t, engine{}.New(t), Options{Options: store.Options{Now: end}})} {
		rng := rand.New(rand.NewPCG(seed, 0))
		ids := storetest.Subscribe(t, db, 12)
		for round := range 30 {
			playRound(t, db, rng, ids, storetest.Epoch.Add(time.Duration(round)*time.Hour))
		}
		came[i] = allOf(t, db, end())
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for what, want := range came[0] {
		if got := came[1][what]; !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: %s: PostgreSQL has\n%.2000q, and SQLite\n%.2000q", seed, what, got, want)
		}
	}
}

// allOf returns all that a store tells.
func allOf(t *testing.T, db store.DB, at time.Time) map[string]any {
	all := make(map[string]any)
	put := func(what string, v any, err error) {
		if all[what] = v; err != nil {
			t.Fatal(what, err)
		}
	}
	rows, err := db.CopyOut(t.Context(), 0, 1<<62)
	put("rows", nil, err)
	for i, table := range store.CopyTables {
		for n, row := range rows[i] {
			put(fmt.Sprintf("%s %d", table.Name, n), row, nil)
		}
		put(table.Name, len(rows[i]), nil)
	}
	for order := store.ByArrival; order <= store.ByItems; order++ {
		var ids []int64
		for f, err := range db.Feeds(t.Context(), store.FeedQuery{Order: order}) {
			put("feeds", nil, err)
			ids = append(ids, f.ID)
		}
		put(fmt.Sprint("order ", order), ids, nil)
	}
	due, err := db.Due(t.Context(), store.DueQuery{Now: at})
	put("due", due, err)
	holds, err := db.Holds(t.Context(), at)
	put("holds", holds, err)
	last, err := db.LastItem(t.Context())
	put("last item", last, err)
	cursors, err := db.Cursors(t.Context())
	put("cursors", cursors, err)
	status, err := db.Status(t.Context())
	status.Shared, status.Owners, status.Lost = false, nil, nil
	put("status", status, err)
	for _, ref := range due {
		jobs, err := db.Jobs(t.Context(), []int64{ref.ID, 99})
		for _, j := range jobs {
			slices.SortFunc(j.Known, func(a, b feeds.Known) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		}
		put(fmt.Sprint("jobs ", ref.ID), jobs, err)
	}
	since := storetest.Epoch.Add(20 * time.Hour)
	for _, q := range []store.ItemQuery{
		{Since: since}, {Since: since, FeedIDs: []int64{3}}, {Since: since, FeedIDs: []int64{1, 2, 5}, Newest: true}, {After: last / 2, Limit: 9},
		{Until: last / 2, Newest: true, Limit: 9}, {FeedIDs: []int64{}}, {FeedIDs: []int64{4}, After: last / 3, Newest: true},
	} {
		var items []store.Item
		for it, err := range db.Items(t.Context(), q) {
			put("items", nil, err)
			items = append(items, it)
		}
		put(fmt.Sprintf("items %+v", q), items, nil)
	}
	return all
}

// playUser does one of the things that users do beside a round.
func playUser(t *testing.T, db store.DB, rng *rand.Rand, ids []int64) {
	id, text, paused, interval := ids[rng.IntN(len(ids))], fmt.Sprintf("Tëxt\xff %d", rng.IntN(9)), rng.IntN(2) == 0, time.Duration(rng.IntN(3))*time.Hour
	url := storetest.FeedURL(rng.IntN(30))
	var err error
	switch rng.IntN(8) {
	case 0:
		err = db.Edit(t.Context(), []int64{id}, store.Change{Name: &text, Paused: &paused})
	case 1:
		err = db.Edit(t.Context(), []int64{id}, store.Change{Category: &text, Interval: &interval})
	case 2:
		err = db.Edit(t.Context(), []int64{id}, store.Change{URL: &url, Headers: []store.Header{{Name: "Cookie", Value: "a"}}})
	case 3:
		err = db.Tell(t.Context(), ids[:3], ids[2:7])
	case 4:
		_, err = db.Unsubscribe(t.Context(), []string{url})
	case 5:
		_, err = db.Subscribe(t.Context(), []feeds.Subscription{{URL: url, Title: text, Link: "https://a.example/"}, {URL: url, Category: text}})
	case 6:
		err = db.MoveCursor(t.Context(), store.Cursor{Name: fmt.Sprint("Ä", rng.IntN(4)), At: int64(rng.IntN(9)) - 1})
	case 7:
		_, err = db.DropCursor(t.Context(), fmt.Sprint("Ä", rng.IntN(4)))
	}
	if err != nil && !errors.Is(err, store.ErrTaken) && !errors.Is(err, store.ErrNoFeed) {
		t.Fatal(err)
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
		if rng.IntN(6) == 0 {
			o.Domain, o.HoldUntil = fmt.Sprintf("host%d.example", rng.IntN(9)), at.Add(time.Duration(rng.IntN(90))*time.Minute+1)
		}
		outcomes = append(outcomes, o)
	}
	if _, err := db.Save(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	playUser(t, db, rng, ids)
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
