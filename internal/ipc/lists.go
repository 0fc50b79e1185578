package ipc

import (
	"time"
	"unsafe"

	"feedmill/internal/feeds"
)

// Jobs, results and items: what nearly all bytes on the wire are. The bytes
// are those that a msgpack library writes for these structs as arrays with
// compact integers, but they are written and read by hand; strings share the
// payload, a list is one allocation, and the lists within items share theirs.

// The number of fields of each struct. A struct with another field than these
// is another version of the protocol.
const (
	shardFields      = 1
	jobFields        = 6
	validatorsFields = 2
	knownFields      = 2
	itemsFields      = 2
	itemFields       = 13
	enclosureFields  = 3
	resultFields     = 22
	mappedFields     = 2
	pacingFields     = 5
	costFields       = 5
)

// The fewest bytes that an element can take: one for the array and for each
// field, but a key, an array within and what is in it take more.
const (
	keySize      = 2 + len(feeds.Key{})
	minKnown     = 1 + keySize + 1
	minJob       = 1 + jobFields + validatorsFields
	minItem      = 1 + keySize + itemFields - 1
	minEnclosure = 1 + enclosureFields
)

// appendKey appends k as bin8.
func appendKey(b []byte, k *feeds.Key) []byte {
	b = append(b, 0xc4, byte(len(k)))
	return append(b, k[:]...)
}

func (r *speller) key(k *feeds.Key) {
	p := r.take(keySize)
	if p == nil {
		return
	}
	if p[0] != 0xc4 || int(p[1]) != len(k) {
		r.fail("% x is no key of %d bytes", p[:2], len(k))
		return
	}
	copy(k[:], p[2:])
}

func appendShard(b []byte, s *Shard) []byte {
	return appendJobs(appendArray(b, shardFields), s.Jobs)
}

func appendJobs(b []byte, jobs []feeds.Job) []byte {
	b = appendArray(b, len(jobs))
	for i := range jobs {
		b = appendJob(b, &jobs[i])
	}
	return b
}

func decodeShard(payload []byte) (*Message, error) {
	r := newSpeller(payload)
	r.fields(shardFields)
	s := &Shard{Jobs: r.jobs()}
	return finish(r, &Message{Shard: s})
}

func (r *speller) jobs() (jobs []feeds.Job) {
	if n := r.list(minJob); n > 0 {
		jobs = make([]feeds.Job, n)
	}
	for i := range jobs {
		if r.err != nil {
			break
		}
		r.job(&jobs[i])
	}
	return jobs
}

// finish returns m, or the error that r met.
func finish(r *speller, m *Message) (*Message, error) {
	if err := r.end(); err != nil {
		return nil, err
	}
	return m, nil
}

func appendJob(b []byte, j *feeds.Job) []byte {
	b = appendArray(b, jobFields)
	b = appendInt(b, j.ID)
	b = appendString(b, j.URL)
	b = appendValidators(b, &j.Validators)
	b = appendUint(b, j.BodyHash)
	b = appendArray(b, len(j.Known))
	for i := range j.Known {
		b = appendArray(b, knownFields)
		b = appendKey(b, &j.Known[i].Key)
		b = appendUint(b, j.Known[i].Hash)
	}
	return appendString(b, j.Spans)
}

func (r *speller) job(j *feeds.Job) {
	r.fields(jobFields)
	j.ID = r.int()
	j.URL = r.string()
	r.validators(&j.Validators)
	j.BodyHash = r.uint()
	if n := r.list(minKnown); n > 0 {
		j.Known = make([]feeds.Known, n)
	}
	for i := range j.Known {
		if r.err != nil {
			return
		}
		r.fields(knownFields)
		r.key(&j.Known[i].Key)
		j.Known[i].Hash = r.uint()
	}
	j.Spans = r.spans()
}

// spans reads what feeds remembers of a document.
func (r *speller) spans() string {
	s := r.string()
	if len(s) > feeds.MaxSpans {
		r.fail("%d bytes of spans, limit %d", len(s), feeds.MaxSpans)
		return ""
	}
	return s
}

func appendValidators(b []byte, v *feeds.Validators) []byte {
	b = appendArray(b, validatorsFields)
	b = appendString(b, v.ETag)
	return appendString(b, v.LastModified)
}

func (r *speller) validators(v *feeds.Validators) {
	r.fields(validatorsFields)
	v.ETag = r.string()
	v.LastModified = r.string()
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
	b = appendString(b, res.MovedTo)
	b = appendValidators(b, &res.Validators)
	b = appendUint(b, res.BodyHash)
	b = appendString(b, res.Title)
	b = appendString(b, res.Link)
	b = appendItemList(b, res.Items)
	b = appendInt(b, int64(res.Seen))
	b = appendInt(b, int64(res.New))
	b = appendInt(b, int64(res.Updated))
	b = appendPacing(b, &res.Pacing)
	b = appendCost(b, &res.Cost)
	b = appendArray(b, len(res.Links))
	for _, link := range res.Links {
		b = appendString(b, link)
	}
	b = appendUint(b, uint64(res.Reader))
	b = appendUint(b, uint64(res.Declined))
	return appendString(b, res.Spans)
}

func decodeResult(payload []byte, in *chunk) (*Message, error) {
	r := newSpeller(payload)
	r.fields(resultFields)
	// One allocation for both.
	m := new(struct {
		Message
		result feeds.Result
	})
	res := &m.result
	m.Result = res
	res.ID = r.int()
	class := r.string()
	known := false
	if res.Class, known = feeds.ParseClass([]byte(class)); !known {
		r.fail("%.40q is no class", class)
	}
	res.Detail = r.string()
	res.Hint = r.string()
	res.Status = r.count()
	res.Attempts = r.count()
	res.Refused = r.bool()
	res.MovedTo = r.string()
	r.validators(&res.Validators)
	res.BodyHash = r.uint()
	res.Title = r.string()
	res.Link = r.string()
	res.Items = r.itemList()
	res.Seen = r.count()
	res.New = r.count()
	res.Updated = r.count()
	r.pacing(&res.Pacing)
	r.cost(&res.Cost)
	r.links(res)
	res.Reader = feeds.Reader(r.uintTo(uint64(feeds.ReaderGofeed)))
	res.Declined = feeds.Decline(r.uintTo(uint64(len(feeds.Declines()))))
	res.Spans = r.spans()
	if in != nil {
		ownStrings(res)
	}
	return r.finishItems(&m.Message, in)
}

// ownStrings makes the strings of res, but for those of its items, independent
// of the payload, with one allocation for all: they are few and short, and
// whoever gets a result keeps them for good.
func ownStrings(res *feeds.Result) {
	all := [...]*string{&res.Detail, &res.Hint, &res.MovedTo, &res.Validators.ETag, &res.Validators.LastModified,
		&res.Title, &res.Link, &res.Spans}
	n := 0
	for _, s := range all {
		n += len(*s)
	}
	for _, s := range res.Links {
		n += len(s)
	}
	if n == 0 {
		return
	}
	b := make([]byte, 0, n)
	move := func(s *string) {
		b = append(b, *s...)
		*s = unsafe.String(unsafe.SliceData(b[len(b)-len(*s):]), len(*s))
	}
	for _, s := range all {
		move(s)
	}
	for i := range res.Links {
		move(&res.Links[i])
	}
}

func (r *speller) links(res *feeds.Result) {
	n := r.list(1)
	if n > feeds.MaxLinks {
		r.fail("%d links, limit %d", n, feeds.MaxLinks)
		return
	}
	if n > 0 {
		res.Links = make([]string, n)
	}
	for i := range res.Links {
		res.Links[i] = r.string()
	}
}

func appendPacing(b []byte, p *feeds.Pacing) []byte {
	b = appendArray(b, pacingFields)
	b = appendInt(b, int64(p.MaxAge))
	b = appendInt(b, int64(p.RetryAfter))
	b = appendInt(b, int64(p.TTL))
	b = appendUint(b, uint64(p.SkipHours))
	return appendUint(b, uint64(p.SkipDays))
}

func (r *speller) pacing(p *feeds.Pacing) {
	r.fields(pacingFields)
	p.MaxAge = time.Duration(r.amount())
	p.RetryAfter = time.Duration(r.amount())
	p.TTL = time.Duration(r.amount())
	p.SkipHours = uint32(r.uintTo(1<<32 - 1))
	p.SkipDays = uint8(r.uintTo(1<<8 - 1))
}

func appendCost(b []byte, c *feeds.Cost) []byte {
	b = appendArray(b, costFields)
	b = appendInt(b, c.Wire)
	b = appendInt(b, c.Decoded)
	b = appendInt(b, int64(c.Fetch))
	b = appendInt(b, int64(c.Parse))
	return appendInt(b, int64(c.ParseCPU))
}

func (r *speller) cost(c *feeds.Cost) {
	r.fields(costFields)
	c.Wire = r.amount()
	c.Decoded = r.amount()
	c.Fetch = time.Duration(r.amount())
	c.Parse = time.Duration(r.amount())
	c.ParseCPU = time.Duration(r.amount())
}

func appendMapped(b []byte, m *Mapped) []byte {
	b = appendArray(b, mappedFields)
	b = appendInt(b, int64(m.Frames))
	return appendInt(b, m.Bytes)
}

func decodeMapped(payload []byte) (*Message, error) {
	r := newSpeller(payload)
	r.fields(mappedFields)
	return finish(r, &Message{Mapped: &Mapped{Frames: r.count(), Bytes: r.amount()}})
}

func appendItems(b []byte, it *Items) []byte {
	b = appendArray(b, itemsFields)
	b = appendInt(b, it.ID)
	return appendItemList(b, it.Items)
}

func decodeItems(payload []byte, in *chunk) (*Message, error) {
	r := newSpeller(payload)
	r.fields(itemsFields)
	m := new(struct {
		Message
		items Items
	})
	m.Items = &m.items
	m.items.ID = r.int()
	m.items.Items = r.itemList()
	return r.finishItems(&m.Message, in)
}

// finishItems returns m, which holds the memory of its items, or the error that
// r met.
func (r *speller) finishItems(m *Message, in *chunk) (*Message, error) {
	err := r.end()
	switch {
	case err != nil:
		if r.lent != nil {
			r.lent.drop()
		}
		return nil, err
	case r.lent == nil:
		return m, nil
	}
	m.hold.list = r.lent
	if in != nil {
		in.users.Add(1)
		m.hold.chunk, m.hold.bytes = in, r.payload
	}
	return m, nil
}
