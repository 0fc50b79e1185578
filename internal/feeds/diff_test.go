package feeds

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// generateItems returns n items with keys and hashes.
func generateItems(n int) []Item {
	items := make([]Item, n)
	for i := range items {
		binary.LittleEndian.PutUint64(items[i].Key[:], uint64(i+1))
		items[i].Hash = uint64(i + 1)
	}
	return items
}

func TestDiffFindsWhatIsNewAndWhatChanged(t *testing.T) {
	items := generateItems(5)
	known := []Known{
		{Key: items[3].Key, Hash: 4},  // the same
		{Key: items[1].Key, Hash: 99}, // edited
		{Key: items[4].Key, Hash: 0},  // to be left alone
		{Key: Key{15: 1}, Hash: 7},    // no longer in the document
	}
	changed, added := Diff(items, known)
	if added != 2 || len(changed) != 3 {
		t.Fatalf("got %d added, %d changed; want 2, 3", added, len(changed))
	}
	for i, want := range []uint64{1, 2, 3} {
		if changed[i].Hash != want {
			t.Errorf("changed[%d] is item %d, want %d: the order is lost", i, changed[i].Hash, want)
		}
	}
}

// TestDiffAgreesWithTheObvious compares with a straightforward version on
// random lists.
func TestDiffAgreesWithTheObvious(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		items := generateItems(r.IntN(20))
		var known []Known
		for i := range items {
			if r.IntN(3) > 0 {
				known = append(known, Known{items[i].Key, []uint64{0, items[i].Hash, 1 << 40}[r.IntN(3)]})
			}
		}
		r.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
		var want []uint64
		added := 0
		for _, it := range items {
			i := slices.IndexFunc(known, func(k Known) bool { return k.Key == it.Key })
			switch {
			case i < 0:
				added++
			case known[i].Hash == 0 || known[i].Hash == it.Hash:
				continue
			}
			want = append(want, it.Hash)
		}
		changed, gotAdded := Diff(items, known)
		var got []uint64
		for _, it := range changed {
			got = append(got, it.Hash)
		}
		if gotAdded != added || !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %v (%d), want %v (%d)", seed, got, gotAdded, want, added)
		}
	}
}

func TestHashCountsFieldBorders(t *testing.T) {
	items := []Item{
		{}, {GUID: "a"}, {Link: "a"}, {Title: "a"}, {Author: "a"}, {Summary: "a"}, {Content: "a"}, {Image: "a"},
		{Title: "ab"}, {Title: "a", Author: "b"}, {Published: 1}, {Updated: 1},
		{Categories: []string{"a"}}, {Categories: []string{"a", "b"}}, {Categories: []string{"ab"}}, {Categories: []string{""}},
		{Enclosures: []Enclosure{{}}}, {Enclosures: []Enclosure{{URL: "a"}}}, {Enclosures: []Enclosure{{Type: "a"}}}, {Enclosures: []Enclosure{{Length: 1}}},
	}
	seen := map[uint64]int{}
	for i := range items {
		hash := ContentHash(&items[i])
		if j, ok := seen[hash]; ok || hash == 0 {
			t.Errorf("items %d and %d: hash %x", i, j, hash)
		}
		seen[hash] = i
		items[i].Key, items[i].Hash = Key{1}, 7
		if again := ContentHash(&items[i]); again != hash {
			t.Errorf("item %d: key or hash count", i)
		}
	}
	if got, want := ContentHash(&Item{Title: "stored"}), uint64(0xfccf16702fe00c73); got != want {
		t.Errorf("got %#x, want %#x: every stored item would count as edited", got, want)
	}
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{20, 100_000} {
		items := generateItems(n)
		known := make([]Known, n)
		for i := range known {
			known[n-1-i] = Known{items[i].Key, items[i].Hash}
		}
		b.Run(map[int]string{20: "items=20", 100_000: "items=100000"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if changed, _ := Diff(items, known); changed != nil {
					b.Fatal("changed")
				}
			}
		})
	}
}

func BenchmarkContentHash(b *testing.B) {
	it := Item{GUID: "gen-1", Link: "https://gen.example/1", Title: "Item", Content: string(make([]byte, 1500)), Categories: []string{"a", "b"}}
	b.ReportAllocs()
	for b.Loop() {
		ContentHash(&it)
	}
}

// TestDiffKnowsItemsByOtherKeys: what an item was stored by counts, whatever else
// its document shows.
func TestDiffKnowsItemsByOtherKeys(t *testing.T) {
	made := func(it Item, key func(*Item) Key) Item {
		it.Hash = ContentHash(&it)
		it.Key = key(&it)
		return it
	}
	rung := func(n int) func(*Item) Key { return func(it *Item) Key { return Rungs(it)[n] } }
	it := Item{GUID: "http://www.pond.example/1", Link: "http://www.pond.example/1", Title: "t", Published: 5}
	now := made(it, Identify)
	moved, edited := it, it
	moved.GUID, moved.Link = "https://pond.example/1", "https://pond.example/1"
	edited.GUID, edited.Content = moved.GUID, "news"
	before := it
	before.Title = "another"
	k := Rungs(&it)
	for name, c := range map[string]struct {
		item           Item
		known          []Known
		key            Key
		added, updated int
	}{
		"stored as it is":                    {now, []Known{{k[0], now.Hash}}, k[0], 0, 0},
		"edited":                             {now, []Known{{k[0], 1}}, k[0], 0, 1},
		"left alone":                         {now, []Known{{k[0], 0}}, k[0], 0, 0},
		"stored with its link":               {now, []Known{{k[1], now.Hash}}, k[1], 0, 0},
		"edited where the guid was shared":   {now, []Known{{SharedKey(k[0]), 0}, {k[1], 1}}, k[1], 0, 1},
		"new where the guid was shared":      {now, []Known{{SharedKey(k[0]), 0}}, k[1], 1, 0},
		"new where guid and link were":       {now, []Known{{SharedKey(k[0]), 0}, {SharedKey(k[1]), 0}}, k[2], 1, 0},
		"stored beside another of its guid":  {now, []Known{{k[0], 1}, {k[2], now.Hash}}, k[2], 0, 0},
		"another of its guid and link there": {made(before, Identify), []Known{{SharedKey(k[0]), 0}, {SharedKey(k[1]), 0}, {k[2], now.Hash}}, Rungs(&before)[2], 1, 0},
		"another scheme and no www":          {made(moved, Identify), []Known{{k[0], now.Hash}}, k[0], 0, 0},
		"another scheme and news":            {made(edited, Identify), []Known{{k[0], now.Hash}}, k[0], 0, 1},
		"shared in the document too":         {made(it, rung(2)), []Known{{k[0], now.Hash}}, k[2], 1, 0},
	} {
		items := []Item{c.item}
		changed, added := Diff(items, c.known)
		if updated := len(changed) - added; items[0].Key != c.key || added != c.added || updated != c.updated {
			t.Errorf("%s: got key %x, %d added, %d updated; want %x, %d, %d", name, items[0].Key, added, updated, c.key, c.added, c.updated)
		}
	}
}
