package feeds

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	jsonfeed "github.com/mmcdole/gofeed/json"
)

// A jsonReader decodes a JSON Feed into gofeed's structs, as encoding/json does
// for gofeed but in one pass, without a syntax check before it, and without
// copies of strings that need no decoding. Values of other types than the format
// says become what repairJSON makes of them. Whatever else is not just as the
// format says (members that are there twice or are spelt in capitals, broken
// syntax) makes it give up, and then gofeed reads the document.
//
// Rejected: encoding/json into structs of our own. gofeed's methods for loose
// types are half of its cost, checking the syntax twice the other half.
type jsonReader struct {
	s        string // the document, one copy for all strings
	pos      int
	repaired bool // a type was not as it should be
	odd      bool // it has given up
}

// readJSONFeed returns the feed that text is, or nil when encoding/json has to
// say. repaired says whether the types had to be repaired. With hasNull a list
// holds null, which is a wrong type too.
func readJSONFeed(text []byte, hasNull bool) (feed *jsonfeed.Feed, repaired bool) {
	r := &jsonReader{s: string(text), repaired: hasNull}
	f := new(jsonfeed.Feed)
	r.feed(f)
	r.space()
	if r.odd || r.pos < len(r.s) {
		return nil, false
	}
	if r.repaired {
		withoutEmptyLists(f)
	}
	return f, r.repaired
}

func (r *jsonReader) giveUp() { r.odd, r.pos = true, len(r.s) }

// space skips white space.
func (r *jsonReader) space() {
	for r.pos < len(r.s) && strings.IndexByte(" \n\r\t", r.s[r.pos]) >= 0 {
		r.pos++
	}
}

// take skips white space and c, and reports whether c was there.
func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.pos < len(r.s) && r.s[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// expect is take for what must be there.
func (r *jsonReader) expect(c byte) {
	if !r.take(c) {
		r.giveUp()
	}
}

// object calls member for each member of an object, which reads its value and
// returns a number below 32 for it that is its own, or -1 when it does not know
// the key.
func (r *jsonReader) object(member func(key string) int) {
	r.expect('{')
	if r.take('}') {
		return
	}
	var met uint32
	for !r.odd {
		key := r.key()
		r.expect(':')
		r.space()
		switch n := member(key); {
		case n < 0 && hasOddKey(key):
			r.giveUp() // encoding/json takes TITLE for title
		case n < 0:
			r.skip()
		case met&(1<<n) != 0:
			r.giveUp()
		default:
			met |= 1 << n
		}
		if !r.take(',') {
			r.expect('}')
			return
		}
	}
}

// key reads a key, in which nothing is escaped.
func (r *jsonReader) key() string {
	from := r.pos
	s := r.string()
	if strings.IndexByte(r.s[from:r.pos], '\\') >= 0 {
		r.giveUp()
	}
	return s
}

// hasOddKey reports whether key may be another spelling of one that counts,
// which are all in small letters.
func hasOddKey(key string) bool {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// list calls element for each element of a list.
func (r *jsonReader) list(element func()) {
	r.expect('[')
	if r.take(']') {
		return
	}
	for !r.odd {
		r.space()
		element()
		if !r.take(',') {
			r.expect(']')
			return
		}
	}
}

// string reads a string.
func (r *jsonReader) string() string {
	r.expect('"')
	if r.odd {
		return ""
	}
	from := r.pos
	for ; r.pos < len(r.s); r.pos++ {
		switch c := r.s[r.pos]; {
		case c == '"':
			r.pos++
			return r.s[from : r.pos-1]
		case c == '\\':
			return r.escaped(from)
		case c < ' ':
			r.giveUp()
			return ""
		}
	}
	r.giveUp()
	return ""
}

// escaped reads the rest of the string that begins at from, up to whose first
// escape, at r.pos, nothing had to be decoded.
func (r *jsonReader) escaped(from int) string {
	var b strings.Builder
	for !r.odd {
		run := r.pos
		for r.pos < len(r.s) && r.s[r.pos] != '"' && r.s[r.pos] != '\\' && r.s[r.pos] >= ' ' {
			r.pos++
		}
		if r.pos+1 >= len(r.s) || r.s[r.pos] < ' ' {
			r.giveUp()
			break
		}
		if b.Len() == 0 {
			run = from
			end := strings.IndexByte(r.s[r.pos:], '"') // nearly always the last
			b.Grow(r.pos - from + max(end, 0))
		}
		b.WriteString(r.s[run:r.pos])
		if r.s[r.pos] == '"' {
			r.pos++
			return b.String()
		}
		r.escape(&b)
	}
	return ""
}

// escape decodes the escape at r.pos.
func (r *jsonReader) escape(b *strings.Builder) {
	c := r.s[r.pos+1]
	r.pos += 2
	switch c {
	case '"', '\\', '/':
		b.WriteByte(c)
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		r.pos -= 2
		first := r.unit()
		if utf16.IsSurrogate(first) {
			at := r.pos
			if pair := utf16.DecodeRune(first, r.unit()); pair != utf8.RuneError {
				first = pair
			} else {
				first, r.pos, r.odd = utf8.RuneError, at, false // half a pair stands for nothing
			}
		}
		b.WriteRune(first)
	default:
		r.giveUp()
	}
}

// unit reads an escape of the form \u1234.
func (r *jsonReader) unit() rune {
	if r.pos+6 > len(r.s) || r.s[r.pos] != '\\' || r.s[r.pos+1] != 'u' {
		r.giveUp()
		return -1
	}
	n, err := strconv.ParseUint(r.s[r.pos+2:r.pos+6], 16, 16)
	if err != nil || r.s[r.pos+2] == '_' {
		r.giveUp()
		return -1
	}
	r.pos += 6
	return rune(n)
}

// kind returns the first byte of the value at r.pos, which says of what type it
// is.
func (r *jsonReader) kind() byte {
	if r.pos < len(r.s) {
		return r.s[r.pos]
	}
	r.giveUp()
	return 0
}

// drop skips a value of a type that cannot be made to fit.
func (r *jsonReader) drop() {
	r.repaired = r.repaired || r.kind() != 'n'
	r.skip()
}

// text reads a string. A number or a boolean becomes one.
func (r *jsonReader) text(to *string) {
	switch r.kind() {
	case '"':
		*to = r.string()
	case '{', '[', 'n':
		r.drop()
	default:
		from := r.pos
		r.drop()
		*to = r.s[from:r.pos]
	}
}

// id is text for what gofeed reads as a string itself.
func (r *jsonReader) id(to *string) {
	if k := r.kind(); k == '{' || k == '[' {
		r.giveUp()
		return
	}
	before := r.repaired
	r.text(to)
	r.repaired = before
}

// integer reads a whole number, or null.
func (r *jsonReader) integer(to *int64) {
	if r.kind() == 'n' {
		r.skip()
		return
	}
	from := r.pos
	r.number()
	n, err := strconv.ParseInt(r.s[from:r.pos], 10, 64)
	if err != nil {
		r.giveUp()
	}
	*to = n
}

// number skips a number.
func (r *jsonReader) number() {
	digits := func() {
		if r.pos >= len(r.s) || !isDigit(r.s[r.pos], 10) {
			r.giveUp()
		}
		for r.pos < len(r.s) && isDigit(r.s[r.pos], 10) {
			r.pos++
		}
	}
	at := func(set string) bool { return r.pos < len(r.s) && strings.IndexByte(set, r.s[r.pos]) >= 0 }
	if at("-") {
		r.pos++
	}
	if at("0") {
		r.pos++
	} else {
		digits()
	}
	if at(".") {
		r.pos++
		digits()
	}
	if at("eE") {
		r.pos++
		if at("+-") {
			r.pos++
		}
		digits()
	}
}

// skip skips a value. The guard has bounded how deep it nests.
func (r *jsonReader) skip() {
	if r.pos >= len(r.s) {
		r.giveUp()
		return
	}
	switch r.s[r.pos] {
	case '"':
		r.string()
	case '{':
		r.expect('{')
		for more := !r.take('}'); more && !r.odd; {
			r.space()
			r.string()
			r.expect(':')
			r.space()
			r.skip()
			if more = r.take(','); !more {
				r.expect('}')
			}
		}
	case '[':
		r.list(r.skip)
	default:
		for _, word := range []string{"true", "false", "null"} {
			if strings.HasPrefix(r.s[r.pos:], word) {
				r.pos += len(word)
				return
			}
		}
		r.number()
	}
}
