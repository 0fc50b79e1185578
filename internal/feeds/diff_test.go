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
	changed, added, updated := Diff(items, known)
	if added != 2 || updated != 1 || len(changed) != 3 {
		t.Fatalf("got %d added, %d updated, %d changed; want 2, 1, 3", added, updated, len(changed))
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
		added, updated := 0, 0
		for _, it := range items {
			i := slices.IndexFunc(known, func(k Known) bool { return k.Key == it.Key })
			switch {
			case i < 0:
				added++
			case known[i].Hash == 0 || known[i].Hash == it.Hash:
				continue
			default:
				updated++
			}
			want = append(want, it.Hash)
		}
		changed, gotAdded, gotUpdated := Diff(items, known)
		var got []uint64
		for _, it := range changed {
			got = append(got, it.Hash)
		}
		if gotAdded != added || gotUpdated != updated || !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %v (%d, %d), want %v (%d, %d)", seed, got, gotAdded, gotUpdated, want, added, updated)
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
				if changed, _, _ := Diff(items, known); changed != nil {
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
