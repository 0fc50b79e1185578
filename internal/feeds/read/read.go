// Package read makes documents of bodies: it finds out the encoding and the format,
// reads the feed within bounds, and gives each item its identity. [Read] is its
// door.
//
// It asks nobody for anything: what a document links to is never fetched.
package read

import (
	"bytes"
	"fmt"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/charset"
	"feedmill/internal/feeds/read/date"
	"feedmill/internal/feeds/read/gofeed"
)

// Read reads a feed: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, and JSON Feed.
//
// The error is a [*feeds.Failure]. A document that ends early or breaks in the
// middle gives both: the items before the fault, and a failure of class truncated
// or parse. The memory and the time that it takes are bounded by the size of the
// body, whatever that says.
//
// It may be called by several goroutines.
func Read(b *feeds.Body) (*feeds.Document, error) {
	text, sanitized, failure := charset.ToUTF8(b.Bytes, b.ContentType)
	if failure != nil {
		return nil, failure
	}
	text = withLineFeeds(text)
	f, start, junk, failure := sniff(text, b.URL)
	if failure != nil {
		return nil, failure
	}
	text = withEntities(text, start)
	r := reading{format: f, body: b, position: position{observer: b.Observer}}
	switch {
	case f == formatJSON:
		r.readJSON(text, start)
	case b.Parser == feeds.ParserGofeed || !r.readOwn(text, start):
		r.readGofeed(text[start:])
	}
	d := r.document
	if d == nil {
		return nil, r.failure
	}
	if sanitized || r.sanitized {
		d.Notes = append(d.Notes, "sanitized")
	}
	if junk {
		d.Notes = append(d.Notes, "junk before the feed")
	}
	d.Notes = append(d.Notes, r.notes...)
	if r.failure == nil {
		return d, nil
	}
	r.failure.Detail += ", " + count(len(d.Items), "item") + " before that"
	return d, r.failure
}

// A reading is the way of one document.
type reading struct {
	format format
	body   *feeds.Body
	position

	document  *feeds.Document // nil when nothing could be read
	failure   *feeds.Failure  // nil when all could be read
	sanitized bool
	notes     []string
}

func (r *reading) note(when bool, format string, args ...any) {
	if when {
		r.notes = append(r.notes, fmt.Sprintf(format, args...))
	}
}

// readOwn reads XML with the reader of this package. It reports false when that
// panicked.
func (r *reading) readOwn(text []byte, start int) (done bool) {
	own := readers.Get().(*xmlReader)
	defer func() {
		switch p := recover(); {
		case p != nil:
			r.document, r.failure, done = nil, nil, false
		case own.isSmall():
			readers.Put(own)
		}
	}()
	own.position = r.position
	if r.document, r.failure = own.read(r.format, text, start, r.body.URL); r.document != nil {
		r.document.Reader = feeds.ReaderFast
	}
	return true
}

// readGofeed reads text with gofeed.
func (r *reading) readGofeed(text []byte) {
	var calendar date.Reader
	in := gofeed.Input{Text: text, Date: calendar.Read, Observer: r.body.Observer, Job: r.body.Job}
	switch r.format {
	case formatAtom:
		in.Format = gofeed.Atom
	case formatJSON:
		in.Format = gofeed.JSON
	}
	f, failure := gofeed.Read(in)
	if failure != nil && (r.failure == nil || f == nil) {
		r.failure = failure
	}
	if f == nil {
		return
	}
	c := finisher{now: time.Now(), maker: new(maker)}
	d := c.head(f.Title, f.Link, r.body.URL, r.format == formatAtom)
	d.Items, d.Reader = f.Items, feeds.ReaderGofeed
	if len(d.Items) > maxItems {
		r.note(true, "%d items, read the first %d", len(d.Items), maxItems)
		d.Items = d.Items[:maxItems]
	}
	c.absolute(d.Items)
	if c.finish(d); c.grown > maxGrowth {
		r.failure = overgrown()
		return
	}
	t := pacingText{ttl: f.TTL, hours: f.Hours, days: f.Days, period: f.Period, frequency: f.Frequency}
	d.Pacing = t.pacing()
	r.note(f.Trailing, "trailing data")
	r.note(f.Lost > 0, "%s of nothing", count(f.Lost, "end tag"))
	r.document = d
}

// readJSON reads the JSON Feed at text[start:].
func (r *reading) readJSON(text []byte, start int) {
	j := jsonReader{s: string(text), pos: start, fault: -1, position: r.position}
	var f jsonFeed
	f.read(&j)
	if r.failure = j.limit; r.failure != nil {
		return
	}
	if !f.is(r.body.ContentType) {
		r.failure = notAFeed("JSON", text[start:])
		return
	}
	switch {
	case j.fault == len(text):
		r.failure = feeds.Failf(feeds.Truncated, "document ends early")
	case j.failed():
		r.failure = feeds.Failf(feeds.Parse, "line %d: invalid JSON", lineOf(text, j.fault))
	default:
		r.note(j.peek() != 0, "trailing data")
	}
	if r.failure != nil && len(f.items) == 0 {
		return
	}
	r.sanitized = j.sanitized || j.loose
	r.note(j.retyped && !f.inRSS, "types repaired")
	r.note(f.seen > maxItems, "%d items, read the first %d", f.seen, maxItems)
	plain := r.failure == nil && !j.retyped && !r.sanitized && !f.inRSS && f.seen <= maxItems
	if notes := r.notes; plain && r.body.Parser == feeds.ParserGofeed {
		if r.readGofeed(text[start:]); r.failure == nil {
			return // it takes no other JSON, and not all of this
		}
		r.failure, r.notes = nil, notes
	}
	c := finisher{now: time.Now(), maker: new(maker)}
	r.document = f.document(&c, r.body.URL)
	if r.document.Reader = feeds.ReaderFast; c.grown > maxGrowth {
		r.document, r.failure = nil, overgrown()
	}
}

// withLineFeeds returns text with a line feed for each end of a line, however it is
// written (XML 1.0, 2.11). It is text itself when there is nothing to do.
func withLineFeeds(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}
