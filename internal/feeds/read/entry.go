package read

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
)

// A rawItem is what an item has, before its text is read.
type rawItem struct {
	at    [firstList]passage // the last of each that is not empty
	lists []listed

	link    passage // where the item leads, as its best link says
	rank    int     // how good that is; 0 for none
	related passage // of Atom in an item of RSS
	about   []byte  // the attribute of RDF
	opaque  bool    // the guid is no link
	files   []file
	image   passage // by iTunes, or in an element of that name
	thumb   passage // by Media RSS
}

// A listed is one of the fields that may be there several times.
type listed struct {
	field field
	passage
}

// A file belongs to an item.
type file struct {
	url, kind, medium, length []byte
	base                      *location
}

// reset makes e ready for another item.
func (e *rawItem) reset() { *e = rawItem{lists: e.lists[:0], files: e.files[:0]} }

// take puts a text where it belongs. One that is empty overrides nothing.
func (e *rawItem) take(f field, p passage) {
	if f >= firstList {
		e.lists = append(e.lists, listed{f, p})
	} else if !isBlank(p.raw) {
		e.at[f] = p
	}
}

// isBlank reports whether raw says nothing at all.
func isBlank(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	if bytes.HasPrefix(raw, cdataStart) && bytes.Index(raw, cdataEnd) == len(raw)-len(cdataEnd) {
		raw = bytes.TrimSpace(raw[len(cdataStart) : len(raw)-len(cdataEnd)])
	}
	return len(raw) == 0
}

// item returns what e says.
func (m *maker) item(e *rawItem) feeds.Item {
	it := feeds.Item{
		GUID:    m.keep(m.first(e, fieldGUID, fieldAtomID)),
		Title:   m.keep(m.oneLine(m.first(e, fieldTitle, fieldAtomTitle, fieldDCTitle, fieldMediaTitle, fieldITunesTitle))),
		Content: m.keep(m.first(e, fieldEncoded, fieldAtomContent, fieldContent, fieldBody)),
		Summary: m.keep(m.first(e, fieldDescription, fieldAtomSummary, fieldSummary, fieldDCDescription, fieldITunesSummary,
			fieldGoogleDescription, fieldITunesSubtitle)),
	}
	if it.GUID == "" {
		it.GUID = m.keep(m.text(e.about))
	}
	if it.GUID == "" {
		it.GUID = m.keep(m.first(e, fieldDCIdentifier))
	}
	if it.Summary == "" && it.Content == "" {
		it.Summary = m.keep(m.first(e, fieldMediaDescription))
	}
	m.leads(e, &it)
	m.dates(e, &it)
	m.illustrate(e, &it)
	it.Categories = m.categoriesOf(e)
	return it
}

// first returns what the first of the fields that are not empty says.
func (m *maker) first(e *rawItem, fields ...field) []byte {
	for _, f := range fields {
		if e.at[f].raw != nil {
			if text := m.field(f, &e.at[f]); len(text) > 0 {
				return text
			}
		}
	}
	return nil
}

// field returns what p says as f: HTML for what has more than a line, and else text.
func (m *maker) field(f field, p *passage) []byte {
	switch f {
	case fieldAtomTitle:
		return m.construct(p, true)
	case fieldAtomSummary, fieldAtomContent:
		return m.construct(p, false)
	case fieldContent, fieldSummary:
		if len(p.kind) > 0 {
			return m.construct(p, false)
		}
	case fieldBody:
		return m.xhtml(p, false)
	case fieldMediaDescription:
		if !bytes.EqualFold(bytes.TrimSpace(p.kind), []byte("html")) {
			return m.escaped(m.text(p.raw), false)
		}
	case fieldTitle, fieldDescription, fieldEncoded:
	default:
		return m.text(p.raw)
	}
	return m.rewrite(m.text(p.raw), p.base)
}

// leads sets where an item leads: what stood in place of a redirector's link, its
// link, what Atom says, its guid where that is a URL, what RDF says it is about.
func (m *maker) leads(e *rawItem, it *feeds.Item) {
	for _, p := range []*passage{&e.at[fieldOrigLink], &e.link, &e.related} {
		if p.raw == nil {
			continue
		}
		if it.Link = m.link(p.base, m.text(p.raw)); it.Link != "" {
			return
		}
	}
	if isPage(it.GUID) && !e.opaque && len(it.GUID) <= maxURL {
		it.Link = it.GUID
	} else if about := m.link(nil, m.text(e.about)); isPage(about) {
		it.Link = about
	}
}

// isPage reports whether s is the URL of something on the web.
func isPage(s string) bool {
	n := schemeSize(s)
	return strings.HasPrefix(s[n:], "//") && (strings.EqualFold(s[:n], "http:") || strings.EqualFold(s[:n], "https:"))
}

// dates sets both dates.
func (m *maker) dates(e *rawItem, it *feeds.Item) {
	first := func(fields ...field) int64 {
		for _, f := range fields {
			if e.at[f].raw != nil {
				if at, ok := m.moment(e.at[f].raw); ok {
					return at
				}
			}
		}
		return 0
	}
	it.Updated = first(fieldUpdated, fieldModified, fieldDCDate)
	for i := len(e.lists) - 1; i >= 0 && it.Published == 0; i-- {
		if l := &e.lists[i]; l.field == fieldPublished { // the last one that is a date
			it.Published, _ = m.moment(l.raw)
		}
	}
	if it.Published == 0 {
		it.Published = first(fieldIssued, fieldDCDate, fieldCreated, fieldUpdated, fieldModified)
	}
}

// moment returns the date in raw. The common ones are read without a copy.
func (m *maker) moment(raw []byte) (seconds int64, ok bool) {
	text := m.text(raw)
	if seconds, ok = date.Common(string(text)); !ok {
		seconds, ok = m.calendar.Read(string(text))
	}
	return seconds, ok
}

// illustrate sets the enclosures, each once, and the image: that of iTunes, a
// thumbnail, or the first file that is a picture.
func (m *maker) illustrate(e *rawItem, it *feeds.Item) {
	it.Image = m.link(e.image.base, m.text(e.image.raw))
	if it.Image == "" {
		it.Image = m.link(e.thumb.base, m.text(e.thumb.raw))
	}
	list := m.files[:0]
	for i := range e.files {
		f := &e.files[i]
		enclosure := feeds.Enclosure{URL: m.link(f.base, m.text(f.url))}
		if enclosure.URL == "" || slices.ContainsFunc(list, func(e feeds.Enclosure) bool { return e.URL == enclosure.URL }) {
			continue
		}
		enclosure.Type, enclosure.Length = m.keep(m.text(f.kind)), fileSize(string(bytes.TrimSpace(f.length)))
		if list = append(list, enclosure); it.Image == "" && f.isPicture() {
			it.Image = enclosure.URL
		}
		if len(list) > maxEnclosures {
			break // each is looked for among those before it
		}
	}
	it.Enclosures, m.files = m.enclosures.keep(list), list
}

// isPicture reports whether f is an image, which the end of its URL tells where
// nothing else does.
func (f *file) isPicture() bool {
	if len(f.kind) > 0 || len(f.medium) > 0 {
		return bytes.HasPrefix(bytes.TrimSpace(f.kind), []byte("image/")) || bytes.EqualFold(bytes.TrimSpace(f.medium), []byte("image"))
	}
	url := bytes.TrimSpace(f.url)
	if n := bytes.IndexAny(url, "?#"); n >= 0 {
		url = url[:n]
	}
	switch strings.ToLower(string(url[bytes.LastIndexByte(url, '.')+1:])) {
	case "jpg", "jpeg", "png", "gif", "webp", "avif", "svg":
		return true
	}
	return false
}

// fileSize returns a size in bytes, as people write it: with commas between the digits,
// or as a fraction that is none. It is 0 for what is no size.
func fileSize(text string) int64 {
	if text == "" {
		return 0
	}
	text = strings.ReplaceAll(text, ",", "")
	if whole, zeros, ok := strings.Cut(text, "."); ok && strings.Trim(zeros, "0") == "" {
		text = whole
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return max(size, 0)
}

// A chunk is where lists of items live together, so that one costs no allocation of its
// own. They have no room to grow.
type chunk[T any] struct{ free []T }

// keep returns a copy of list.
func (c *chunk[T]) keep(list []T) []T {
	if len(list) == 0 {
		return nil
	}
	if len(list) > len(c.free) {
		c.free = make([]T, max(len(list), 64))
	}
	n := copy(c.free, list)
	kept := c.free[:n:n]
	c.free = c.free[n:]
	return kept
}

// categoriesOf returns the categories of an item, each once.
func (m *maker) categoriesOf(e *rawItem) []string {
	list := m.topics[:0]
	add := func(text []byte) {
		text = bytes.TrimSpace(text)
		if len(text) > 0 && len(list) <= maxCategories && !slices.ContainsFunc(list, func(c string) bool { return c == string(text) }) {
			list = append(list, m.keep(text))
		}
	}
	for i := range e.lists {
		switch l := &e.lists[i]; l.field {
		case fieldCategory:
			if inner := m.children(l.raw, "category"); len(inner) > 0 {
				for _, raw := range inner {
					add(m.line(raw))
				}
				continue
			}
			add(m.line(l.raw))
		case fieldKeywords:
			for word := range bytes.SplitSeq(m.line(l.raw), []byte(",")) {
				add(word)
			}
		}
	}
	m.topics = list
	return m.categories.keep(list)
}
