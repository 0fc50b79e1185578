package read

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"feedmill/internal/feeds"
)

// A jsonReader reads the values of a JSON document one after the other, in one
// pass, without copies of strings that need no decoding, and within bounds. It
// takes what programs that write JSON by hand do: line breaks in strings, commas
// before closing brackets, keys in capitals, a number or a boolean for a string, one
// value for a list. After a fault, or the end, there is nothing more to read.
//
// Rejected: encoding/json, which reads the feeds of the corpus at half the speed and
// loses all of one that has a fault near its end; encoding/json/v2's jsontext, at
// two thirds of it, which is not in this Go without GOEXPERIMENT and takes no line
// break in a string, as one feed of ten has.
type jsonReader struct {
	s   string // the document, one copy for all strings; every line ends in a line feed
	pos int

	depth  int
	values int
	limit  *feeds.Failure // a bound that was not kept
	fault  int            // where the syntax is wrong; -1 when it is not

	retyped   bool // a value was of another type than it should be
	loose     bool // a comma too many, or a line break in a string
	sanitized bool // an escape stood for what XML forbids
	inID      bool // what is read is an id

	position // for whoever watches
}

// fail ends the reading with a fault at r.pos.
func (r *jsonReader) fail() {
	if r.fault < 0 {
		r.fault = r.pos
	}
	r.pos = len(r.s)
}

func (r *jsonReader) failed() bool { return r.fault >= 0 }

// peek skips white space and returns the next byte; 0 at the end.
func (r *jsonReader) peek() byte {
	for r.pos < len(r.s) {
		switch c := r.s[r.pos]; c {
		case ' ', '\n', '\t':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// take reports whether c comes next, and reads it.
func (r *jsonReader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

// count counts a value that begins; too many end the document.
func (r *jsonReader) count() {
	if r.values++; r.values > maxElements && r.limit == nil {
		r.limit = feeds.Failf(feeds.LimitSize, "more than %d values", maxElements)
		r.fail()
	}
	if r.pos >= r.untold {
		r.tell(r.pos)
	}
}

// within reads what is between two brackets with one, once for each member.
func (r *jsonReader) within(open, shut byte, one func()) {
	if !r.take(open) {
		r.fail()
		return
	}
	if r.depth++; r.depth > maxDepth {
		r.limit = feeds.Failf(feeds.LimitDepth, "values nested more than %d deep", maxDepth)
		r.fail()
	}
	for more := true; !r.failed() && !r.take(shut); {
		if !more {
			r.fail()
			break
		}
		r.count()
		one()
		if more = r.take(','); more && r.peek() == shut {
			r.loose = true
		}
	}
	r.depth--
}

// members calls member for each member of an object, which reads its value. Keys are
// in small letters. What is no object is skipped.
func (r *jsonReader) members(member func(key string)) {
	if r.peek() != '{' {
		r.drop()
		return
	}
	r.within('{', '}', func() {
		if r.peek() != '"' {
			r.fail()
			return
		}
		key := r.quoted()
		if strings.ContainsFunc(key, func(c rune) bool { return 'A' <= c && c <= 'Z' }) {
			key = strings.ToLower(key)
		}
		if !r.take(':') {
			r.fail()
			return
		}
		r.peek()
		member(key)
	})
}

// elements calls element for each element of a list, or for the value that is there
// instead of a list.
func (r *jsonReader) elements(element func()) {
	switch r.peek() {
	case '[':
		r.within('[', ']', func() {
			if r.peek() != 'n' {
				element()
				return
			}
			r.retyped = true
			r.skip()
		})
	case 'n':
		r.skip()
	default:
		r.retyped = true
		element()
	}
}

// drop skips a value of a type that cannot be made to fit.
func (r *jsonReader) drop() {
	r.retyped = r.retyped || r.peek() != 'n'
	r.skip()
}

// skip skips a value.
func (r *jsonReader) skip() {
	switch r.peek() {
	case '"':
		r.quoted()
	case '{':
		r.members(func(string) { r.skip() })
	case '[':
		r.within('[', ']', r.skip)
	default:
		r.literal()
	}
}

// text reads a string, without the white space around it. A number or a boolean becomes
// one.
func (r *jsonReader) text() string {
	switch r.peek() {
	case '"':
		return strings.TrimSpace(r.quoted())
	case '{', '[', 'n':
		r.drop()
		return ""
	}
	r.retyped = true
	return r.literal()
}

// literal reads a number, true, false or null.
func (r *jsonReader) literal() string {
	from := r.pos
	for r.pos < len(r.s) && isLiteral(r.s[r.pos]) {
		r.pos++
	}
	word := r.s[from:r.pos]
	switch word {
	case "true", "false", "null":
		return word
	}
	if _, err := strconv.ParseFloat(word, 64); err != nil && !errors.Is(err, strconv.ErrRange) || !isDecimal(strings.TrimPrefix(word, "-")[0]) {
		if r.pos < len(r.s) {
			r.pos = from
		}
		r.fail()
	}
	return word
}

// isLiteral reports whether c may be in what stands for a number or a word.
func isLiteral(c byte) bool {
	return isDecimal(c) || isLetter(c) || strings.IndexByte("-+.:_", c) >= 0
}

// quoted reads a string.
func (r *jsonReader) quoted() string {
	from := r.pos + 1
	end := from
	for {
		n := strings.IndexByte(r.s[end:], '"')
		if n < 0 {
			r.pos = len(r.s)
			r.fail()
			return ""
		}
		end += n
		before := end
		for before > from && r.s[before-1] == '\\' {
			before--
		}
		if end++; (end-1-before)%2 == 0 {
			break // not escaped
		}
	}
	raw := r.s[from : end-1]
	r.loose = r.loose || strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\t') >= 0
	if strings.IndexByte(raw, '\\') < 0 {
		r.pos = end
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw))
	r.pos = from
	for !r.failed() {
		n := strings.IndexByte(r.s[r.pos:end], '\\')
		if n < 0 {
			b.WriteString(r.s[r.pos : end-1])
			r.pos = end
			break
		}
		b.WriteString(r.s[r.pos : r.pos+n])
		r.pos += n
		r.escape(&b)
	}
	return b.String()
}

// escape decodes the escape at r.pos, which the end of its string follows.
func (r *jsonReader) escape(b *strings.Builder) {
	c := r.s[r.pos+1]
	r.pos += 2
	switch c {
	case '"', '\\', '/':
		b.WriteByte(c)
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'b', 'f':
		r.sanitized = true // XML has no such characters, and no feed means them
	case 'u':
		r.pos -= 2
		char := r.unit()
		if utf16.IsSurrogate(char) {
			at := r.pos
			if strings.HasPrefix(r.s[at:], `\u`) {
				char = utf16.DecodeRune(char, r.unit())
			} else {
				char = utf8.RuneError
			}
			if char == utf8.RuneError {
				r.pos, r.sanitized = at, true // half a pair stands for nothing
			}
		}
		switch {
		case r.failed():
		case char < ' ' && char != '\n' && char != '\r' && char != '\t', char == 0xFFFE, char == 0xFFFF:
			if r.sanitized = true; r.inID && char < ' ' {
				b.WriteRune('\u2400' + char) // its picture, so that ids stay apart
			}
		default:
			b.WriteRune(char)
		}
	default:
		r.pos -= 2
		r.fail()
	}
}

// unit reads an escape of the form \u1234.
func (r *jsonReader) unit() rune {
	digits := r.s[r.pos+2 : min(r.pos+6, len(r.s))]
	n, err := strconv.ParseUint(digits, 16, 16)
	if err != nil || len(digits) < 4 {
		r.fail()
		return utf8.RuneError
	}
	r.pos += 6
	return rune(n)
}
