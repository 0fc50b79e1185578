package read

import (
	"bytes"
	"slices"
	"strings"

	"feedmill/internal/feeds/read/scan"
)

// author returns the names of an item's authors, or their addresses where no name
// is given, and whether there is an element that says who it is.
func (m *maker) author(e *rawItem) (names string, said bool) {
	addresses := ""
	for _, f := range [...]field{fieldAuthor, fieldCreator, fieldITunesAuthor, fieldAtomAuthor, fieldGoogleAuthor} {
		m.names = m.names[:0]
		named := false
		for i := range e.lists {
			if l := &e.lists[i]; l.field == f {
				name, some := m.person(l.raw)
				named, said = named || name, said || some
			}
		}
		switch {
		case named && f == fieldAuthor:
			m.addCreators(e)
			fallthrough
		case named:
			return m.joined(), true
		case addresses == "" && len(m.names) > 0:
			addresses = m.joined()
		}
	}
	return addresses, said
}

// addCreators adds the creators when the author is one of them.
func (m *maker) addCreators(e *rawItem) {
	n, author := len(m.names), m.names[0]
	for i := range e.lists {
		if l := &e.lists[i]; l.field == fieldCreator {
			m.person(l.raw)
		}
	}
	for i := range e.lists {
		if l := &e.lists[i]; l.field == fieldCreator && string(m.line(l.raw)) == author {
			return
		}
	}
	m.names = m.names[:n]
}

// joined returns the names that were found.
func (m *maker) joined() string {
	if len(m.names) == 1 {
		return m.names[0]
	}
	return strings.Join(m.names, ", ")
}

// person adds the names in raw: elements as in Atom, or text as in RSS; and where
// there is none, the address. named is whether there is one, and said whether raw
// says anything.
func (m *maker) person(raw []byte) (named, said bool) {
	markup := m.hasMarkup(raw)
	if inline := bytes.TrimSpace(raw); markup && (inline[0] != '<' || bytes.HasPrefix(inline, []byte("<a "))) && len(m.children(raw, "name")) == 0 {
		raw, markup = m.untagged(raw), false // a name with a link
	}
	if !markup {
		text := m.line(raw)
		return m.people(text), len(text) > 0
	}
	before := len(m.names)
	for _, name := range m.children(raw, "name") {
		m.addName(m.line(name))
		said = said || !isBlank(name)
	}
	if said {
		return true, true
	}
	for _, address := range m.children(raw, "email") {
		m.addName(m.line(address))
	}
	said = len(m.names) > before || len(m.children(raw, "uri")) > 0 || len(m.children(raw, "url")) > 0
	return false, said
}

// addName adds the name of an author that is not there yet.
func (m *maker) addName(name []byte) {
	name = bytes.TrimSpace(name)
	if len(name) == 0 || len(m.names) >= maxNames || slices.ContainsFunc(m.names, func(n string) bool { return n == string(name) }) {
		return
	}
	m.names = append(m.names, m.keep(name))
}

// people adds the names in the text of an author, such as "ann@example.org (Ann)",
// "Ann <ann@example.org>" or several of these; or the address, when there is no
// name, and then named is false.
func (m *maker) people(text []byte) (named bool) {
	if bytes.IndexByte(text, '<') >= 0 && !m.hasAddress(text) {
		text = bytes.TrimSpace(m.untagged(text))
	}
	rest, names := text, len(m.names)
	for {
		name, more, ok := cutPerson(rest)
		if !ok {
			if len(m.names) > names && !bytes.ContainsAny(rest, "@(<") {
				m.addName(rest) // the last of them has no address
				return true
			}
			break
		}
		m.addName(name)
		if len(more) == 0 {
			return true
		}
		rest = more
	}
	m.names = m.names[:names]
	text = bytes.TrimPrefix(text, []byte("mailto:"))
	if isAddress(text) {
		m.addName(text)
		return false
	}
	if at := bytes.IndexByte(text, ' '); at > 0 && isAddress(text[:at]) && bytes.IndexByte(text[at:], '@') < 0 {
		text = text[at:] // "ann@example.org Ann"
	}
	m.addName(text)
	return len(text) > 0
}

// cutPerson returns the name in the first of several people in text, and what
// follows the comma after it. ok is false when text does not begin with a name and
// an address, one of them in brackets.
func cutPerson(text []byte) (name, more []byte, ok bool) {
	open := bytes.IndexAny(text, "(<")
	if open <= 0 {
		return nil, nil, false
	}
	end, depth := open, 0
	for ; end < len(text); end++ {
		if c := text[end]; c == '(' || c == '<' {
			depth++
		} else if c == ')' || c == '>' {
			if depth--; depth == 0 {
				break
			}
		}
	}
	if end == len(text) {
		return nil, nil, false
	}
	outer, inner := bytes.TrimSpace(text[:open]), bytes.TrimSpace(text[open+1:end])
	more = bytes.TrimSpace(text[end+1:])
	if len(more) > 0 {
		if more[0] != ',' && more[0] != ';' {
			return nil, nil, false
		}
		more = bytes.TrimSpace(more[1:])
	}
	switch {
	case isAddress(outer):
		return inner, more, true
	case isAddress(bytes.TrimPrefix(inner, []byte("mailto:"))):
		return bytes.Trim(outer, `" `), more, true
	}
	return nil, nil, false
}

// isAddress reports whether text is an e-mail address and nothing else.
func isAddress(text []byte) bool {
	at := bytes.IndexByte(text, '@')
	return at > 0 && at < len(text)-1 && bytes.IndexByte(text[at+1:], '@') < 0 && !bytes.ContainsAny(text, " \t()<>,")
}

// hasAddress reports whether an address stands in angle brackets in text.
func (m *maker) hasAddress(text []byte) bool {
	_, rest, _ := bytes.Cut(text, []byte("<"))
	inner, _, _ := bytes.Cut(rest, []byte(">"))
	return isAddress(bytes.TrimPrefix(inner, []byte("mailto:")))
}

// untagged returns text without the tags in it.
func (m *maker) untagged(text []byte) []byte {
	var out []byte
	for s := m.piece(text); ; {
		switch s.Next() {
		case scan.Text, scan.CDATA:
			out = append(out, s.Text...)
		case scan.EOF, scan.Fault:
			return out
		}
	}
}
