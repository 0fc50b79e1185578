package date

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a worker opens no files
)

// zones holds the offsets of time zones by name, in seconds: those of RFC 822,
// section 5 (with the signs it gives the military letters), and those in use that
// mean one thing. IST is India's and BST Britain's by far the most often; names
// that are as often one as the other are none.
var zones = zoneTable(`
GMT 0 UT 0 UTC 0 Z 0 WET 0 EST -5 EDT -4 CST -6 CDT -5 MST -7 MDT -6 PST -8 PDT -7
A -1 B -2 C -3 D -4 E -5 F -6 G -7 H -8 I -9 K -10 L -11 M -12 N 1 O 2 P 3 Q 4 R 5 S 6 T 7 U 8 V 9 W 10 X 11 Y 12
BST 1 CET 1 MET 1 MEZ 1 WEST 1 WAT 1 CEST 2 MEST 2 MESZ 2 EET 2 CAT 2 SAST 2 EEST 3 IDT 3 EAT 3 MSK 3 TRT 3
IRST 3.5 IRDT 4.5 MSD 4 SAMT 4 AFT 4.5 YEKT 5 PKT 5 UZT 5 IST 5.5 NPT 5.75 OMST 6 KRAT 7 ICT 7 WIB 7
IRKT 8 SGT 8 HKT 8 MYT 8 PHT 8 WITA 8 AWST 8 YAKT 9 JST 9 KST 9 WIT 9 ACST 9.5 ACDT 10.5 AEST 10 VLAT 10 CHST 10 AEDT 11 MAGT 11 NZST 12 NZDT 13
NST -3.5 NDT -2.5 AST -4 ADT -3 BRT -3 BRST -2 ART -3 UYT -3 CLT -4 CLST -3 VET -4 COT -5 PET -5 AKST -9 AKDT -8 HST -10 HAST -10 HDT -9`)

// prevailing holds the zones that are named without saying whether it is summer.
var prevailing = map[string]string{
	"ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles", "AT": "America/Halifax",
}

// sign reads a sign of size bytes: that of an offset, or a dash.
func (l *looseDate) sign(size int) bool {
	minus := l.text[l.pos] != '+'
	touches := isDecimal(l.behind())
	l.pos += size
	if l.peek(0) == '-' && isDecimal(l.peek(1)) && !touches {
		l.pos++
	}
	if !isDecimal(l.peek(0)) {
		return true
	}
	digits := leadingDigits(l.rest())
	colon := digits <= 3 && l.peek(digits) == ':'
	last := l.found > 0 && l.numbers[l.found-1].next == l.text[l.pos-size] && touches // the number before it is one of the date
	switch whole := l.parts() >= 3; {
	case l.clock && (!last || whole):
	case !l.clock && whole && (colon || !touches) && digits != 1:
	case l.pos == size:
		return false // a year before Christ
	default:
		return true
	}
	hours, minutes := l.text[l.pos:l.pos+digits], "0"
	l.pos += digits
	switch {
	case colon:
		l.pos++
		n := leadingDigits(l.rest())
		hours = strings.TrimPrefix(hours, "0") // some write -010:00
		minutes = l.text[l.pos : l.pos+n]
		l.pos += n
		l.text = l.text[:l.pos] + strings.TrimPrefix(l.rest(), ":00")
	case digits == 3 || digits == 4:
		hours, minutes = hours[:digits-2], hours[digits-2:]
	}
	if len(hours) > 2 || len(minutes) > 2 || minutes == "" {
		return false
	}
	offset, ok := zoneOffset(minus, hours, minutes)
	if l.exact {
		return ok && offset == l.at.offset
	}
	l.at.offset, l.at.place, l.zoned, l.exact = offset, nil, true, true
	return ok
}

// comment reads what is in brackets: the zone, where nothing else says it.
func (l *looseDate) comment() bool {
	end := strings.IndexAny(l.rest(), ")]")
	if end < 0 {
		return false
	}
	l.aside = strings.TrimSpace(l.text[l.pos+1 : l.pos+end])
	l.pos += end + 1
	return true
}

// placeName reads the name of a zone by its place, such as Europe/Paris or
// EST5EDT, that begins at start.
func (l *looseDate) placeName(start int) bool {
	end := start
	for end < len(l.text) && (isLetterAt(l.text, end) || isDecimal(l.text[end]) || strings.IndexByte("/_+-", l.text[end]) >= 0) {
		end++
	}
	place, ok := l.places.place(l.text[start:end])
	if ok {
		l.pos = end
		if !l.exact {
			l.at.place, l.zoned = place, true
		}
	}
	return ok
}

// zoneName reports whether name is that of a zone, and whether it can be the one
// of this date.
func (l *looseDate) zoneName(name string) (known, ok bool) {
	name = strings.ToUpper(name)
	offset, known := zones[name]
	place, alone := prevailing[name]
	switch {
	case !known && !alone:
		return false, false
	case l.exact || l.zoned && known && offset == l.at.offset:
		return true, true
	case l.zoned:
		return true, false
	}
	l.zoned, l.us = true, alone || strings.Contains(" EST EDT CST CDT MST MDT PST PDT AKST AKDT HST ", " "+name+" ")
	l.at.offset = offset
	if alone {
		l.at.place, known = l.places.place(place)
	}
	return true, known
}

// place returns the time zone of a place by the names of the IANA.
func (d *Reader) place(name string) (where *time.Location, ok bool) {
	where, known := d.places[name]
	if !known && len(d.places) < maxPlaces {
		if d.places == nil {
			d.places = make(map[string]*time.Location)
		}
		if loaded, err := time.LoadLocation(name); err == nil {
			where = loaded
		}
		d.places[name] = where
	}
	return where, where != nil
}

// zone settles the zone, when all is read.
func (l *looseDate) zone() bool {
	if l.zoned || l.aside == "" {
		if !l.zoned && l.korean {
			l.at.offset = 9 * 3600 // one language, one zone
		}
		return true
	}
	l.text, l.pos = l.aside, 0
	if known, ok := l.zoneName(l.aside); known {
		return ok
	}
	if strings.Contains(l.aside, "/") && l.placeName(0) {
		return true
	}
	abbreviation := len(l.aside) <= 5 && isASCII(l.aside) && strings.ToUpper(l.aside) == l.aside
	return !abbreviation
}

// zoneTable reads pairs of a name and an offset in hours.
func zoneTable(pairs string) map[string]int {
	words := strings.Fields(pairs)
	table := make(map[string]int, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		hours, err := strconv.ParseFloat(words[i+1], 64)
		if err != nil {
			panic(err)
		}
		table[words[i]] = int(hours * 3600)
	}
	return table
}

// zoneOffset returns an offset in seconds.
func zoneOffset(minus bool, hours, minutes string) (offset int, ok bool) {
	if leadingDigits(hours) < len(hours) || leadingDigits(minutes) < len(minutes) || number(hours) > 23 || number(minutes) > 59 {
		return 0, false
	}
	offset = number(hours)*3600 + number(minutes)*60
	if minus {
		offset = -offset
	}
	return offset, true
}
