package feeds

import "net/url"

// A Parser says who reads a document. Its zero value is ParserAuto.
type Parser uint8

// The two ways to read.
const (
	ParserAuto   Parser = iota // the fast reader, and gofeed whatever that one declines
	ParserGofeed               // gofeed alone
)

// A Reader is one of the two that read documents.
type Reader uint8

// The readers.
const (
	ReaderNone   Reader = iota // no document was read
	ReaderFast                 // the guard's own pass made the items
	ReaderGofeed               // gofeed did
)

// A fastReader makes the items of a feed in RSS or Atom from the tokens of the
// guard, while that goes over them. It knows what gofeed and the converter make
// of the constructs that feeds are written with, and makes exactly the same of
// them. Of a document with any other construct it makes nothing: the document is
// declined, and gofeed reads it.
//
// Rejected: reading in a pass after the guard's. Half of the time is spent on
// finding where tokens end. Rejected, too: taking gofeed's items where the two
// differ only a little; a list of such differences could never be shown to be
// complete.
//
// Until an item ends, all that is kept of it are views of the document. The
// strings of the items share a few large buffers, see arena.
type fastReader struct {
	on       bool // it takes part in the guard's pass
	declined Decline
	format   format

	scopes  []scope // elements that are open and whose children count
	leaf    leaf    // the innermost one that counts, when its children do not
	base    *url.URL
	bases   []scopedBase
	rootURI []byte     // taken for RSS, since the root is in it
	atom    vocabulary // by which name Atom's elements are known within RSS

	spans spans
	head  fastHead
	entry fastEntry
	items []Item
	found int // items, also those that say nothing
	empty int // items that say nothing

	noDates int // texts that anyDate could not read

	reopened int      // see maxReopened
	failure  *Failure // a bound that is not kept

	arena      arena
	renderer   renderer
	scratch    []byte
	names      []string
	categories []string    // free elements, for the lists of items
	enclosures []Enclosure // likewise
	files      []*mediaNode
}

// A scope is an element whose children count: which of them, and for what.
type scope uint8

const (
	scopeRoot    scope = iota // rss or RDF
	scopeChannel              //
	scopeItem                 // of RSS
	scopeMedia                // content or group of Media RSS
	scopeWriter               // author of Atom within an item of RSS
	scopeHours                // skipHours
	scopeDays                 // skipDays
	scopeFeed                 // the root of Atom
	scopeEntry                //
	scopePerson               // author of an entry
)

// A leaf is an element of which only the text counts, or nothing.
type leaf struct {
	depth  int   // how many elements are open with it; 0: there is no leaf
	field  field // what its text is for
	from   int   // where the text begins in the edited document
	markup bool  // an element stands in it
	passage
	extra []byte // the value of the one attribute that counts besides
}

// A passage is the text of an element, as it stands in the document, with what
// says how it is to be read.
type passage struct {
	raw       []byte
	set       bool     // the element was there
	typ, mode []byte   // attributes of Atom
	base      *url.URL // what links in it are relative to
}

// A scopedBase is an xml:base with the element that it holds for.
type scopedBase struct {
	depth int
	outer *url.URL // what holds around it
}

// maxReusedItems and maxReusedScratch bound the memory that waits for another
// document: few have more items, or an item with more than that.
const (
	maxReusedItems   = 1 << 10
	maxReusedScratch = 1 << 16
)

// reset makes f ready for another document and lets go of the last one.
func (f *fastReader) reset() {
	if cap(f.items) > maxReusedItems {
		f.items = nil
	}
	if cap(f.scratch) > maxReusedScratch {
		f.scratch = nil
	}
	if max(cap(f.names), cap(f.files)) > maxReusedItems {
		f.names, f.files = nil, nil
	}
	clear(f.items)
	clear(f.names[:cap(f.names)])
	clear(f.bases[:cap(f.bases)])
	clear(f.files[:cap(f.files)])
	f.entry.release()
	f.renderer.release()
	f.spans.reset()
	*f = fastReader{
		scopes: f.scopes[:0], bases: f.bases[:0], items: f.items[:0], entry: f.entry,
		scratch: f.scratch[:0], names: f.names[:0], files: f.files[:0], renderer: f.renderer, spans: f.spans,
	}
}

// begin makes f take part in a guard's pass over a document of that size.
func (f *fastReader) begin(format format, size int) {
	f.on, f.format = true, format
	f.arena.expected = size
}

// decline leaves the document to gofeed. The first reason counts.
func (f *fastReader) decline(why Decline) {
	if f.declined == 0 {
		f.declined = why
	}
}

// open takes in the start tag of the innermost open element of g.
func (f *fastReader) open(g *guard) {
	if f.leaf.depth != 0 {
		f.leaf.markup = true
		return
	}
	e := &g.open[len(g.open)-1]
	if e.dropped {
		f.decline(DeclineItems)
	}
	if e.declared > 0 && !f.knowsBindings(g, e) {
		f.decline(DeclineNamespace)
	}
	if len(g.attrs) > 0 {
		f.rebase(g)
	}
	if len(g.open) == 1 {
		f.openRoot(g)
		return
	}
	name := lower(f.scratch[:0], e.name.local())
	f.scratch = name
	if len(name) != len(e.name.local()) {
		// Such as an item with U+0130 for its i: gofeed takes that for an item,
		// then finds that it is not one, and gives up.
		f.decline(DeclineBroken)
	}
	switch f.scopes[len(f.scopes)-1] {
	case scopeRoot:
		f.inRoot(g, e, name)
	case scopeChannel:
		f.inChannel(g, e, name)
	case scopeItem:
		f.inItem(g, e, name)
	case scopeMedia:
		f.inMedia(g, e)
	case scopeWriter:
		f.inWriter(g, e)
	case scopeHours:
		f.inList(g, name, "hour", fieldHour)
	case scopeDays:
		f.inList(g, name, "day", fieldDay)
	case scopeFeed:
		f.inFeed(g, e, name)
	case scopeEntry:
		f.inEntry(g, e, name)
	case scopePerson:
		f.inPerson(g, name)
	}
}

// inList takes in a child of an element that lists texts.
func (f *fastReader) inList(g *guard, name []byte, want string, to field) {
	if string(name) != want {
		to = fieldNone
	}
	f.startLeaf(g, to)
}

// enterItem is enter for an item.
func (f *fastReader) enterItem(g *guard, s scope) {
	f.spans.start = g.start
	f.enter(s)
}

// enter makes the children of the element that was just opened count.
func (f *fastReader) enter(s scope) { f.scopes = append(f.scopes, s) }

// startLeaf makes the text of the element that was just opened count, or
// nothing of it.
func (f *fastReader) startLeaf(g *guard, to field) {
	f.leaf = leaf{depth: len(g.open), field: to, from: g.edits.offset(g.pos)}
	f.leaf.base = f.base
}

// close takes in the end of the innermost open element of g, whose end tag
// begins at that place of the source.
func (f *fastReader) close(g *guard, at int) {
	depth := len(g.open)
	switch {
	case depth > f.leaf.depth && f.leaf.depth != 0:
		return
	case f.leaf.depth != 0:
		if f.leaf.field != fieldNone {
			f.leaf.raw, f.leaf.set = g.edits.since(f.leaf.from, at), true
			f.take()
		}
		f.leaf.depth = 0
	default:
		last := len(f.scopes) - 1
		switch f.scopes[last] {
		case scopeItem, scopeEntry:
			f.endItem(g, at)
		case scopeMedia:
			f.entry.media.closeMedia()
		}
		f.scopes = f.scopes[:last]
	}
	if last := len(f.bases) - 1; last >= 0 && f.bases[last].depth == depth {
		f.base, f.bases = f.bases[last].outer, f.bases[:last]
	}
}

// lose takes in that the innermost open element of g has no end tag.
func (f *fastReader) lose(g *guard) {
	if f.leaf.depth == 0 || len(g.open) <= f.leaf.depth {
		f.decline(DeclineUnclosed)
	}
}

// endItem makes an item of what f.entry holds, unless it is one that need not be
// read. Its end tag begins at that place of the source.
func (f *fastReader) endItem(g *guard, at int) {
	f.found++
	if f.spans.on {
		span, skip := f.spanOf(g, at)
		if skip {
			f.entry.reset()
			return
		}
		f.spans.read = append(f.spans.read, span)
	}
	it := Item{}
	if f.format == formatAtom {
		it = f.atomItem()
	} else {
		it = f.rssItem()
	}
	if isEmpty(&it) {
		f.empty++
	}
	f.items = append(f.items, it)
	f.entry.reset()
}

// rebase takes in an xml:base of the start tag that g stands on.
func (f *fastReader) rebase(g *guard) {
	for i := range g.attrs {
		a := &g.attrs[i]
		if string(a.name.full) != "xml:base" {
			continue
		}
		raw := string(f.attributeText(a.value))
		if raw == "" {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		if f.base != nil {
			u = f.base.ResolveReference(u)
		}
		f.bases = append(f.bases, scopedBase{len(g.open), f.base})
		f.base = u
		return
	}
}

// pacing returns what the document asks of the next request.
func (f *fastReader) pacing() Pacing {
	h := &f.head
	t := pacingText{
		ttl: h.ttl, hours: h.hours, days: h.days,
		period: f.characters(h.period.raw), frequency: f.characters(h.frequency.raw),
	}
	return t.pacing()
}

// document returns what was read. base is where it came from.
func (f *fastReader) document(c *converter, base string) *Document {
	d := c.head(f.title(), f.home(), base, f.format == formatAtom)
	d.Items = append(make([]Item, 0, len(f.items)), f.items...)
	for i := range d.Items {
		it := &d.Items[i]
		it.Link, it.Image = c.link(it.Link), c.link(it.Image)
		for j := range it.Enclosures {
			it.Enclosures[j].URL = c.link(it.Enclosures[j].URL)
		}
	}
	c.left = f.spans.gaps
	c.finish(d)
	return d
}
