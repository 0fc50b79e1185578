package feeds

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// generateRSS returns a feed of items with about that much text each, by the mix that
// real ones have: escaped HTML, CDATA, dates with a zone by name.
func generateRSS(items, size int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">
<channel><title>Generated</title><link>https://gen.example/</link><atom:link href="https://gen.example/feed" rel="self"/>`)
	words := strings.Repeat("Ripples cross the pond &amp; reach the reeds. &lt;p&gt;A heron, grey as slate, stands still.&lt;/p&gt;\n", 1+size/2/90)
	markup := strings.Repeat(`<p>Ripples <a href="https://gen.example/?a=1&b=2">cross</a> the pond, café by café.</p>`+"\n", 1+size/2/90)
	for i := range items {
		fmt.Fprintf(&b, "<item><title>Item %d &amp; more</title><link>https://gen.example/%d</link><guid isPermaLink=\"false\">gen-%d</guid>"+
			"<pubDate>Tue, 03 Mar 2020 04:%02d:06 GMT</pubDate><dc:creator>Ann</dc:creator><category>pond</category>"+
			"<description>%s</description><content:encoded><![CDATA[%s]]></content:encoded></item>\n", i, i, i, i%60, words, markup)
	}
	b.WriteString("</channel></rss>\n")
	return b.Bytes()
}

// caseDocuments returns the documents of testdata as UTF-8, as seeds.
func caseDocuments(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no cases in testdata: %v", err)
	}
	var docs [][]byte
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		docs = append(docs, archive.Files[0].Data)
	}
	return docs
}

// FuzzGuard promises that what the guard lets through keeps the bounds as
// encoding/xml counts them, that the parser reads it without an error, and the
// same of what is salvaged.
func FuzzGuard(f *testing.F) {
	for _, doc := range caseDocuments(f) {
		f.Add(doc)
	}
	for _, piece := range xmlSeeds {
		f.Add([]byte("<rss><channel><title>T</title><item>" + piece + "</item><item><guid>1</guid></item></channel></rss>"))
		f.Add([]byte("<feed xmlns='http://www.w3.org/2005/Atom'><entry><x:y>" + piece + "</x:y></entry><entry>" + piece))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _ := sanitize(data)
		format, start, _, err := sniff(text, "")
		if err != nil || format == formatJSON {
			return
		}
		g := guard{format: format}
		if err := g.run(text, start); err != nil {
			return
		}
		whole := g.edits.text(g.pos)
		if !g.complete {
			var ok bool
			if whole, ok = salvageXML(whole, g.items); !ok {
				return
			}
		}
		checkBounds(t, whole)
		r := reading{format: format}
		if err := r.parse(whole); err != nil {
			t.Fatalf("%q became %q: %v", data, whole, err)
		}
		if len(r.feed.Items) > len(g.items) {
			t.Fatalf("%q: %d items parsed, %d seen by the guard", data, len(r.feed.Items), len(g.items))
		}
	})
}

// checkBounds counts with encoding/xml what the guard bounds.
func checkBounds(t *testing.T, doc []byte) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Strict = false
	depth, elements := 0, 0
	distinct := map[string]bool{}
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			declared := 0
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					declared++
					distinct[a.Name.Local+" "+strings.TrimSpace(a.Value)] = true
				}
			}
			depth++
			elements++
			if depth > maxDepth || declared > maxDeclared || len(token.Attr) > maxAttributes || len(distinct) > maxNamespaces || elements > maxElements {
				t.Fatalf("%q: depth %d, %d declared, %d attributes, %d namespaces, %d elements", doc, depth, declared, len(token.Attr), len(distinct), elements)
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			t.Fatalf("%q: %T left in", doc, token)
		}
	}
}

func TestGuardStopsBombsAtOnce(t *testing.T) {
	wide := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name, doc string
		want      Class
	}{
		{"namespaces", "<rss><channel><item>" + numbered(8000, `<a xmlns:p%d="urn:x">`), LimitNamespace},
		{"nesting", "<rss><channel><item>" + strings.Repeat("<m:a>", 1_000_000), LimitDepth},
		{"text in pieces", `<rss xmlns:m="urn:m"><channel><item><m:a>` + strings.Repeat("xxxx<m:b/>", 80_000), LimitSize},
		{"text in CDATA pieces", `<rss xmlns:m="urn:m"><channel><item><m:a>` + strings.Repeat("<![CDATA["+wide+"]]>", 15_000), LimitSize},
		{"pieces under a canonical root", `<rss xmlns="http://purl.org/dc/elements/1.1/"><channel><a>` + strings.Repeat("xxxx<b/>", 80_000), LimitSize},
		{"elements and end tags of nothing", "<rss><channel><item>" + strings.Repeat("<a/></b>", maxElements/2+1), LimitSize},
		{"foreign elements", "<rss><channel><item>" + strings.Repeat("<m:a/>", maxForeign/192+1), LimitSize},
		{"foreign attributes", "<rss><channel><item>" + strings.Repeat("<m:a b='' c='' d='' e=''/>", maxForeign/500), LimitSize},
		{"namespace work", "<rss" + numbered(64, ` xmlns:p%d="urn:x"`) + "><channel><item>" + strings.Repeat("<a/>", maxNamespaceWork/64+1), LimitNamespace},
		{"a long xml:base", `<feed xml:base="http://a.example/` + strings.Repeat("x", maxURL) + `"><entry/></feed>`, LimitSize},
		{"links in tags", based(2000) + strings.Repeat(`<link href="x"/>`, 20_000), LimitSize},
		{"links in text", based(2000) + "<content>" + strings.Repeat("&lt;a HREF=x>", 20_000), LimitSize},
		{"links in CDATA", based(2000) + "<content><![CDATA[" + strings.Repeat("<a cite>", 20_000) + "]]>", LimitSize},
		{"links in disguise", based(2000) + "<content>" + strings.Repeat("&lt;a &#104;re&#x66;=x>", 20_000), LimitSize},
		{"links in pieces", based(2000) + "<content>" + strings.Repeat("<![CDATA[<a hr]]><![CDATA[ef=x>]]>", 20_000), LimitSize},
		{"bases of another prefix", `<feed xmlns:x="http://www.w3.org/XML/1998/namespace">` + strings.Repeat(`<entry x:base="http://a.example/`+wide+`">`, 100) + strings.Repeat(`<a href=""/>`, 1000), LimitSize},
		{"formatting in XHTML", fonts("xhtml", "<font color='%d'/>", "<p>x</p>"), LimitSize},
		{"formatting in HTML", fonts("html", "&lt;b title=%d>", "&lt;p>x&lt;/p>"), LimitSize},
		{"formatting in CDATA", fonts("html", "<![CDATA[<i id=%d>]]>", "<![CDATA[<p>x</p>]]>"), LimitSize},
		{"long formatting", fonts("xhtml", "<font color='%d' face='"+wide+"'/>", "<p>x</p>"), LimitSize},
		{"JSON nesting", `{"version":"https://jsonfeed.org/version/1","x":` + strings.Repeat("[", 1_000_000), LimitDepth},
		{"JSON values", `{"version":"https://jsonfeed.org/version/1","x":[` + strings.Repeat("[],", maxElements), LimitSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begin := threadCPU()
			_, err := ReadDocument([]byte(c.doc), "", "")
			failure, ok := err.(*Failure)
			if !ok || failure.Class != c.want {
				t.Errorf("got %v, want class %s", err, c.want)
			}
			// Milliseconds of CPU time. A parser that meets them takes from
			// ten seconds to a quarter of an hour.
			if took := threadCPU() - begin; took > 5*time.Second && !racing {
				t.Errorf("took %v of CPU for %d bytes", took, len(c.doc))
			}
		})
	}
}

// fonts returns an Atom feed with a text of that type: 400 tags for formatting,
// and 10,000 paragraphs in which the HTML parser opens them again.
func fonts(typ, tag, paragraph string) string {
	text := numbered(400, tag)
	if typ == "xhtml" {
		text = "<div xmlns='http://www.w3.org/1999/xhtml'><p>" + text + "</p>" + strings.Repeat(paragraph, 10_000) + "</div>"
	} else {
		text += strings.Repeat(paragraph, 10_000)
	}
	return "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://a.example/'><entry><content type='" + typ + "'>" + text + "</content></entry></feed>"
}

// TestReopenedIsWhatTheHTMLParserDoes: the estimate is near the elements that
// there are, and low for what honest feeds have.
func TestReopenedIsWhatTheHTMLParserDoes(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		low, high int // bounds of the estimate
	}{
		"balanced":   {strings.Repeat("<p><b>x</b> <i>y <a href='z'>z</a></i></p>", 1000), 0, 5000},
		"self-ended": {strings.Repeat("<a name=x/><p>x</p>", 1000), 0, 3100},
		"other tags": {strings.Repeat("<br><base><tty><blink><b1>", 1000), 0, 0},
		"left open":  {strings.Repeat("<p><b title=1>", 10) + strings.Repeat("<p>x", 1000), 10_000, 12_000},
		"nested":     {strings.Repeat("<i><b>", 300), 512, 600 * 600},
	} {
		got := reopened([]byte(c.text))
		if got < c.low || got > c.high {
			t.Errorf("%s: got %d, want %d to %d", name, got, c.low, c.high)
		}
	}
}

// based returns the beginning of an Atom entry with an xml:base of n bytes.
func based(n int) string {
	return `<feed xml:base="http://a.example/` + strings.Repeat("x", n) + `/"><entry>`
}

// TestManyLinksWithABaseAreRead: what honest feeds have is far from the bounds.
func TestManyLinksWithABaseAreRead(t *testing.T) {
	content := "<content type='html'>" + strings.Repeat("&lt;p>text &lt;a href='/x'>here&lt;/a> &lt;img src='/y'>&lt;/p>", 200) + "</content>"
	doc := strings.TrimSuffix(based(60), "<entry>") + strings.Repeat("<entry>"+content+"</entry>", 300) + "</feed>"
	want := strings.Repeat(`<p>text <a href="http://a.example/x">here</a> <img src="http://a.example/y"/></p>`, 200)
	d, err := ReadDocument([]byte(doc), "", "https://a.example/")
	if err != nil || d.Items[0].Content != want {
		t.Fatalf("got %v, want an item with %d bytes of content", err, len(want))
	}
}

// TestJSONItemsOverTheBoundAreLeftOut looks at the text that the parser would
// get.
func TestJSONItemsOverTheBoundAreLeftOut(t *testing.T) {
	var g jsonGuard
	if err := g.run([]byte(`{"items":[`+numbered(maxItems, `%d,`)+`{"a":[1,2]},"x"],"version":"v"}`), 0); err != nil {
		t.Fatal(err)
	}
	text, dropped := g.feed()
	if want := "," + fmt.Sprint(maxItems-1) + `],"version":"v"}`; dropped != 2 || !strings.HasSuffix(string(text), want) || !json.Valid(text) {
		t.Errorf("got %d dropped, text that ends in %q; want 2, %q", dropped, text[len(text)-40:], want)
	}
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestGuardLeavesACleanFeedAlone promises that a document without oddities is
// handed on as it is, not copied.
func TestGuardLeavesACleanFeedAlone(t *testing.T) {
	doc := bytes.ReplaceAll(generateRSS(20, 1000), []byte(" GMT"), []byte(" +0000"))
	_, start, _, failure := sniff(doc, "")
	if failure != nil {
		t.Fatal(failure)
	}
	g := guard{format: formatRSS}
	if err := g.run(doc, start); err != nil {
		t.Fatal(err)
	}
	whole := g.edits.text(g.pos)
	if &whole[0] != &doc[start] || len(g.items) != 20 || g.seen != 20 {
		t.Errorf("copied, or items %d and %d, want 20", len(g.items), g.seen)
	}
	for i, item := range g.items {
		if s := string(whole[item.start:item.end]); !strings.HasPrefix(s, "<item>") || !strings.HasSuffix(s, "</item>") {
			t.Errorf("item %d is %q", i, s)
		}
	}
}

// BenchmarkGuard shows what the guard, with the way to UTF-8 and the search for
// the root, costs beside the parser on the same feeds: at most 5 %.
func BenchmarkGuard(b *testing.B) {
	docs := [][]byte{generateRSS(200, 1500)}
	if real := corpusFiles(); len(real) > 0 {
		docs = nil
		for _, file := range real {
			doc, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			if filepath.Ext(file) != ".json" {
				docs = append(docs, doc)
			}
		}
	}
	var size int64
	for _, doc := range docs {
		size += int64(len(doc))
	}
	b.SetBytes(size)
	// CPU time of this thread where it is known, so that other programs do not
	// count; neither does the garbage collector, for which only the parser works.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock, began := threadCPU, time.Now()
	if clock() == 0 {
		clock = func() time.Duration { return time.Since(began) }
	}
	var guarded, parsed time.Duration
	for b.Loop() {
		for _, doc := range docs {
			begin := clock()
			text, _, failure := toUTF8(doc, "")
			if failure != nil {
				b.Fatal(failure)
			}
			format, start, _, failure := sniff(text, "")
			if failure != nil {
				b.Fatal(failure)
			}
			g := guards.Get().(*guard)
			g.format = format
			if failure := g.run(text, start); failure != nil {
				b.Fatal(failure)
			}
			whole := g.edits.text(g.pos)
			guarded += clock() - begin

			begin = clock()
			r := reading{format: format}
			if failure := r.parse(whole); failure != nil {
				b.Fatal(failure)
			}
			parsed += clock() - begin
			g.release()
		}
	}
	b.ReportMetric(100*guarded.Seconds()/parsed.Seconds(), "%guard/parser")
	b.ReportMetric(float64(size)*float64(b.N)/1e6/guarded.Seconds(), "guard-MB/s")
}

// BenchmarkReadDocument shows the whole way for each feed and item.
func BenchmarkReadDocument(b *testing.B) {
	for _, items := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			doc := generateRSS(items, 1500)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if d, err := ReadDocument(doc, "", "https://gen.example/feed"); err != nil || len(d.Items) != items {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/float64(items), "µs/item")
		})
	}
}
