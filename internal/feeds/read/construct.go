package read

import (
	"bytes"
	"encoding/base64"

	"feedmill/internal/feeds/read/charset"
)

// construct returns what a text construct or a content of Atom says: HTML, or of a
// title that is plain, the text.
func (m *maker) construct(p *passage, title bool) []byte {
	var room [40]byte
	kind := lower(room[:0], bytes.TrimSpace(p.kind[:min(len(p.kind), len(room))]))
	is := func(part string) bool { return bytes.Contains(kind, []byte(part)) }
	switch {
	case bytes.EqualFold(bytes.TrimSpace(p.mode), []byte("base64")):
		text, _ := unbase64(m.text(p.raw))
		if is("html") {
			return m.rewrite(text, p.base)
		} else if len(kind) > 0 && !bytes.HasPrefix(kind, []byte("text")) {
			return nil
		}
		return m.escaped(text, title)
	case is("xhtml") && !bytes.EqualFold(bytes.TrimSpace(p.mode), []byte("escaped")):
		return m.xhtml(p, true)
	case is("html"):
		if inner := m.undivided(p.raw); inner != nil {
			p.raw = inner
		}
		return m.rewrite(m.text(p.raw), p.base)
	case is("/xml"), is("+xml"):
		return m.text(p.raw)
	case len(kind) > 0 && is("/") && !bytes.HasPrefix(kind, []byte("text/")):
		// A file in base64 (RFC 4287, 4.1.3.3). One of no kind may be a text; feedparser,
		// gofeed and SimplePie take it for HTML.
		if is("octet-stream") {
			if text, whole := unbase64(m.text(p.raw)); whole {
				return m.rewrite(text, p.base)
			}
		}
		if title {
			return m.text(p.raw)
		}
		return nil
	case m.hasMarkup(p.raw):
		return m.xhtml(p, true)
	}
	return m.escaped(m.text(p.raw), title)
}

// undivided returns what stands in raw between the tags of a div, in which there is
// nothing but text: HTML that was escaped and put into a div all the same, as TypePad
// does. It is nil for all else.
func (m *maker) undivided(raw []byte) []byte {
	raw = bytes.TrimSpace(raw)
	if !bytes.HasPrefix(raw, []byte("<")) || !bytes.HasSuffix(raw, []byte(">")) {
		return nil
	}
	inner := m.children(raw, "div")
	if len(inner) != 1 || m.hasMarkup(inner[0]) || bytes.Count(raw, []byte("<")) != 2+bytes.Count(inner[0], []byte("<")) {
		return nil
	}
	return inner[0]
}

// escaped returns plain text as HTML, and that of a title as it is.
func (m *maker) escaped(text []byte, title bool) []byte {
	if title || !bytes.ContainsAny(text, "&<>") {
		return text
	}
	return []byte(escaper.Replace(string(text)))
}

// unbase64 returns what text says in base64, nothing when it is none, and whether all
// of that is text.
func unbase64(text []byte) (clean []byte, whole bool) {
	packed := bytes.Join(bytes.Fields(text), nil)
	n, err := base64.StdEncoding.Decode(packed, packed)
	if err != nil {
		return nil, false
	}
	clean, changed := charset.Sanitize(packed[:n])
	return clean, !changed
}
