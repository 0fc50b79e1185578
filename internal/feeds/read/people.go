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
		named = m.addName(m.line(name)) || named
	}
	if named {
		return true, true
	}
	for _, address := range m.children(raw, "email") {
		m.addName(m.line(address))
	}
	said = len(m.names) > before || len(m.children(raw, "uri")) > 0 || len(m.children(raw, "url")) > 0
	return false, said
}

// addName adds the name of an author that is not there yet, and reports whether it is
// a name: spaces, also those that do not break, are none.
func (m *maker) addName(name []byte) bool {
	name = bytes.TrimSpace(name)
	if len(name) > 0 && len(m.names) < maxNames && !slices.ContainsFunc(m.names, func(n string) bool { return n == string(name) }) {
		m.names = append(m.names, m.keep(name))
	}
	return len(name) > 0
}

// people adds the names in the text of an author: that of one, or of a list of such
// as "ann@example.org (Ann)" and "Ann <ann@example.org>", of names and addresses.
// named is false when there are only addresses.
func (m *maker) people(text []byte) (named bool) {
	if bytes.IndexByte(text, '<') >= 0 && !m.hasAddress(text) {
		text = bytes.TrimSpace(m.untagged(text))
	}
	if bytes.IndexByte(text, '@') < 0 {
		return m.addName(text)
	}
	names, isList, addresses := len(m.names), false, true
	for rest := text; len(rest) > 0; {
		var one []byte
		one, rest = cutPerson(rest)
		name, told := nameIn(one)
		isList, addresses = isList || told, addresses && isAddress(name)
		m.addName(name)
	}
	if isList || addresses {
		return isList
	}
	m.names = m.names[:names]
	if at := bytes.IndexByte(text, ' '); at > 0 && isAddress(text[:at]) && bytes.IndexByte(text[at:], '@') < 0 {
		address, name := text[:at], text[at:] // "ann@example.org Ann"
		if bytes.IndexByte(name, ')') < 0 {
			name = bytes.TrimLeft(name, " (") // a bracket that is not shut
		}
		if !m.addName(name) {
			m.addName(address)
			return false
		}
		return true
	}
	return m.addName(text)
}

// cutPerson cuts the first of several people off text. A comma in quotes or brackets
// belongs to the name.
func cutPerson(text []byte) (one, rest []byte) {
	depth, quoted := 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '(' || c == '<':
			depth++
		case c == ')' || c == '>':
			depth--
		case (c == ',' || c == ';') && depth <= 0 && !quoted:
			return bytes.TrimSpace(text[:i]), text[i+1:]
		}
	}
	return bytes.TrimSpace(text), nil
}

// nameIn returns the name of one of several people, and whether an address stands
// before or behind it, one of the two in brackets; else all of it.
func nameIn(one []byte) (name []byte, told bool) {
	one = bytes.TrimPrefix(one, []byte("mailto:"))
	open, depth := bytes.IndexAny(one, "(<["), 0
	shut := max(open, 0)
	for ; shut < len(one); shut++ {
		switch one[shut] {
		case '(', '<', '[':
			depth++
		case ')', '>', ']':
			depth--
		}
		if depth == 0 {
			break
		}
	}
	if open < 0 || shut == len(one) || open > 0 && shut < len(one)-1 {
		return one, false // there is more around the brackets
	}
	outer, inner := bytes.TrimSpace(append(one[:open:open], one[shut+1:]...)), bytes.TrimSpace(one[open+1:shut])
	address := bytes.TrimPrefix(inner, []byte("mailto:"))
	switch {
	case len(outer) == 0:
		return inner, false
	case isAddress(outer) && len(inner) == 0:
		return outer, true
	case isAddress(outer):
		return inner, true
	case isAddress(address):
		if name = bytes.TrimSpace(bytes.Trim(outer, `" `)); len(name) == 0 {
			return address, false
		}
		return name, true
	}
	return one, false
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
