// Package charset makes UTF-8 of documents: it finds out what their bytes are.
// [ToUTF8] is its door.
//
// It refuses the encodings of seven bits that browsers stopped reading.
package charset

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"feedmill/internal/feeds"
)

// ToUTF8 returns body as UTF-8 that holds only characters that XML allows, and
// whether some had to be replaced or removed for that. The result may share
// memory with body, and body itself is not changed.
//
// What encoding body is in is told, in this order, by a byte order mark, by the
// XML declaration, by the charset of contentType, by a look at the bytes. A
// declaration is not believed about bytes that are valid UTF-8, unless it names
// an encoding whose text is always valid UTF-8 too, nor if it names UTF-8 and most
// of the bytes are not; one that nobody knows counts as none. Sequences that the
// encoding does not know become U+FFFD; control characters go.
//
// The failure is of class charset: one of the 7-bit encodings that browsers
// stopped reading because they hide markup from filters.
func ToUTF8(body []byte, contentType string) (text []byte, sanitized bool, err *feeds.Failure) {
	valid := utf8.Valid(body)
	clean := valid && isAllowed(body)
	enc, skip, err := findEncoding(body, contentType, valid)
	if err != nil {
		return nil, false, err
	}
	text = body[skip:]
	if enc != nil {
		decoded, err := enc.NewDecoder().Bytes(text)
		if err != nil {
			return nil, false, &feeds.Failure{Class: feeds.Charset, Detail: "undecodable text", Err: err}
		}
		text, clean, sanitized = decoded, false, bytes.Contains(decoded, []byte("\uFFFD"))
	}
	if !clean {
		var dirty bool
		text, dirty = Sanitize(text)
		sanitized = sanitized || dirty
	}
	for bytes.HasPrefix(text, utf8Mark) {
		text = text[len(utf8Mark):]
	}
	return text, sanitized, nil
}

var utf8Mark = []byte("\xef\xbb\xbf")

// findEncoding returns the encoding of body, nil for UTF-8, valid or not, and
// how many bytes of body come before the text. valid says whether body is valid
// UTF-8.
func findEncoding(body []byte, contentType string, valid bool) (enc encoding.Encoding, skip int, err *feeds.Failure) {
	if enc, skip := wideEncoding(body); enc != nil {
		return enc, skip, nil
	}
	if bytes.HasPrefix(body, utf8Mark) {
		return nil, len(utf8Mark), nil
	}
	for _, label := range []string{declaredEncoding(body), httpCharset(contentType)} {
		enc, name := encodingOf(label)
		shift, refused := sevenBit[label]
		switch {
		case name == "iso-2022-jp" && bytes.IndexByte(body, escape) >= 0:
			return enc, 0, nil
		case refused && bytes.Contains(body, []byte(shift)):
			return nil, 0, &feeds.Failure{Class: feeds.Charset, Detail: "unsupported character encoding " + label}
		case name == "utf-8" && !valid:
			return byBytes(body, true), 0, nil
		case name == "":
			// Nothing said. What is of 16 and 32 bits was looked for above.
		case valid:
			return nil, 0, nil
		default:
			return enc, 0, nil
		}
	}
	switch {
	case valid && bytes.IndexByte(body, escape) >= 0 && (bytes.Contains(body, []byte("\x1b$B")) || bytes.Contains(body, []byte("\x1b$@"))):
		return japanese.ISO2022JP, 0, nil
	case !valid:
		return byBytes(body, false), 0, nil
	}
	return nil, 0, nil
}

// wide holds how texts of 16 and 32 bits begin: with a byte order mark or, as appendix F
// of the XML recommendation has it, with zeros around the first character, here "<", and
// the second, here "?".
var wide = []struct {
	head string
	mark int // the bytes of head that are no text
	enc  encoding.Encoding
}{
	{"\xff\xfe\x00\x00", 4, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\xfe\xff", 4, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xff\xfe", 2, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\xfe\xff", 2, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{"\x00\x00\x00<", 0, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"<\x00\x00\x00", 0, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00<\x00?", 0, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{"<\x00?\x00", 0, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
}

// wideEncoding returns that of wide which body begins with, and how many bytes its mark
// takes.
func wideEncoding(body []byte) (enc encoding.Encoding, skip int) {
	var room [4]byte
	head := room[:copy(room[:], body)]
	for i, c := range head {
		if c == '{' || c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			head[i] = '<' // a feed may begin with these, too
		}
	}
	for _, w := range wide {
		if len(head) >= len(w.head) && begins(head, w.head) {
			return w.enc, w.mark
		}
	}
	return nil, 0
}

// begins reports whether head begins as like does, where "?" is all but a zero.
func begins(head []byte, like string) bool {
	for i := range len(like) {
		if head[i] != like[i] && (like[i] != '?' || head[i] == 0) {
			return false
		}
	}
	return true
}

var (
	declaration  = regexp.MustCompile(`<\?xml[^>]*?encoding[\s=]*["']([^"'>]*)["'][^>]*\?>`)
	charsetParam = regexp.MustCompile(`charset\s*=[\s"']*([^\s"',;]*)`)
)

// declaredEncoding returns the encoding that the XML declaration names, in
// lower case; "" when there is none.
func declaredEncoding(body []byte) string {
	m := declaration.FindSubmatch(body[:min(len(body), 1024)])
	if m == nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(string(m[1])))
}

// httpCharset returns the charset that a Content-Type header names, in lower case;
// "" when it names none. It is looked for as in a meta element of HTML, wherever it
// stands: servers write commas or nothing before it, and one quote.
func httpCharset(contentType string) string {
	m := charsetParam.FindStringSubmatch(strings.ToLower(contentType))
	if m == nil {
		return ""
	}
	return m[1]
}

// escape begins the shift sequences of the ISO 2022 encodings.
const escape = 0x1b

// sevenBit holds the encodings that are not read and whose text looks like
// ASCII, so that nothing but the label tells them, and what a text has in it that
// leaves ASCII. For UTF-7 that cannot be told: every date with a time zone has its
// plus sign.
var sevenBit = map[string]string{
	"utf-7": "", "unicode-1-1-utf-7": "", "hz-gb-2312": "~{", "iso-2022-kr": "\x1b", "iso-2022-cn": "\x1b", "iso-2022-cn-ext": "\x1b",
}

// Sanitize returns text without what XML forbids: sequences that are not UTF-8
// become U+FFFD, the forbidden characters go. It returns text itself when there
// is nothing to do.
func Sanitize(text []byte) (clean []byte, changed bool) {
	if utf8.Valid(text) && isAllowed(text) {
		return text, false
	}
	clean = make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		n := 0
		for n < len(text) && text[n] < utf8.RuneSelf && !isForbiddenByte(text[n]) {
			n++
		}
		clean = append(clean, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError:
			clean = append(clean, "\uFFFD"...)
		case r >= utf8.RuneSelf && r != 0xFFFE && r != 0xFFFF:
			clean = append(clean, text[:size]...)
		}
		text = text[size:]
	}
	return clean, true
}

// isForbiddenByte reports whether XML forbids the character c, which is below
// 0x80 (recommendation 1.0, production 2).
func isForbiddenByte(c byte) bool { return c < 0x20 && c != '\n' && c != '\t' && c != '\r' }

// isAllowed reports whether XML allows every character of text, which is valid
// UTF-8.
func isAllowed(text []byte) bool {
	rest := text
	for ; len(rest) >= 8; rest = rest[8:] { // eight bytes at a time are a tenth of the reading less
		x := binary.LittleEndian.Uint64(rest)
		if (x-0x2020202020202020)&^x&0x8080808080808080 != 0 && slices.ContainsFunc(rest[:8], isForbiddenByte) {
			return false // what borrows for a byte below 0x20 may be its neighbour
		}
	}
	return !slices.ContainsFunc(rest, isForbiddenByte) && !bytes.Contains(text, []byte("\uFFFE")) && !bytes.Contains(text, []byte("\uFFFF"))
}
