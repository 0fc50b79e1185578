package read

import (
	"bytes"
	"slices"

	"feedmill/internal/feeds/read/scan"
)

// An xhtmlWriter writes markup that was read as XML as HTML: elements without
// content get the end tag that HTML wants, CDATA sections are escaped, prefixes and
// namespaces are gone. What refers to a character becomes that, unless it is one of
// HTML's own.
type xhtmlWriter struct {
	m    *maker
	out  []byte
	base *location

	open     []xhtmlElement
	bound    bindings
	rawText  bool // within an element whose text HTML does not decode
	roots    int  // elements that stand in no other
	div      bool // the last of them is a div
	bare     bool // text stands in no element
	from, to int  // what is in the one root
}

type xhtmlElement struct {
	name  []byte // as the document has it
	tag   []byte // as HTML has it
	base  *location
	bound int
}

// xhtml returns the markup in p as HTML, without the div around it when unwrap is
// true and there is just that. The result is valid until the next text.
func (m *maker) xhtml(p *passage, unwrap bool) []byte {
	w := &m.writer
	*w = xhtmlWriter{m: m, out: m.scratch[:0], base: p.base, open: w.open[:0], bound: bindings{inScope: append(w.bound.inScope[:0], binding{prefix: p.prefix, vocab: vocabXHTML})}}
	for s := m.piece(bytes.TrimSpace(p.raw)); ; {
		kind := s.Next()
		if kind == scan.EOF || kind == scan.Fault {
			break
		}
		switch kind {
		case scan.Open:
			w.startTag(s)
		case scan.Close:
			w.endTag(s.Name.Full)
		case scan.Text:
			w.text(s.Text, false)
		case scan.CDATA:
			w.text(s.Text, true)
		}
	}
	for len(w.open) > 0 {
		w.pop()
	}
	m.scratch = w.out
	if unwrap && w.div && w.roots == 1 && !w.bare {
		return bytes.TrimSpace(w.out[w.from:w.to])
	}
	return bytes.TrimSpace(w.out)
}

// startTag writes the start tag that s stands on.
func (w *xhtmlWriter) startTag(s *scan.Scanner) {
	e := xhtmlElement{name: s.Name.Full, base: w.base, bound: len(w.bound.inScope)}
	for i := range s.Attrs {
		switch a := &s.Attrs[i]; {
		case bytes.HasPrefix(a.Name.Full, []byte("xmlns:")):
			w.bound.inScope = append(w.bound.inScope, binding{prefix: a.Name.Full[len("xmlns:"):], vocab: namespaceOf(a.Value)})
		case string(a.Name.Full) == "xml:base":
			w.base = w.base.join(attrText(a))
		}
	}
	if e.tag = s.Name.Full; s.Name.Colon > 0 && w.isPlain(s.Name.Prefix()) {
		e.tag = s.Name.Local()
	}
	if len(w.open) == 0 {
		w.roots++
	}
	w.out = append(append(w.out, '<'), e.tag...)
	for i := range s.Attrs {
		w.attribute(e.tag, &s.Attrs[i])
	}
	switch {
	case scan.IsVoid(e.tag), string(e.tag) == "link", string(e.tag) == "source":
		w.out = append(w.out, "/>"...)
		w.base, w.bound.inScope = e.base, w.bound.inScope[:e.bound]
		return
	case len(w.open) == maxDepth:
		w.out = append(w.out, '>')
		return
	}
	w.out = append(w.out, '>')
	if w.open = append(w.open, e); len(w.open) == 1 {
		w.from, w.div = len(w.out), string(e.tag) == "div"
	}
	w.rawText = isRawText(e.tag)
	if s.Empty {
		w.pop()
	}
}

// isPlain reports whether HTML does without a prefix.
func (w *xhtmlWriter) isPlain(prefix []byte) bool {
	v := prefixes[string(prefix)]
	if b := w.bound.lookUp(prefix); b != nil {
		v = b.vocab
	}
	return v == vocabXHTML || v == vocabDrawing
}

// attribute writes an attribute of tag.
func (w *xhtmlWriter) attribute(tag []byte, a *scan.Attribute) {
	name := a.Name.Full
	switch {
	case bytes.HasPrefix(name, []byte("xmlns")) || string(name) == "xml:base" || string(name) == "xml:space":
		return
	case string(name) == "xml:lang":
		name = name[len("xml:"):]
	}
	w.out = append(append(append(w.out, ' '), name...), '=')
	if link, list := isLink(tag, name); link && w.base != nil && (len(a.Value) > 0 || bytes.EqualFold(name, []byte("href"))) {
		before := len(w.out)
		out, changed := w.m.appendLink(append(w.out, '"'), w.base, a.Value, list)
		if w.out = append(out, '"'); changed {
			return
		}
		w.out = w.out[:before]
	}
	quote := byte('"')
	if bytes.IndexByte(a.Value, '"') >= 0 {
		quote = '\''
	}
	w.out = append(append(append(w.out, quote), a.Value...), quote)
}

// endTag writes the end tags down to the innermost element of that name, if there is
// one.
func (w *xhtmlWriter) endTag(name []byte) {
	for i, e := range slices.Backward(w.open) {
		if bytes.Equal(e.name, name) {
			for len(w.open) > i {
				w.pop()
			}
			return
		}
	}
}

// pop ends the innermost element.
func (w *xhtmlWriter) pop() {
	last := len(w.open) - 1
	e := w.open[last]
	w.open, w.base, w.bound.inScope = w.open[:last], e.base, w.bound.inScope[:e.bound]
	w.to = len(w.out)
	w.out = append(append(append(w.out, "</"...), e.tag...), '>')
	w.rawText = last > 0 && isRawText(w.open[last-1].tag)
}

// text writes characters: plain ones, or such with references.
func (w *xhtmlWriter) text(text []byte, plain bool) {
	w.bare = w.bare || len(w.open) == 0 && len(bytes.TrimSpace(text)) > 0
	if w.rawText {
		from := len(w.out)
		if plain {
			w.out = append(w.out, text...)
		} else {
			w.out = appendDecoded(w.out, text)
		}
		if !bytes.Contains(w.out[from:], []byte("</")) {
			return // nothing in it can end the element
		}
		w.out = w.out[:from]
	}
	if plain {
		w.out = append(w.out, escaper.Replace(string(text))...)
		return
	}
	for n := bytes.IndexAny(text, "&<"); n >= 0; n = bytes.IndexAny(text, "&<") {
		w.out = append(w.out, text[:n]...)
		text = text[n:]
		from, size := len(w.out), 1
		if text[0] == '&' {
			w.out, size = appendReference(w.out, text)
		} else {
			w.out = append(w.out, '<')
		}
		switch said := w.out[from:]; {
		case size == 0: // it stands for itself
			w.out, size = append(w.out, '&'), 1
		case len(said) == 1 && (said[0] == '&' || said[0] == '<' || said[0] == '>'):
			w.out = append(w.out[:from], escaper.Replace(string(said))...)
		}
		text = text[size:]
	}
	w.out = append(w.out, text...)
}

// isRawText reports whether HTML decodes no references in an element of that name.
func isRawText(tag []byte) bool {
	switch string(tag) {
	case "script", "style", "xmp", "iframe", "noembed", "noframes":
		return true
	}
	return false
}
