package read

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// TestGuardStopsBombsAtOnce, where they are some for gofeed alone, by what protects it.
func TestGuardStopsBombsAtOnce(t *testing.T) {
	wide := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name, doc string
		want      feeds.Class
		both      bool
	}{
		{"namespaces", "<rss><channel><item>" + numbered(8000, `<a xmlns:p%d="urn:x">`), feeds.LimitNamespace, true},
		{"nesting", "<rss><channel><item>" + strings.Repeat("<m:a>", 1_000_000), feeds.LimitDepth, true},
		{"text in pieces", `<rss xmlns:m="urn:m"><channel><item><m:a>` + strings.Repeat("xxxx<m:b/>", 80_000), feeds.LimitSize, false},
		{"text in CDATA pieces", `<rss xmlns:m="urn:m"><channel><item><m:a>` + strings.Repeat("<![CDATA["+wide+"]]>", 15_000), feeds.LimitSize, false},
		{"pieces under a canonical root", `<rss xmlns="http://purl.org/dc/elements/1.1/"><channel><a>` + strings.Repeat("xxxx<b/>", 80_000), feeds.LimitSize, false},
		{"elements and end tags of nothing", "<rss><channel><item>" + strings.Repeat("<a/></b>", maxElements/2+1), feeds.LimitSize, true},
		{"foreign elements", "<rss><channel><item>" + strings.Repeat("<m:a/>", 500_001), feeds.LimitSize, false},
		{"foreign attributes", "<rss><channel><item>" + strings.Repeat("<m:a b='' c='' d='' e=''/>", 500_001), feeds.LimitSize, false},
		{"namespace work", "<rss" + numbered(64, ` xmlns:p%d="urn:x"`) + "><channel" + numbered(64, ` xmlns:q%d="urn:x"`) + "><item>" + strings.Repeat("<a/>", 32<<20/128+1), feeds.LimitNamespace, false},
		{"a long xml:base", `<feed xml:base="http://a.example/` + strings.Repeat("x", maxURL) + `"><entry/></feed>`, feeds.LimitSize, false},
		{"links in tags", based(2000) + strings.Repeat(`<link href="x"/>`, 20_000), feeds.LimitSize, false},
		{"links in text", based(2000) + "<content>" + strings.Repeat("&lt;a HREF=x>", 20_000), feeds.LimitSize, false},
		{"links in CDATA", based(2000) + "<content><![CDATA[" + strings.Repeat("<a cite>", 20_000) + "]]>", feeds.LimitSize, false},
		{"links in disguise", based(2000) + "<content>" + strings.Repeat("&lt;a &#104;re&#x66;=x>", 20_000), feeds.LimitSize, false},
		{"links in pieces", based(2000) + "<content>" + strings.Repeat("<![CDATA[<a hr]]><![CDATA[ef=x>]]>", 20_000), feeds.LimitSize, false},
		{"bases of another prefix", `<feed xmlns:x="http://www.w3.org/XML/1998/namespace">` + strings.Repeat(`<entry x:base="http://a.example/`+wide+`">`, 100) + strings.Repeat(`<a href=""/>`, 1000), feeds.LimitSize, false},
		{"JSON nesting", `{"version":"https://jsonfeed.org/version/1","x":` + strings.Repeat("[", 1_000_000), feeds.LimitDepth, true},
		{"JSON values", `{"version":"https://jsonfeed.org/version/1","x":[` + strings.Repeat("[],", maxElements), feeds.LimitSize, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begin := cpuOfThread()
			_, err := readAs(feeds.ParserGofeed, []byte(c.doc), "", "")
			failure, ok := err.(*feeds.Failure)
			if !ok || failure.Class != c.want {
				t.Errorf("got %v, want class %s", err, c.want)
			}
			// What costs gofeed too much need not be too much for the other.
			if _, err := readAs(feeds.ParserAuto, []byte(c.doc), "", ""); c.both && (err == nil || err.(*feeds.Failure).Class != c.want) {
				t.Errorf("the own reader: got %v, want class %s", err, c.want)
			}
			// Milliseconds of CPU time. A parser that meets them takes from
			// ten seconds to a quarter of an hour.
			if took := cpuOfThread() - begin; took > 5*time.Second && !racing {
				t.Errorf("took %v of CPU for %d bytes", took, len(c.doc))
			}
		})
	}
}

// TestManyLinksWithABaseAreRead: what honest feeds have is far from the bounds.
func TestManyLinksWithABaseAreRead(t *testing.T) {
	content := "<content type='html'>" + strings.Repeat("&lt;p>text &lt;a href='/x'>here&lt;/a> &lt;img src='/y'>&lt;/p>", 200) + "</content>"
	doc := strings.TrimSuffix(based(60), "<entry>") + strings.Repeat("<entry>"+content+"</entry>", 300) + "</feed>"
	want := strings.Repeat(`<p>text <a href='http://a.example/x'>here</a> <img src='http://a.example/y'></p>`, 200)
	d, err := readAs(feeds.ParserAuto, []byte(doc), "", "https://a.example/")
	if err != nil || d.Items[0].Content != want {
		t.Fatalf("got %v, want an item with %d bytes of content", err, len(want))
	}
}

// TestWhatItemsInheritIsBounded: 1.4 KB of compressed text made 809 MB, with a home
// page or an author of a megabyte for every item.
func TestWhatItemsInheritIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		doc  string
		want feeds.Class
	}{
		"a home of 8,000 bytes": {"<rss><channel><link>http://a.example/" + long[:8000] + "/</link>" + strings.Repeat("<item><link>b</link></item>", 10_000) + "</channel></rss>", feeds.LimitSize},
		"a base of 8,000 bytes": {"<feed xml:base='http://a.example/" + long[:8000] + "/'>" + strings.Repeat("<entry><link href='b'/></entry>", 10_000) + "</feed>", feeds.LimitSize},
		"links in HTML":         {based(8000) + "<content type='html'>" + strings.Repeat("&lt;a href='b'>", 10_000) + "</content></entry></feed>", feeds.LimitSize},
		"links in XHTML":        {based(8000) + "<content type='xhtml'>" + strings.Repeat("<a href='b'/>", 10_000) + "</content></entry></feed>", feeds.LimitSize},
		"an author of Atom":     {"<feed><author><name>" + long + "</name></author>" + strings.Repeat("<entry><id>a</id></entry>", 100) + "</feed>", feeds.LimitSize},
		"an author of JSON": {`{"version":"https://jsonfeed.org/version/1","authors":[{"name":"` + long + `"}],"items":[` +
			strings.TrimSuffix(strings.Repeat(`{"id":"1"},`, 100), ",") + "]}", feeds.LimitSize},
		"a home of a megabyte": {"<rss><channel><link>http://a.example/" + long + "/</link>" + strings.Repeat("<item><link>b</link></item>", 10) + "</channel></rss>", feeds.OK},
	} {
		d, err := readAs(feeds.ParserAuto, []byte(c.doc), "", "http://b.example/feed")
		got := feeds.OK
		if err != nil {
			got = err.(*feeds.Failure).Class
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if got == feeds.OK && d.Items[0].Link != "http://b.example/b" {
			t.Errorf("%s: got %.100q, want a link that is relative to the document", name, d.Items[0].Link)
		}
	}
}
