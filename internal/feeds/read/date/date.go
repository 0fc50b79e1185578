// Package date reads dates as feeds write them, in the forms of the specifications
// and in those of the web. [Reader] is its door.
//
// It refuses to guess: a date whose zone, language or order of day and month cannot
// be known is none.
package date

import (
	"html"
	"regexp"
	"strings"
	"time"
)

// A Reader reads the dates of one document: all that RFC 822, RFC 3339 and W3CDTF
// allow, and the spellings of real feeds, see docs/real-feeds.md. A date without
// a zone is of UTC.
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
// of feeds have, those of RFC 3339 and of RFC 1123, at a fraction of the cost.
func Common(text string) (seconds int64, ok bool) {
	layout, date, zone := "Mon, 2 Jan 2006 15:04:05", text, ""
	if len(text) > len("2006-01-02T15:04:05") && text[4] == '-' {
		n := strings.IndexAny(text[len("2006-01-02T"):], "Z+-") + len("2006-01-02T")
		layout, date, zone = time.RFC3339[:len("2006-01-02T15:04:05")], text[:n], text[n:]
		if len(zone) == len("+00:00") && zone[3] == ':' {
			zone = zone[:3] + zone[4:]
		}
	} else if n := strings.LastIndexByte(text, ' '); n > len("Mon,") && text[3] == ',' {
		date, zone = strings.TrimRight(text[:n], " "), text[n+1:]
	}
	var offset int
	if len(zone) == len("+0000") && (zone[0] == '+' || zone[0] == '-') {
		offset, ok = zoneOffset(zone[0] == '-', zone[1:3], zone[3:])
	} else {
		offset, ok = zones[zone]
	}
	if !ok {
		return 0, false
	}
	t, err := time.Parse(layout, date)
	return t.Unix() - int64(offset), err == nil && t.Year() > 0
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

// Sensible returns the date, or 0 when it is absurd: before the year 1000, from which
// no document has a date of this calendar, or more than ten years after now.
func Sensible(seconds int64, now time.Time) int64 {
	if year := time.Unix(seconds, 0).UTC().Year(); year < 1000 || year > now.Year()+10 {
		return 0
	}
	return seconds
}

// plainDate returns text without tags, references and blanks of other kinds. Of
// <time datetime="..."> the attribute is the date.
func plainDate(text string) string {
	text = html.UnescapeString(text)
	if _, after, found := strings.Cut(text, "datetime="); found && strings.Contains(text, "<time") && len(after) > 1 {
		if value, _, closed := strings.Cut(after[1:], after[:1]); closed {
			text = value
		}
	}
	return strings.TrimSpace(tags.ReplaceAllString(text, " "))
}

var tags = regexp.MustCompile("<[^>]*>")
