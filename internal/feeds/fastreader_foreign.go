package feeds

import (
	"slices"
	"strings"
)

// Elements of other vocabularies within an item of RSS: Dublin Core, iTunes,
// Media RSS, and Atom.

// inForeign takes in a child of item that is not of RSS.
func (f *fastReader) inForeign(g *guard, e *element, v vocabulary) {
	local, to := string(e.name.local()), fieldNone
	switch v {
	case vocabularyDC:
		to = dcFields[local]
	case vocabularyITunes:
		if to = itunesFields[local]; local == "image" && !f.entry.hasITunesImage {
			f.entry.hasITunesImage = true
			f.entry.itunesImage = f.absolute(f.base, f.lastAttribute(g, "href"))
		}
	case vocabularyMedia:
		f.openMedia(g, local)
		return
	case vocabularyAtom, vocabularyAtom10, vocabularyAtom03:
		if f.openAtom(g, local, v); local == "author" && !f.entry.writer {
			f.entry.writer = true
			f.enter(scopeWriter)
			return
		}
		to = atomFields[local]
	}
	f.startLeaf(g, to)
}

// The elements that count, by their names, which these vocabularies tell apart
// by case.
var (
	dcFields = map[string]field{
		"title": fieldDCTitle, "creator": fieldDCCreator, "author": fieldDCAuthor,
		"subject": fieldDCSubject, "description": fieldDCDescription, "date": fieldDCDate,
	}
	itunesFields = map[string]field{
		"author": fieldITunesAuthor, "summary": fieldITunesSummary, "keywords": fieldITunesKeywords,
	}
	atomFields = map[string]field{
		"summary": fieldAtomSummary, "content": fieldAtomContent,
		"published": fieldAtomPublished, "updated": fieldAtomUpdated,
	}
)

// openAtom takes in an element of Atom in an item of RSS.
func (f *fastReader) openAtom(g *guard, local string, v vocabulary) {
	if local != "author" && local != "category" && atomFields[local] == fieldNone {
		return
	}
	f.usesAtom(v)
	if term := f.lastAttribute(g, "term"); local == "category" && len(term) > 0 {
		f.entry.terms = append(f.entry.terms, term)
	}
}

// inWriter takes in a child of an author of Atom.
func (f *fastReader) inWriter(g *guard, e *element) {
	to := fieldNone
	switch string(e.name.local()) {
	case "name":
		to = fieldWriterName
	case "email":
		to = fieldWriterEmail
	}
	f.startLeaf(g, to)
}

// author returns the names of an item's authors as gofeed's translator,
// completeItems and authors find them.
func (f *fastReader) author() string {
	e := &f.entry
	text, found := f.text(e.author.raw), true
	var name, address string
	switch {
	case text != "":
		name, address = splitPerson(text)
	case e.dcAuthor.set:
		name, address = splitPerson(f.characters(e.dcAuthor.raw))
	case len(e.creators) > 0:
		name, address = splitPerson(f.characters(e.creators[0]))
	default:
		if author := f.characters(e.itunesAuthor.raw); author != "" {
			name, address = splitPerson(author)
			break
		}
		name, address = f.characters(e.writerName.raw), f.characters(e.writerEmail.raw)
		found = name != "" || address != ""
	}
	if found && name == "" && address == "" {
		name = text
	}
	f.names = f.names[:0]
	if strings.TrimSpace(name) == "" {
		name = address
	}
	f.addName(name)
	if len(f.names) > 0 && len(e.creators) < 2 {
		return f.names[0]
	}
	f.addCreators()
	return f.joinNames()
}

// addCreators adds all of several creators, unless another element named the
// author.
func (f *fastReader) addCreators() {
	creators := make([]string, len(f.entry.creators))
	for i, raw := range f.entry.creators {
		creators[i] = f.characters(raw)
	}
	if len(f.names) == 0 || slices.Contains(creators, f.names[0]) {
		for _, creator := range creators {
			f.addName(creator)
		}
	}
}

// addName adds the name of an author that is not there yet.
func (f *fastReader) addName(name string) {
	if name = strings.TrimSpace(name); name != "" && len(f.names) < maxNames && !slices.Contains(f.names, name) {
		f.names = append(f.names, name)
	}
}

// joinNames returns the names of all authors.
func (f *fastReader) joinNames() string {
	if len(f.names) == 1 {
		return f.names[0]
	}
	return strings.Join(f.names, ", ")
}

// splitPerson returns the name and the address in the text of an author, such
// as "ann@example.org (Ann)" or "Ann (ann@example.org)", as gofeed's four
// regular expressions do; both empty when none of these matches.
func splitPerson(text string) (name, address string) {
	at := strings.IndexByte(text, '@')
	paren := strings.IndexAny(text, "()")
	switch {
	case paren < 0 && at < 0:
		return text, ""
	case paren < 0:
		if at == 0 || at == len(text)-1 || strings.IndexByte(text[at+1:], '@') >= 0 {
			return "", ""
		}
		return "", text
	case at <= 0 || text[len(text)-1] != ')':
		return "", ""
	}
	const space = " \t\n\f\r"
	if end := strings.IndexAny(text[at+1:], space); end > 0 { // address (name)
		end += at + 1
		rest := strings.TrimLeft(text[end:], space)
		if len(rest) > 2 && rest[0] == '(' && strings.IndexByte(rest, '@') < 0 {
			return rest[1 : len(rest)-1], text[:end]
		}
	}
	if tail := text[at+1 : len(text)-1]; tail == "" || strings.IndexByte(tail, ')') >= 0 {
		return "", ""
	}
	for open := at - 2; open >= 2; open-- { // name (address)
		if text[open] == '(' && strings.IndexByte(space, text[open-1]) >= 0 {
			return text[:open-1], text[open+1 : len(text)-1]
		}
	}
	return "", ""
}
