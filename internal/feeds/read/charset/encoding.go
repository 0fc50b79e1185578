package charset

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
)

// encodingOf returns the encoding that label, in small letters, names, and the
// name that the WHATWG has for it, if it has one; "" when nobody knows label or it
// names one of 16 or 32 bits, which the bytes tell better. Beside the WHATWG's labels
// and the IANA's, the spellings of real feeds are known: cp-1251, win1251, ms932,
// latin-1, euc_jp, koi8r, 8859_1. Misspelt UTF-8 counts as nothing said.
func encodingOf(label string) (enc encoding.Encoding, name string) {
	label, _, _ = strings.Cut(label, ":") // ISO-8859-1:1987
	if enc, name = lookUpEncoding(label); enc != nil || label == "" {
		return enc, name
	}
	plain := notPlain.ReplaceAllString(label, "")
	if known, ok := otherLabels[plain]; ok && plain[0] > '9' {
		return lookUpEncoding(known)
	}
	for _, s := range spellings {
		if !s.plain.MatchString(plain) {
			continue
		}
		for _, as := range s.as {
			known := s.plain.ReplaceAllString(plain, as)
			if other, ok := otherLabels[known]; ok {
				known = other
			}
			if enc, name = lookUpEncoding(known); enc != nil {
				return enc, name
			}
		}
	}
	return nil, ""
}

// spellings are those of labels without punctuation, and what they may stand for.
var (
	notPlain  = regexp.MustCompile("[^a-z0-9]+")
	spellings = []struct {
		plain *regexp.Regexp
		as    []string
	}{
		{regexp.MustCompile(`^(?:x?cp|ms|win|windows|ibm|dos|codepage)(\d+)$`), []string{"$1", "windows-$1", "ibm$1"}},
		{regexp.MustCompile(`^(?:latin|isolatin|l)(\d+)$`), []string{"latin$1"}},
		{regexp.MustCompile(`^(?:iso)?8859(\d+)$`), []string{"iso-8859-$1"}},
	}
)

// lookUpEncoding looks label up with the WHATWG, then with the IANA.
func lookUpEncoding(label string) (enc encoding.Encoding, name string) {
	if enc, err := htmlindex.Get(label); err == nil {
		name, _ = htmlindex.Name(enc)
		if name == "replacement" || strings.HasPrefix(name, "utf-16") {
			return nil, ""
		}
		return enc, name
	}
	if enc, err := ianaindex.IANA.Encoding(label); err == nil && enc != nil && !strings.HasPrefix(label, "utf") {
		return enc, label
	}
	return nil, ""
}

// otherLabels holds labels in use that neither list has, without punctuation, and the
// numbers that Microsoft gave to encodings of other names, which name none alone.
var otherLabels = map[string]string{
	"eucjp": "euc-jp", "ujis": "euc-jp", "sjis": "shift_jis", "shiftjis": "shift_jis", "mskanji": "shift_jis", "euckr": "euc-kr", "uhc": "euc-kr",
	"euccn": "gbk", "gb2312": "gbk", "gbk": "gbk", "gb180302000": "gb18030", "big5": "big5", "big5hkscs": "big5", "koi8r": "koi8-r", "koi8u": "koi8-u", "koi8ru": "koi8-u",
	"tis620": "windows-874", "macroman": "macintosh", "maccyrillic": "x-mac-cyrillic", "usascii": "us-ascii", "latin9": "iso-8859-15",

	"858": "ibm00858", "932": "shift_jis", "936": "gbk", "949": "euc-kr", "950": "big5", "54936": "gb18030", "51932": "euc-jp", "51949": "euc-kr",
	"20866": "koi8-r", "21866": "koi8-u", "10000": "macintosh", "28591": "latin1", "28592": "latin2", "28595": "iso-8859-5", "28605": "iso-8859-15",
}

// byBytes returns the encoding of body, which is not valid UTF-8, by what its bytes
// are: nil for UTF-8 that was damaged, where far more of the bytes from 0x80 on are
// in valid sequences than not, or more than not where UTF-8 is declared, or where
// it is and one byte is wrong. By chance every third sequence of two-byte encodings
// is valid.
func byBytes(body []byte, declared bool) encoding.Encoding {
	valid, broken := 0, 0
	for i := 0; i < len(body); {
		if body[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRune(body[i:])
		switch {
		case size > 1:
			valid += size
		case utf8.FullRune(body[i:]):
			broken++
		default:
			i = len(body) // the last one was cut
		}
		i += size
	}
	if broken*3 <= valid || declared && (broken < valid || broken == 1) {
		return nil
	}
	return detectEncoding(body)
}

// detectionWindow is how many bytes of text an encoding is guessed from; it
// costs some 2 µs each.
const detectionWindow = 8 << 10

// detectEncoding guesses what body, which is no UTF-8 and says nothing of its
// encoding, is in. What is not plainly another one is windows-1252, as in browsers.
//
// Rejected: gogs/chardet, a port of ICU's, which is five times as fast and knows
// Polish, Czech, Hungarian, Turkish and Arabic too, but no Thai, and takes short titles
// in any language for Latin; nobody has kept it since 2021. The one that is kept knows
// none of those five, so that they are told by their alphabets.
func detectEncoding(body []byte) encoding.Encoding {
	text := foreignText(body)
	if isKana(text) {
		return japanese.ShiftJIS
	}
	guess := chardet.Detect(bytes.Repeat(text, 1+512/(1+len(text)))) // one title is too little for it
	name := strings.ToLower(guess.Encoding)
	switch {
	case name == "maccyrillic":
		name = "windows-1251" // which has the same small letters, and is what the web has
	case name == "gb2312" && !isIn("gbk", text) && isIn("big5", text):
		name = "big5" // one title in it looks like that
	}
	if enc, _ := encodingOf(name); enc != nil && guess.Confidence > leastSure[name] && leastSure[name] > 0 {
		if enc == charmap.KOI8R {
			enc = charmap.KOI8U // the same for Russian, and Ukrainian besides
		}
		return enc
	}
	return byAlphabet(text)
}

// isIn reports whether all of text is something in the encoding of that name.
func isIn(name string, text []byte) bool {
	enc, _ := encodingOf(name)
	decoded, err := enc.NewDecoder().Bytes(text)
	return err == nil && !bytes.Contains(decoded, []byte("\uFFFD"))
}

// leastSure holds how sure of an encoding the guess has to be.
var leastSure = map[string]float64{
	"shift_jis": 0.3, "cp932": 0.3, "euc-jp": 0.3, "gb2312": 0.3, "big5": 0.3, "euc-kr": 0.3, "cp949": 0.3,
	"koi8-r": 0.6, "windows-1251": 0.6, "iso-8859-5": 0.6, "ibm866": 0.6,
	"windows-1253": 0.6, "iso-8859-7": 0.6, "windows-1255": 0.6, "iso-8859-8": 0.6, "tis-620": 0.6,
}

// isKana reports whether half of the bytes of text from 0x80 on are Japanese syllables
// in Shift_JIS, which the library sees in long texts only.
func isKana(text []byte) bool {
	pairs, high := 0, 0
	for i := 0; i < len(text); i++ {
		if text[i] < utf8.RuneSelf {
			continue
		}
		high++
		if i+1 == len(text) {
			break
		}
		if next := text[i+1]; text[i] == 0x82 && 0x9F <= next && next <= 0xF1 || text[i] == 0x83 && 0x40 <= next && next <= 0x96 {
			i++
			high++
			pairs++
		}
	}
	return pairs >= 3 && 4*pairs >= high
}

// foreignText returns so much of the text between the tags of body as is not
// ASCII.
func foreignText(body []byte) []byte {
	var text []byte
	for len(body) > 0 && len(text) < detectionWindow {
		at := bytes.IndexFunc(body, func(r rune) bool { return r >= utf8.RuneSelf })
		if at < 0 {
			break
		}
		from := 1 + bytes.LastIndexAny(body[:at], "<>")
		end := len(body)
		if n := bytes.IndexAny(body[at:], "<>"); n >= 0 {
			end = at + n
		}
		text = append(append(text, body[from:min(end, from+detectionWindow)]...), ' ')
		body = body[end:]
	}
	return text
}
