package read

import (
	"bytes"
	"slices"
	"strings"
)

// rewrite returns HTML with the links that are relative made absolute. Every other
// byte stays as it is. The result is valid until the next text.
//
// Rejected: parsing the HTML and writing it anew. That puts half a page around what
// is a piece, spells the rest differently, and takes time by the square where
// elements are left open.
func (m *maker) rewrite(text []byte, base *location) []byte {
	if base == nil {
		return text
	}
	out, copied := m.out[:0], 0
	h := htmlTags{text: text}
	for h.next() {
		before, from := len(out), copied
		for h.attribute() {
			link, list := isLink(h.name, h.key)
			if !link || h.value == nil || len(h.value) == 0 && !bytes.EqualFold(h.key, []byte("href")) {
				continue
			}
			mark := len(out)
			out = append(out, text[copied:h.from]...)
			bare := text[h.from-1] != '"' && text[h.from-1] != '\''
			if bare {
				out = append(out, '"')
			}
			changed := false
			if out, changed = m.appendLink(out, base, h.value, list); !changed {
				out = out[:mark]
				continue
			}
			if bare {
				out = append(out, '"')
			}
			copied = h.from + len(h.value)
		}
		if h.cut {
			out, copied = out[:before], from
		}
	}
	if copied == 0 {
		return text
	}
	m.out = append(out, text[copied:]...)
	return m.out
}

// htmlTags finds the start tags of HTML, as the tokenizer of the HTML standard does
// (section 13.2.5), but for a script within a comment within a script. A test on
// random pieces holds it to that of x/net/html.
//
// Rejected: x/net/html's tokenizer itself, which copies the name of each attribute.
// Feeds with xml:base took three times as long, and 31 allocations an item.
type htmlTags struct {
	text []byte
	pos  int
	name []byte // of the tag
	cut  bool   // the text ends within the tag

	key, value []byte // of the attribute; value is nil where it has none
	from       int    // where value begins
}

// next goes to the next start tag. All attributes of the one before have been read.
func (h *htmlTags) next() bool {
	h.skipRawText()
	for !h.cut {
		n := bytes.IndexByte(h.text[h.pos:], '<')
		if n < 0 {
			return false
		}
		h.pos += n + 1
		switch rest := h.text[h.pos:]; {
		case len(rest) > 0 && isLetter(rest[0]):
			h.name = h.word("/>")
			return true
		case len(rest) > 1 && rest[0] == '/' && isLetter(rest[1]):
			h.pos++
			for h.word("/>"); h.attribute(); {
			}
		case bytes.HasPrefix(rest, []byte("!--")):
			h.skipComment()
		case len(rest) > 0 && (rest[0] == '!' || rest[0] == '?' || rest[0] == '/'):
			h.skipPast(">")
		}
	}
	return false
}

// attribute reads the next attribute of the tag, and what ends the tag.
func (h *htmlTags) attribute() bool {
	h.skipBlanks("/")
	if h.pos == len(h.text) {
		h.cut = true
		return false
	}
	if h.text[h.pos] == '>' {
		h.pos++
		return false
	}
	h.value, h.key = nil, h.word("=/>")
	h.skipBlanks("")
	if h.pos == len(h.text) || h.text[h.pos] != '=' {
		return true
	}
	h.pos++
	h.skipBlanks("")
	if h.pos == len(h.text) || h.text[h.pos] == '>' {
		return true
	}
	if quote := h.text[h.pos]; quote == '"' || quote == '\'' {
		h.pos++
		h.from = h.pos
		h.skipPast(string(quote))
		if h.value = h.text[h.from:max(h.from, h.pos-1)]; h.cut {
			return false
		}
		return true
	}
	h.from = h.pos
	h.value = h.word(">")
	return true
}

// word reads to the next blank, or one of the bytes of ends, and at least one byte.
func (h *htmlTags) word(ends string) []byte {
	from := h.pos
	for h.pos++; h.pos < len(h.text) && !isHTMLBlank(h.text[h.pos]) && strings.IndexByte(ends, h.text[h.pos]) < 0; {
		h.pos++
	}
	return h.text[from:h.pos]
}

// skipBlanks skips blanks, and the bytes of others.
func (h *htmlTags) skipBlanks(others string) {
	for h.pos < len(h.text) && (isHTMLBlank(h.text[h.pos]) || strings.IndexByte(others, h.text[h.pos]) >= 0) {
		h.pos++
	}
}

// skipPast skips to behind the next end.
func (h *htmlTags) skipPast(end string) {
	n := bytes.Index(h.text[h.pos:], []byte(end))
	if n < 0 {
		h.pos, h.cut = len(h.text), true
		return
	}
	h.pos += n + len(end)
}

// skipComment skips the comment that begins with "!--".
func (h *htmlTags) skipComment() {
	h.pos += len("!--")
	for _, short := range []string{">", "->"} {
		if bytes.HasPrefix(h.text[h.pos:], []byte(short)) {
			h.pos += len(short)
			return
		}
	}
	for {
		if h.skipPast("--"); h.cut {
			return
		}
		for h.pos < len(h.text) && h.text[h.pos] == '-' {
			h.pos++
		}
		if bytes.HasPrefix(h.text[h.pos:], []byte("!>")) {
			h.pos++
		}
		if h.pos < len(h.text) && h.text[h.pos] == '>' {
			h.pos++
			return
		}
	}
}

// skipRawText skips the content of an element in which no tag counts but its own end.
func (h *htmlTags) skipRawText() {
	if !isRawHTML(h.name) {
		return
	}
	for !h.cut {
		if h.skipPast("</"); bytes.EqualFold(h.name, []byte("plaintext")) {
			continue
		}
		rest := h.text[h.pos:]
		if n := len(h.name); len(rest) > n && bytes.EqualFold(rest[:n], h.name) && (isHTMLBlank(rest[n]) || rest[n] == '/' || rest[n] == '>') {
			h.pos -= len("</")
			break
		}
	}
	h.name = nil
}

// isRawHTML reports whether an element's content is text, in a reader that runs no scripts.
func isRawHTML(name []byte) bool {
	return slices.ContainsFunc(rawElements, func(raw string) bool { return bytes.EqualFold(name, []byte(raw)) })
}

var rawElements = []string{"iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp"}

func isHTMLBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' && c != '\v' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// escaper makes HTML of plain text.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
