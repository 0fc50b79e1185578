package feeds

import (
	"bytes"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An arena is where the strings of a document's items live: in buffers of
// at most chunkSize bytes, or as large as the one text in it. A string that is kept
// keeps its whole buffer, so what is kept for long must be cloned.
type arena struct {
	b        strings.Builder
	expected int // bytes that are likely to come
}

const (
	chunkSize  = 256 << 10
	smallChunk = 4 << 10
)

// room makes room for a string of n bytes and returns where it will begin.
func (a *arena) room(n int) int {
	if a.b.Cap()-a.b.Len() < n {
		size := max(n, smallChunk, min(chunkSize, a.expected))
		a.expected -= size
		a.b = strings.Builder{}
		a.b.Grow(size)
	}
	return a.b.Len()
}

// from returns what was written since start.
func (a *arena) from(start int) string { return a.b.String()[start:] }

// keep returns b as a string in the arena.
func (f *fastReader) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	start := f.arena.room(len(b))
	f.arena.b.Write(b)
	return f.arena.from(start)
}

var cdataStart, cdataEnd = []byte("<![CDATA["), []byte("]]>")

// text returns the text of an element of RSS, as gofeed's ParseText does: what
// stands in it, markup too, with references decoded except in CDATA sections.
func (f *fastReader) text(raw []byte) string { return f.keep(f.decode(bytes.TrimSpace(raw))) }

// decode returns the text in raw. It is valid until the next text.
func (f *fastReader) decode(raw []byte) []byte {
	at := hasCDATA(raw)
	switch {
	case at == 0 && bytes.Index(raw, cdataEnd) == len(raw)-len(cdataEnd):
		return raw[len(cdataStart) : len(raw)-len(cdataEnd)]
	case at < 0 && bytes.IndexByte(raw, '&') < 0:
		return raw
	}
	f.scratch = f.scratch[:0]
	for ; at >= 0; at = bytes.Index(raw, cdataStart) {
		f.scratch = appendDecoded(f.scratch, raw[:at])
		raw = raw[at:]
		end := bytes.Index(raw[len(cdataStart):], cdataEnd)
		if end < 0 {
			break
		}
		end += len(cdataStart)
		f.scratch = append(f.scratch, raw[len(cdataStart):end]...)
		raw = raw[end+len(cdataEnd):]
	}
	f.scratch = appendDecoded(f.scratch, raw)
	return f.scratch
}

// hasCDATA returns where the first CDATA section begins; -1 when there is none.
func hasCDATA(raw []byte) int {
	if bytes.HasPrefix(raw, cdataStart) {
		return 0
	}
	if bytes.IndexByte(raw, '<') < 0 {
		return -1
	}
	return bytes.Index(raw, cdataStart)
}

// maxReference bounds how far from its ampersand a reference ends, in bytes.
const maxReference = 64

// appendDecoded appends text with the references of HTML decoded, as gofeed's
// DecodeEntities does: those that end in a semicolon within maxReference bytes.
func appendDecoded(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:at]...)
		text = text[at:]
		if r, size := commonReference(text); size > 0 {
			if r < utf8.RuneSelf {
				dst = append(dst, byte(r))
			} else {
				dst = utf8.AppendRune(dst, r)
			}
			text = text[size:]
			continue
		}
		window := text[:min(len(text), maxReference)]
		end := bytes.IndexByte(window, ';')
		if end < 0 && len(window) == len(text) {
			return append(dst, text...)
		}
		decoded, ok := "", false
		if end >= 0 {
			decoded, ok = decodeReference(text[:end+1])
		}
		if !ok {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		dst, text = append(dst, decoded...), text[end+1:]
	}
}

// commonReference returns the character that a reference at the beginning of
// text stands for, and its length; 0 when it is none of the common ones, about
// which every standard agrees.
func commonReference(text []byte) (r rune, size int) {
	if len(text) < len("&lt;") {
		return 0, 0
	}
	switch text[1] {
	case 'l':
		if text[2] == 't' && text[3] == ';' {
			return '<', 4
		}
	case 'g':
		if text[2] == 't' && text[3] == ';' {
			return '>', 4
		}
	case 'a':
		if bytes.HasPrefix(text, []byte("&amp;")) {
			return '&', 5
		}
	case 'q':
		if bytes.HasPrefix(text, []byte("&quot;")) {
			return '"', 6
		}
	case 'n':
		if bytes.HasPrefix(text, []byte("&nbsp;")) {
			return '\u00a0', 6
		}
	case '#':
		return commonNumber(text)
	}
	return 0, 0
}

// commonNumber is commonReference for one by number.
func commonNumber(text []byte) (r rune, size int) {
	n, base := 2, 10
	if text[2] == 'x' {
		n, base = 3, 16
	}
	from := n
	for n < len(text) && n < from+6 && isDigit(text[n], base) {
		r = r*rune(base) + rune(digit(text[n]))
		n++
	}
	if n == from || n == len(text) || text[n] != ';' ||
		r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 || r >= 0xd800 && r < 0xe000 || r > utf8.MaxRune {
		return 0, 0
	}
	return r, n + 1
}

// decodeReference returns what ref, from an ampersand to a semicolon, stands for.
// ok is false when it stands for itself.
func decodeReference(ref []byte) (text string, ok bool) {
	if bytes.ContainsAny(ref, " \t\r\n") {
		return "", false
	}
	text = html.UnescapeString(string(ref))
	return text, text != html.UnescapeString(string(ref[:len(ref)-1]))+";"
}

// characters returns the text of an element of another vocabulary: character
// data as encoding/xml reads it, trimmed. The element holds no other.
func (f *fastReader) characters(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 && bytes.IndexByte(raw, '<') < 0 {
		return f.keep(raw)
	}
	f.scratch = f.scratch[:0]
	for {
		at := bytes.Index(raw, cdataStart)
		if at < 0 {
			break
		}
		f.scratch = appendCharacters(f.scratch, raw[:at])
		raw = raw[at+len(cdataStart):]
		end := bytes.Index(raw, cdataEnd)
		if end < 0 {
			break // the guard saw to that it ends
		}
		f.scratch = appendLines(f.scratch, raw[:end])
		raw = raw[end+len(cdataEnd):]
	}
	f.scratch = appendCharacters(f.scratch, raw)
	return f.keep(bytes.TrimSpace(f.scratch))
}

// appendCharacters appends text with the references of XML decoded and its line
// ends made one, as encoding/xml does when it is not strict.
func appendCharacters(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			return appendLines(dst, text)
		}
		dst = appendLines(dst, text[:at])
		text = text[at:]
		r, size := xmlReference(text)
		if size == 0 {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		dst, text = utf8.AppendRune(dst, r), text[size:]
	}
}

// xmlReference returns the character that a reference at the beginning of text
// stands for in XML without a document type, and its length; 0 when there is
// none.
func xmlReference(text []byte) (r rune, size int) {
	for _, named := range [...]struct {
		ref string
		r   rune
	}{{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}} {
		if len(text) >= len(named.ref) && string(text[:len(named.ref)]) == named.ref {
			return named.r, len(named.ref)
		}
	}
	if len(text) < 4 || text[1] != '#' {
		return 0, 0
	}
	from, base := 2, 10
	if text[2] == 'x' {
		from, base = 3, 16
	}
	end := from
	for end < len(text) && isDigit(text[end], base) {
		end++
	}
	if end == from || end == len(text) || text[end] != ';' {
		return 0, 0
	}
	n, err := strconv.ParseUint(string(text[from:end]), base, 64)
	if err != nil || n > utf8.MaxRune {
		return 0, 0
	}
	return rune(n), end + 1
}

// appendLines appends text with a line feed for every way to end a line.
func appendLines(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '\r')
		if at < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:at]...), '\n')
		if text = text[at+1:]; len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
	}
}

// absolute returns a URL as gofeed's resolveAttrs leaves it in an attribute.
// ref is nil where there is no attribute.
func (f *fastReader) absolute(base *url.URL, ref []byte) string {
	if ref == nil {
		return ""
	}
	s := f.keep(ref)
	if base == nil && isPlainURL(s) {
		return s
	}
	return normalURL(base, s)
}
