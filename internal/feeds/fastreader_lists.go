package feeds

import (
	"strconv"
	"strings"
)

// The lists of many items live together, so that a list costs no allocation of
// its own. They have no room to grow: appending to one moves it away.

// listsAtOnce is how many elements are allocated together.
const listsAtOnce = 64

// rssCategories returns the categories, those of RSS first.
func (f *fastReader) rssCategories() []string {
	e := &f.entry
	list := f.startCategories(len(e.categories) + len(e.subjects) + len(e.terms))
	for _, raw := range e.categories {
		list = appendTrimmed(list, f.text(raw))
	}
	if e.itunesKeywords.set {
		for word := range strings.SplitSeq(f.characters(e.itunesKeywords.raw), ",") {
			list = appendTrimmed(list, word)
		}
	}
	for _, raw := range e.subjects {
		list = appendTrimmed(list, f.characters(raw))
	}
	for _, term := range e.terms {
		list = appendTrimmed(list, f.keep(term))
	}
	return f.endCategories(list)
}

// startCategories returns an empty list with room for n categories.
func (f *fastReader) startCategories(n int) []string {
	if n > cap(f.categories) {
		f.categories = make([]string, 0, max(n, listsAtOnce))
	}
	return f.categories[:0]
}

// endCategories returns list, which startCategories began, and leaves the room
// behind it to later ones.
func (f *fastReader) endCategories(list []string) []string {
	n := len(list)
	if n == 0 {
		return nil
	}
	f.categories = list[n:]
	return list[:n:n]
}

// appendTrimmed appends s without surrounding white space, if anything is left.
func appendTrimmed(list []string, s string) []string {
	if s = strings.TrimSpace(s); s != "" {
		list = append(list, s)
	}
	return list
}

// startEnclosures and endEnclosures do the same for enclosures.
func (f *fastReader) startEnclosures(n int) []Enclosure {
	if n > cap(f.enclosures) {
		f.enclosures = make([]Enclosure, 0, max(n, listsAtOnce))
	}
	return f.enclosures[:0]
}

func (f *fastReader) endEnclosures(list []Enclosure) []Enclosure {
	n := len(list)
	if n == 0 {
		return nil
	}
	f.enclosures = list[n:]
	return list[:n:n]
}

// appendFile appends a file that is found at link, unless that is empty.
func (f *fastReader) appendFile(list []Enclosure, link string, file *fastFile) []Enclosure {
	e := Enclosure{URL: strings.TrimSpace(link)}
	if e.URL == "" {
		return list
	}
	e.Type = strings.TrimSpace(f.keep(file.kind))
	if len(file.length) > 0 {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(file.length)), 10, 64); err == nil && n > 0 {
			e.Length = n
		}
	}
	return append(list, e)
}
