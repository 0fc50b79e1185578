package ipc

import (
	"fmt"
	"math"

	"feedmill/internal/feeds"
)

// What a frame may hold at most, beside bytes. An empty category takes one
// byte on the wire and sixteen in memory: without these bounds a frame of 64
// MiB would become a gigabyte.
const (
	maxItems  = 1 << 17 // items of one frame
	maxNested = 1 << 20 // categories and enclosures of one frame
)

func appendItemList(b []byte, items []feeds.Item) []byte {
	b = appendArray(b, len(items))
	for i := range items {
		b = appendItem(b, &items[i])
	}
	return b
}

func appendItem(b []byte, it *feeds.Item) []byte {
	b = appendArray(b, itemFields)
	b = appendKey(b, &it.Key)
	b = appendUint(b, it.Hash)
	b = appendString(b, it.GUID)
	b = appendString(b, it.Link)
	b = appendString(b, it.Title)
	b = appendString(b, it.Author)
	b = appendString(b, it.Summary)
	b = appendString(b, it.Content)
	b = appendString(b, it.Image)
	b = appendInt(b, it.Published)
	b = appendInt(b, it.Updated)
	b = appendArray(b, len(it.Categories))
	for _, s := range it.Categories {
		b = appendString(b, s)
	}
	b = appendArray(b, len(it.Enclosures))
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		b = appendArray(b, enclosureFields)
		b = appendString(b, e.URL)
		b = appendString(b, e.Type)
		b = appendInt(b, e.Length)
	}
	return b
}

func (r *speller) itemList() []feeds.Item {
	n := r.list(minItem)
	if n > maxItems {
		r.fail("%d items, limit %d", n, maxItems)
	}
	if r.err != nil || n == 0 {
		return nil
	}
	l := newList(n)
	r.lent = l
	for i := range l.items {
		r.item(&l.items[i], l)
		if r.err != nil {
			return nil
		}
	}
	if l.categories.left+l.enclosures.left < maxNested {
		r.fail("more than %d categories and enclosures", maxNested)
	}
	return l.items
}

// item reads an item into it, which is zero.
func (r *speller) item(it *feeds.Item, l *list) {
	r.fields(itemFields)
	r.key(&it.Key)
	it.Hash = r.uint()
	it.GUID = r.string()
	it.Link = r.string()
	it.Title = r.string()
	it.Author = r.string()
	it.Summary = r.string()
	it.Content = r.string()
	it.Image = r.string()
	it.Published = r.int()
	it.Updated = r.int()
	it.Categories = l.categories.carve(r, 1)
	for i := range it.Categories {
		it.Categories[i] = r.string()
	}
	it.Enclosures = l.enclosures.carve(r, minEnclosure)
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		r.fields(enclosureFields)
		e.URL = r.string()
		e.Type = r.string()
		e.Length = r.int()
	}
}

// A slab is where the short lists of many items live together, so that a list
// costs no allocation of its own. Carved lists have no room to grow, so
// appending to one moves it away.
type slab[E any] struct {
	all  []E
	free []E // the end of all, zero
	left int // elements that may still be carved
}

// slabSize is how many elements a slab is made for at first, unless one list
// needs more. One that was too small is left to the lists that were carved from
// it, and the next one has twice the room.
const slabSize = 256

// reset takes all lists back.
func (s *slab[E]) reset() {
	clear(s.all[:len(s.all)-len(s.free)])
	if len(s.all) > keepItems {
		s.all = nil
	}
	s.free = s.all
}

// carve reads the length of a list and returns that many elements, nil for 0.
func (s *slab[E]) carve(r *speller, atLeast int) []E {
	n := r.list(atLeast)
	if n == 0 {
		return nil
	}
	if n > s.left {
		r.fail("more than %d categories or enclosures", maxNested)
		return nil
	}
	s.left -= n
	if n > len(s.free) {
		s.all = make([]E, max(n, min(max(slabSize, 2*len(s.all)), len(r.b)/atLeast)))
		s.free = s.all
	}
	list := s.free[:n:n]
	s.free = s.free[n:]
	return list
}

// The bounds below say how long something can become at most, without
// encoding it: every number, length and count at its longest.
const (
	maxHead   = 5 // array or string
	maxNumber = 9

	itemsBound = int64(1 + maxNumber + maxHead)
)

func stringsBound(list ...string) int64 {
	n := int64(0)
	for _, s := range list {
		n += maxHead + int64(len(s))
	}
	return n
}

// itemBound returns a bound on the length of it, in bytes.
func itemBound(it *feeds.Item) int64 {
	n := int64(1+keySize+3*maxNumber+2*maxHead) +
		stringsBound(it.GUID, it.Link, it.Title, it.Author, it.Summary, it.Content, it.Image) +
		stringsBound(it.Categories...)
	for i := range it.Enclosures {
		n += 1 + stringsBound(it.Enclosures[i].URL, it.Enclosures[i].Type) + maxNumber
	}
	return n
}

// resultBound returns a bound on the length of r without its items, in bytes.
func resultBound(r *feeds.Result) int64 {
	const numbers = 1 + 2 + 1 + 3 + pacingFields + costFields + 2 // in the order of the fields
	return maxHead*6 + maxNumber*numbers + 1 + stringsBound(r.Links...) +
		stringsBound(string(r.Class), r.Detail, r.Hint, r.MovedTo, r.Validators.ETag, r.Validators.LastModified, r.Title, r.Link, r.Spans)
}

// frameBound returns a bound on the length of the frame that will carry m, in
// bytes. It is a very large number for messages that only begin a conversation.
func frameBound(m *Message) int64 {
	const few = 64
	var items []feeds.Item
	n := headerSize + itemsBound
	switch {
	case m.Items != nil:
		items = m.Items.Items
	case m.Result != nil:
		items = m.Result.Items
		n += resultBound(m.Result)
	case m.Tick != nil || m.Bye != nil:
		return headerSize + few
	default:
		return math.MaxInt64
	}
	for i := range items {
		n += itemBound(&items[i])
	}
	return n
}

// checkItem returns an error if an item that takes bound bytes cannot go into
// any frame that the peer accepts.
func checkItem(it *feeds.Item, bound, limit int64) error {
	if bound > limit {
		return tooLarge("item", bound, limit)
	}
	if n := len(it.Categories) + len(it.Enclosures); n > maxNested {
		return fmt.Errorf("%w: item with %d categories and enclosures, limit %d", ErrMessageTooLarge, n, maxNested)
	}
	return nil
}

// checkItems returns an error if a list holds more than a frame may.
func checkItems(items []feeds.Item) error {
	nested := 0
	for i := range items {
		nested += len(items[i].Categories) + len(items[i].Enclosures)
	}
	if len(items) > maxItems || nested > maxNested {
		return fmt.Errorf("%w: %d items with %d categories and enclosures, limits %d and %d",
			ErrMessageTooLarge, len(items), nested, maxItems, maxNested)
	}
	return nil
}

func tooLarge(what string, n, limit int64) error {
	return fmt.Errorf("%w: %s of %d bytes, the peer accepts %d", ErrMessageTooLarge, what, n, limit)
}
