package read

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"feedmill/internal/feeds"
)

// inRSS returns a feed with these items.
func inRSS(items string) string {
	return "<rss version='2.0'><channel><title>T</title>" + items + "</channel></rss>"
}

// TestHostileDocuments holds what is promised about documents that mean harm
// or were made without care.
func TestHostileDocuments(t *testing.T) {
	const jsonHead = `{"version":"https://jsonfeed.org/version/1","title":"T","items":[`
	guids := func(n int) string { return numbered(n, "<item><guid>%d</guid></item>") }
	for _, c := range []struct {
		name, doc string
		class     feeds.Class
		items     int
		note      string // one that must be there
	}{
		{"JSON items that are null", jsonHead + `null]}`, feeds.OK, 0, "types repaired"},
		{"JSON authors that are null", jsonHead + `{"id":"1","authors":[null]}]}`, feeds.OK, 1, "types repaired"},
		{"namespace bomb", "<rss><channel><item>" + numbered(8000, `<a xmlns:p%d="urn:x">`), feeds.LimitNamespace, 0, ""},
		{"a root with too many namespaces", "<rss" + numbered(500, " xmlns:n%d='urn:x'") + "><channel/></rss>", feeds.LimitNamespace, 0, ""},
		{"a page with too many attributes", "<p" + numbered(500, " a%d='x'") + "></p>", feeds.NotAFeed, 0, ""},
		{"two channels", "<rss><channel><title>T</title>" + guids(2) + "</channel><channel><item><guid>other</guid></item></channel></rss>", feeds.OK, 3, ""},
		{"a second channel that declares", "<rss><channel/><channel xmlns:p='urn:x'>" + guids(2) + "</channel></rss>", feeds.OK, 2, ""},
		{"a million levels", "<rss><channel><item>" + strings.Repeat("<a>", 1_000_000), feeds.LimitDepth, 0, ""},
		{"text cut up by elements", inRSS("<item><guid>1</guid><m:a>" + strings.Repeat("xxxx<m:b/>", 80_000) + "</m:a></item>"), feeds.OK, 1, ""},
		{"entities that expand", `<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + inRSS("<item><title>&b;</title></item>"), feeds.OK, 1, ""},
		{"document type of 5 MB", "<!DOCTYPE rss [" + strings.Repeat("<!ENTITY a '>'>", 350_000) + "]>" + inRSS(guids(1)), feeds.OK, 1, ""},
		{"more items than are read", inRSS(guids(100_001)), feeds.OK, 100_000, "100001 items, read the first 100000"},
		{"one guid for all", inRSS(strings.Repeat("<item><guid>same</guid></item>", 10)), feeds.OK, 1, "9 duplicate items"},
		{"no guid at all", inRSS(numbered(10, "<item><title>%d</title></item>")), feeds.OK, 10, ""},
		{"guids of odd bytes", inRSS("<item><guid>\x00a\x1b</guid></item><item><guid>\U0001F438e\u0301</guid></item><item><guid>\U0001F438\u00e9</guid></item>"), feeds.OK, 3, "sanitized"},
		{"UTF-16", "\xff\xfe" + strings.ReplaceAll(inRSS(guids(2)), "", "\x00")[1:] + "\x00", feeds.OK, 2, ""},
		{"wrong charset declared", "<?xml version='1.0' encoding='utf-16'?>" + inRSS(guids(2)), feeds.OK, 2, ""},
		{"UTF-7", "<?xml version='1.0' encoding='utf-7'?>" + inRSS(guids(2)), feeds.Charset, 0, ""},
		{"HZ", "<?xml version='1.0' encoding='hz-gb-2312'?>" + inRSS("<item><title>~{VP~}</title></item>"), feeds.Charset, 0, ""},
		{"charset that nobody knows", "<?xml version='1.0' encoding='x-bogus'?>" + inRSS("<item><title>\xe0\xff</title></item>"), feeds.OK, 1, ""},
		{"one invalid byte", "<?xml version='1.0' encoding='utf-8'?>" + inRSS("<item><title>a\xffb</title></item>"+guids(2)), feeds.OK, 3, "sanitized"},
		{"a reference to NUL", inRSS("<item><title>a&#0;b</title></item>" + guids(2)), feeds.OK, 3, ""},
		{"absurd dates", inRSS("<item><guid>1</guid><pubDate>Mon, 01 Jan 0000 00:00:00 GMT</pubDate></item><item><guid>2</guid><pubDate>99999</pubDate></item>"), feeds.OK, 2, ""},
		{"nothing left", inRSS(""), feeds.OK, 0, ""},
		{"an error in JSON", `{"error":"x"}`, feeds.NotAFeed, 0, ""},
		{"a feed of another vocabulary", `<feed xmlns="urn:x"><x/></feed>`, feeds.NotAFeed, 0, ""},
		{"an item that is not closed", inRSS("<item><guid>1</guid>" + guids(1)), feeds.OK, 2, "1 end tag missing"},
		{"an end tag like the root's", "<rss><channel>" + guids(1) + "</channel></RSS><channel><item><guid>b</guid></item></channel></rss>", feeds.OK, 2, "1 end tag of nothing"},
		{"a second document", inRSS(guids(1)) + inRSS(guids(5)), feeds.OK, 1, "trailing data"},
		{"a title that attacks terminals", inRSS("<item><title>\u202e$(rm -rf /)\"}\n{</title></item>"), feeds.OK, 1, ""},
		{"links that attack", inRSS("<item><link>javascript:alert(1)</link></item><item><link>file:///etc/passwd</link></item>"), feeds.OK, 2, "2 unsafe links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "https://example.org/feed")
			class, items, notes := feeds.OK, 0, []string(nil)
			if failure, ok := errors.AsType[*feeds.Failure](err); ok {
				class = failure.Class
			}
			if d != nil {
				items, notes = len(d.Items), d.Notes
			}
			if class != c.class || items != c.items || c.note != "" && !slices.Contains(notes, c.note) {
				t.Errorf("got %v, %d items, notes %q; want %s, %d, %q", err, items, notes, c.class, c.items, c.note)
			}
		})
	}
}

func TestHugeFieldsAreCutAndKeysAreNot(t *testing.T) {
	guid := "x" + strings.Repeat("é", maxText/2)
	doc := inRSS("<item><guid>" + guid + "1</guid>" +
		numbered(maxCategories+1, "<category>%d</category>") + numbered(maxEnclosures+1, "<enclosure url='u%d'/>") +
		"</item><item><guid>" + guid + "2</guid></item>")
	d, err := readAs(feeds.ParserAuto, []byte(doc), "", "")
	if err != nil || len(d.Items) != 2 {
		t.Fatalf("got %v, want two items: their guids differ behind the cut", err)
	}
	it := d.Items[1]
	if len(it.GUID) != maxText-1 || len(it.Categories) != maxCategories || len(it.Enclosures) != maxEnclosures {
		t.Errorf("got guid %d, %d categories, %d enclosures", len(it.GUID), len(it.Categories), len(it.Enclosures))
	}
	if want := feeds.Identify(&feeds.Item{GUID: guid + "1"}); it.Key != want || !slices.Contains(d.Notes, "cut to size") {
		t.Errorf("got key %x, notes %q; want %x of the whole guid", it.Key, d.Notes, want)
	}
	item := feeds.Item{Content: strings.Repeat("x", maxText-1) + "é", Summary: strings.Repeat("x", maxText)}
	c := finisher{maker: new(maker)}
	if c.bound(&item); len(item.Content) != maxText-1 || len(item.Summary) != maxText || !c.cut {
		t.Errorf("got content %d, summary %d", len(item.Content), len(item.Summary))
	}
}

// TestListsAreAsLongAsTheyMayBe in either format: one more is left out, and that is said.
func TestListsAreAsLongAsTheyMayBe(t *testing.T) {
	for _, more := range []int{0, 1} {
		for name, doc := range map[string]string{
			"XML": inRSS("<item>" + numbered(maxCategories+more, "<category>%d</category>") + numbered(maxEnclosures+more, "<enclosure url='u%d'/>") + "</item>"),
			"JSON": `{"version":"https://jsonfeed.org/version/1","items":[{"tags":["` + strings.TrimSuffix(numbered(maxCategories+more, `%d","`), `,"`) +
				`],"attachments":[` + strings.TrimSuffix(numbered(maxEnclosures+more, `{"url":"u%d"},`), ",") + `]}]}`,
		} {
			d, err := readAs(feeds.ParserAuto, []byte(doc), "", "")
			if err != nil || len(d.Items) != 1 {
				t.Fatalf("%s: got %v, want one item", name, err)
			}
			it := d.Items[0]
			if len(it.Categories) != maxCategories || len(it.Enclosures) != maxEnclosures || slices.Contains(d.Notes, "cut to size") != (more > 0) {
				t.Errorf("%s, %d more: got %d categories, %d enclosures, notes %q", name, more, len(it.Categories), len(it.Enclosures), d.Notes)
			}
		}
	}
}

// TestLinksAreAsLongAsTheyMayBe: one that is longer is none, and in a text it stays as
// it is.
func TestLinksAreAsLongAsTheyMayBe(t *testing.T) {
	const scheme, base = "http://", "http://a.example//"
	for more := range 2 {
		link := strings.Repeat("a", maxURL+more)
		kept := func(s string) string { return []string{s, ""}[more] }
		for name, c := range map[string]struct{ doc, link, content string }{
			"in RSS":                {inRSS("<item><title>t</title><link>" + link + "</link></item>"), kept(link), ""},
			"in JSON":               {`{"version":"https://jsonfeed.org/version/1","items":[{"title":"t","url":"` + link + `"}]}`, kept(link), ""},
			"as a guid":             {inRSS("<item><guid>" + scheme + link[len(scheme):] + "</guid></item>"), kept(scheme + link[len(scheme):]), ""},
			"made longer by a base": {based(0) + "<title>t</title><link href='" + link + "'/></entry></feed>", "", ""},
			"in a text":             {based(0) + "<content type='html'>&lt;a href='" + link + "'&gt;</content></entry></feed>", "", "<a href='" + kept(base) + link + "'>"},
			"in a list":             {based(0) + "<content type='html'>&lt;a srcset='" + link + ", b'&gt;</content></entry></feed>", "", "<a srcset='" + kept(base) + link + ", " + base + "b'>"},
			"as a base":             {"<feed xml:base='" + scheme + link[len(scheme)+1:] + "/'><entry><content type='html'>&lt;a href='#n'&gt;</content></entry></feed>", "", "<a href='" + kept(scheme+link[len(scheme)+1:]+"/") + "#n'>"},
			"as a base in a base": {strings.TrimSuffix(based(0), "<entry>") + "<entry xml:base='" + scheme + link[len(scheme)+1:] + "/'><content type='html'>&lt;a href='#n'&gt;</content></entry></feed>", "",
				"<a href='" + []string{scheme + link[len(scheme)+1:] + "/", base}[more] + "#n'>"},
		} {
			d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "")
			if err != nil || len(d.Items) != 1 {
				t.Fatalf("%s: got %v, want one item", name, err)
			}
			it := d.Items[0]
			if it.Link != c.link || it.Content != c.content {
				t.Errorf("%s, %d too long: got a link of %d bytes, content of %d, notes %q; want %d, %d", name, more, len(it.Link), len(it.Content), d.Notes, len(c.link), len(c.content))
			}
		}
	}
}

// TestAnItemThatSaysAnythingIsOne, whatever that is; one that says nothing is counted.
func TestAnItemThatSaysAnythingIsOne(t *testing.T) {
	for _, said := range []string{
		"<guid>1</guid>", "<link>l</link>", "<title>t</title>", "<description>s</description>", "<body xmlns='http://www.w3.org/1999/xhtml'>b</body>",
		"<author>a</author>", "<image>i</image>", "<category>c</category>", "<pubDate>2024-05-06</pubDate>", "<updated>2024-05-06</updated>", "<enclosure url='e'/>",
	} {
		d, err := readAs(feeds.ParserAuto, []byte(inRSS("<item>"+said+"</item><item/>")), "", "")
		if err != nil || len(d.Items) != 1 || !slices.Equal(d.Notes, []string{"1 empty item"}) {
			t.Errorf("%s: got %+v, %v, want one item, and one that is empty", said, d, err)
		}
	}
}

// TestShrinkingFeedChangesNothing and the edit in place: what Diff says of a
// feed that lost its items, and of one whose item changed.
func TestShrinkingFeedChangesNothing(t *testing.T) {
	full, err := readAs(feeds.ParserAuto, []byte(inRSS("<item><guid>1</guid><title>a</title></item><item><guid>2</guid></item>")), "", "")
	if err != nil {
		t.Fatal(err)
	}
	var known []feeds.Known
	for _, it := range full.Items {
		known = append(known, feeds.Known{Key: it.Key, Hash: it.Hash})
	}
	for doc, want := range map[string][2]int{
		inRSS(""):                            {0, 0},
		inRSS("<item><guid>2</guid></item>"): {0, 0},
		inRSS("<item><guid>1</guid><title>b</title></item>"): {0, 1},
		inRSS("<item><guid>3</guid></item>"):                 {1, 0},
	} {
		d, err := readAs(feeds.ParserAuto, []byte(doc), "", "")
		if err != nil {
			t.Fatal(err)
		}
		changed, added := feeds.Diff(d.Items, known)
		if updated := len(changed) - added; added != want[0] || updated != want[1] {
			t.Errorf("%s: got %d new, %d updated; want %v", doc, added, updated, want)
		}
	}
}

// TestCutAnywhereGivesTheItemsBefore cuts feeds off at every byte.
func TestCutAnywhereGivesTheItemsBefore(t *testing.T) {
	for name, c := range map[string]struct{ doc, end string }{
		"RSS":  {"<?xml version='1.0'?><!-- c --><rss version='2.0'><channel><title>T</title>" + numbered(3, "<item><guid>%d</guid><title><![CDATA[a]]> &amp; b</title></item> ") + "</channel></rss>", "</item>"},
		"RDF":  {"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'><channel><title>T</title></channel>" + numbered(3, "<item><link>u%d</link></item>") + "</r:RDF>", "</item>"},
		"Atom": {"<feed xmlns='http://www.w3.org/2005/Atom'><title>T</title>" + numbered(3, "<entry><id>%d</id><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>x<br/></div></content></entry>") + "</feed>", "</entry>"},
		"JSON": {`{"version":"https://jsonfeed.org/version/1","title":"T","items":[` + strings.TrimSuffix(numbered(3, `{"id":"%d","content_text":"\"}"},`), ",") + `],"x":[1]}`, "},"},
	} {
		whole, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 1; n < len(c.doc); n++ {
			d, err := readAs(feeds.ParserAuto, []byte(c.doc[:n]), "", "")
			failure, ok := errors.AsType[*feeds.Failure](err)
			last := c.doc[max(strings.LastIndexByte(c.doc[:n], '<'), 0):n]
			if err == nil && (strings.HasSuffix(strings.TrimSpace(last), ">") || strings.HasPrefix(last, "</")) && name != "JSON" && d.Notes != nil {
				ok, failure = true, &feeds.Failure{Class: feeds.Truncated} // only end tags are missing, as far as can be told
			}
			if !ok || failure.Class != feeds.Truncated && failure.Class != feeds.NotAFeed || d != nil && failure.Class != feeds.Truncated {
				t.Fatalf("%s: %q: got %v", name, c.doc[:n], err)
			}
			want := min(strings.Count(c.doc[:n], c.end), 3)
			if name == "JSON" && strings.Contains(c.doc[:n], `}]`) || name == "JSON" && strings.HasSuffix(c.doc[:n], `"}"}`) {
				want = min(want+1, 3)
			}
			if got := itemsOf(d); len(got) != want || !reflect.DeepEqual(got, lastOf(whole.Items, want)) {
				t.Fatalf("%s: %q: got %+v, want %d items", name, c.doc[:n], got, want)
			}
		}
	}
}

func itemsOf(d *feeds.Document) []feeds.Item {
	if d == nil {
		return nil
	}
	return d.Items
}

// lastOf returns the last n items, which are the first of the document.
func lastOf(items []feeds.Item, n int) []feeds.Item {
	if n == 0 {
		return nil
	}
	return items[len(items)-n:]
}

// TestDocumentKeepsNothingOfTheBody reads in several goroutines, overwrites
// the bodies and looks at the documents.
func TestDocumentKeepsNothingOfTheBody(t *testing.T) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 20 {
				body := []byte(inRSS(numbered(n+1, "<item><guid>%d</guid><title>one &amp; two</title><pubDate>Sat, 07 Sep 2002 00:00:01 GMT</pubDate></item>")))
				d, err := readAs(feeds.ParserAuto, body, "", "")
				copy(body, bytes.Repeat([]byte("!"), len(body)))
				if err != nil || len(d.Items) != n+1 || d.Title != "T" {
					t.Errorf("got %v, %+v", err, d)
					return
				}
				for i, it := range d.Items {
					if it.Title != "one & two" || it.GUID != fmt.Sprint(n-i) || it.Hash != feeds.ContentHash(&it) {
						t.Errorf("item %d is %+v", i, it)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestFeedLinksAreThoseOfThePage(t *testing.T) {
	page := `<html><head><base href="/blog/"><link rel=alternate type=application/rss+xml href=feed.xml>
<link rel="alternate" type="application/rss+xml" href="feed.xml"><link rel="alternate" hreflang="de" href="/de">
<link rel="alternate" type="application/atom+xml" href="javascript:x"><link rel="alternate stylesheet" type="text/css" href="x.css">
<LINK REL="ALTERNATE" TYPE="application/feed+json" HREF="https://other.example/f?a=1&amp;b=2"><link rel="alternate" type="application/rss+xml">`
	got := readPage([]byte(page), "https://page.example/x/y").feeds
	want := []string{"https://page.example/blog/feed.xml", "https://other.example/f?a=1&b=2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const odd = `<base href="javascript:1"><base target=_top><base href="/a/"><base href="/b/"><noscript><link rel="alternate home" type="text/rss+xml" href="/no
script"></noscript><link rel=alternate type=" application/x-atom+xml ;x" title="Site &raquo; Comments Feed" href="new"><template><link rel=alternate type=application/rss href=feed://other.example/f></template>`
	got = readPage([]byte(odd), "https://page.example/x/y").feeds
	if want := []string{"https://page.example/noscript", "http://other.example/f", "https://page.example/a/new"}; !slices.Equal(got, want) {
		t.Errorf("an odd page: got %q, want %q", got, want)
	}
	many := numbered(100, `<link rel="alternate" type="application/rss+xml" href="%d">`)
	if got := readPage([]byte(many), "https://page.example/").feeds; len(got) != feeds.MaxLinks {
		t.Errorf("got %d links, want %d", len(got), feeds.MaxLinks)
	}
}

// TestNoBuilderNamesTheWalker: what makes items of elements can be read without what
// finds them.
func TestNoBuilderNamesTheWalker(t *testing.T) {
	for _, file := range []string{"build.go", "elements.go", "entry.go", "construct.go", "people.go", "maker.go", "text.go", "xhtml.go", "html.go", "links.go", "json.go"} {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && (id.Name == "walker" || id.Name == "xmlReader") {
				t.Errorf("%s names %s", file, id.Name)
			}
			return true
		})
	}
}
