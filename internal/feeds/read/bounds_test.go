package read

import (
	"fmt"
	"strings"
	"testing"

	"feedmill/internal/feeds"
)

// TestAuthorsOverTheBoundAreLeftOut by either reader: looking each of half a
// million up among the others took minutes.
func TestAuthorsOverTheBoundAreLeftOut(t *testing.T) {
	var atom, creators, json, rss strings.Builder
	for i := range maxNames + 10 {
		fmt.Fprintf(&atom, "<author><name>a%d</name></author>", i)
		fmt.Fprintf(&creators, "<dc:creator>a%d</dc:creator>", i)
		fmt.Fprintf(&json, `{"name":"a%d"},`, i)
		fmt.Fprintf(&rss, `"a%d",`, i)
	}
	for name, text := range map[string]string{
		"Atom": `<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>1</id>` + atom.String() + `</entry></feed>`,
		"RSS": `<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item><guid>1</guid>` +
			creators.String() + `</item></channel></rss>`,
		"JSON":        `{"version":"https://jsonfeed.org/version/1","items":[{"authors":[` + json.String() + `]}]}`,
		"RSS in JSON": `{"rss":{"channel":{"item":{"author":[` + rss.String() + `]}}}}`,
	} {
		for _, p := range []feeds.Parser{feeds.ParserAuto, feeds.ParserGofeed} {
			d, err := readAs(p, []byte(text), "", "http://x.example/")
			if err != nil || len(d.Items) != 1 {
				t.Fatalf("%s: %v, want one item", name, err)
			}
			if got := strings.Count(d.Items[0].Author, ", ") + 1; got != maxNames {
				t.Errorf("%s, read by %v: %d authors, want %d", name, d.Reader, got, maxNames)
			}
		}
	}
}

// TestALimitIsKeptToTheOne: as much as there may be is read, and one more is refused.
func TestALimitIsKeptToTheOne(t *testing.T) {
	few := limits{depth: 6, elements: 10, declared: 3, scoped: 4, namespaces: 5}
	for name, c := range map[string]struct {
		doc  func(n int) string
		most int
		want feeds.Class
	}{
		"depth":                {func(n int) string { return strings.Repeat("<x>", n-1) + "<x/>" }, few.depth - 1, feeds.LimitDepth},
		"depth of namespaces":  {func(n int) string { return strings.Repeat("<x xmlns='u'>", n-1) + "<x/>" }, few.depth - 1, feeds.LimitNamespace},
		"half of them declare": {func(n int) string { return strings.Repeat("<x xmlns='u'>", 3) + strings.Repeat("<x>", n-4) + "<x/>" }, few.depth - 1, feeds.LimitNamespace},
		"fewer declare":        {func(n int) string { return strings.Repeat("<x xmlns='u'>", 2) + strings.Repeat("<x>", n-3) + "<x/>" }, few.depth - 1, feeds.LimitDepth},
		"elements":             {func(n int) string { return strings.Repeat("<x/>", n) }, few.elements - 1, feeds.LimitSize},
		"end tags of nothing":  {func(n int) string { return strings.Repeat("</x>", n) }, few.elements - 1, feeds.LimitSize},
		"declared":             {func(n int) string { return "<x" + numbered(n, " xmlns:n%d='u'") + "/>" }, few.declared, feeds.LimitNamespace},
		"in scope": {func(n int) string {
			return "<x xmlns:a='u' xmlns:b='u' xmlns:c='u'>" + "<x" + numbered(n-3, " xmlns:n%d='u'") + "/>"
		}, few.scoped, feeds.LimitNamespace},
		"in scope of an item": {func(n int) string {
			return "<channel xmlns:a='u' xmlns:b='u' xmlns:c='u'><item" + numbered(n-3, " xmlns:n%d='u'") + "/></channel>"
		}, few.scoped, feeds.LimitNamespace},
		"namespaces": {func(n int) string { return numbered(n, "<x xmlns='u%d'/>") + "<x xmlns='u0'/>" }, few.namespaces, feeds.LimitNamespace},
	} {
		for more := range 2 {
			r := new(xmlReader)
			r.begin(formatRSS, []byte("<rss>"+c.doc(c.most+more)+"</rss>"), 0, "")
			r.limits = few
			failure := r.walk()
			if want := []feeds.Class{"", c.want}[more]; failure == nil != (want == "") || failure != nil && failure.Class != want {
				t.Errorf("%s, %d more than there may be: got %v, want %s", name, more, failure, want)
			}
		}
	}
}
