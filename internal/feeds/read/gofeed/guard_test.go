package gofeed

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"feedmill/internal/feeds/read/scan"
)

// pieces are of XML that is hard to cut right.
var pieces = []string{
	`<a>text</a>`, `<a b="c" d='e' f=g h i = "j"/>`, `<a b=>`, `<a:b c:d="e">`, `<a:b:c>`, `<:a/><a:/>`,
	`<a b="<">`, `<a b="c`, `<a b='"' c="'">`, `<a b="c"d="e">`, `<a / >`, `<a/b>`, `< a>`, `<1>`, `<ä ö="ü"/>`, `<×/>`,
	`</a >`, `</a b>`, `</>`, `</a`, `<a`, `<`, `a & b &amp; &c; &`, `<![CDATA[a]]]>b]]>`, `<![CDATA[`,
	`<![cdata[x]]>`, `<!-- a -- b -->`, `<!-->-->`, `<!--`, `<!->`, `<?a b?>`, `<?a`, `<!DOCTYPE a [<!ENTITY b "]>'">]>x`,
	`<a.b-c_d/>`, `<.a/>`, `<a b`, `<a b&c="d">`, `<a =b>`, `x]]>y`, `<a>&#0;&#xD800;&#x1;</a>`, `<br>x<BR>`, `<a xmlns:b="c"/>`,
}

func noDate(string) (int64, bool) { return 0, false }

// FuzzGuard promises that what the guard lets through keeps the bounds as
// encoding/xml counts them, that the parser reads it without an error, and the
// same of what is salvaged.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("</a><a/>"))
	for _, piece := range pieces {
		f.Add([]byte("<rss><channel><title>T</title><item>" + piece + "</item><item><guid>1</guid></item></channel></rss>"))
		f.Add([]byte("<feed xmlns='http://www.w3.org/2005/Atom'><entry><x:y>" + piece + "</x:y></entry><entry>" + piece))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := bytes.ToValidUTF8(data, nil)
		if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }) {
			return // others see to that
		}
		at := bytes.IndexByte(text, '<')
		if at < 0 {
			return
		}
		g := guard{date: noDate}
		if g.run(text[at:]) != nil || g.broken != nil && g.itemEnd == 0 || len(g.out) == 0 || g.elements == 0 {
			return
		}
		whole := g.text()
		checkBounds(t, whole)
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
			if depth > maxDepth || declared > maxDeclared || len(token.Attr) > scan.MaxAttributes || len(distinct) > maxNamespaces || elements > maxElements {
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
