package read

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"

	"feedmill/internal/feeds/read/scan"
)

// rewrite returns HTML with the links that are relative made absolute. Every other
// byte stays as it is. The result is valid until the next text.
//
// Rejected: parsing the HTML and writing it anew. That puts half a page around what
// is a piece, spells the rest differently, and takes time by the square where
// elements are left open.
func (m *maker) rewrite(text []byte, base *location) []byte {
	if base == nil || !mayLead(text) {
		return text
	}
	out, copied, at := m.out[:0], 0, 0
	tokens := html.NewTokenizer(bytes.NewReader(text))
	for kind := tokens.Next(); kind != html.ErrorToken; kind = tokens.Next() {
		end := at + len(tokens.Raw())
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			if tag := []byte("<noscript"); bytes.EqualFold(text[at:min(at+len(tag), end)], tag) {
				tokens.NextIsNotRawText() // readers run no scripts
			}
			out, copied = m.rewriteTag(out, text, copied, at, end, base)
		}
		at = end
	}
	m.out = append(out, text[copied:]...)
	return m.out
}

// rewriteTag appends what is new of the tag text[at:end]. All before copied is in
// out already.
func (m *maker) rewriteTag(out, text []byte, copied, at, end int, base *location) (_ []byte, done int) {
	m.tag.Input, m.tag.Pos = text[:end], at
	if m.tag.Next() != scan.Open {
		return out, copied
	}
	for i := range m.tag.Attrs {
		a := &m.tag.Attrs[i]
		link, list := isLink(m.tag.Name.Full, a.Name.Full)
		// All are slices of text. One without a value has its name for one.
		from, name := cap(text)-cap(a.Value), cap(text)-cap(a.Name.Full)
		if !link || a.Value == nil || from < name+len(a.Name.Full) || len(a.Value) == 0 && !bytes.EqualFold(a.Name.Full, []byte("href")) {
			continue
		}
		bare := text[from-1] != '"' && text[from-1] != '\''
		before := len(out)
		out = append(out, text[copied:from]...)
		if bare {
			out = append(out, '"')
		}
		changed := false
		if out, changed = m.appendLink(out, base, a.Value, list); !changed {
			out = out[:before]
			continue
		}
		if bare {
			out = append(out, '"')
		}
		copied = from + len(a.Value)
	}
	return out, copied
}

// mayLead reports whether HTML may have a link that is relative. To look for what
// stands around the signs of equality costs little, and finds none in most texts.
func mayLead(text []byte) bool {
	for at := 0; ; at++ {
		n := bytes.IndexByte(text[at:], '=')
		if n < 0 {
			return false
		}
		at += n
		name := bytes.TrimRight(text[:at], " \t\r\n\f")
		from := len(name)
		for from > 0 && isNameByte(name[from-1]) {
			from--
		}
		if link, _ := isLink([]byte("object"), name[from:]); !link {
			continue
		}
		value := bytes.TrimLeft(text[at+1:], " \t\r\n\f")
		if len(value) > 0 && (value[0] == '"' || value[0] == '\'') {
			value = bytes.TrimLeft(value[1:], " \t\r\n\f")
		}
		n = schemeSize(value[:min(len(value), 32)])
		if n == 0 || name[len(name)-1]|0x20 == 't' && len(name)-from >= len("srcset") {
			return true
		}
	}
}

// isNameByte reports whether c may be in the name of an attribute.
func isNameByte(c byte) bool {
	return isDecimal(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == ':' || c == '_'
}

// escaper makes HTML of plain text.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
