package feeds

import "net/url"

// A field is what the text of a leaf is for.
type field uint8

const (
	fieldNone field = iota

	// Of a channel or feed.
	fieldHeadTitle
	fieldHeadLink
	fieldHeadDCTitle
	fieldTTL
	fieldHour
	fieldDay
	fieldPeriod
	fieldFrequency

	// Of an item or entry.
	fieldTitle
	fieldLink
	fieldGUID
	fieldDescription // summary in Atom
	fieldContent
	fieldAuthor
	fieldPublished
	fieldUpdated
	fieldCategory
	fieldDCTitle
	fieldDCAuthor
	fieldDCCreator
	fieldDCDescription
	fieldDCDate
	fieldDCSubject
	fieldITunesAuthor
	fieldITunesSummary
	fieldITunesKeywords
	fieldAtomSummary // of Atom within RSS, as the next ones
	fieldAtomContent
	fieldAtomPublished
	fieldAtomUpdated
	fieldWriterName
	fieldWriterEmail
	fieldPersonName
	fieldPersonEmail
	fieldMediaDescription
)

// A fastHead is what a document says of itself.
type fastHead struct {
	title   string
	dcTitle passage
	link    string
	linked  bool // of Atom: link is the first one
	channel bool // one was met
	items   bool // an item was met, outside of any channel

	atomLink    string // the first of Atom's within RSS that leads to the site
	hasAtomLink bool

	ttl               string
	hours, days       []string
	period, frequency passage
}

// A fastEntry is what an item has, before its text is read.
type fastEntry struct {
	title, guid, description, content, author passage

	linked          bool // it has a link; in Atom one to a page
	link, firstLink fastLink
	permalink       []byte // the attribute of guid

	related                 bool // in Atom: it has a link to a page or to itself
	alternate, firstRelated fastFile

	dates   []passage // of publication
	updated passage

	dcTitle, dcAuthor, dcDescription, dcDate             passage
	itunesAuthor, itunesSummary, itunesKeywords          passage
	atomSummary, atomContent, atomPublished, atomUpdated passage
	itunesImage                                          string
	hasITunesImage                                       bool

	writer                  bool // an author of Atom was met within RSS
	writerName, writerEmail passage

	categories, creators, subjects [][]byte
	terms                          [][]byte // categories of Atom
	files                          []fastFile
	people                         []fastPerson
	media                          mediaTree
}

// A fastLink is a link of RSS: its text or else its attribute.
type fastLink struct {
	passage
	href []byte
}

// A fastFile is an enclosure of RSS or a link of Atom.
type fastFile struct {
	url, kind, length []byte // nil where there is no such attribute
	base              *url.URL
}

// A fastPerson is an author of Atom.
type fastPerson struct{ name, email passage }

// reset makes e ready for another item.
func (e *fastEntry) reset() {
	*e = fastEntry{
		categories: e.categories[:0], creators: e.creators[:0], subjects: e.subjects[:0], terms: e.terms[:0],
		files: e.files[:0], dates: e.dates[:0], people: e.people[:0], media: mediaTree{nodes: e.media.nodes[:0]},
	}
}

// release makes e ready for another document and lets go of the last one.
func (e *fastEntry) release() {
	if max(cap(e.categories), cap(e.creators), cap(e.subjects), cap(e.terms), cap(e.files), cap(e.people), cap(e.dates), cap(e.media.nodes)) > maxReusedItems {
		*e = fastEntry{}
		return
	}
	clear(e.categories[:cap(e.categories)])
	clear(e.creators[:cap(e.creators)])
	clear(e.subjects[:cap(e.subjects)])
	clear(e.terms[:cap(e.terms)])
	clear(e.files[:cap(e.files)])
	clear(e.people[:cap(e.people)])
	clear(e.dates[:cap(e.dates)])
	clear(e.media.nodes[:cap(e.media.nodes)])
	e.reset()
}

// take puts the text of the leaf where it belongs. Of the elements of other
// vocabularies gofeed reads the first, of its own the last.
func (f *fastReader) take() {
	e, p := &f.entry, f.leaf.passage
	switch f.leaf.field {
	case fieldTitle:
		e.title = p
	case fieldGUID:
		e.guid, e.permalink = p, f.leaf.extra
	case fieldDescription:
		e.description = p
	case fieldContent:
		e.content = p
	case fieldAuthor:
		e.author = p
	case fieldLink:
		f.takeLink(fastLink{p, f.leaf.extra})
	case fieldCategory:
		e.categories = append(e.categories, p.raw)
	case fieldPublished:
		e.dates = append(e.dates, p)
	case fieldUpdated:
		e.updated = p
	case fieldPersonName:
		e.people[len(e.people)-1].name = p
	case fieldPersonEmail:
		e.people[len(e.people)-1].email = p
	case fieldHeadTitle, fieldHeadLink, fieldHeadDCTitle, fieldTTL, fieldHour, fieldDay, fieldPeriod, fieldFrequency:
		f.takeHead(p)
	default:
		f.takeForeign(p)
	}
}

// takeHead takes in the text of a channel or feed.
func (f *fastReader) takeHead(p passage) {
	h := &f.head
	switch f.leaf.field {
	case fieldHeadTitle:
		if f.format == formatAtom {
			h.title = f.atomText(&p)
		} else {
			h.title = f.text(p.raw)
		}
	case fieldHeadLink:
		h.link = f.rssLink(&fastLink{p, f.leaf.extra})
	case fieldTTL:
		h.ttl = f.text(p.raw)
	case fieldHour:
		h.hours = append(h.hours, f.text(p.raw))
	case fieldDay:
		h.days = append(h.days, f.text(p.raw))
	default:
		f.takeForeign(p)
	}
}

// takeForeign takes in the text of an element of another vocabulary.
func (f *fastReader) takeForeign(p passage) {
	e, to := &f.entry, (*passage)(nil)
	switch f.leaf.field {
	case fieldDCCreator:
		e.creators = append(e.creators, p.raw)
	case fieldDCSubject:
		e.subjects = append(e.subjects, p.raw)
	case fieldMediaDescription:
		e.media.nodes[len(e.media.nodes)-1].text = p.raw
	case fieldDCTitle:
		to = &e.dcTitle
	case fieldDCAuthor:
		to = &e.dcAuthor
	case fieldDCDescription:
		to = &e.dcDescription
	case fieldDCDate:
		to = &e.dcDate
	case fieldITunesAuthor:
		to = &e.itunesAuthor
	case fieldITunesSummary:
		to = &e.itunesSummary
	case fieldITunesKeywords:
		to = &e.itunesKeywords
	case fieldAtomSummary:
		to = &e.atomSummary
	case fieldAtomContent:
		to = &e.atomContent
	case fieldAtomPublished:
		to = &e.atomPublished
	case fieldAtomUpdated:
		to = &e.atomUpdated
	case fieldWriterName:
		to = &e.writerName
	case fieldWriterEmail:
		to = &e.writerEmail
	case fieldHeadDCTitle:
		to = &f.head.dcTitle
	case fieldPeriod:
		to = &f.head.period
	case fieldFrequency:
		to = &f.head.frequency
	}
	if f.leaf.markup && (to == nil || !to.set) {
		f.decline(DeclineMarkup)
	}
	if to != nil && !to.set {
		*to = p
	}
}

// takeLink takes in a link of RSS.
func (f *fastReader) takeLink(l fastLink) {
	e := &f.entry
	e.link = l
	if !e.linked {
		e.firstLink, e.linked = l, true
	}
}
