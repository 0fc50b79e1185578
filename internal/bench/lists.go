package bench

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
)

// distinct is how many different lists there are for one size. The feeds take
// turns: making a list of its own for each would cost more than what is
// measured, and the text that a real one is copied from has just been parsed,
// so it is in the cache as these are.
const distinct = 4

// Lists are the lists of work ship, as a parser would have left them: strings
// that point into the text of a document.
type lists [distinct][]feeds.Item

// newLists makes lists of so many items with so many bytes of text each. The
// text is that of one buffer: nothing is copied.
func newLists(items, bytes int, seed uint64) *lists {
	text := prose(bytes+items+64, seed)
	var l lists
	for n := range l {
		list := make([]feeds.Item, items)
		for i := range list {
			list[i] = listItem(text[(n*items+i)%64:], bytes)
			binary.BigEndian.PutUint64(list[i].Key[:], uint64(n*items+i))
			list[i].Hash = feeds.ContentHash(&list[i])
		}
		l[n] = list
	}
	return &l
}

// listItem returns an item that has bytes of text, as far as there are enough
// for its shorter fields.
func listItem(text string, bytes int) feeds.Item {
	it := feeds.Item{Published: 1_700_000_000}
	for _, f := range []struct {
		field *string
		most  int
	}{
		{&it.GUID, 40}, {&it.Link, 60}, {&it.Title, 50}, {&it.Author, 15}, {&it.Summary, 150}, {&it.Content, 1 << 30},
	} {
		n := min(f.most, bytes)
		*f.field, bytes = text[:n], bytes-n
	}
	return it
}

// prose returns n bytes that look like text.
func prose(n int, seed uint64) string {
	const letters = "etaoin shrdlu cmfwyp vbgkqj xz"
	r := rand.New(rand.NewPCG(seed, 0x74657874))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// textBytes returns the length of all text of a list: what copying it copies.
func textBytes(items []feeds.Item) int64 {
	n := 0
	for i := range items {
		it := &items[i]
		n += len(it.GUID) + len(it.Link) + len(it.Title) + len(it.Author) + len(it.Summary) + len(it.Content) + len(it.Image)
		for _, c := range it.Categories {
			n += len(c)
		}
		for _, e := range it.Enclosures {
			n += len(e.URL) + len(e.Type)
		}
	}
	return int64(n)
}

// hashResult returns the hash of what a result is worth: its class and every
// field of its items. When and how long is not in it.
func hashResult(class feeds.Class, items []feeds.Item) uint64 {
	d := xxhash.New()
	number := func(n uint64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], n)
		d.Write(b[:])
	}
	text := func(s string) {
		number(uint64(len(s)))
		d.WriteString(s)
	}
	text(string(class))
	number(uint64(len(items)))
	for i := range items {
		d.Write(items[i].Key[:])
		number(feeds.ContentHash(&items[i]))
	}
	return d.Sum64()
}
