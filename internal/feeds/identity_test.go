package feeds

import (
	"fmt"
	"slices"
	"testing"
)

// TestKeysNeverChange holds keys that are in people's stores.
func TestKeysNeverChange(t *testing.T) {
	for _, c := range []struct {
		want string
		item Item
	}{
		{"635f4d799013e7ceabf2db642b90ab42", Item{GUID: "g", Link: "https://a.example/", Title: "t"}},
		{"3adaf25dbe7486f93417fd5eff7ff6ef", Item{Link: "https://a.example/", Title: "t"}},
		{"590bc6144fe8f2528b858dea588c881c", Item{Enclosures: []Enclosure{{URL: "https://a.example/"}}, Title: "t"}},
		{"a0deaf005cf905438bbd90ddf1fd3bac", Item{Title: "t", Author: "a", Summary: "s", Content: "c", Published: 1, Updated: 2}},
		{"ae8f1543c6809bd5cfd50c8a52438e07", Item{}},
	} {
		if got := fmt.Sprintf("%x", Identify(&c.item)); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.item, got, c.want)
		}
	}
}

func TestEqualSpellingsOfOtherKindsAreOtherKeys(t *testing.T) {
	const same = "https://a.example/"
	items := []Item{
		{GUID: same}, {Link: same}, {Enclosures: []Enclosure{{URL: same}}}, {Title: same}, {Content: same}, {Summary: same},
	}
	seen := map[Key]int{}
	for i := range items {
		key := Identify(&items[i])
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
	fetch := func(from, to int) map[string]Key {
		var items []Item
		for i := to; i >= from; i-- {
			items = append(items, Item{GUID: "the same", Link: fmt.Sprintf("https://a.example/%d", i)})
		}
		keys := map[string]Key{}
		kept, _ := assignKeys(items)
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

func TestOfEqualItemsTheFirstStays(t *testing.T) {
	items, _ := assignKeys([]Item{{GUID: "g", Title: "new"}, {GUID: "h"}, {GUID: "g", Title: "old"}})
	if len(items) != 2 || items[0].Title != "new" || items[1].GUID != "h" {
		t.Errorf("got %+v", items)
	}
	if items[0].Key != Identify(&items[0]) {
		t.Error("an item that is there twice has another key than when it is there once")
	}
}

// TestALoneItemIsItsGUID: alone in its document an item is the one that was
// there before with its guid, also under another link.
func TestALoneItemIsItsGUID(t *testing.T) {
	before, _ := assignKeys([]Item{{GUID: "g", Link: "https://a.example/1", Title: "one"}})
	after, _ := assignKeys([]Item{{GUID: "g", Link: "https://a.example/2", Title: "two"}})
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
		d, err := ReadDocument(body, "", "https://a.example/feed")
		if err != nil {
			if failure := err.(*Failure); failure.Class.OK() || failure.Class == ParserPanic {
				t.Fatalf("%q: %v", body, failure)
			}
		}
		if d == nil {
			if err == nil {
				t.Fatalf("%q: neither document nor error", body)
			}
			return
		}
		seen := map[Key]bool{}
		for i := range d.Items {
			it := &d.Items[i]
			if seen[it.Key] || it.Key == (Key{}) || it.Hash == 0 || it.Hash != ContentHash(it) {
				t.Fatalf("%q: item %d: key %x, hash %x of %+v", body, i, it.Key, it.Hash, it)
			}
			seen[it.Key] = true
		}
		again, _ := ReadDocument(slices.Clone(body), "", "https://a.example/feed")
		if again == nil || !slices.EqualFunc(d.Items, again.Items, func(a, b Item) bool { return a.Key == b.Key && a.Hash == b.Hash }) {
			t.Fatalf("%q: read twice, two results", body)
		}
	})
}
