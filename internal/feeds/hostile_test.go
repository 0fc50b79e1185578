package feeds

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
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
		class     Class
		items     int
		note      string // one that must be there
	}{
		{"JSON items that are null", jsonHead + `null]}`, OK, 0, "types repaired"},
		{"JSON authors that are null", jsonHead + `{"id":"1","authors":[null]}]}`, OK, 1, "types repaired"},
		{"namespace bomb", "<rss><channel><item>" + numbered(8000, `<a xmlns:p%d="urn:x">`), LimitNamespace, 0, ""},
		{"a root with too many namespaces", "<rss" + numbered(500, " xmlns:n%d='urn:x'") + "><channel/></rss>", LimitNamespace, 0, ""},
		{"a page with too many attributes", "<p" + numbered(500, " a%d='x'") + "></p>", NotAFeed, 0, ""},
		{"two channels", "<rss><channel><title>T</title>" + guids(2) + "</channel><channel><item><guid>other</guid></item></channel></rss>", OK, 3, ""},
		{"a second channel that declares", "<rss><channel/><channel xmlns:p='urn:x'>" + guids(2) + "</channel></rss>", OK, 2, ""},
		{"a million levels", "<rss><channel><item>" + strings.Repeat("<a>", 1_000_000), LimitDepth, 0, ""},
		{"text cut up by elements", inRSS("<item><m:a>" + strings.Repeat("xxxx<m:b/>", 80_000) + "</m:a></item>"), LimitSize, 0, ""},
		{"entities that expand", `<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + inRSS("<item><title>&b;</title></item>"), OK, 1, ""},
		{"document type of 5 MB", "<!DOCTYPE rss [" + strings.Repeat("<!ENTITY a '>'>", 350_000) + "]>" + inRSS(guids(1)), OK, 1, ""},
		{"more items than are read", inRSS(guids(100_001)), OK, 100_000, "100001 items, read the first 100000"},
		{"one guid for all", inRSS(strings.Repeat("<item><guid>same</guid></item>", 10)), OK, 1, "9 duplicate items"},
		{"no guid at all", inRSS(numbered(10, "<item><title>%d</title></item>")), OK, 10, ""},
		{"guids of odd bytes", inRSS("<item><guid>\x00a\x1b</guid></item><item><guid>\U0001F438e\u0301</guid></item><item><guid>\U0001F438\u00e9</guid></item>"), OK, 3, "sanitized"},
		{"UTF-16", "\xff\xfe" + strings.ReplaceAll(inRSS(guids(2)), "", "\x00")[1:] + "\x00", OK, 2, ""},
		{"wrong charset declared", "<?xml version='1.0' encoding='utf-16'?>" + inRSS(guids(2)), OK, 2, ""},
		{"UTF-7", "<?xml version='1.0' encoding='utf-7'?>" + inRSS(guids(2)), Charset, 0, ""},
		{"HZ", "<?xml version='1.0' encoding='hz-gb-2312'?>" + inRSS("<item><title>~{VP~}</title></item>"), Charset, 0, ""},
		{"charset that nobody knows", "<?xml version='1.0' encoding='x-bogus'?>" + inRSS("<item><title>\xe0\xff</title></item>"), Charset, 0, ""},
		{"one invalid byte", inRSS("<item><title>a\xffb</title></item>" + guids(2)), OK, 3, "sanitized"},
		{"a reference to NUL", inRSS("<item><title>a&#0;b</title></item>" + guids(2)), OK, 3, "sanitized"},
		{"absurd dates", inRSS("<item><guid>1</guid><pubDate>Mon, 01 Jan 0000 00:00:00 GMT</pubDate></item><item><guid>2</guid><pubDate>99999</pubDate></item>"), OK, 2, ""},
		{"nothing left", inRSS(""), OK, 0, ""},
		{"an error in JSON", `{"error":"x"}`, NotAFeed, 0, ""},
		{"a feed of another vocabulary", `<feed xmlns="urn:x"><x/></feed>`, NotAFeed, 0, ""},
		{"an item that is not closed", inRSS("<item><guid>1</guid>" + guids(1)), OK, 1, "items seen 2 parsed 1"},
		{"a second document", inRSS(guids(1)) + inRSS(guids(5)), OK, 1, "trailing data"},
		{"a title that attacks terminals", inRSS("<item><title>\u202e$(rm -rf /)\"}\n{</title></item>"), OK, 1, ""},
		{"links that attack", inRSS("<item><link>javascript:alert(1)</link></item><item><link>file:///etc/passwd</link></item>"), OK, 2, "2 unsafe links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := ReadDocument([]byte(c.doc), "", "https://example.org/feed")
			class, items, notes := OK, 0, []string(nil)
			if failure, ok := errors.AsType[*Failure](err); ok {
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
		strings.Repeat("<category>c</category>", maxCategories+1) + strings.Repeat("<enclosure url='u'/>", maxEnclosures+1) +
		"</item><item><guid>" + guid + "2</guid></item>")
	d, err := ReadDocument([]byte(doc), "", "")
	if err != nil || len(d.Items) != 2 {
		t.Fatalf("got %v, want two items: their guids differ behind the cut", err)
	}
	it := d.Items[1]
	if len(it.GUID) != maxText-1 || len(it.Categories) != maxCategories || len(it.Enclosures) != maxEnclosures {
		t.Errorf("got guid %d, %d categories, %d enclosures", len(it.GUID), len(it.Categories), len(it.Enclosures))
	}
	if want := Identify(&Item{GUID: guid + "1"}); it.Key != want || !slices.Contains(d.Notes, "cut to size") {
		t.Errorf("got key %x, notes %q; want %x of the whole guid", it.Key, d.Notes, want)
	}
	item := Item{Content: strings.Repeat("x", maxText-1) + "é", Summary: strings.Repeat("x", maxText)}
	c := converter{}
	if c.bound(&item); len(item.Content) != maxText-1 || len(item.Summary) != maxText || !c.cut {
		t.Errorf("got content %d, summary %d", len(item.Content), len(item.Summary))
	}
}

// TestShrinkingFeedChangesNothing and the edit in place: what Diff says of a
// feed that lost its items, and of one whose item changed.
func TestShrinkingFeedChangesNothing(t *testing.T) {
	full, err := ReadDocument([]byte(inRSS("<item><guid>1</guid><title>a</title></item><item><guid>2</guid></item>")), "", "")
	if err != nil {
		t.Fatal(err)
	}
	var known []Known
	for _, it := range full.Items {
		known = append(known, Known{it.Key, it.Hash})
	}
	for doc, want := range map[string][2]int{
		inRSS(""):                            {0, 0},
		inRSS("<item><guid>2</guid></item>"): {0, 0},
		inRSS("<item><guid>1</guid><title>b</title></item>"): {0, 1},
		inRSS("<item><guid>3</guid></item>"):                 {1, 0},
	} {
		d, err := ReadDocument([]byte(doc), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, added, updated := Diff(d.Items, known); added != want[0] || updated != want[1] {
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
		whole, err := ReadDocument([]byte(c.doc), "", "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 1; n < len(c.doc); n++ {
			d, err := ReadDocument([]byte(c.doc[:n]), "", "")
			failure, ok := errors.AsType[*Failure](err)
			if !ok || failure.Class != Truncated && failure.Class != NotAFeed || d != nil && failure.Class != Truncated {
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

func itemsOf(d *Document) []Item {
	if d == nil {
		return nil
	}
	return d.Items
}

// lastOf returns the last n items, which are the first of the document.
func lastOf(items []Item, n int) []Item {
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
				d, err := ReadDocument(body, "", "")
				copy(body, bytes.Repeat([]byte("!"), len(body)))
				if err != nil || len(d.Items) != n+1 || d.Title != "T" {
					t.Errorf("got %v, %+v", err, d)
					return
				}
				for i, it := range d.Items {
					if it.Title != "one & two" || it.GUID != fmt.Sprint(n-i) || it.Hash != ContentHash(&it) {
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
	got := FeedLinks([]byte(page), "https://page.example/x/y")
	want := []string{"https://page.example/blog/feed.xml", "https://other.example/f?a=1&b=2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	many := numbered(100, `<link rel="alternate" type="application/rss+xml" href="%d">`)
	if got := FeedLinks([]byte(many), "https://page.example/"); len(got) != MaxLinks {
		t.Errorf("got %d links, want %d", len(got), MaxLinks)
	}
}
