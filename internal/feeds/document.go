package feeds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mmcdole/gofeed"
	"github.com/mmcdole/gofeed/atom"
	jsonfeed "github.com/mmcdole/gofeed/json"
	"github.com/mmcdole/gofeed/rss"
)

// A Document is what a feed's body says.
type Document struct {
	Title  string
	Link   string // the home page, absolute where it can be made so
	Items  []Item // the oldest of the document first; Key and Hash set, each key once
	Pacing Pacing // TTL, SkipHours and SkipDays only

	// Reader is who read it, and Declined why the fast reader left it to
	// gofeed; 0 when it was not asked, either.
	Reader   Reader
	Declined Decline

	// Notes are short remarks for people on what was odd about the document
	// and did not keep it from being read, such as "trailing data".
	Notes []string

	left  int    // items that were left out
	spans string // what the next reading should recall
}

// ReadDocument reads a feed: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, and JSON
// Feed. contentType is the Content-Type header, and base the URL that the body
// came from, after redirects; both may be empty.
//
// The error is a [*Failure]. A document that ends early or breaks in the middle
// gives both: the items before the fault, and a failure of class truncated or
// parse. The memory and the time that it takes are bounded by the size of body,
// whatever body says.
//
// It keeps no reference to body and may be called by several goroutines.
func ReadDocument(body []byte, contentType, base string) (*Document, error) {
	return ParserAuto.ReadDocument(body, contentType, base)
}

// ReadDocument is the function of that name with the choice of who reads. Both
// make the same of every document; what may differ is only the time.
func (p Parser) ReadDocument(body []byte, contentType, base string) (*Document, error) {
	return p.readDocument(body, contentType, base, nil, watch{})
}

// readDocument is ReadDocument, and tells w how it gets on. With a recall it
// leaves out items that are stored as the document has them, if it may, and says
// what the next reading should recall.
func (p Parser) readDocument(body []byte, contentType, base string, rec *recall, w watch) (*Document, error) {
	text, sanitized, failure := toUTF8(body, contentType)
	if failure != nil {
		return nil, failure
	}
	f, start, junk, failure := sniff(text, base)
	if failure != nil {
		return nil, failure
	}
	r := reading{format: f, parser: p, base: base, recall: rec, watch: w}
	if f == formatJSON {
		r.readJSON(text, start)
	} else {
		r.readXML(text, start)
	}
	d := r.document
	switch {
	case d != nil:
		d.Reader = ReaderFast
	case r.feed != nil:
		c := converter{now: time.Now()}
		d = c.document(r.feed, base)
		d.Reader, d.Declined = ReaderGofeed, r.declined
		if r.parser == ParserAuto && r.declined == 0 {
			d.Reader = ReaderFast // which decoded JSON into gofeed's types
		}
	default:
		return nil, r.failure
	}
	d.Pacing = r.pacing
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

// A reading is the way of one document through guard, parser and salvage.
type reading struct {
	format format
	parser Parser
	base   string // where the document came from
	recall *recall
	watch  watch

	document  *Document    // what the fast reader made; nil when it declined
	declined  Decline      // why
	feed      *gofeed.Feed // what gofeed made; nil when nothing could be read
	pacing    Pacing
	failure   *Failure // nil when all could be read
	sanitized bool
	notes     []string
}

func (r *reading) note(when bool, format string, args ...any) {
	if when {
		r.notes = append(r.notes, fmt.Sprintf(format, args...))
	}
}

// readXML reads the feed whose root tag is at text[start:].
func (r *reading) readXML(text []byte, start int) {
	g := guards.Get().(*guard)
	defer g.release()
	if r.parser == ParserAuto && r.readFast(g, text, start) {
		return
	}
	g.format, g.position = r.format, position{watch: r.watch}
	if r.failure = g.run(text, start); r.failure != nil {
		return
	}
	whole := g.edits.text(g.pos)
	if g.complete && !g.isFeed() {
		r.failure = notAFeed("XML of another vocabulary", text[start:g.pos])
		return
	}
	if !g.complete {
		r.failure = &Failure{Class: Parse, Detail: fmt.Sprintf("line %d: %s", lineOf(text, g.start), g.fault)}
		if g.early {
			r.failure = &Failure{Class: Truncated, Detail: "document ends early"}
		}
		var ok bool
		if whole, ok = salvageXML(whole, g.items); !ok {
			return
		}
	}
	if err := r.parse(whole); err != nil {
		r.failure = err
		return
	}
	r.sanitized = g.repaired
	r.noteXML(g, len(r.feed.Items))
}

// noteXML notes what g found odd about a document from which so many items were
// read.
func (r *reading) noteXML(g *guard, parsed int) {
	r.note(g.trailing, "trailing data")
	r.note(g.strayTags > 0, "%s of nothing", count(g.strayTags, "end tag"))
	r.note(g.dropped > 0, "%d items, read the first %d", len(g.items)+g.dropped, maxItems)
	r.noteDates(g.oddDates)
	if found := g.seen - g.dropped; g.complete && found != parsed {
		r.note(true, "items seen %d parsed %d", found, parsed)
	}
}

// noteDates notes that of so many odd dates gofeed was not given all.
func (r *reading) noteDates(odd int) {
	r.note(odd > maxOddDates, "%d odd dates, tried the first %d", odd, maxOddDates)
}

// readFast reads it with the fast reader. It reports false when that declined,
// with g as it was.
func (r *reading) readFast(g *guard, text []byte, start int) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			r.document, r.declined, done = nil, DeclinePanic, false
		}
		if !done {
			g.reset()
		}
	}()
	g.format, g.position = r.format, position{watch: r.watch}
	g.fast.begin(r.format, len(text)-start)
	if r.recall != nil {
		if g.fast.spans.begin(r.recall, r.base); len(g.fast.spans.stored) > 0 {
			g.fast.arena.expected /= 8 // the news are likely to be little
		}
	}
	r.failure = g.run(text, start)
	switch {
	case g.fast.declined != 0:
	case r.failure != nil:
		return true
	case !g.complete:
		g.fast.decline(DeclineBroken)
	case g.repaired:
		g.fast.decline(DeclineRepaired)
	case !g.isFeed():
		r.failure = notAFeed("XML of another vocabulary", text[start:g.pos])
		return true
	}
	if r.declined = g.fast.declined; r.declined != 0 {
		return false
	}
	c := converter{now: time.Now()}
	d := g.fast.document(&c, r.base)
	if r.recall != nil {
		if !g.fast.settle(&c, d) {
			g.reset()
			r.recall = &recall{}
			return r.readFast(g, text, start)
		}
		d.left, d.spans = len(g.fast.spans.left), g.fast.remember(&c, d)
	}
	r.document = d
	r.pacing = g.fast.pacing()
	r.noteXML(g, g.fast.found)
	return true
}

// lineOf returns the number of the line that text[at:] begins in.
func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// readJSON reads the JSON Feed at text[start:].
func (r *reading) readJSON(text []byte, start int) {
	if r.parser == ParserAuto {
		r.declined = DeclineJSON // unless readFastJSON says otherwise
	}
	g := jsonGuard{position: position{watch: r.watch}}
	if r.failure = g.run(text, start); r.failure != nil {
		return
	}
	if !g.isFeed() {
		r.failure = notAFeed("JSON", text[start:])
		return
	}
	if !g.complete {
		r.failure = &Failure{Class: Truncated, Detail: "document ends early"}
		if whole, ok := salvageJSON(g.edits.text(len(text)), g.items, math.MaxInt); ok {
			r.parseJSON(whole, g.hasNull)
		}
		return
	}
	whole, dropped := g.feed()
	if !r.readFastJSON(&g, whole) {
		if wrong := r.parseJSON(whole, g.hasNull); wrong >= 0 {
			r.failure = &Failure{Class: Parse, Detail: fmt.Sprintf("line %d: invalid JSON", lineOf(whole, wrong))}
			if part, ok := salvageJSON(whole, g.items, wrong); ok {
				r.parseJSON(part, g.hasNull)
			}
		}
	}
	r.sanitized = g.repaired
	r.note(g.trailing, "trailing data")
	r.noteDates(g.oddDates)
	r.note(dropped > 0, "%d items, read the first %d", maxItems+dropped, maxItems)
}

// readFastJSON sets r.feed with the fast reader. It reports false when that gave
// up or was not to be asked.
func (r *reading) readFastJSON(g *jsonGuard, text []byte) (done bool) {
	if r.parser != ParserAuto {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			r.declined, done = DeclinePanic, false
		}
	}()
	f, repaired := readJSONFeed(text, g.hasNull)
	if f == nil {
		return false
	}
	feed, err := (&gofeed.DefaultJSONTranslator{}).Translate(f)
	if err != nil {
		return false
	}
	r.feed, r.declined = feed, 0
	r.note(repaired, "types repaired")
	return true
}

// parseJSON gives text to the parser, with its types repaired when it needs
// that. It returns where the syntax is wrong; -1 when it is not.
func (r *reading) parseJSON(text []byte, hasNull bool) (wrong int) {
	var failure *Failure
	if !hasNull {
		if failure = r.parse(text); failure == nil {
			return -1
		}
		if syntax, ok := errors.AsType[*json.SyntaxError](failure); ok {
			return int(syntax.Offset)
		}
	}
	repaired, err := repairJSON(text)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return int(syntax.Offset)
	}
	if err != nil {
		r.failure = &Failure{Class: Parse, Detail: "invalid JSON", Err: err}
		return -1
	}
	if failure = r.parse(repaired); failure != nil {
		r.failure = failure
		return -1
	}
	r.note(true, "types repaired")
	return -1
}

// translator leaves out gofeed's search for an image in every item's HTML,
// which costs as much as all the rest.
var translator = gofeed.DefaultRSSTranslator{DisableContentImageScan: true}

// parse sets r.feed from text, which a guard let through. gofeed's parsers are
// called one by one rather than through gofeed.Parser, which looks for the root
// in the first 4 KiB only and keeps the original feed alive for the sake of the
// few fields that pacing needs.
func (r *reading) parse(text []byte) (failure *Failure) {
	defer func() {
		if p := recover(); p != nil {
			failure = &Failure{Class: ParserPanic, Detail: "the parser says " + snippet(fmt.Append(nil, p))}
		}
	}()
	var err error
	switch r.format {
	case formatAtom:
		var f *atom.Feed
		if f, err = (&atom.Parser{}).Parse(r.watch.parser(text)); err == nil {
			r.pacing = pacingOf(nil, f.Extensions)
			r.feed, err = (&gofeed.DefaultAtomTranslator{}).Translate(f)
		}
	case formatJSON:
		var f *jsonfeed.Feed
		if f, err = (&jsonfeed.Parser{}).Parse(r.watch.parser(text)); err == nil {
			r.feed, err = (&gofeed.DefaultJSONTranslator{}).Translate(f)
		}
	default:
		var f *rss.Feed
		if f, err = (&rss.Parser{}).Parse(r.watch.parser(text)); err == nil {
			r.pacing = pacingOf(f, f.Extensions)
			if r.feed, err = translator.Translate(f); err == nil {
				completeItems(r.feed.Items, f.Items)
			}
		}
	}
	if err != nil {
		return &Failure{Class: Parse, Detail: "the parser says " + snippet([]byte(err.Error())), Err: err}
	}
	return nil
}

// completeItems adds to items what gofeed's translation of the RSS ones leaves
// out: an author in whose text it finds neither a name nor an address, and the
// guid as the link where there is none, which RSS 2.0 says it is unless
// isPermaLink is "false".
func completeItems(items []*gofeed.Item, from []*rss.Item) {
	for i, it := range items {
		raw := from[i]
		if len(it.Authors) == 1 && *it.Authors[0] == (gofeed.Person{}) {
			it.Authors[0].Name = raw.Author
		}
		if it.Link != "" || raw.GUID == nil || strings.EqualFold(raw.GUID.IsPermalink, "false") {
			continue
		}
		if guid := raw.GUID.Value; strings.HasPrefix(guid, "http://") || strings.HasPrefix(guid, "https://") {
			it.Link = guid
		}
	}
}
