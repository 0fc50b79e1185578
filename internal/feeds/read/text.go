package read

import (
	"bytes"
	"html"
	"regexp"
	"unicode/utf8"

	"feedmill/internal/feeds/read/scan"
)

var cdataStart, cdataEnd = []byte("<![CDATA["), []byte("]]>")

// text returns what stands in an element, trimmed: its characters, with the
// references of HTML decoded except in CDATA sections; comments do not count. Where
// elements stand in it, it is HTML that nobody escaped, and stays as it is. The
// result is valid until the next text.
func (m *maker) text(raw []byte) []byte {
	raw = bytes.TrimSpace(raw)
	switch at := bytes.IndexByte(raw, '<'); {
	case at == 0 && bytes.HasPrefix(raw, cdataStart) && bytes.Index(raw, cdataEnd) == len(raw)-len(cdataEnd):
		raw = raw[len(cdataStart) : len(raw)-len(cdataEnd)]
	case at >= 0:
		raw = m.pieces(raw)
	case bytes.IndexByte(raw, '&') >= 0:
		m.scratch = appendDecoded(m.scratch[:0], raw)
		raw = m.scratch
	}
	return bytes.TrimSpace(unmark(bytes.TrimSpace(raw)))
}

// pieces puts the characters of raw together, or its markup.
func (m *maker) pieces(raw []byte) []byte {
	markup := m.hasMarkup(raw)
	m.scratch = m.scratch[:0]
	for s := m.piece(raw); ; {
		switch kind := s.Next(); {
		case kind == scan.EOF:
			return m.scratch
		case kind == scan.Fault: // what remains is no markup that can be told
			m.scratch = appendDecoded(m.scratch, raw[s.Start:])
			return m.scratch
		case kind == scan.CDATA:
			m.scratch = append(m.scratch, s.Text...)
		case kind == scan.Comment && s.Text == nil: // the mark of a section that was cut
		case markup:
			m.scratch = append(m.scratch, raw[s.Start:s.Pos]...)
		case kind == scan.Text:
			m.scratch = appendDecoded(m.scratch, s.Text)
		}
	}
}

// escapedStart and escapedEnd are the marks of a CDATA section that somebody escaped,
// once or, around markup, twice.
var (
	escapedStart = regexp.MustCompile(`^(?:<|&lt;|&#60;|&#x3[cC];)!\[CDATA\[`)
	escapedEnd   = regexp.MustCompile(`\]\](?:>|&gt;|&#62;|&#x3[eE];)$`)
)

// unmark returns text without such marks around it. They are looked for where they are.
func unmark(text []byte) []byte {
	head := text[:min(len(text), len("&#x3c;![CDATA["))]
	if !bytes.Contains(head, []byte("![CDATA[")) {
		return text
	}
	tail := text[max(0, len(text)-len("]]&#x3e;")):]
	start, end := escapedStart.Find(head), escapedEnd.Find(tail)
	if start == nil || end == nil {
		return text
	}
	return text[len(start) : len(text)-len(end)]
}

// line is text without line breaks, for what is shown in one line.
func (m *maker) line(raw []byte) []byte { return m.oneLine(m.text(raw)) }

// oneLine returns text, and if there are line breaks in it, with every run of white
// space as one space.
func (m *maker) oneLine(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	m.out = m.out[:0]
	for word := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r < 0x80 && scan.IsSpace(byte(r)) }) {
		if len(m.out) > 0 {
			m.out = append(m.out, ' ')
		}
		m.out = append(m.out, word...)
	}
	return m.out
}

// maxReference bounds how far from its ampersand a reference ends, in bytes.
const maxReference = 64

// appendDecoded appends text with the references of HTML decoded: those that end
// in a semicolon. A character that XML forbids becomes U+FFFD.
func appendDecoded(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:at]...)
		text = text[at:]
		size := 0
		if dst, size = appendReference(dst, text); size == 0 {
			dst, size = append(dst, '&'), 1
		}
		text = text[size:]
	}
}

// appendReference appends what the reference at the beginning of text stands for,
// and returns its length; 0 when it stands for itself.
func appendReference(dst, text []byte) (out []byte, size int) {
	if len(text) < len("&lt;") {
		return dst, 0
	}
	switch {
	case text[1] == '#':
		return appendNumber(dst, text)
	case string(text[:4]) == "&lt;": // a table of these took a tenth of all
		return append(dst, '<'), 4
	case string(text[:4]) == "&gt;":
		return append(dst, '>'), 4
	case bytes.HasPrefix(text, []byte("&amp;")):
		return append(dst, '&'), 5
	case bytes.HasPrefix(text, []byte("&quot;")):
		return append(dst, '"'), 6
	case bytes.HasPrefix(text, []byte("&nbsp;")):
		return append(dst, "\u00a0"...), 6
	}
	end := bytes.IndexByte(text[:min(len(text), maxReference)], ';')
	if end < 2 || bytes.ContainsAny(text[1:end], "& \t\r\n") {
		return dst, 0
	}
	ref := string(text[:end+1])
	decoded := html.UnescapeString(ref)
	if decoded == html.UnescapeString(ref[:end])+";" {
		return dst, 0
	}
	return append(dst, decoded...), end + 1
}

// appendNumber appends the character of a numeric reference. Two halves of a surrogate pair
// are one character, as those who write them mean it; the numbers of C1 controls
// are characters of windows-1252, as in HTML.
func appendNumber(dst, text []byte) (out []byte, size int) {
	n, size := scan.Number(text)
	switch {
	case size == 0:
		return dst, 0
	case n >= 0xd800 && n < 0xdc00:
		if low, more := scan.Number(text[size:]); more > 0 && low >= 0xdc00 && low < 0xe000 {
			return utf8.AppendRune(dst, (n-0xd800)<<10|(low-0xdc00)+0x10000), size + more
		}
	case n >= 0x80 && n < 0xa0:
		return append(dst, html.UnescapeString(string(text[:size]))...), size
	case n < 0x20 && n != '\t' && n != '\n' && n != '\r', n == 0x7f, n == 0xfffe, n == 0xffff:
		n = utf8.RuneError
	}
	return utf8.AppendRune(dst, n), size // which makes U+FFFD of what is no character
}
