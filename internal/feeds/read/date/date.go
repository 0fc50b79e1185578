// Package date reads dates as feeds write them, in the forms of the specifications
// and in those of the web. [Reader] is its door.
//
// It refuses to guess: a date whose zone, language or order of day and month cannot
// be known is none.
package date

import (
	"html"
	"strings"
	"time"
)

// A Reader reads the dates of one document: all that RFC 822, RFC 3339 and W3CDTF
// allow, and the spellings of real feeds, see docs/real-feeds.md. A date without
// a zone is of UTC. One that cannot be known (the zone, the language, the order
// of day and month) is none: no date is better than a wrong one.
//
// Rejected: a list of layouts for time.Parse, as other readers have. Each try costs
// a microsecond, so that what is no date costs the most, two hundred layouts
// still miss a comma, and time.Parse takes a zone that it does not know for UTC.
type Reader struct {
	places map[string]*time.Location // nil: there is no such place
}

// Read returns the moment that text says, in Unix seconds; ok is false when it says
// none. It costs some hundred nanoseconds in the forms that nearly all dates have,
// microseconds in others, and at most maxPlaces times 50 µs in all for zones by place.
func (d *Reader) Read(text string) (seconds int64, ok bool) {
	text = strings.TrimSpace(text)
	if seconds, ok := Common(text); ok {
		return seconds, true
	}
	if text == "" || len(text) > maxDate {
		return 0, false
	}
	l := looseDate{text: plainDate(text), places: d}
	return l.read()
}

// Common is Read without the other spellings. It reads the forms that nearly all dates
// of feeds have, those of RFC 3339 and of RFC 1123, at a tenth of the cost.
func Common(text string) (seconds int64, ok bool) {
	if len(text) > len("2006-") && text[4] == '-' {
		return isoDate(text)
	}
	return mailDate(text)
}

// isoDate reads "2006-01-02T15:04:05Z", with an offset for the Z, a fraction of a
// second, which does not count, or without a time of day.
func isoDate(text string) (seconds int64, ok bool) {
	const shape = "0000-00-00T00:00:00"
	if len(text) < len("0000-00-00") || !hasShape(text[:10], shape[:10]) {
		return 0, false
	}
	m := moment{year: number(text[:4]), month: number(text[5:7]), day: number(text[8:10])}
	if len(text) == 10 {
		return m.unix()
	}
	if len(text) <= len(shape) || !hasShape(text[10:len(shape)], shape[10:]) {
		return 0, false
	}
	m.hour, m.minute, m.second = number(text[11:13]), number(text[14:16]), number(text[17:19])
	zone := text[len(shape):]
	if digits := leadingDigits(zone[1:]); zone[0] == '.' && digits > 0 {
		zone = zone[1+digits:]
	}
	if zone != "Z" {
		if len(zone) != len("+00:00") || zone[3] != ':' {
			return 0, false
		}
		if m.offset, ok = zoneOffset(zone[0], zone[1:3], zone[4:]); !ok {
			return 0, false
		}
	}
	return m.unix()
}

const monthsInMail = "JanFebMarAprMayJunJulAugSepOctNovDec"

// mailDate reads "Mon, 02 Jan 2006 15:04:05 -0700", with GMT or the like for the
// offset, with one digit for the day or two, and without its name.
func mailDate(text string) (seconds int64, ok bool) {
	const head, tail = "Aaa, ", " Aaa 0000 00:00:00 "
	if len(text) > len(head) && text[3] == ',' {
		if !hasShape(text[:len(head)], head) || !strings.Contains("Mon,Tue,Wed,Thu,Fri,Sat,Sun,", text[:4]) {
			return 0, false
		}
		text = text[len(head):]
	}
	digits := leadingDigits(text)
	rest := text[digits:]
	if digits < 1 || digits > 2 || len(rest) <= len(tail) || !hasShape(rest[:len(tail)], tail) {
		return 0, false
	}
	month := strings.Index(monthsInMail, rest[1:4])
	m := moment{
		year: number(rest[5:9]), month: month/3 + 1, day: number(text[:digits]),
		hour: number(rest[10:12]), minute: number(rest[13:15]), second: number(rest[16:18]),
	}
	if month < 0 || month%3 != 0 {
		return 0, false
	}
	if zone := rest[len(tail):]; len(zone) == len("+0000") {
		m.offset, ok = zoneOffset(zone[0], zone[1:3], zone[3:])
	} else {
		m.offset, ok = zones[zone]
	}
	if !ok {
		return 0, false
	}
	return m.unix()
}

// hasShape reports whether s, which is as long as shape, fits it: 0 is any
// digit, A any capital, a any small letter, and all else itself.
func hasShape(s, shape string) bool {
	for i := range len(shape) {
		low, high := shape[i], shape[i]
		switch shape[i] {
		case '0':
			high = '9'
		case 'A':
			high = 'Z'
		case 'a':
			high = 'z'
		}
		if s[i] < low || s[i] > high {
			return false
		}
	}
	return true
}

// leadingDigits returns how many digits s begins with.
func leadingDigits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// number returns the value of s, which has only digits and not too many.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// A moment is a date with its time of day and its zone.
type moment struct {
	year, month, day     int
	hour, minute, second int
	offset               int            // in seconds, without a place
	place                *time.Location // nil with an offset
}

// unix returns m in Unix seconds. A day ends with 24:00:00 (ISO 8601), and a leap
// second (RFC 3339, section 5.7) is the first of the next minute, as in POSIX.
func (m *moment) unix() (seconds int64, ok bool) {
	midnight := m.hour == 24 && m.minute == 0 && m.second == 0
	if !m.valid() || m.hour > 23 && !midnight || m.minute > 59 || m.second > 60 {
		return 0, false
	}
	where := time.UTC
	if m.place != nil {
		where = m.place
	}
	return time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, 0, where).Unix() - int64(m.offset), true
}

// valid reports whether the calendar has the day of m.
func (m *moment) valid() bool {
	return m.year > 0 && m.month >= 1 && m.month <= 12 && m.day >= 1 && m.day <= 31 &&
		time.Date(m.year, time.Month(m.month), m.day, 0, 0, 0, 0, time.UTC).Day() == m.day
}

// maxDate bounds a date, in bytes, and maxPlaces the time zones by place that a Reader
// looks up.
const (
	maxDate   = 256
	maxPlaces = 64
)

// Years outside of which a date is absurd: before the first no document was
// published with a date of this calendar, and further ahead than the second
// none is announced.
const (
	firstYear  = 1000
	yearsAhead = 10
)

// Sensible returns the date, or 0 when it is absurd: before the year 1000, or more
// than ten years after now.
func Sensible(seconds int64, now time.Time) int64 {
	if year := time.Unix(seconds, 0).UTC().Year(); year < firstYear || year > now.Year()+yearsAhead {
		return 0
	}
	return seconds
}

// plainDate returns text without tags, references and blanks of other kinds. Of
// <time datetime="..."> the attribute is the date.
func plainDate(text string) string {
	if strings.ContainsRune(text, '&') {
		text = html.UnescapeString(text)
	}
	if _, after, found := strings.Cut(text, "datetime="); found && strings.Contains(text, "<time") && len(after) > 1 {
		if value, _, closed := strings.Cut(after[1:], after[:1]); closed {
			text = value
		}
	}
	for {
		before, tag, open := strings.Cut(text, "<")
		_, after, closed := strings.Cut(tag, ">")
		if !open || !closed {
			return strings.TrimSpace(text)
		}
		text = before + " " + after
	}
}
