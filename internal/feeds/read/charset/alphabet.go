package charset

import (
	"strings"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// alphabets holds what languages write beyond ASCII, in small letters, by the
// encodings that were used for them. The western ones come first, and win where
// another fits as well.
//
// Rejected: counting the words or the pairs of letters of each language. The letters
// alone tell a feed of three titles; what they cannot tell is left to the default.
var alphabets = []struct {
	charmaps  []*charmap.Charmap
	languages []string
}{
	{[]*charmap.Charmap{charmap.Windows1252}, []string{
		"àâæçéèêëîïôœùûüÿ", "äöüß", "áéíñóúüºª", "áâãàçéêíóôõúü", "àèéìíîòóù", "áéëïóöüè", "äåöéšž", "æøåéòô", "áðéíóúýþæö", "àçèéíïòóúü", "äöüõšž"}},
	{[]*charmap.Charmap{charmap.Windows1250, charmap.ISO8859_2}, []string{
		"ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ"}},
	{[]*charmap.Charmap{charmap.Windows1254}, []string{"çğıiöşüâîû"}},
	{[]*charmap.Charmap{charmap.Windows1257}, []string{"ąčęėįšųūž", "āčēģīķļņšūž"}},
	{[]*charmap.Charmap{charmap.Windows1256}, []string{"ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيًٌٍَُِّْپچژگک،؛؟ـ"}},
}

// fewLetters prove nothing, and of more than that leastFit have to be in an alphabet.
const (
	fewLetters = 4
	leastFit   = 0.95
)

// byAlphabet returns the encoding in which text is in one of the alphabets;
// windows-1252 when it is in none, or in a western one as well.
func byAlphabet(text []byte) encoding.Encoding {
	var seen, within [256]int
	for i, c := range text {
		if c < 0x80 {
			continue
		}
		seen[c]++
		if i > 0 && i+1 < len(text) && isWordByte(text[i-1]) && isWordByte(text[i+1]) {
			within[c]++
		}
	}
	best, most, fits := charmap.Windows1252, 0.0, 0
	for _, a := range alphabets {
		for _, letters := range a.languages {
			for _, c := range a.charmaps {
				fit, unfit := fitness(c, letters, &seen, &within)
				share := float64(fit) / float64(max(fit+unfit, 1))
				better := share > most || share == most && fit > fits && best != charmap.Windows1252
				if better && (c == charmap.Windows1252 || fit >= fewLetters && share >= leastFit) {
					best, most, fits = c, share, fit
				}
			}
		}
	}
	return best
}

// fitness counts the bytes from 0x80 on that are letters of an alphabet in c, and
// those that are others, or signs that stand within words. seen and within say how
// often each byte is there at all and between two letters.
func fitness(c *charmap.Charmap, letters string, seen, within *[256]int) (fit, unfit int) {
	for b := 0x80; b < 0x100; b++ {
		if seen[b] == 0 {
			continue
		}
		switch r := c.DecodeByte(byte(b)); {
		case strings.ContainsRune(letters, unicode.ToLower(r)):
			fit += seen[b]
		case unicode.IsLetter(r) || unicode.IsControl(r) || r == unicode.ReplacementChar:
			unfit += seen[b]
		case r != '’':
			unfit += within[b]
		}
	}
	return fit, unfit
}

// isWordByte reports whether c may be of a letter.
func isWordByte(c byte) bool { return c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' }
