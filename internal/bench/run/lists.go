//go:build linux

package run

import (
	"encoding/binary"
	"fmt"
	"strings"

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

// newLists makes lists of so many items with so many bytes of text each. All
// of it is that of one string: nothing is copied.
func newLists(items, bytes int) *lists {
	text := strings.Repeat("etaoin shrdlu cmfwyp vbgkqj ", bytes/28+4)
	var l lists
	for n := range l {
		list := make([]feeds.Item, items)
		for i := range list {
			list[i] = listItem(text[(n*items+i)%28:], bytes)
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

// hashResult returns the hash of what a result is worth: its class and every
// field of its items. When and how long is not in it.
func hashResult(class feeds.Class, items []feeds.Item) uint64 {
	d := xxhash.New()
	fmt.Fprintln(d, class, len(items))
	for i := range items {
		fmt.Fprintln(d, items[i].Key, feeds.ContentHash(&items[i]))
	}
	return d.Sum64()
}
