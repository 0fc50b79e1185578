package feeds

import (
	"bytes"
	"time"
)

// Years outside of which a date is absurd: before the first no document was
// published with a date of this calendar, and further ahead than the second
// none is announced.
const (
	firstYear  = 1000
	yearsAhead = 10
)

// unixDate returns t as Unix seconds; 0 when it is absent, never the present
// time.
func unixDate(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// sensibleDate returns the date, or 0 when it is absurd.
func sensibleDate(seconds int64, now time.Time) int64 {
	if year := time.Unix(seconds, 0).UTC().Year(); year < firstYear || year > now.Year()+yearsAhead {
		return 0
	}
	return seconds
}

// zones holds the time zones by name that RSS allows (RFC 822, section 5) and
// their offsets. gofeed reads every one of them as this table does.
var zones = map[string]string{
	"GMT": "+0000", "UT": "+0000", "UTC": "+0000",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
}

// plainDate returns a date such as "Mon, 2 Jan 2006 15:04:05 GMT" with the
// offset in place of the zone's name and two digits in that of the day. gofeed
// tries that form fourth and the one with a name after more than a hundred, and
// makes the same of both. ok is false for whatever is not of exactly this
// shape.
func plainDate(text []byte) (date string, ok bool) {
	const shape = "Aaa, 00 Aaa 0000 00:00:00 "
	// Not unicode.IsSpace: XML has no form feed, and gofeed is to say what a
	// date with one is.
	text = bytes.Trim(text, " \t\r\n")
	at := bytes.LastIndexByte(text, ' ') + 1
	offset, ok := zones[string(text[at:])]
	var buf [len(shape)]byte
	switch {
	case !ok:
		return "", false
	case at == len(shape):
		copy(buf[:], text)
	case at == len(shape)-1:
		copy(buf[:5], text)
		buf[5] = '0'
		copy(buf[6:], text[5:])
	default:
		return "", false
	}
	for i := range shape {
		if !fits(buf[i], shape[i]) {
			return "", false
		}
	}
	return string(buf[:]) + offset, true
}

// fits reports whether c may stand where shape has s: 0 is any digit, A any
// capital, a any small letter, and all else itself.
func fits(c, s byte) bool {
	switch s {
	case '0':
		return '0' <= c && c <= '9'
	case 'A':
		return 'A' <= c && c <= 'Z'
	case 'a':
		return 'a' <= c && c <= 'z'
	}
	return c == s
}
