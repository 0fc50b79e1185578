package feeds

import (
	"bytes"
	"unicode/utf8"
)

// fix puts U+FFFD where text, which is part of the input, refers to a character
// that XML forbids and, when it closes CDATA sections that none opened, escapes
// that.
func (g *guard) fix(text []byte, closes bool) {
	for rest := text[skipPlain(text, closes):]; len(rest) > 0; rest = rest[skipPlain(rest, closes):] {
		at := cap(g.input) - cap(rest) // in the input: all are slices of it
		switch {
		case bytes.HasPrefix(rest, []byte("&#")):
			size, forbidden := forbiddenReference(rest[2:])
			rest = rest[2+size:]
			if forbidden {
				g.edits.replace(at, at+2+size, "\uFFFD")
				g.repaired = true
			}
		case closes && bytes.HasPrefix(rest, []byte("]]>")):
			rest = rest[3:]
			g.edits.replace(at+2, at+3, "&gt;")
			g.repaired = true
		default:
			rest = rest[1:]
		}
	}
}

// skipPlain returns how many bytes of text come before anything that fix looks
// at.
func skipPlain(text []byte, closes bool) int {
	if closes {
		if next := bytes.IndexAny(text, "&]"); next >= 0 {
			return next
		}
		return len(text)
	}
	return indexReference(text)
}

// indexReference returns where the first numeric reference of text may begin,
// len(text) if nowhere. It looks for the second of its characters: escaped HTML
// is full of the first.
func indexReference(text []byte) int {
	for at := 0; ; at++ {
		n := bytes.IndexByte(text[at:], '#')
		if n < 0 {
			return len(text)
		}
		if at += n; at > 0 && text[at-1] == '&' {
			return at - 1
		}
	}
}

// forbiddenReference reports whether what follows "&#" refers to a character
// that XML forbids and that encoding/xml stops at, and how long it is.
func forbiddenReference(s []byte) (size int, forbidden bool) {
	digits, base := s, 10
	if len(s) > 0 && s[0] == 'x' {
		digits, base = s[1:], 16
	}
	n, r := 0, 0
	for ; n < len(digits) && isDigit(digits[n], base); n++ {
		if r <= utf8.MaxRune { // what is more, encoding/xml leaves as it is
			r = r*base + digit(digits[n])
		}
	}
	if n == 0 || n == len(digits) || digits[n] != ';' {
		return 0, false
	}
	size = len(s) - len(digits) + n + 1
	return size, r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// digit returns the value of a digit.
func digit(c byte) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(c|0x20-'a') + 10
}

func isDigit(c byte, base int) bool {
	return '0' <= c && c <= '9' || base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f'
}
