package read

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"feedmill/internal/feeds"
)

// readAs reads a body with one of the parsers.
func readAs(p feeds.Parser, body []byte, contentType, url string) (*feeds.Document, error) {
	return Read(&feeds.Body{Bytes: body, ContentType: contentType, URL: url, Parser: p})
}

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

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// based returns the beginning of an Atom entry with an xml:base of n bytes.
func based(n int) string {
	return `<feed xml:base="http://a.example/` + strings.Repeat("x", n) + `/"><entry>`
}

// failureText returns all that a failure says.
func failureText(err error) string {
	f, ok := errors.AsType[*feeds.Failure](err)
	if !ok {
		return ""
	}
	return string(f.Class) + " " + f.Detail + " " + f.Hint
}
