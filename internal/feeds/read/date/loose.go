package date

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A looseDate reads one date in no particular form. It goes through the text once
// and takes what only one part of a date can be: a time has a colon, an offset a
// sign, a month a name. Of the numbers that are left the separators, the number of
// digits, the 12-hour clock and the name of the day tell which is which. A word
// that is none of a date makes it none.
type looseDate struct {
	text   string
	pos    int
	places *Reader

	numbers [4]dateNumber // that are parts of the date
	found   int           // how many

	month uint32 // the names that a word is which is the month, see dateName
	maybe uint32 // the names of a word that may be the month or the day
	day   uint32 // the names of the day

	clock  bool // there is a time of day
	half   byte // 'a' and 'p' of a clock of 12 hours
	zoned  bool // there is a zone
	exact  bool // by its offset
	us     bool // one of the United States
	aside  string
	korean bool
	at     moment
}

// A dateNumber is one number of a date.
type dateNumber struct {
	value, digits int
	next          byte // the byte behind it
	unit          byte // y, m or d, where it has the sign of one
}

// parts returns how many of year, month and day have been met.
func (l *looseDate) parts() int {
	if l.month|l.maybe != 0 {
		return l.found + 1
	}
	return l.found
}

func (l *looseDate) rest() string { return l.text[l.pos:] }

// peek returns the byte that is n behind the next one; 0 behind the end.
func (l *looseDate) peek(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

// behind returns the byte before the next one.
func (l *looseDate) behind() byte {
	if l.pos > 0 {
		return l.text[l.pos-1]
	}
	return 0
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

func (l *looseDate) read() (seconds int64, ok bool) {
	if seconds, ok := epoch(l.text); ok {
		return seconds, true
	}
	if seconds, ok := l.short(); ok {
		return seconds, true
	}
	for l.pos < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.rest())
		switch {
		case isDecimal(l.text[l.pos]):
			ok = l.number()
		case r == '+' || r == '-' || r == '−':
			ok = l.sign(size)
		case r == '(' || r == '[':
			ok = l.comment()
		case unicode.IsLetter(r):
			ok = l.word()
		case unicode.IsSpace(r) || strings.ContainsRune(".,/:;|~–—'’\"\u200e\u200f", r):
			l.pos += size
			ok = true
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	if !l.zone() || !l.halve() || !l.date() {
		return 0, false
	}
	return l.at.unix()
}

// epoch reads seconds, milliseconds or microseconds since 1970.
func epoch(text string) (seconds int64, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if leadingDigits(whole) < len(whole) || leadingDigits(fraction) < len(fraction) {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err != nil || strings.HasPrefix(whole, "0"):
	case len(whole) == 9 || len(whole) == 10:
		return n, true
	case len(whole) == 13 || len(whole) == 12 && whole[:2] != "19" && whole[:2] != "20":
		return n / 1000, true
	case len(whole) == 16:
		return n / 1_000_000, true
	}
	return 0, false
}

// shortForms are those of ISO 8601 that have no separators, leave the century out, or
// count the days of a year.
var shortForms = []string{"2006", "060102", "-0601", "-06-01", "06002", "2006002", "2006-002"}

// short reads a date in one of shortForms.
func (l *looseDate) short() (seconds int64, ok bool) {
	for _, form := range shortForms {
		same := len(form) == len(l.text)
		for i := 0; same && i < len(form); i++ {
			same = isDecimal(form[i]) && isDecimal(l.text[i]) || form[i] == l.text[i] && form[i] == '-'
		}
		if !same {
			continue
		}
		text := l.text
		if !strings.HasPrefix(form, "2006") {
			text = strings.TrimPrefix(text, "-")
			form, text = "20"+strings.TrimPrefix(form, "-"), strconv.Itoa(century(number(text[:2]))/100)+text
		}
		t, err := time.Parse(form, text)
		return t.Unix(), err == nil && t.Year() > 0
	}
	return 0, false
}

// century returns the year that two digits stand for.
func century(year int) int {
	if year < 70 {
		return 2000 + year
	}
	return 1900 + year
}

// number reads a number: the time of day if a colon follows it, else a part of
// the date.
func (l *looseDate) number() bool {
	before := l.behind()
	digits := leadingDigits(l.rest())
	if digits > 14 {
		return false
	}
	n := dateNumber{value: number(l.text[l.pos : l.pos+digits]), digits: digits}
	text := l.text[l.pos : l.pos+digits]
	l.pos += digits
	n.next = l.peek(0)
	switch {
	case digits <= 2 && n.next == ':' && isDecimal(l.peek(1)),
		digits <= 2 && n.next == '.' && isDecimal(l.peek(1)) && !l.clock && l.parts() >= 3:
		return l.timeOfDay(n.value, n.next)
	case digits <= 2 && n.next|0x20 == 'h' && !l.clock && (isDecimal(l.peek(1)) || !isLetterAt(l.text, l.pos+1)):
		return l.timeOfDay(n.value, n.next)
	case (digits == 8 || digits == 12 || digits == 14) && l.found == 0:
		l.numbers[0] = dateNumber{value: number(text[:4]), digits: 4, unit: 'y'}
		l.numbers[1] = dateNumber{value: number(text[4:6]), digits: 2, unit: 'm'}
		l.numbers[2] = dateNumber{value: number(text[6:8]), digits: 2, unit: 'd'}
		l.found = 3
		return digits == 8 || l.compactTime(text[8:])
	case (digits == 4 || digits == 6) && before|0x20 == 't' && l.found == 3 && !l.clock:
		return l.compactTime(text)
	case l.unit(&n):
		return true
	case l.parts() >= 3 && n.value == 0:
		return true // "00" for a zone
	case l.parts() >= 3 && (l.month != 0 || l.numbers[1].digits == 4) && !l.clock && digits == 2 && before == ' ':
		l.clock, l.at.hour = true, n.value
		return true
	case l.parts() >= 3 && l.month != 0 || l.found == 3:
		return false
	}
	l.numbers[l.found] = n
	l.found++
	return true
}

func (l *looseDate) compactTime(text string) bool {
	l.clock = true
	l.at.hour, l.at.minute = number(text[:2]), number(text[2:4])
	if len(text) == 6 {
		l.at.second = number(text[4:])
	}
	return true
}

// unit reads the sign of a year, a month, a day, an hour and so on behind n, as
// Chinese, Japanese and Korean have it.
func (l *looseDate) unit(n *dateNumber) bool {
	r, size := utf8.DecodeRuneInString(l.rest())
	switch r {
	case '年', '년':
		n.unit = 'y'
	case '月', '월':
		n.unit = 'm'
	case '日', '일', '号', '號':
		n.unit = 'd'
	case '时', '時', '시', '点', '點':
		l.clock, l.at.hour = true, n.value
	case '分', '분':
		l.at.minute = n.value
	case '秒', '초':
		l.at.second = n.value
	default:
		return false
	}
	l.pos += size
	l.korean = l.korean || r == '년' || r == '시'
	if n.unit != 0 {
		if l.found == 3 {
			return false
		}
		l.numbers[l.found] = *n
		l.found++
	}
	return true
}

// timeOfDay reads what follows the hour: minutes, seconds and a fraction.
func (l *looseDate) timeOfDay(hour int, sep byte) bool {
	if l.clock && (l.at.hour != 0 || l.at.minute != 0 || l.at.second != 0) {
		return false
	}
	l.clock, l.at.hour = true, hour
	l.pos++
	minute, ok := l.sixtieth()
	if sep|0x20 == 'h' && !ok {
		return true
	}
	l.at.minute = minute
	if !ok || l.peek(0) != sep || !isDecimal(l.peek(1)) {
		return ok
	}
	l.pos++
	if l.at.second, ok = l.sixtieth(); !ok {
		return false
	}
	if c := l.peek(0); (c == '.' || c == ',') && isDecimal(l.peek(1)) {
		l.pos += 1 + leadingDigits(l.text[l.pos+1:])
	}
	l.text = l.text[:l.pos] + strings.TrimPrefix(l.rest(), ":00")
	return l.peek(0) != ':' || !isDecimal(l.peek(1))
}

// sixtieth reads minutes or seconds.
func (l *looseDate) sixtieth() (n int, ok bool) {
	digits := leadingDigits(l.rest())
	if digits < 1 || digits > 2 {
		return 0, false
	}
	n = number(l.text[l.pos : l.pos+digits])
	l.pos += digits
	return n, true
}

// isLetterAt reports whether a letter begins at s[i].
func isLetterAt(s string, i int) bool {
	if i >= len(s) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return unicode.IsLetter(r)
}

// fillers holds the words that stand in dates and say nothing.
const fillers = " at um om de del d of on the kl uhr den der le la el il alle ore ora à a klo года г р рік year ngày tháng năm lúc и u o g "

// word reads a word.
func (l *looseDate) word() bool {
	start, touches := l.pos, isDecimal(l.behind())
	for l.pos < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.rest())
		inside := (r == '\'' || r == '’') && isLetterAt(l.text, l.pos+size)
		if !unicode.IsLetter(r) && !unicode.Is(unicode.M, r) && !inside {
			break
		}
		l.pos += size
	}
	raw := l.text[start:l.pos]
	if next := l.peek(0); isASCII(raw) && (next == '/' && isLetterAt(l.text, l.pos+1) || isDecimal(next) && l.clock && len(raw) == 3) {
		if l.placeName(start) {
			return true
		}
	}
	folded := foldWord(raw)
	switch {
	case touches && strings.Contains(" st nd rd th er re e o a ª º ", " "+folded+" ") && !l.clock:
		return true
	case folded == "t" && isDecimal(l.peek(0)) && !l.clock:
		return true
	case l.halfOfDay(folded):
		return true
	}
	if l.clock || l.parts() >= 3 && strings.TrimRight(l.rest(), ". ") == "" {
		if known, ok := l.zoneName(raw); known {
			return ok
		}
	}
	may := nameOf(folded)
	switch {
	case may == 0:
		// Behind an offset its name says nothing new.
		return strings.Contains(fillers, " "+folded+" ") || l.exact
	case may&months == 0:
		l.day |= may
	case may&weekdays == 0:
		if l.month != 0 && l.month&may == 0 {
			return false
		}
		l.month = may
	default:
		l.day |= l.maybe & weekdays
		l.maybe = may
	}
	return true
}

// halfOfDay reads am and pm.
func (l *looseDate) halfOfDay(word string) bool {
	if (word == "a" || word == "p") && l.clock {
		tail := strings.TrimLeft(l.rest(), ". \u00a0\u202f")
		if len(tail) > 0 && tail[0]|0x20 == 'm' && !isLetterAt(tail, 1) {
			word, l.pos = word+"m", len(l.text)-len(tail)+1
		}
	}
	for i := range halves {
		if before, found := strings.CutSuffix(word, halves[i].word); found && (before == "" || !isASCII(word)) {
			l.half = halves[i].half
			l.korean = l.korean || i >= len(halves)-2
			l.day |= nameOf(before)
			return true
		}
	}
	return false
}

// halves holds the words for the halves of a day; the last two are Korean.
var halves = [...]struct {
	word string
	half byte
}{{"am", 'a'}, {"pm", 'p'}, {"上午", 'a'}, {"下午", 'p'}, {"午前", 'a'}, {"午後", 'p'}, {"午后", 'p'}, {foldWord("오전"), 'a'}, {foldWord("오후"), 'p'}}

// halve settles the hour.
func (l *looseDate) halve() bool {
	switch {
	case l.half == 'p' && l.at.hour < 12:
		l.at.hour += 12
	case l.half == 'a' && l.at.hour == 12:
		l.at.hour = 0
	}
	return l.half == 0 || l.clock
}

// date settles year, month and day.
func (l *looseDate) date() bool {
	n := l.numbers[:l.found]
	if l.month == 0 && l.maybe != 0 && len(n) < 3 {
		l.month, l.maybe = l.maybe, 0
	}
	l.day |= l.maybe & weekdays
	var room [4]moment
	ways := room[:0]
	add := func(year, month, day dateNumber) {
		m := moment{year: year.value, month: month.value, day: day.value}
		if year.digits <= 2 {
			m.year = century(m.year)
		}
		if year.digits != 3 && year.digits <= 4 && month.digits <= max(2, year.digits-1) && day.digits <= 2 && m.valid() {
			ways = append(ways, m)
		}
	}
	if l.month&months != 0 {
		for month := range 12 {
			if l.month&(1<<month) != 0 {
				l.named(n, dateNumber{value: month + 1}, add)
			}
		}
		if ways = l.onDay(ways); len(ways) != 1 {
			return false // no telling which month that is
		}
	} else {
		l.numeric(n, add)
		if ways = l.onDay(ways); len(ways) == 0 {
			return false
		}
	}
	l.at.year, l.at.month, l.at.day = ways[0].year, ways[0].month, ways[0].day
	return true
}

// named adds what the numbers may be beside the name of the month.
func (l *looseDate) named(n []dateNumber, month dateNumber, add func(year, month, day dateNumber)) {
	switch {
	case len(n) == 1 && n[0].digits == 4:
		add(n[0], month, dateNumber{value: 1, digits: 1})
	case len(n) == 2 && n[0].digits == 4:
		add(n[0], month, n[1])
	case len(n) == 2:
		add(n[1], month, n[0])
	}
}

// numeric adds what the numbers may be where none of them is a name, the most
// likely first.
func (l *looseDate) numeric(n []dateNumber, add func(year, month, day dateNumber)) {
	first := dateNumber{value: 1, digits: 1}
	switch {
	case len(n) == 2 && n[0].digits == 4 && (n[0].next == '-' || n[0].unit == 'y'):
		add(n[0], n[1], first)
		return
	case len(n) != 3:
		return
	case n[0].digits == 4:
		add(n[0], n[1], n[2])
		return
	case n[0].unit == 'y', n[2].digits <= 2 && n[0].digits == 2 && n[0].next == '-', n[2].digits <= 2 && n[1].digits == 1:
		add(n[0], n[1], n[2])
	}
	american := n[0].next != '.' && (l.half != 0 || l.us || n[2].digits <= 2)
	if american {
		add(n[2], n[0], n[1])
	}
	add(n[2], n[1], n[0])
	if !american && n[0].next != '.' {
		add(n[2], n[0], n[1])
	}
}

// onDay returns those of ways that fall on the day that has a name, or all when
// none does: many feeds name the wrong one.
func (l *looseDate) onDay(ways []moment) []moment {
	if len(ways) < 2 {
		return ways
	}
	right := make([]moment, 0, len(ways))
	for _, m := range ways {
		day := (int(time.Date(m.year, time.Month(m.month), m.day, 0, 0, 0, 0, time.UTC).Weekday()) + 6) % 7
		if l.day&(1<<(firstDay+day)) != 0 {
			right = append(right, m)
		}
	}
	if len(right) > 0 {
		return right
	}
	return ways
}
