package ipc

import (
	"time"

	"feedmill/internal/feeds"
)

// Jobs, results and items: what nearly all bytes on the wire are. A struct with
// another field than these is another version of the protocol.

// The fewest bytes that an element can take: one for the array and for each
// field, but a key, an array within and what is in it take more.
const (
	keySize      = 2 + len(feeds.Key{})
	minKnown     = 1 + keySize + 1
	minJob       = 1 + jobFields + validatorsFields
	minItem      = 1 + keySize + itemFields - 1
	minEnclosure = 1 + enclosureFields
)

// The number of fields of each struct.
const (
	jobFields        = 6
	validatorsFields = 3
	knownFields      = 2
	itemFields       = 13
	enclosureFields  = 3
	resultFields     = 20
	pacingFields     = 5
	costFields       = 3
)

// appendKey appends k as bin8.
func appendKey(b []byte, k *feeds.Key) []byte {
	b = append(b, 0xc4, byte(len(k)))
	return append(b, k[:]...)
}

func (d *decoder) key(k *feeds.Key) {
	p := d.take(keySize)
	if p == nil {
		return
	}
	if p[0] != 0xc4 || int(p[1]) != len(k) {
		d.fail("% x is no key of %d bytes", p[:2], len(k))
		return
	}
	copy(k[:], p[2:])
}

func appendJob(b []byte, j *feeds.Job) []byte {
	b = appendArray(b, jobFields)
	b = appendInt(b, j.ID)
	b = appendString(b, j.URL)
	b = appendString(b, j.Headers)
	b = appendValidators(b, &j.Validators)
	b = appendUint(b, j.BodyHash)
	b = appendArray(b, len(j.Known))
	for i := range j.Known {
		b = appendArray(b, knownFields)
		b = appendKey(b, &j.Known[i].Key)
		b = appendUint(b, j.Known[i].Hash)
	}
	return b
}

func (d *decoder) job(j *feeds.Job) {
	d.fields(jobFields)
	j.ID = d.int()
	j.URL = d.text(len(d.b)) // the coordinator's word
	j.Headers = d.text(len(d.b))
	d.validators(&j.Validators)
	j.BodyHash = d.uint()
	if n := d.list(minKnown); n > 0 {
		j.Known = make([]feeds.Known, n)
	}
	for i := range j.Known {
		if d.err != nil {
			return
		}
		d.fields(knownFields)
		d.key(&j.Known[i].Key)
		j.Known[i].Hash = d.uint()
	}
}

func appendValidators(b []byte, v *feeds.Validators) []byte {
	b = appendArray(b, validatorsFields)
	b = appendString(b, v.ETag)
	b = appendString(b, v.LastModified)
	return appendString(b, v.URL)
}

func (d *decoder) validators(v *feeds.Validators) {
	d.fields(validatorsFields)
	v.ETag = d.text(maxValidator)
	v.LastModified = d.text(maxValidator)
	v.URL = d.httpURL()
}

func appendResult(b []byte, res *feeds.Result) []byte {
	b = appendArray(b, resultFields)
	b = appendInt(b, res.ID)
	b = appendString(b, string(res.Class))
	b = appendString(b, res.Detail)
	b = appendString(b, res.Hint)
	b = appendInt(b, int64(res.Status))
	b = appendInt(b, int64(res.Attempts))
	b = appendBool(b, res.Refused)
	b = appendBool(b, res.Elsewhere)
	b = appendString(b, res.MovedTo)
	b = appendValidators(b, &res.Validators)
	b = appendUint(b, res.BodyHash)
	b = appendString(b, res.Title)
	b = appendString(b, res.Link)
	b = AppendItems(b, res.Items)
	b = appendInt(b, int64(res.Seen))
	b = appendInt(b, int64(res.New))
	b = appendPacing(b, &res.Pacing)
	b = appendCost(b, &res.Cost)
	b = appendArray(b, len(res.Links))
	for _, link := range res.Links {
		b = appendString(b, link)
	}
	return appendUint(b, uint64(res.Reader))
}

func (d *decoder) result(res *feeds.Result) {
	d.fields(resultFields)
	res.ID = d.int()
	class, known := feeds.ParseClass([]byte(d.string()))
	if !known {
		d.fail("a class that is none")
	}
	res.Class = class
	res.Detail = d.text(maxDetail)
	res.Hint = d.text(maxDetail)
	res.Status = int(d.uintTo(999))
	res.Attempts = d.count()
	res.Refused = d.bool()
	res.Elsewhere = d.bool()
	res.MovedTo = d.httpURL()
	d.validators(&res.Validators)
	res.BodyHash = d.uint()
	res.Title = d.text(maxTitle)
	res.Link = d.text(maxURL)
	res.Items = d.items()
	res.Seen = d.count()
	res.New = d.count()
	d.pacing(&res.Pacing)
	d.cost(&res.Cost)
	n := d.list(1)
	if n > feeds.MaxLinks {
		d.fail("%d links, limit %d", n, feeds.MaxLinks)
		return
	}
	if n > 0 {
		res.Links = make([]string, n)
	}
	for i := range res.Links {
		res.Links[i] = d.httpURL()
	}
	res.Reader = feeds.Reader(d.uintTo(uint64(feeds.ReaderGofeed)))
}

func appendPacing(b []byte, p *feeds.Pacing) []byte {
	b = appendArray(b, pacingFields)
	b = appendInt(b, int64(p.MaxAge))
	b = appendInt(b, int64(p.RetryAfter))
	b = appendInt(b, int64(p.TTL))
	b = appendUint(b, uint64(p.SkipHours))
	return appendUint(b, uint64(p.SkipDays))
}

func (d *decoder) pacing(p *feeds.Pacing) {
	d.fields(pacingFields)
	p.MaxAge = time.Duration(d.amount())
	p.RetryAfter = time.Duration(d.amount())
	p.TTL = time.Duration(d.amount())
	p.SkipHours = uint32(d.uintTo(1<<24 - 1))
	p.SkipDays = uint8(d.uintTo(1<<7 - 1))
}

func appendCost(b []byte, c *feeds.Cost) []byte {
	b = appendArray(b, costFields)
	b = appendInt(b, c.Wire)
	b = appendInt(b, int64(c.Fetch))
	return appendInt(b, int64(c.Parse))
}

func (d *decoder) cost(c *feeds.Cost) {
	d.fields(costFields)
	c.Wire = d.amount()
	c.Fetch = time.Duration(d.amount())
	c.Parse = time.Duration(d.amount())
}

// AppendItems appends a list of items as DecodeItems reads it.
func AppendItems(b []byte, items []feeds.Item) []byte {
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

// DecodeItems reads a list, which shares payload: nobody may write to that any
// more. An error says that payload is not the one spelling of a list, or one of
// more than a frame may have.
func DecodeItems(payload []byte) ([]feeds.Item, error) {
	d := &decoder{b: payload, size: len(payload)}
	items := d.items()
	return items, d.end()
}

// items reads a list. Its strings share the payload's bytes, and the short
// lists within items share a few allocations.
func (d *decoder) items() []feeds.Item {
	n := d.list(minItem)
	if n > maxItems {
		d.fail("%d items, limit %d", n, maxItems)
	}
	if d.err != nil || n == 0 {
		return nil
	}
	items := make([]feeds.Item, n)
	var categories room[string]
	var enclosures room[feeds.Enclosure]
	for i := range items {
		d.item(&items[i], &categories, &enclosures)
		if d.err != nil {
			return nil
		}
	}
	if categories.used+enclosures.used > maxNested {
		d.fail("more than %d categories and enclosures", maxNested)
	}
	return items
}

func (d *decoder) item(it *feeds.Item, categories *room[string], enclosures *room[feeds.Enclosure]) {
	d.fields(itemFields)
	d.key(&it.Key)
	it.Hash = d.uint()
	it.GUID = d.string()
	it.Link = d.string()
	it.Title = d.string()
	it.Author = d.string()
	it.Summary = d.string()
	it.Content = d.string()
	it.Image = d.string()
	it.Published = d.int()
	it.Updated = d.int()
	it.Categories = categories.take(d, 1)
	for i := range it.Categories {
		it.Categories[i] = d.string()
	}
	it.Enclosures = enclosures.take(d, minEnclosure)
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		d.fields(enclosureFields)
		e.URL = d.string()
		e.Type = d.string()
		e.Length = d.int()
	}
}

// A room is where the short lists of many items are made together.
type room[E any] struct {
	free []E
	used int // elements that were taken
}

// take reads the length of a list of elements that take at least atLeast bytes,
// and returns that many with no room to grow; nil for 0.
func (r *room[E]) take(d *decoder, atLeast int) []E {
	n := d.list(atLeast)
	if r.used += n; n == 0 {
		return nil
	}
	if r.used > maxNested {
		d.fail("more than %d categories or enclosures", maxNested)
		return nil
	}
	if n > len(r.free) {
		r.free = make([]E, max(n, min(r.used, 1<<10, len(d.b)/atLeast)))
	}
	list := r.free[:n:n]
	r.free = r.free[n:]
	return list
}
