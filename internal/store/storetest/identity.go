package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// refreshed is what a worker and Save do with a document that has these items, in
// its order.
func refreshed(t *testing.T, db *opened, id int64, oldestFirst bool, items ...feeds.Item) feeds.Saved {
	t.Helper()
	items, _ = feeds.AssignKeys(slices.Clone(items), oldestFirst)
	for i := range items {
		items[i].Hash = feeds.ContentHash(&items[i])
	}
	if !oldestFirst {
		slices.Reverse(items)
	}
	changed, _ := feeds.Diff(items, Job(t, db, id).Known)
	return Save(t, db, Succeeded(id, Epoch, changed...))[0]
}

// testItemsThatShareAnIdentityStayThemselves plays feeds whose items have one guid,
// or one link, over rounds in which they come and go: whatever is shown is stored
// once, and nothing is replaced by another.
func testItemsThatShareAnIdentityStayThemselves(t *testing.T, e Engine) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for name, make := range map[string]func(n int) feeds.Item{
		"guid": func(n int) feeds.Item { return feeds.Item{GUID: "same", Title: fmt.Sprint(n)} },
		"guid and link": func(n int) feeds.Item {
			return feeds.Item{GUID: "same", Link: "https://pond.example/", Title: fmt.Sprint(n)}
		},
		"guid, link and title": func(n int) feeds.Item {
			return feeds.Item{GUID: "same", Link: "https://pond.example/", Title: "News", Published: int64(n)}
		},
		"guid, other links": func(n int) feeds.Item {
			return feeds.Item{GUID: "same", Link: fmt.Sprintf("https://pond.example/%d", n/2), Title: fmt.Sprint(n % 2)}
		},
		"link": func(n int) feeds.Item { return feeds.Item{Link: "https://pond.example/", Title: fmt.Sprint(n)} },
		"link and title": func(n int) feeds.Item {
			return feeds.Item{Link: "https://pond.example/", Title: "Status", Published: int64(n)}
		},
		"enclosure": func(n int) feeds.Item {
			return feeds.Item{Enclosures: []feeds.Enclosure{{URL: "https://pond.example/a"}}, Title: "Song", Published: int64(n)}
		},
		"nothing": func(n int) feeds.Item { return feeds.Item{GUID: fmt.Sprint(n), Title: "t"} },
	} {
		t.Run(name, func(t *testing.T) {
			db := newStore(t, e)
			id := Subscribe(t, db, 1)[0]
			first, last, oldestFirst, added := 1, 1, r.IntN(2) == 0, 0
			for range 40 {
				var items []feeds.Item
				for n := last; n >= first; n-- {
					items = append(items, make(n))
				}
				if oldestFirst {
					slices.Reverse(items)
				}
				saved := refreshed(t, db, id, oldestFirst, items...)
				added += saved.New
				if saved.Updated != 0 || added != last {
					t.Fatalf("seed %d: with %d to %d: %d updated, %d new so far; want 0, %d", seed, first, last, saved.Updated, added, last)
				}
				// The next document has one that was there, or many, or the last alone.
				first, last = min(last, first+r.IntN(4)), last+r.IntN(3)
			}
			seen := map[string]bool{}
			for _, it := range ItemsOf(t, db, FeedURL(0)) {
				seen[fmt.Sprint(it.GUID, it.Link, it.Title, it.Published)] = true
			}
			if len(seen) != added {
				t.Errorf("seed %d: %d different items are stored, want %d", seed, len(seen), added)
			}
		})
	}
}

// earlier makes what is stored of a feed the work of a reader that was before this
// one was noted.
func earlier(t *testing.T, db *opened) { shell(t, db, "UPDATE feeds SET reader = 0") }

// testAnUpgradeIsNoNews: what another version of the reader makes of what is stored
// replaces it in silence, also where it has another key now; what is new is news.
func testAnUpgradeIsNoNews(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 9)
	n := 0 // feeds that were tried
	base := feeds.Item{GUID: "g", Link: "https://pond.example/1", Title: "Don&#39;t", Content: "<p>a<br/></p>", Published: 100}
	for name, now := range map[string]feeds.Item{
		"another text":              {GUID: "g", Link: base.Link, Title: "Don't", Content: "<p>a<br></p>", Published: 100},
		"an id as it is":            {GUID: "1", Link: base.Link, Title: "Don't", Published: 100},
		"rdf:about as guid":         {GUID: "https://pond.example/#1", Link: base.Link, Title: base.Title},
		"a link that is spelt else": {GUID: "other", Link: "https://pond.example/%31", Title: base.Title, Published: 100},
		"no guid, no link":          {Title: base.Title, Content: "other", Published: 100},
		"a date where none was":     {GUID: "other", Link: base.Link, Title: base.Title, Published: 0},
		"a zone that is known now":  {GUID: "other", Link: base.Link, Title: base.Title, Published: 100 + 9*3600},
		"a relative id":             {GUID: "g", Title: base.Title, Published: 100},
		"a link elsewhere":          {GUID: "x", Link: "https://feeds.example/1", Title: base.Title},
	} {
		t.Run(name, func(t *testing.T) {
			url := FeedURL(n)
			id := ids[n]
			n++
			refreshed(t, db, id, true, base, feeds.Item{GUID: "h", Title: "Another", Published: 99})
			shell(t, db, "UPDATE items SET edits = 24 WHERE guid = 'g'")
			earlier(t, db)
			news := feeds.Item{GUID: "n", Link: "https://pond.example/2", Title: "News", Published: 101}
			saved := refreshed(t, db, id, true, feeds.Item{GUID: "h", Title: "Another", Published: 99}, now, news)
			items := ItemsOf(t, db, url)
			if saved.New != 1 || saved.Updated != 0 || len(items) != 3 {
				t.Fatalf("got %d new, %d updated, %d stored; want 1, 0, 3", saved.New, saved.Updated, len(items))
			}
			slices.SortFunc(items, func(a, b store.Item) int { return int(a.Seq - b.Seq) })
			if got := items[0]; got.Seq != 1 || got.Edits != 24 || got.GUID != now.GUID || got.Title != now.Title || got.Content != now.Content {
				t.Errorf("got %+v, want seq 1, 24 edits, %+v", got, now)
			}
			// Now it is this reader's: the next change is one.
			shell(t, db, "UPDATE items SET edits = 0")
			changed := now
			changed.Content = "changed"
			if saved := refreshed(t, db, id, true, changed, news); now.GUID != "" && (saved.New != 0 || saved.Updated != 1) {
				t.Errorf("after that: got %d new, %d updated; want 0, 1", saved.New, saved.Updated)
			}
		})
	}
}

// testAnUpgradeTakesNoItemForAnother: items that share what they are known by and
// were one for an earlier version come as themselves.
func testAnUpgradeTakesNoItemForAnother(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	day := func(n int64) feeds.Item {
		return feeds.Item{GUID: "https://pond.example/", Link: "https://pond.example/", Title: "Status", Content: fmt.Sprint(n), Published: n}
	}
	refreshed(t, db, id, false, day(2))
	earlier(t, db)
	saved := refreshed(t, db, id, false, day(4), day(3), day(2), day(1))
	items := ItemsOf(t, db, FeedURL(0))
	if saved.New != 3 || saved.Updated != 0 || len(items) != 4 {
		t.Fatalf("got %d new, %d updated, %d stored; want 3, 0, 4", saved.New, saved.Updated, len(items))
	}
	for _, it := range items {
		if it.Content != fmt.Sprint(it.Published) {
			t.Errorf("got the text of day %s with the date of day %d", it.Content, it.Published)
		}
	}
}

// testRemovedItemsStayAwayAfterAnUpgrade: also those that have another key now.
func testRemovedItemsStayAwayAfterAnUpgrade(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	refreshed(t, db, id, true, feeds.Item{Link: "https://pond.example/1", Title: "a"}, feeds.Item{GUID: "k", Title: "kept"}, feeds.Item{GUID: "https://pond.example/%C3%BC", Title: "ü"})
	shell(t, db, "DELETE FROM items WHERE guid <> 'k'")
	earlier(t, db)
	now := []feeds.Item{{GUID: "https://pond.example/#1", Link: "https://pond.example/1", Title: "a"}, {GUID: "https://pond.example/ü", Title: "ü"}, {GUID: "k", Title: "kept"}}
	for round := range 2 {
		if saved := refreshed(t, db, id, true, now...); saved.New != 0 || saved.Updated != 0 || saved.Items != 1 {
			t.Errorf("round %d: got %d new, %d updated, %d stored; want 0, 0, 1", round, saved.New, saved.Updated, saved.Items)
		}
	}
}

// testTheOtherReaderMakesNoNews: who changes --parser gets what that makes of each
// item, and none is news.
func testTheOtherReaderMakesNoNews(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	for i, reader := range []feeds.Reader{feeds.ReaderFast, feeds.ReaderGofeed, feeds.ReaderFast} {
		it := feeds.Item{GUID: "g", Title: fmt.Sprint(i)}
		it.Key, it.Hash = feeds.Identify(&it), feeds.ContentHash(&it)
		o := Succeeded(id, Epoch.Add(time.Duration(i)*time.Hour), it)
		o.Reader = reader
		saved := Save(t, db, o)[0]
		if got := ItemsOf(t, db, FeedURL(0)); saved.Updated != 0 || len(got) != 1 || got[0].Title != it.Title || got[0].Edits != 0 {
			t.Errorf("round %d: got %d updated, %+v; want 0, title %s", i, saved.Updated, got, it.Title)
		}
	}
}

// testRandomGUIDsAreNoticed: a feed that makes its guids anew for each request is
// known by the rest, and shows no news but what is new.
func testRandomGUIDsAreNoticed(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	for round := range 5 {
		var items []feeds.Item
		for n := round + 1; n <= round+10; n++ {
			items = append(items, feeds.Item{GUID: fmt.Sprint(rand.Uint64()), Link: fmt.Sprintf("http://pond.example/%d", n), Title: fmt.Sprint("t", n), Published: int64(n)})
		}
		want := 1
		if round == 0 {
			want = 10
		}
		if saved := refreshed(t, db, id, true, items...); saved.New != want || saved.Updated != 0 || saved.Items != 10+round {
			t.Errorf("round %d: got %d new, %d updated, %d stored; want %d, 0, %d", round, saved.New, saved.Updated, saved.Items, want, 10+round)
		}
	}
}

// testAMoveToHTTPSIsNoNews: guids and links that change their scheme, or get a
// "www.", are those of the same items.
func testAMoveToHTTPSIsNoNews(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	list := func(site string, from, to int) (items []feeds.Item) {
		for n := from; n <= to; n++ {
			url := fmt.Sprintf("%s/%d", site, n)
			items = append(items, feeds.Item{GUID: url, Link: url, Title: fmt.Sprint(n), Published: int64(n)})
		}
		return items
	}
	refreshed(t, db, id, true, list("http://pond.example", 1, 5)...)
	for i, site := range []string{"https://pond.example", "https://www.pond.example", "http://pond.example"} {
		if saved := refreshed(t, db, id, true, list(site, 1+i, 5+i)...); saved.New != min(i, 1) || saved.Updated != 0 {
			t.Errorf("%s: got %d new, %d updated; want %d, 0", site, saved.New, saved.Updated, min(i, 1))
		}
	}
}

// testAnEditBesideATwinIsAnEdit: an item that is stored is no other one's former
// self, whatever else looks like it.
func testAnEditBesideATwinIsAnEdit(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	twin := func(guid, content string) feeds.Item {
		return feeds.Item{GUID: guid, Link: "https://pond.example/", Title: "t", Published: 1, Content: content}
	}
	refreshed(t, db, id, true, twin("a", ""), twin("b", ""))
	saved := refreshed(t, db, id, true, twin("a", "edited"), feeds.Item{GUID: "c", Title: "news"})
	if saved.New != 1 || saved.Updated != 1 || saved.Items != 3 {
		t.Errorf("got %d new, %d updated, %d stored; want 1, 1, 3", saved.New, saved.Updated, saved.Items)
	}
}
