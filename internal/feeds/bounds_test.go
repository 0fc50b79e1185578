package feeds

import (
	"fmt"
	"strings"
	"testing"
)

// TestAuthorsOverTheBoundAreLeftOut by either reader: looking each of half a
// million up among the others took minutes.
func TestAuthorsOverTheBoundAreLeftOut(t *testing.T) {
	var atom, creators strings.Builder
	for i := range maxNames + 10 {
		fmt.Fprintf(&atom, "<author><name>a%d</name></author>", i)
		fmt.Fprintf(&creators, "<dc:creator>a%d</dc:creator>", i)
	}
	for name, text := range map[string]string{
		"Atom": `<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>1</id>` + atom.String() + `</entry></feed>`,
		"RSS": `<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item><guid>1</guid>` +
			creators.String() + `</item></channel></rss>`,
	} {
		for _, p := range []Parser{ParserAuto, ParserGofeed} {
			d, err := p.ReadDocument([]byte(text), "", "http://x.example/")
			if err != nil || len(d.Items) != 1 {
				t.Fatalf("%s: %v, want one item", name, err)
			}
			if got := strings.Count(d.Items[0].Author, ", ") + 1; got != maxNames {
				t.Errorf("%s, read by %v: %d authors, want %d", name, d.Reader, got, maxNames)
			}
		}
	}
}

// TestWhatIsNoDateIsNotTriedForEver: gofeed tries more than a hundred layouts
// on it, and copies all of it for each.
func TestWhatIsNoDateIsNotTriedForEver(t *testing.T) {
	var r fastReader
	if _, ok := r.date("2006.01.02" + strings.Repeat("0", maxDate)); ok || r.noDates > 0 {
		t.Errorf("a date of %d bytes was tried", maxDate+10)
	}
	const odd = "January 2, 2006, 3:04 p.m." // known to gofeed alone
	for range maxNoDates {
		r.date("no date at all")
		if r.noDates == maxNoDates-1 {
			if _, ok := r.date(odd); !ok {
				t.Errorf("%q after %d others was not read", odd, r.noDates)
			}
		}
	}
	if _, ok := r.date(odd); ok {
		t.Errorf("%q was tried after %d that are none", odd, r.noDates)
	}
	if at, ok := r.date("2006-01-02T15:04:05Z"); !ok || at != 1136214245 {
		t.Errorf("a usual date is %d, %v, want it to be read all the same", at, ok)
	}
}
