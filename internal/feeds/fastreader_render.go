package feeds

import (
	"bytes"
	"net/url"
	"slices"

	"golang.org/x/net/html"
)

// A renderer writes HTML as html.Render writes what html.Parse makes of it,
// without building the tree. It knows only markup of which the parser makes
// exactly the tree that the tags show: elements that are properly nested, and
// that none of the parser's rules closes, moves or completes. Of any other it
// says so, and the caller parses.
type renderer struct {
	out   []byte
	base  *url.URL // what links become relative to; nil leaves them
	stack []openTag
	attrs []tagAttribute
	text  []byte // what was decoded last

	paragraphs int  // that are open
	begun      bool // something was written; before, white space does not count

	roots                int    // elements outside of any other
	root                 string // the first of them
	innerStart, innerEnd int    // what it holds, in out
}

// An openTag is an element that is open.
type openTag struct {
	knownTag
	empty bool // nothing is in it yet
}

// A knownTag is an element's name with its kind.
type knownTag struct {
	name string
	kind tagKind
}

// A tagAttribute is an attribute, its value decoded; both are parts of a
// renderer's text or of the source.
type tagAttribute struct{ name, value []byte }

// maxRendered bounds how deep elements nest that are rendered without a tree.
// The parser has a bound of its own, which is far beyond.
const maxRendered = 64

// render writes s to r.out. It reports false when it does not know what the
// parser would make of s; r is then of no use until the next reset.
func (r *renderer) render(s []byte) bool {
	for len(s) > 0 {
		end := 0
		for {
			next := bytes.IndexByte(s[end:], '<')
			if next < 0 {
				end = len(s)
				break
			}
			if end += next; end+1 == len(s) || isTagByte(s[end+1]) {
				break
			}
			end++ // only a bracket
		}
		if end > 0 && !r.writeText(s[:end]) {
			return false
		}
		if s = s[end:]; len(s) == 0 {
			break
		}
		size := r.tag(s)
		if size == 0 {
			return false
		}
		s = s[size:]
	}
	for len(r.stack) > 0 {
		r.closeTag()
	}
	return true
}

// reset makes r ready for another piece.
func (r *renderer) reset(base *url.URL) {
	*r = renderer{out: r.out[:0], base: base, stack: r.stack[:0], attrs: r.attrs[:0], text: r.text[:0]}
}

// release makes r ready for another document and lets go of the last one.
func (r *renderer) release() {
	if max(cap(r.out), cap(r.text), cap(r.attrs)) > maxReusedScratch {
		*r = renderer{}
	}
	clear(r.attrs[:cap(r.attrs)])
	r.reset(nil)
}

// isTagByte reports whether c after a bracket makes it the beginning of a tag
// or of a comment.
func isTagByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80 || c == '/' || c == '!' || c == '?'
}

// writeText writes a piece of text.
func (r *renderer) writeText(raw []byte) bool {
	text, ok := r.decode(raw, false)
	if !ok || bytes.IndexByte(text, 0) >= 0 {
		return false
	}
	if !r.begun {
		if text = bytes.TrimLeft(text, " \t\r\n\f"); len(text) == 0 {
			return true
		}
		r.begun = true
	}
	if top := len(r.stack) - 1; top >= 0 {
		if t := &r.stack[top]; t.kind == tagPre && t.empty && (text[0] == '\n' || text[0] == '\r') {
			return false
		}
		r.stack[top].empty = false
	}
	r.out = appendEscaped(r.out, text)
	return true
}

// decode returns text with its references decoded and its line ends made one. It
// may be a view of raw, and else lives until the next tag.
func (r *renderer) decode(raw []byte, attribute bool) (text []byte, ok bool) {
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw, true
	}
	start := len(r.text)
	for {
		at := bytes.IndexByte(raw, '&')
		if at < 0 {
			r.text = appendLines(r.text, raw)
			return r.text[start:], true
		}
		r.text = appendLines(r.text, raw[:at])
		raw = raw[at:]
		if c, size := commonReference(raw); size > 0 {
			r.text = append(r.text, string(c)...)
			raw = raw[size:]
			continue
		}
		size := referenceSize(raw)
		switch {
		case size == 1:
			r.text = append(r.text, '&')
		case !attribute:
			r.text = append(r.text, html.UnescapeString(string(raw[:size]))...)
		case raw[size-1] != ';' && raw[1] != '#' && size < len(raw) && raw[size] == '=':
			r.text = append(r.text, raw[:size]...) // the next parameter of a URL
		default:
			return nil, false
		}
		raw = raw[size:]
	}
}

// referenceSize returns the length of what may be a reference at the beginning
// of s: 1 when only the ampersand is left.
func referenceSize(s []byte) int {
	n := 1
	if len(s) > 1 && s[1] == '#' {
		n = 2
	}
	for n < len(s) && (isDigit(s[n], 10) || 'a' <= s[n]|0x20 && s[n]|0x20 <= 'z' && s[n] < 0x80) {
		n++
	}
	if n > 1 && n < len(s) && s[n] == ';' {
		n++
	}
	return n
}

// escapes holds what html.Render writes for a character.
var escapes = [256]string{'&': "&amp;", '\'': "&#39;", '<': "&lt;", '>': "&gt;", '"': "&#34;", '\r': "&#13;"}

// appendEscaped appends text as html.Render writes it.
func appendEscaped(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if e := escapes[c]; e != "" {
			dst = append(append(dst, text[from:i]...), e...)
			from = i + 1
		}
	}
	return append(dst, text[from:]...)
}

// tag takes in the tag at the beginning of s and returns its length; 0 when it
// is not known what it does.
func (r *renderer) tag(s []byte) int {
	r.text = r.text[:0]
	if len(s) < len("<a>") {
		return 0
	}
	at, closes := 1, s[1] == '/'
	if closes {
		at = 2
	}
	from := at
	for at < len(s) && (isDigit(s[at], 10) || 'a' <= s[at]|0x20 && s[at]|0x20 <= 'z' && s[at] < 0x80) {
		at++
	}
	r.text = lower(r.text, s[from:at])
	known := knownTags[string(r.text)]
	if known.kind == tagOther || at == len(s) {
		return 0
	}
	if !closes {
		return r.openTag(s, at, known)
	}
	for at < len(s) && isSpace(s[at]) {
		at++
	}
	top := len(r.stack) - 1
	if at == len(s) || s[at] != '>' || top < 0 || r.stack[top].name != string(r.text) {
		return 0
	}
	r.closeTag()
	return at + 1
}

// closeTag ends the innermost open element.
func (r *renderer) closeTag() {
	top := len(r.stack) - 1
	t := r.stack[top]
	r.stack = r.stack[:top]
	if t.kind == tagParagraph {
		r.paragraphs--
	}
	if top == 0 && r.roots == 1 {
		r.innerEnd = len(r.out)
	}
	r.out = append(append(append(r.out, "</"...), t.name...), '>')
}

// openTag takes in the start tag at the beginning of s, whose attributes begin
// at that place.
func (r *renderer) openTag(s []byte, at int, known knownTag) int {
	name, kind := known.name, known.kind
	if !r.mayOpen(kind) || !isSpace(s[at]) && s[at] != '/' && s[at] != '>' {
		return 0
	}
	size, empty := r.attributes(s, at)
	isVoid := kind == tagVoid || kind == tagRule
	if size == 0 || empty && !isVoid {
		return 0
	}
	r.begun = true
	top := len(r.stack) - 1
	if top >= 0 {
		r.stack[top].empty = false
	}
	r.out = append(append(r.out, '<'), name...)
	r.writeAttributes(kind)
	if isVoid {
		r.out = append(r.out, "/>"...)
	} else {
		r.out = append(r.out, '>')
		r.stack = append(r.stack, openTag{known, true})
	}
	if kind == tagParagraph {
		r.paragraphs++
	}
	if top < 0 {
		if r.roots++; r.roots == 1 {
			r.root, r.innerStart = name, len(r.out)
		}
	}
	if kind == tagFrame && !bytes.HasPrefix(s[size:], []byte("</iframe>")) {
		return 0
	}
	return size
}

// attributes reads the attributes of the start tag at the beginning of s, which
// begin at that place, into r.attrs. It returns the tag's length, 0 when it is
// written in an unusual way, and whether it is that of an empty element.
func (r *renderer) attributes(s []byte, at int) (size int, empty bool) {
	r.attrs = r.attrs[:0]
	for {
		for at < len(s) && (isSpace(s[at]) || s[at] == '\f') {
			at++
		}
		if at == len(s) {
			return 0, false
		}
		if s[at] == '>' {
			return at + 1, false
		}
		if s[at] == '/' {
			if at+1 == len(s) || s[at+1] != '>' {
				return 0, false
			}
			return at + 2, true
		}
		if at = r.attribute(s, at); at == 0 {
			return 0, false
		}
	}
}

// attribute reads the attribute at that place and returns where it ends.
func (r *renderer) attribute(s []byte, at int) int {
	from := at
	for at < len(s) && (isBareByte(s[at]) || s[at] == '.') {
		at++
	}
	if at == from {
		return 0
	}
	start := len(r.text)
	r.text = lower(r.text, s[from:at])
	a := tagAttribute{name: r.text[start:]}
	for at < len(s) && isSpace(s[at]) {
		at++
	}
	if at < len(s) && s[at] == '=' {
		at++
		for at < len(s) && isSpace(s[at]) {
			at++
		}
		if at == len(s) || s[at] != '"' && s[at] != '\'' {
			return 0
		}
		n := bytes.IndexByte(s[at+1:], s[at])
		if n < 0 {
			return 0
		}
		var ok bool
		if a.value, ok = r.decode(s[at+1:at+1+n], true); !ok || bytes.IndexByte(a.value, 0) >= 0 {
			return 0
		}
		at += n + 2
	}
	for i := range r.attrs {
		if bytes.Equal(r.attrs[i].name, a.name) {
			return at // the first one counts
		}
	}
	r.attrs = append(r.attrs, a)
	return at
}

// writeAttributes writes r.attrs.
func (r *renderer) writeAttributes(kind tagKind) {
	if (kind == tagFormat || kind == tagLink) && len(r.attrs) > 1 {
		slices.SortFunc(r.attrs, func(a, b tagAttribute) int { return bytes.Compare(a.name, b.name) })
	}
	for _, a := range r.attrs {
		value := a.value
		if r.base != nil && linkAttributes[string(a.name)] && !isPlainURL(value) {
			value = []byte(normalURL(r.base, string(value)))
		}
		r.out = append(append(append(r.out, ' '), a.name...), `="`...)
		r.out = append(appendEscaped(r.out, value), '"')
	}
}
