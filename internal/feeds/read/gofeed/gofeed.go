// Package gofeed reads feeds with the library of that name: for users who choose it,
// and as a second opinion. It protects the process from what the library does not
// bound, and repairs what it would stop at.
//
// It makes no documents: links may be relative, nothing is cut to size, and no item
// has a key.
package gofeed

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mmcdole/gofeed"
	"github.com/mmcdole/gofeed/atom"
	ext "github.com/mmcdole/gofeed/extensions"
	jsonfeed "github.com/mmcdole/gofeed/json"
	"github.com/mmcdole/gofeed/rss"

	"feedmill/internal/feeds"
)

// A Format says which of the library's parsers is meant.
type Format uint8

// The formats.
const (
	RSS  Format = iota // and RDF
	Atom               //
	JSON               // whose syntax, types and bounds the caller has seen to
)

// An Input is a document, from its root on, in UTF-8.
type Input struct {
	Format   Format
	Text     []byte
	Date     func(text string) (seconds int64, ok bool) // reads what the library would read late or wrongly
	Observer feeds.Observer                             // told how far the library is; nil for nobody
	Job      int64
}

// A Feed is what the library made of a document.
type Feed struct {
	Title, Link, TTL, Period, Frequency string
	Hours, Days                         []string // skipHours and skipDays of RSS
	Items                               []feeds.Item
	Trailing                            bool // something follows the root
	Lost                                int  // end tags that ended nothing
}

// Read reads a feed. A document that breaks gives what stands before that and a
// failure of class truncated or parse; one over a bound, or of another vocabulary,
// the failure alone.
func Read(in Input) (*Feed, *feeds.Failure) {
	g := guard{date: in.Date}
	if in.Format != JSON {
		failure := g.run(in.Text)
		switch {
		case failure != nil:
			return nil, failure
		case g.broken != nil && g.itemEnd == 0:
			return nil, g.broken
		case g.broken == nil && !g.isFeed(in.Format):
			return nil, feeds.Failf(feeds.NotAFeed, "XML of another vocabulary")
		}
		in.Text = g.text()
	}
	out := &Feed{Lost: g.lost, Trailing: g.trailing}
	if failure := in.parse(out); failure != nil {
		return nil, failure
	}
	return out, g.broken
}

// translator leaves out gofeed's search for an image in every item's HTML,
// which costs as much as all the rest.
var translator = gofeed.DefaultRSSTranslator{DisableContentImageScan: true}

// parse gives the text to the library. Its parsers are called one by one rather than
// through gofeed.Parser, which looks for the root in the first 4 KiB only and keeps
// the original feed alive for the sake of the few fields that say when to ask again.
func (in *Input) parse(out *Feed) (failure *feeds.Failure) {
	defer func() {
		if p := recover(); p != nil {
			failure = feeds.Failf(feeds.ParserPanic, "the parser says %s", quoted(fmt.Sprint(p)))
		}
	}()
	var feed *gofeed.Feed
	var err error
	switch in.Format {
	case Atom:
		var f *atom.Feed
		if f, err = (&atom.Parser{}).Parse(in.reader()); err == nil {
			out.pace(f.Extensions)
			feed, err = (&gofeed.DefaultAtomTranslator{}).Translate(f)
		}
	case JSON:
		var f *jsonfeed.Feed
		if f, err = (&jsonfeed.Parser{}).Parse(in.reader()); err == nil {
			in.settle(f.Items)
			feed, err = (&gofeed.DefaultJSONTranslator{}).Translate(f)
		}
	default:
		var f *rss.Feed
		if f, err = (&rss.Parser{}).Parse(in.reader()); err == nil {
			out.pace(f.Extensions)
			out.TTL, out.Hours, out.Days = f.TTL, f.SkipHours, f.SkipDays
			if feed, err = translator.Translate(f); err == nil {
				completeItems(feed.Items, f.Items)
			}
		}
	}
	if err != nil {
		return &feeds.Failure{Class: feeds.Parse, Detail: "the parser says " + quoted(err.Error()), Err: err}
	}
	out.Title, out.Link = feed.Title, feed.Link
	out.Items = make([]feeds.Item, 0, len(feed.Items))
	for _, it := range feed.Items {
		out.Items = append(out.Items, itemOf(it))
	}
	return nil
}

// settle makes HTML of what items of JSON say in plain text, and dates that the library
// reads.
func (in *Input) settle(items []*jsonfeed.Item) {
	for _, it := range items {
		if it.Summary = html.EscapeString(it.Summary); strings.TrimSpace(it.ContentHTML) == "" {
			it.ContentHTML = html.EscapeString(it.ContentText)
		}
		for _, text := range []*string{&it.DatePublished, &it.DateModified} {
			if at, ok := in.Date(*text); ok {
				*text = time.Unix(at, 0).UTC().Format(time.RFC3339)
			} else {
				*text = ""
			}
		}
	}
}

// quoted returns the beginning of text, safe to print anywhere.
func quoted(text string) string { return strconv.QuoteToASCII(text[:min(len(text), 80)]) }

// pace takes what the syndication module says.
func (f *Feed) pace(extensions ext.Extensions) {
	value := func(name string) string {
		if list := extensions["sy"][name]; len(list) > 0 {
			return list[0].Value
		}
		return ""
	}
	f.Period, f.Frequency = value("updatePeriod"), value("updateFrequency")
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

// itemOf returns an item of the library's as one of this project's.
func itemOf(it *gofeed.Item) feeds.Item {
	item := feeds.Item{
		GUID: strings.TrimSpace(it.GUID), Link: it.Link, Title: strings.TrimSpace(it.Title), Author: authors(it),
		Summary: strings.TrimSpace(it.Description), Content: strings.TrimSpace(it.Content),
		Published: unix(it.PublishedParsed), Updated: unix(it.UpdatedParsed),
	}
	if item.Link == "" && len(it.Links) > 0 {
		item.Link = it.Links[0] // the external_url of JSON Feed, the rel "self" of Atom
	}
	for _, category := range it.Categories {
		if category = strings.TrimSpace(category); category != "" {
			item.Categories = append(item.Categories, category)
		}
	}
	enclose := func(link, kind, length string) {
		n, err := strconv.ParseInt(strings.TrimSpace(length), 10, 64)
		if link = strings.TrimSpace(link); err != nil || n < 0 {
			n = 0
		}
		if link != "" {
			item.Enclosures = append(item.Enclosures, feeds.Enclosure{URL: link, Type: strings.TrimSpace(kind), Length: n})
		}
	}
	for _, e := range it.Enclosures {
		enclose(e.URL, e.Type, e.Length)
	}
	var m media
	m.take(it.Extensions["media"])
	for _, group := range it.Extensions["media"]["group"] {
		m.take(group.Children)
	}
	if item.Summary == "" && item.Content == "" {
		item.Summary = m.description
	}
	if item.Image = m.image; it.Image != nil && it.Image.URL != "" {
		item.Image = it.Image.URL
	}
	for _, f := range m.files {
		if len(it.Enclosures) == 0 {
			enclose(f["url"], f["type"], f["fileSize"])
		}
	}
	return item
}

// unix returns a time as Unix seconds; 0 for none.
func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// maxNames bounds the authors of an item: each is looked for among those before it.
const maxNames = 1000

// authors returns the names of an item's authors, or their addresses. The library
// takes only the first of several dc:creator; all of them are taken here.
func authors(it *gofeed.Item) string {
	var names []string
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" && len(names) < maxNames && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	people := it.Authors
	if len(people) == 0 {
		people = []*gofeed.Person{it.Author} // of JSON Feed 1.0, beside an empty list of 1.1
	}
	for _, a := range people {
		if a != nil && strings.TrimSpace(a.Name) != "" {
			add(a.Name)
		} else if a != nil {
			add(a.Email)
		}
	}
	if dc := it.DublinCoreExt; dc != nil && (len(names) == 0 || len(dc.Creator) > 1 && slices.Contains(dc.Creator, names[0])) {
		for _, creator := range dc.Creator {
			add(creator)
		}
	}
	return strings.Join(names, ", ")
}

// A media is what the elements of Media RSS in an item say that feed its
// fields when nothing else does.
type media struct {
	image, description string
	files              []map[string]string // attributes of media:content
}

func (m *media) take(elements map[string][]ext.Extension) {
	for _, e := range elements["thumbnail"] {
		if m.image == "" {
			m.image = e.Attrs["url"]
		}
	}
	for _, e := range elements["description"] {
		if m.description == "" {
			m.description = strings.TrimSpace(e.Value)
		}
	}
	for _, e := range elements["content"] {
		switch isImage := e.Attrs["medium"] == "image" || strings.HasPrefix(e.Attrs["type"], "image/"); {
		case !isImage:
			m.files = append(m.files, e.Attrs)
		case m.image == "":
			m.image = e.Attrs["url"]
		}
		m.take(e.Children)
	}
}

// reader says that the parser gets the text, and returns what to give it. That reads
// as it likes; the position is as exact as its buffer.
func (in *Input) reader() io.Reader {
	if in.Observer == nil {
		return bytes.NewReader(in.Text)
	}
	in.Observer.Parsing(in.Job)
	return io.TeeReader(bytes.NewReader(in.Text), &progress{observer: in.Observer})
}

// A progress says how much was written to it.
type progress struct {
	taken    int64
	observer feeds.Observer
}

func (p *progress) Write(b []byte) (int, error) {
	p.taken += int64(len(b))
	p.observer.Parsed(p.taken)
	return len(b), nil
}
