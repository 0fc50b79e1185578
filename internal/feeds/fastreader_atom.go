package feeds

import "strings"

// Atom 0.3 and 1.0. What a field is made from is as in gofeed's atom parser, its
// translator and converter.item.

// inFeed takes in a child of the root.
func (f *fastReader) inFeed(g *guard, e *element, name []byte) {
	v := f.vocabularyOf(e)
	if v != vocabularyNative {
		f.inHead(g, e, v)
		return
	}
	switch string(name) {
	case "entry":
		f.enterItem(g, scopeEntry)
	case "title":
		f.startText(g, fieldHeadTitle)
	case "link":
		if rel := f.attribute(g, "rel"); !f.head.linked && (len(rel) == 0 || string(rel) == "alternate") {
			f.head.linked = true
			f.head.link = f.absolute(f.base, f.attribute(g, "href"))
		}
		f.startLeaf(g, fieldNone)
	default:
		f.startLeaf(g, fieldNone)
	}
}

// inEntry takes in a child of entry.
func (f *fastReader) inEntry(g *guard, e *element, name []byte) {
	switch f.vocabularyOf(e) {
	case vocabularyNative:
	case vocabularyMedia:
		f.openMedia(g, string(e.name.local()))
		return
	default:
		f.startLeaf(g, fieldNone)
		return
	}
	switch string(name) {
	case "title":
		f.startText(g, fieldTitle)
	case "id":
		f.startText(g, fieldGUID)
	case "summary":
		f.startText(g, fieldDescription)
	case "content":
		f.startText(g, fieldContent)
	case "published", "issued":
		f.startText(g, fieldPublished)
	case "updated", "modified":
		f.startText(g, fieldUpdated)
	case "author":
		f.entry.people = append(f.entry.people, fastPerson{})
		f.enter(scopePerson)
	case "category":
		label := f.attribute(g, "label")
		if len(label) == 0 {
			label = f.attribute(g, "term")
		}
		f.entry.terms = append(f.entry.terms, label)
		f.startLeaf(g, fieldNone)
	case "link":
		f.entryLink(g)
		f.startLeaf(g, fieldNone)
	default:
		f.startLeaf(g, fieldNone)
	}
}

// entryLink takes in a link of an entry.
func (f *fastReader) entryLink(g *guard) {
	e, rel := &f.entry, f.attribute(g, "rel")
	link := fastFile{url: f.attribute(g, "href"), base: f.base}
	switch string(rel) {
	case "", "alternate":
		if !e.linked {
			e.linked, e.alternate = true, link
		}
		fallthrough
	case "self":
		if !e.related {
			e.related, e.firstRelated = true, link
		}
	case "enclosure":
		link.kind, link.length = f.attribute(g, "type"), f.attribute(g, "length")
		e.files = append(e.files, link)
	}
}

// inPerson takes in a child of an author. gofeed goes by its local name alone.
func (f *fastReader) inPerson(g *guard, name []byte) {
	switch string(name) {
	case "name":
		f.startText(g, fieldPersonName)
	case "email":
		f.startText(g, fieldPersonEmail)
	default:
		f.startLeaf(g, fieldNone)
	}
}

// startText is startLeaf for a text construct of Atom.
func (f *fastReader) startText(g *guard, to field) {
	f.startLeaf(g, to)
	f.leaf.typ, f.leaf.mode = f.lastAttribute(g, "type"), f.lastAttribute(g, "mode")
}

// atomItem returns the item that f.entry holds.
func (f *fastReader) atomItem() Item {
	e := &f.entry
	it := Item{
		GUID:    strings.TrimSpace(f.atomID(&e.guid)),
		Title:   strings.TrimSpace(f.atomText(&e.title)),
		Summary: strings.TrimSpace(f.atomText(&e.description)),
		Content: strings.TrimSpace(f.atomText(&e.content)),
		Author:  f.atomAuthors(),
	}
	it.Updated, _ = f.date(f.atomText(&e.updated))
	it.Published = it.Updated
	if last := len(e.dates) - 1; last >= 0 {
		if at, ok := f.date(f.atomText(&e.dates[last])); ok {
			it.Published = at
		}
	}
	link := f.fileURL(&e.alternate)
	if link == "" {
		link = f.fileURL(&e.firstRelated)
	}
	it.Link = strings.TrimSpace(link)
	list := f.startCategories(len(e.terms))
	for _, term := range e.terms {
		list = appendTrimmed(list, f.keep(term))
	}
	it.Categories = f.endCategories(list)
	f.illustrate(&it)
	return it
}

// atomAuthors returns the names of an entry's authors, or their addresses.
func (f *fastReader) atomAuthors() string {
	f.names = f.names[:0]
	for i := range f.entry.people {
		p := &f.entry.people[i]
		name := f.atomText(&p.name)
		if strings.TrimSpace(name) == "" {
			name = f.atomText(&p.email)
		}
		f.addName(name)
	}
	return f.joinNames()
}

// atomID returns the id of an entry, which is a URI: gofeed makes it absolute
// and spells it as net/url does.
func (f *fastReader) atomID(p *passage) string {
	id := f.atomText(p)
	if isPlainURI(id) && p.base == nil {
		return id
	}
	return normalURL(p.base, id)
}
