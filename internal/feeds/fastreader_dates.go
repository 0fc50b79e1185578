package feeds

import (
	"strings"
	"time"

	"github.com/mmcdole/gofeed"
	jsonfeed "github.com/mmcdole/gofeed/json"
)

// date returns the date in text as Unix seconds, and whether there is one, as
// gofeed's ParseDate has it, within the bounds on dates.
func (f *fastReader) date(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, false
	}
	if at, ok := commonDate(text); ok {
		return at, true
	}
	if isNoDate(text) || len(text) > maxDate || f.noDates >= maxNoDates {
		return 0, false
	}
	at, ok := anyDate(text)
	if !ok {
		f.noDates++
	}
	return at, ok
}

// anyDate asks gofeed, which does not export its ParseDate but uses it for a
// date of JSON Feed.
func anyDate(text string) (int64, bool) {
	from := &jsonfeed.Feed{Items: []*jsonfeed.Item{{DatePublished: text}}}
	feed, err := (&gofeed.DefaultJSONTranslator{}).Translate(from)
	if err != nil || feed.Items[0].PublishedParsed == nil {
		return 0, false
	}
	return feed.Items[0].PublishedParsed.Unix(), true
}

// commonDate reads the forms that nearly all dates of feeds have: those of RFC
// 3339 and of RFC 1123, with little left out. ok is false for any other and for
// what is no date.
func commonDate(text string) (seconds int64, ok bool) {
	if len(text) > len("2006-") && text[4] == '-' {
		return isoDate(text)
	}
	return mailDate(text)
}

// isNoDate reports whether text begins with a year and a slash and is no date of
// the one form like that which gofeed knows. Trying them all costs it as much as
// an item.
func isNoDate(text string) bool {
	const shape = "0000/00/00"
	return len(text) > len("0000/") && hasShape(text[:5], shape[:5]) && (len(text) != len(shape) || !hasShape(text, shape))
}

// isoDate reads "2006-01-02T15:04:05Z", with an offset for the Z, a fraction of a
// second, which does not count, or without a time of day.
func isoDate(text string) (seconds int64, ok bool) {
	const shape = "0000-00-00T00:00:00"
	if len(text) < len("0000-00-00") || !hasShape(text[:10], shape[:10]) {
		return 0, false
	}
	clock, offset := "00:00:00", 0
	if len(text) > 10 {
		if len(text) <= len(shape) || !hasShape(text[10:len(shape)], shape[10:]) {
			return 0, false
		}
		zone, valid := skipFraction(text[len(shape):])
		switch {
		case !valid:
			return 0, false
		case zone == "Z":
		case len(zone) == 6 && zone[3] == ':':
			if offset, ok = zoneOffset(zone[0], zone[1:3], zone[4:]); !ok {
				return 0, false
			}
		default:
			return 0, false
		}
		clock = text[11:len(shape)]
	}
	return unixTime(number(text[:4]), time.Month(number(text[5:7])), number(text[8:10]), clock, offset)
}

// skipFraction returns what follows a fraction of a second, if there is one.
func skipFraction(s string) (rest string, ok bool) {
	if s[0] != '.' {
		return s, true
	}
	end := 1
	for end < len(s) && isDigit(s[end], 10) {
		end++
	}
	return s[end:], end > 1 && end <= 10
}

const (
	monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"
	dayNames   = "SunMonTueWedThuFriSat"
)

// mailDate reads "Mon, 02 Jan 2006 15:04:05 -0700", with the name of a zone for
// the offset, with one digit for the day or two, and without its name.
func mailDate(text string) (seconds int64, ok bool) {
	const head, tail = "Aaa, ", " Aaa 0000 00:00:00 "
	if len(text) > len(head) && text[3] == ',' {
		if !hasShape(text[:len(head)], head) || nameIndex(dayNames, text[:3]) < 0 {
			return 0, false
		}
		text = text[len(head):]
	}
	digits := min(max(strings.IndexByte(text, ' '), 0), 2)
	day, rest := text[:digits], text[digits:]
	if len(rest) <= len(tail) || !hasShape(rest[:len(tail)], tail) || !isNumber(day) {
		return 0, false
	}
	zone := strings.TrimLeft(rest[len(tail):], " ")
	if zone == "UT" {
		return 0, false // gofeed knows it in some of these forms only
	}
	if name, known := zones[zone]; known {
		zone = name
	}
	if len(zone) != len("-0700") {
		return 0, false
	}
	offset, ok := zoneOffset(zone[0], zone[1:3], zone[3:])
	month := nameIndex(monthNames, rest[1:4])
	if !ok || month < 0 {
		return 0, false
	}
	return unixTime(number(rest[5:9]), time.Month(month+1), number(day), rest[10:], offset)
}

// nameIndex returns which of the names of three letters in list name is; -1 for
// none.
func nameIndex(list, name string) int {
	for i := 0; i < len(list); i += 3 {
		if list[i:i+3] == name {
			return i / 3
		}
	}
	return -1
}

// hasShape reports whether s, which is as long as shape, fits it.
func hasShape(s, shape string) bool {
	for i := range len(shape) {
		if !fits(s[i], shape[i]) {
			return false
		}
	}
	return true
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i], 10) {
			return false
		}
	}
	return s != ""
}

// number returns the value of s, which has only digits.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// zoneOffset returns an offset in seconds.
func zoneOffset(sign byte, hours, minutes string) (offset int, ok bool) {
	if !isNumber(hours) || !isNumber(minutes) || number(hours) > 23 || number(minutes) > 59 {
		return 0, false
	}
	offset = number(hours)*3600 + number(minutes)*60
	if sign == '-' {
		offset = -offset
	}
	return offset, sign == '+' || sign == '-'
}

// unixTime returns a time of day, which is spelled "15:04:05", as Unix seconds.
func unixTime(year int, month time.Month, day int, clock string, offset int) (seconds int64, ok bool) {
	hour, minute, second := number(clock[:2]), number(clock[3:5]), number(clock[6:8])
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return 0, false
	}
	return t.Unix() - int64(offset), true
}
