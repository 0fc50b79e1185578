package feeds

import (
	"bytes"
	"strings"
)

// RSS 0.9x, 1.0 and 2.0. What a field is made from is as in gofeed's rss parser,
// its translator and converter.item, and reads side by side with them.

// inRoot takes in a child of rss or RDF.
func (f *fastReader) inRoot(g *guard, e *element, name []byte) {
	if f.vocabularyOf(e) != vocabularyNative {
		f.startLeaf(g, fieldNone)
		return
	}
	switch string(name) {
	case "channel":
		if f.head.channel || f.head.items {
			f.decline(DeclineOrder)
		}
		f.head.channel = true
		f.enter(scopeChannel)
	case "item":
		f.head.items = true
		f.enterItem(g, scopeItem)
	default:
		f.startLeaf(g, fieldNone)
	}
}

// inChannel takes in a child of channel.
func (f *fastReader) inChannel(g *guard, e *element, name []byte) {
	v := f.vocabularyOf(e)
	if v != vocabularyNative {
		f.inHead(g, e, v)
		return
	}
	switch string(name) {
	case "item":
		f.enterItem(g, scopeItem)
	case "title":
		f.startLeaf(g, fieldHeadTitle)
	case "link":
		f.startLeaf(g, fieldHeadLink)
		f.leaf.extra = f.attribute(g, "href")
	case "ttl":
		f.startLeaf(g, fieldTTL)
	case "skiphours":
		f.head.hours = nil
		f.enter(scopeHours)
	case "skipdays":
		f.head.days = nil
		f.enter(scopeDays)
	default:
		f.startLeaf(g, fieldNone)
	}
}

// inHead takes in a child of channel or feed that is of another vocabulary.
func (f *fastReader) inHead(g *guard, e *element, v vocabulary) {
	local, to := e.name.local(), fieldNone
	switch v {
	case vocabularySyndication:
		switch string(local) {
		case "updatePeriod":
			to = fieldPeriod
		case "updateFrequency":
			to = fieldFrequency
		}
	case vocabularyDC:
		if string(local) == "title" && f.format != formatAtom {
			to = fieldHeadDCTitle
		}
	case vocabularyAtom, vocabularyAtom10, vocabularyAtom03:
		if string(local) == "link" && f.format != formatAtom {
			f.usesAtom(v)
			f.siteLink(g)
		}
	}
	f.startLeaf(g, to)
}

// usesAtom notes by which name elements of Atom are known. gofeed looks for
// those of one name before those of the next, wherever they stand, which is not
// worth following.
func (f *fastReader) usesAtom(v vocabulary) {
	if f.atom == vocabularyOther {
		f.atom = v
	}
	if f.atom != v {
		f.decline(DeclineNamespace)
	}
}

// siteLink takes in a link of Atom in a channel of RSS.
func (f *fastReader) siteLink(g *guard) {
	rel := string(f.lastAttribute(g, "rel"))
	if f.head.hasAtomLink || rel != "" && rel != "alternate" {
		return
	}
	f.head.hasAtomLink = true
	f.head.atomLink = f.absolute(f.base, f.lastAttribute(g, "href"))
}

// inItem takes in a child of item.
func (f *fastReader) inItem(g *guard, e *element, name []byte) {
	v := f.vocabularyOf(e)
	switch {
	case v == vocabularyContent && string(name) == "encoded":
		f.startLeaf(g, fieldContent)
		return
	case v != vocabularyNative:
		f.inForeign(g, e, v)
		return
	}
	to := fieldNone
	switch string(name) {
	case "title":
		to = fieldTitle
	case "description":
		to = fieldDescription
	case "link":
		to = fieldLink
	case "author":
		to = fieldAuthor
	case "pubdate":
		to = fieldPublished
	case "category":
		to = fieldCategory
	case "guid":
		to = fieldGUID
	case "enclosure":
		f.entry.files = append(f.entry.files, fastFile{
			url: f.attribute(g, "url"), kind: f.attribute(g, "type"), length: f.attribute(g, "length")})
	}
	f.startLeaf(g, to)
	switch to {
	case fieldLink:
		f.leaf.extra = f.attribute(g, "href")
	case fieldGUID:
		if f.leaf.extra = f.attribute(g, "isPermaLink"); len(f.leaf.extra) == 0 {
			f.leaf.extra = f.attribute(g, "isPermalink")
		}
	}
}

// title returns the document's title.
func (f *fastReader) title() string {
	if f.head.title == "" {
		return f.characters(f.head.dcTitle.raw)
	}
	return f.head.title
}

// home returns the link to the site.
func (f *fastReader) home() string {
	if f.head.link == "" {
		return f.head.atomLink
	}
	return f.head.link
}

// rssLink returns the text of a link, or else its attribute.
func (f *fastReader) rssLink(l *fastLink) string {
	link := f.text(l.raw)
	if link == "" && l.href != nil {
		link = f.absolute(l.base, l.href)
	}
	if l.base == nil || link == "" {
		return link
	}
	return normalURL(l.base, link)
}

// rssItem returns the item that f.entry holds.
func (f *fastReader) rssItem() Item {
	e := &f.entry
	it := Item{
		Title:      f.text(e.title.raw),
		Summary:    strings.TrimSpace(f.summary()),
		Content:    f.text(e.content.raw),
		Author:     f.author(),
		Categories: f.rssCategories(),
	}
	if it.Title == "" {
		it.Title = f.characters(e.dcTitle.raw)
	}
	it.Title = strings.TrimSpace(it.Title)
	if it.Content == "" {
		it.Content = f.characters(e.atomContent.raw)
	}
	it.Content = strings.TrimSpace(it.Content)
	f.identify(&it)
	f.dates(&it)
	f.illustrate(&it)
	return it
}

// summary returns the description, from where it is found first.
func (f *fastReader) summary() string {
	e := &f.entry
	s := f.text(e.description.raw)
	switch {
	case s != "":
		return s
	case e.dcDescription.set:
		s = f.characters(e.dcDescription.raw)
	default:
		s = f.characters(e.itunesSummary.raw)
	}
	if s == "" {
		s = f.characters(e.atomSummary.raw)
	}
	return s
}

// identify sets guid and link.
func (f *fastReader) identify(it *Item) {
	e := &f.entry
	guid, link := f.text(e.guid.raw), f.rssLink(&e.link)
	isURL := strings.HasPrefix(guid, "http://") || strings.HasPrefix(guid, "https://")
	switch {
	case link != "":
	case isURL && !bytes.EqualFold(e.permalink, []byte("false")):
		link = guid
	default:
		link = f.rssLink(&e.firstLink)
	}
	it.GUID, it.Link = strings.TrimSpace(guid), strings.TrimSpace(link)
}

// dates sets both dates.
func (f *fastReader) dates(it *Item) {
	e := &f.entry
	dc := f.characters(e.dcDate.raw)
	dcAt, _ := f.date(dc) // once: the odd ones are slow
	date := func(atom *passage) int64 {
		if dc != "" {
			return dcAt
		}
		at, _ := f.date(f.characters(atom.raw))
		return at
	}
	it.Updated = date(&e.atomUpdated)
	for i := len(e.dates) - 1; i >= 0; i-- {
		// The last one that is a date.
		if at, ok := f.date(f.text(e.dates[i].raw)); ok {
			it.Published = at
			return
		}
	}
	it.Published = date(&e.atomPublished)
}
