package read

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// An xmlReader reads feeds in RSS and Atom, one at a time.
type xmlReader struct {
	walker
	maker
	feed feedBuilder
}

// readers holds readers whose room can be used again.
var readers = sync.Pool{New: func() any { return new(xmlReader) }}

// What a reader that waits may hold: the document that it read last and, each as large,
// what it made of parts of that, in bytes; and lists of so many elements, for the next.
const (
	maxReused     = 1 << 20
	maxReusedList = 1 << 10
)

// isSmall reports whether r may wait for another document.
func (r *xmlReader) isSmall() bool {
	return max(len(r.Input), cap(r.scratch), cap(r.out), cap(r.room)) <= maxReused
}

// read reads the feed whose root begins at text[start:]. url is where it came from.
// A document that breaks gives both what stands before that and a failure; one
// without a single item then, only the failure.
func (r *xmlReader) read(f format, text []byte, start int, url string) (*feeds.Document, *feeds.Failure) {
	b, failure := r.walkOver(f, text, start, url)
	for range maxRoots {
		next, at, more := r.nextRoot()
		if failure != nil || !r.whole || b.found > 0 || !more {
			break
		}
		f, start = next, at // an empty feed was in front of it
		b, failure = r.walkOver(f, text, start, url)
	}
	if failure != nil {
		return nil, failure
	}
	if failure = r.judge(b, text, start); failure != nil && b.found == 0 {
		return nil, failure
	}
	d := r.document(b, url, failure == nil)
	if r.grown > maxGrowth {
		return nil, overgrown()
	}
	return d, failure
}

// walkOver goes over the feed whose root begins at text[start:]. One whose items
// stand in elements that mean nothing is read again as if those were not there.
func (r *xmlReader) walkOver(f format, text []byte, start int, url string) (b *feedBuilder, failure *feeds.Failure) {
	b = r.begin(f, text, start, url)
	if failure = r.walk(); failure == nil && b.found == 0 && r.hidden > 0 {
		b = r.begin(f, text, start, url)
		b.deep = true
		failure = r.walk()
	}
	return b, failure
}

// begin makes r ready for a document and returns its builder.
func (r *xmlReader) begin(f format, text []byte, start int, url string) *feedBuilder {
	w, m, b := &r.walker, &r.maker, &r.feed
	if clear(w.distinct); w.distinct == nil {
		w.distinct = make(map[uint64]struct{})
	}
	*w = walker{
		Scanner: scan.Scanner{Input: text, Pos: start, Attrs: again(w.Attrs)}, open: again(w.open), bindings: bindings{inScope: again(w.inScope), distinct: w.distinct},
		lower: again(w.lower), limits: usualLimits, origin: locationOf([]byte(url)), position: w.position,
	}
	*m = maker{
		tag: scan.Scanner{Attrs: again(m.tag.Attrs)}, kid: scan.Scanner{Attrs: again(m.kid.Attrs)}, scratch: m.scratch, out: m.out, room: m.room,
		writer: xhtmlWriter{open: again(m.writer.open), bound: bindings{inScope: again(m.writer.bound.inScope)}},
		names:  again(m.names), found: again(m.found), topics: again(m.topics), files: again(m.files),
	}
	*b = feedBuilder{
		maker: m, inAtom: f == formatAtom, scopes: again(b.scopes), entry: rawItem{lists: again(b.entry.lists), files: again(b.entry.files)},
		items: make([]feeds.Item, 0, 16), unsigned: again(b.unsigned),
	}
	r.builder, r.inAtom, r.expected = &r.feed, f == formatAtom, len(text)-start
	return &r.feed
}

// again returns the room of list, with nothing in it. It is nil where that would take
// longer to clear than to make.
func again[T any](list []T) []T {
	if cap(list) > maxReusedList {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

// judge says what is wrong with the document as a whole. One that lacks only the
// end tags of what stands around its items, or a part of them, is complete.
func (r *xmlReader) judge(b *feedBuilder, text []byte, start int) *feeds.Failure {
	inEndTag := r.Early && bytes.HasPrefix(text[r.Start:], []byte("</"))
	complete := r.whole || inEndTag && len(r.open) == 1 || (r.Fault == "" || inEndTag) && b.found > 0 && b.scope() == scopeFeed
	switch {
	case complete && !b.isFeed():
		return notAFeed("XML of another vocabulary", text[start:r.Pos])
	case b.found == 0 && r.hidden > 0:
		return feeds.Failf(feeds.Parse, "%s in places where none belong", count(r.hidden, "item"))
	case complete:
		return nil
	case b.found == 0 && r.Mistake != "":
		return feeds.Failf(feeds.Parse, "line %d: %s", lineOf(text, r.WrongAt), r.Mistake)
	}
	return feeds.Failf(feeds.Truncated, "document ends early")
}

// document returns what was read.
func (r *xmlReader) document(b *feedBuilder, url string, complete bool) *feeds.Document {
	c := finisher{now: time.Now(), maker: &r.maker}
	d := c.head(r.title(b), r.homePage(b), url, r.inAtom)
	b.sign()
	d.Items = b.items
	c.absolute(d.Items)
	c.finish(d)
	d.Pacing = r.pacing(b)
	say := func(when bool, format string, args ...any) {
		if when {
			d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
		}
	}
	say(r.trails(), "trailing data")
	say(r.stray > 0, "%s of nothing", count(r.stray, "end tag"))
	say(r.Mistake != "", "line %d: %s", lineOf(r.Input, r.WrongAt), r.Mistake)
	say(!r.whole && complete, "end tags missing at the end")
	say(r.whole && r.lost > 0, "%s missing", count(r.lost, "end tag"))
	say(b.found > maxItems, "%d items, read the first %d", b.found, maxItems)
	return d
}

// title returns the document's title.
func (r *xmlReader) title(b *feedBuilder) string {
	if r.inAtom {
		return r.keep(r.oneLine(r.construct(&b.head[headTitle], true)))
	}
	if title := r.oneLine(r.field(fieldTitle, &b.head[headTitle])); len(title) > 0 {
		return r.keep(title)
	}
	return r.keep(r.line(b.head[headDCTitle].raw))
}

// homePage returns the link to the site.
func (r *xmlReader) homePage(b *feedBuilder) string {
	for _, f := range [...]field{headLink, headAtomLink} {
		if p := &b.head[f]; p.raw != nil {
			if link := r.link(p.base, r.maker.text(p.raw)); link != "" {
				return link
			}
		}
	}
	return ""
}

// pacing returns what the document asks of the next request.
func (r *xmlReader) pacing(b *feedBuilder) feeds.Pacing {
	text := func(raw []byte) string { return string(r.maker.text(raw)) }
	list := func(raw []byte, name string) (list []string) {
		for _, raw := range r.children(raw, name) {
			list = append(list, text(raw))
		}
		return list
	}
	t := pacingText{
		ttl: text(b.head[headTTL].raw), period: text(b.head[headPeriod].raw), frequency: text(b.head[headFrequency].raw),
		hours: list(b.head[headHours].raw, "hour"), days: list(b.head[headDays].raw, "day"),
	}
	return t.pacing()
}

// nextRoot looks behind the root for another feed.
func (r *xmlReader) nextRoot() (f format, start int, ok bool) {
	s := scan.Scanner{Input: r.Input, Pos: r.Pos}
	for kind := s.Next(); kind != scan.EOF && kind != scan.Fault; kind = s.Next() {
		if kind == scan.Open {
			f, ok = rootFormats[strings.ToLower(string(s.Name.Local()))]
			return f, s.Start, ok
		}
	}
	return 0, 0, false
}

// trails reports whether anything but comments and white space follows the root.
func (r *xmlReader) trails() bool {
	for s := (scan.Scanner{Input: r.Input, Pos: r.walker.Pos}); ; {
		switch s.Next() {
		case scan.Comment, scan.Instruction:
		case scan.Text:
			if len(bytes.TrimSpace(s.Text)) > 0 {
				return true
			}
		case scan.EOF:
			return false
		default:
			return r.whole
		}
	}
}
