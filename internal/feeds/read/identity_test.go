package read

import (
	"fmt"
	"slices"
	"testing"

	"feedmill/internal/feeds"
)

// TestKeysNeverChange holds keys that are in people's stores.
func TestKeysNeverChange(t *testing.T) {
	for _, c := range []struct {
		want string
		item feeds.Item
	}{
		{"635f4d799013e7ceabf2db642b90ab42", feeds.Item{GUID: "g", Link: "https://a.example/", Title: "t"}},
		{"3adaf25dbe7486f93417fd5eff7ff6ef", feeds.Item{Link: "https://a.example/", Title: "t"}},
		{"590bc6144fe8f2528b858dea588c881c", feeds.Item{Enclosures: []feeds.Enclosure{{URL: "https://a.example/"}}, Title: "t"}},
		{"a0deaf005cf905438bbd90ddf1fd3bac", feeds.Item{Title: "t", Author: "a", Summary: "s", Content: "c", Published: 1, Updated: 2}},
		{"ae8f1543c6809bd5cfd50c8a52438e07", feeds.Item{}},
	} {
		if got := fmt.Sprintf("%x", feeds.Identify(&c.item)); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.item, got, c.want)
		}
	}
}

// TestRungsNeverChange: nor do those of items that share their first one, and the
// notes that they do.
func TestRungsNeverChange(t *testing.T) {
	it := feeds.Item{GUID: "g", Link: "https://a.example/", Title: "t", Published: 1}
	rungs := feeds.Rungs(&it)
	got := fmt.Sprintf("%x %x %x", rungs[1], rungs[2], feeds.SharedKey(rungs[0]))
	if want := "b2d0123a26b8c59ae397a803bb23a810 bcee06dd01cfa3642917050b37f33ddc 6670664a9e224e6994a7a7d9a48e747a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEqualSpellingsOfOtherKindsAreOtherKeys(t *testing.T) {
	const same = "https://a.example/"
	items := []feeds.Item{
		{GUID: same}, {Link: same}, {Enclosures: []feeds.Enclosure{{URL: same}}}, {Title: same}, {Content: same}, {Summary: same},
	}
	seen := map[feeds.Key]int{}
	for i := range items {
		key := feeds.Identify(&items[i])
		if j, ok := seen[key]; ok {
			t.Errorf("items %d and %d have one key", i, j)
		}
		seen[key] = i
	}
}

// TestSharedGUIDStaysStable plays a feed whose items all have one guid, from
// fetch to fetch: what was there keeps its key as items are added on top and
// drop off at the end.
func TestSharedGUIDStaysStable(t *testing.T) {
	fetch := func(from, to int) map[string]feeds.Key {
		var items []feeds.Item
		for i := to; i >= from; i-- {
			items = append(items, feeds.Item{GUID: "the same", Link: fmt.Sprintf("https://a.example/%d", i)})
		}
		keys := map[string]feeds.Key{}
		kept, _ := feeds.AssignKeys(items, false)
		for _, it := range kept {
			keys[it.Link] = it.Key
		}
		if len(keys) != to-from+1 {
			t.Fatalf("fetch %d to %d: got %d items, want %d", from, to, len(keys), to-from+1)
		}
		return keys
	}
	before := fetch(1, 5)
	for shift := 1; shift < 4; shift++ {
		for link, key := range fetch(1+shift, 5+shift) {
			if old, ok := before[link]; ok && old != key {
				t.Errorf("shift %d: %s had key %x and has %x", shift, link, old, key)
			}
		}
	}
}

// TestOfRepeatsTheNewestStays: the same guid, link, title and date are one item,
// whichever way the document is sorted.
func TestOfRepeatsTheNewestStays(t *testing.T) {
	for _, c := range []struct {
		oldestFirst bool
		updated     [2]int64 // of the first and the second
		want        string
	}{{false, [2]int64{}, "1"}, {true, [2]int64{}, "2"}, {false, [2]int64{1, 2}, "2"}, {true, [2]int64{2, 1}, "1"}, {true, [2]int64{1, 1}, "2"}} {
		items, repeated := feeds.AssignKeys([]feeds.Item{
			{GUID: "g", Title: "t", Content: "1", Updated: c.updated[0]}, {GUID: "h"}, {GUID: "g", Title: "t", Content: "2", Updated: c.updated[1]},
		}, c.oldestFirst)
		if len(items) != 2 || !repeated {
			t.Fatalf("%+v: got %d items, want 2", c, len(items))
		}
		for i := range items {
			if it := &items[i]; it.GUID == "g" && it.Content != c.want {
				t.Errorf("%+v: got the one with %s, want %s", c, it.Content, c.want)
			}
			if items[i].Key != feeds.Identify(&items[i]) {
				t.Error("an item that is there twice has another key than when it is there once")
			}
		}
	}
}

// TestItemsThatShareAGUIDAreThemselves: another title, date or link makes another
// item, and who shares nothing is known by the guid alone.
func TestItemsThatShareAGUIDAreThemselves(t *testing.T) {
	items, _ := feeds.AssignKeys([]feeds.Item{
		{GUID: "g", Link: "l", Title: "a", Published: 1}, {GUID: "g", Link: "l", Title: "b", Published: 1}, {GUID: "g", Link: "l", Title: "a", Published: 2},
		{GUID: "g", Link: "m", Title: "a", Published: 1}, {GUID: "h", Link: "l", Title: "a", Published: 1},
		{Link: "l", Title: "a", Published: 1}, {Link: "l", Title: "a", Published: 2}, {Link: "l", Title: "b"}, {Title: "a"},
	}, false)
	keys := map[feeds.Key]bool{}
	for i := range items {
		keys[items[i].Key] = true
	}
	if len(items) != 9 || len(keys) != 9 {
		t.Errorf("got %d items with %d keys, want 9", len(items), len(keys))
	}
	for i, rung := range map[int]int{0: 2, 3: 1, 4: 0, 5: 2, 7: 1, 8: 0} {
		if want := feeds.Rungs(&items[i])[rung]; items[i].Key != want {
			t.Errorf("item %d has key %x, want rung %d, %x", i, items[i].Key, rung, want)
		}
	}
}

// TestALoneItemIsItsGUID: alone in its document an item is the one that was
// there before with its guid, also under another link.
func TestALoneItemIsItsGUID(t *testing.T) {
	before, _ := feeds.AssignKeys([]feeds.Item{{GUID: "g", Link: "https://a.example/1", Title: "one"}}, false)
	after, _ := feeds.AssignKeys([]feeds.Item{{GUID: "g", Link: "https://a.example/2", Title: "two"}}, false)
	if before[0].Key != after[0].Key {
		t.Errorf("got keys %x and %x, want one", before[0].Key, after[0].Key)
	}
}

// FuzzIdentity promises of every document: each key once, keys and hashes that
// come out alike the second time and when something follows the document, and
// hashes that are of the item.
func FuzzIdentity(f *testing.F) {
	for _, doc := range caseDocuments(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := readAs(feeds.ParserAuto, body, "", "https://a.example/feed")
		if err != nil {
			if failure := err.(*feeds.Failure); failure.Class.OK() || failure.Class == feeds.ParserPanic {
				t.Fatalf("%q: %v", body, failure)
			}
		}
		if d == nil {
			if err == nil {
				t.Fatalf("%q: neither document nor error", body)
			}
			return
		}
		seen := map[feeds.Key]bool{}
		for i := range d.Items {
			it := &d.Items[i]
			if seen[it.Key] || it.Key == (feeds.Key{}) || it.Hash == 0 || it.Hash != feeds.ContentHash(it) {
				t.Fatalf("%q: item %d: key %x, hash %x of %+v", body, i, it.Key, it.Hash, it)
			}
			seen[it.Key] = true
		}
		again, _ := readAs(feeds.ParserAuto, slices.Clone(body), "", "https://a.example/feed")
		if again == nil || !slices.EqualFunc(d.Items, again.Items, func(a, b feeds.Item) bool { return a.Key == b.Key && a.Hash == b.Hash }) {
			t.Fatalf("%q: read twice, two results", body)
		}
	})
}
