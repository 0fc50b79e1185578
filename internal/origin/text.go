package origin

import (
	"strconv"
	"strings"
)

// mix turns numbers into one that looks random. All generated content comes
// from it, so it must never change: a seed's bytes are promised to stay.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h ^= h >> 30
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 27
		h *= 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// A dice is a stream of numbers that look random (SplitMix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return mix(uint64(*d))
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() >> 33 % uint64(n)) }

// vocabulary is what the generated text is made of. None of the words needs
// escaping anywhere.
var vocabulary = strings.Fields(`
a a a the the the of of to and and in on with for from by at as is was are not but this that which when where
morning evening winter summer river harbour garden kitchen window bridge market station library workshop
paper letter notebook pencil camera radio engine wheel ladder hammer needle thread button pocket lantern
small large quiet early late narrow bright heavy simple broken careful patient curious ordinary strange useful
walk read write build repair carry measure compare listen remember forget wait begin finish borrow plant
network protocol server client cache buffer memory parser compiler kernel thread process queue database index
release version commit branch patch report question answer reason result example detail change history
bread butter coffee tea apple onion pepper salt rice soup cheese honey
blue green red yellow grey white black silver
north south island valley forest mountain coast village city street
friend neighbour teacher baker sailor painter singer gardener reader
one two three seven twelve forty hundred thousand
always never often seldom almost perhaps already again together apart
café naïve façade crème über größer Zürich señor mañana Kraków smörgås łódź œuvre
Москва весна 東京 日本語 한국 Ελλάδα ελπίδα שלום 🚲 🌧️`)

// authors write the generated items.
var authors = []string{
	"Ada Moreau", "Björn Halvorsen", "Chiara Rossi", "Dmitri Volkov", "Eun-ji Park", "Fatima Haddad",
	"Grace Okafor", "Hana Nováková", "Ivan Petrović", "Jürgen Weiß", "Kōji Tanaka", "Lucía Fernández",
}

// topics are the categories of generated items. The last one needs escaping.
var topics = []string{"notes", "travel", "code", "cooking", "music", "books", "city", "garden", "photos", "R&D"}

// A paragraph is a piece of HTML in the forms that the formats need.
type paragraph struct {
	html    []byte // well-formed, without ]]>
	escaped []byte // for XML text
	json    []byte // for a JSON string
}

// A prose is a stock of paragraphs. Items are put together of them, which is
// much faster than finding each word anew.
type prose struct {
	paragraphs []paragraph
}

const proseSize = 1024

func newProse(seed uint64) *prose {
	d := dice(mix(seed, 1))
	p := &prose{paragraphs: make([]paragraph, proseSize)}
	for i := range p.paragraphs {
		html := writeParagraph(&d)
		p.paragraphs[i] = paragraph{
			html:    []byte(html),
			escaped: []byte(xmlText.Replace(html)),
			json:    []byte(jsonText.Replace(html)),
		}
	}
	return p
}

// writeParagraph returns one to three sentences with the mark-up that posts
// have.
func writeParagraph(d *dice) string {
	var b strings.Builder
	block := "p"
	switch d.below(12) {
	case 0:
		block = "blockquote"
	case 1:
		block = "li"
		b.WriteString("<ul>")
	case 2:
		b.WriteString(`<img src="https://img.example.net/` + strconv.Itoa(d.below(1e6)) + `.jpg" alt="` + word(d) + `"/>`)
	}
	b.WriteString("<" + block + ">")
	for i := range 1 + d.below(3) {
		if i > 0 {
			b.WriteByte(' ')
		}
		writeSentence(&b, d)
	}
	b.WriteString("</" + block + ">")
	if block == "li" {
		b.WriteString("</ul>")
	}
	b.WriteByte('\n')
	return b.String()
}

func writeSentence(b *strings.Builder, d *dice) {
	n := 5 + d.below(12)
	for i := range n {
		w := word(d)
		if i > 0 {
			b.WriteByte(' ')
		} else if c := w[0]; 'a' <= c && c <= 'z' {
			w = string(c-'a'+'A') + w[1:]
		}
		switch d.below(40) {
		case 0:
			w = "<em>" + w + "</em>"
		case 1:
			w = "<code>" + w + " &lt; 3</code>"
		case 2:
			w = `<a href="https://example.org/` + strconv.Itoa(d.below(1e5)) + `?a=1&amp;b=2">` + w + "</a>"
		case 3:
			w = "“" + w + "”"
		case 4:
			w += ","
		case 5:
			w += " &amp; co"
		}
		b.WriteString(w)
	}
	b.WriteByte(".?!..."[d.below(6)])
}

func word(d *dice) string { return vocabulary[d.below(len(vocabulary))] }

// appendTitle appends three to eight words, the first of them in capitals at
// its start. They need no escaping.
func appendTitle(b []byte, d *dice) []byte {
	start := len(b)
	for i := range 3 + d.below(6) {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, word(d)...)
	}
	if c := b[start]; 'a' <= c && c <= 'z' {
		b[start] = c - 'a' + 'A'
	}
	return b
}

// xmlText escapes XML text, and jsonText what is in a JSON string. Nothing generated
// has other control characters than line feeds.
var (
	xmlText  = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;", `"`, "&quot;")
	jsonText = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`)
)

// appendEscaped appends s as XML text.
func appendEscaped(b []byte, s string) []byte { return append(b, xmlText.Replace(s)...) }
