package feeds

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
)

// xmlSeeds are pieces of XML that are hard to cut right.
var xmlSeeds = []string{
	`<a>text</a>`, `<a b="c" d='e' f=g h i = "j"/>`, `<a b=>`, `<a:b c:d="e">`, `<a:b:c>`, `<:a/><a:/>`,
	`<a b="<">`, `<a b="c`, `<a b='"' c="'">`, `<a b="c"d="e">`, `<a / >`, `<a/b>`, `< a>`, `<1>`, `<ä ö="ü"/>`, `<×/>`,
	`</a >`, `</a b>`, `</>`, `</a`, `<a`, `<`, `a & b &amp; &c; &`, "<a\r\n b\t=\t'c'\n>", `<![CDATA[a]]]>b]]>`, `<![CDATA[`,
	`<![cdata[x]]>`, `<!-- a -- b -->`, `<!-->-->`, `<!--`, `<!->`, `<?a b?>`, `<?a`, `<!DOCTYPE a [<!ENTITY b "]>'">]>x`,
	`<!DOCTYPE a [<!-- ' > -->]>`, `<a.b-c_d/>`, `<.a/>`, `<a b`, `<a b =`, `<a b&c="d">`, `<a =b>`, `x]]>y`, `<a>&#0;&#xD800;</a>`,
}

// TestScannerCutsAsWritten shows the tokens of one document of every kind.
func TestScannerCutsAsWritten(t *testing.T) {
	const doc = `<?xml version="1.0"?><!DOCTYPE a><x:a b="1 &amp; 2" c>t&lt;<!-- c --><![CDATA[<d>]]></x:a><e/>`
	want := []string{
		`instruction`, `directive`, `open x a [b=1 &amp; 2 c=c]`, `text t&lt;`, `comment`, `cdata <d>`, `close x a`, `open  e [] empty`, `eof`, `eof`,
	}
	s := scanner{input: []byte(doc)}
	for i, w := range want {
		if got := printToken(&s, s.next()); got != w {
			t.Fatalf("token %d: got %q, want %q", i, got, w)
		}
	}
}

func printToken(s *scanner, kind tokenKind) string {
	switch kind {
	case tokenText:
		return "text " + string(s.text)
	case tokenCDATA:
		return "cdata " + string(s.text)
	case tokenOpen:
		var attrs []string
		for _, a := range s.attrs {
			attrs = append(attrs, string(a.name.full)+"="+string(a.value))
		}
		text := fmt.Sprintf("open %s %s %v", s.name.prefix(), s.name.local(), attrs)
		if s.empty {
			text += " empty"
		}
		return text
	case tokenClose:
		return fmt.Sprintf("close %s %s", s.name.prefix(), s.name.local())
	case tokenComment:
		return "comment"
	case tokenInstruction:
		return "instruction"
	case tokenDirective:
		return "directive"
	case tokenFault:
		return "fault"
	}
	return "eof"
}

// FuzzScanner holds the scanner against encoding/xml where it means to do the
// same: on everything but comments, instructions, directives, and text that
// the guard repairs.
func FuzzScanner(f *testing.F) {
	for _, s := range xmlSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _ := sanitize(data)
		for _, apart := range []string{"<?", "<!", "]]>", "&#", "\r"} {
			if bytes.Contains(text, []byte(apart)) {
				return
			}
		}
		s := scanner{input: text}
		d := xml.NewDecoder(bytes.NewReader(text))
		d.Strict = false
		empty := false
		for {
			token, err := d.RawToken()
			if _, isEnd := token.(xml.EndElement); isEnd && empty {
				empty = false // encoding/xml makes two tokens of an empty element
				continue
			}
			kind := s.next()
			if err != nil {
				// Text with a reference that the input ends in is a fault for
				// encoding/xml only: nothing comes after it anyway.
				dangling := kind == tokenText && s.pos == len(text) && bytes.IndexByte(s.text, '&') >= 0
				if (err == io.EOF) != (kind == tokenEOF) && kind != tokenFault && !dangling {
					t.Fatalf("%q at %d: got %q, want %v", text, s.start, printToken(&s, kind), err)
				}
				return
			}
			if s.fault == faultAttributes {
				return
			}
			if got, want := printToken(&s, kind), printXML(token, kind == tokenOpen && s.empty); !strings.HasPrefix(want, "text ") && got != want ||
				strings.HasPrefix(want, "text ") && kind != tokenText {
				t.Fatalf("%q at %d: got %q, want %q", text, s.start, got, want)
			}
			empty = kind == tokenOpen && s.empty
		}
	})
}

// printXML writes a token of encoding/xml as printToken does, without the
// values of attributes that have references.
func printXML(token xml.Token, empty bool) string {
	switch t := token.(type) {
	case xml.StartElement:
		var attrs []string
		for _, a := range t.Attr {
			name := a.Name.Local
			if a.Name.Space != "" {
				name = a.Name.Space + ":" + name
			}
			attrs = append(attrs, name+"="+a.Value)
		}
		text := fmt.Sprintf("open %s %s %v", t.Name.Space, t.Name.Local, attrs)
		if empty {
			text += " empty"
		}
		return text
	case xml.EndElement:
		return fmt.Sprintf("close %s %s", t.Name.Space, t.Name.Local)
	case xml.CharData:
		return "text " + string(t)
	}
	return "?"
}

func TestScannerTakesLinearTime(t *testing.T) {
	const n = 200_000
	for _, piece := range []string{"<!--", "<a b='", "<!", "<![CDATA[", "<?", "<a ", "</", "&#", "]]>", "<!\"", "<a b=\"'"} {
		s := scanner{input: bytes.Repeat([]byte(piece), n)}
		tokens := 0
		for kind := s.next(); kind != tokenEOF && kind != tokenFault; kind = s.next() {
			tokens++
		}
		if tokens > n+1 {
			t.Errorf("%q: %d tokens in %d pieces", piece, tokens, n)
		}
		// A document that sniff wants to see a feed in, behind every fault.
		if _, _, _, err := sniff(s.input, ""); err == nil {
			t.Errorf("%q: taken for a feed", piece)
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	doc := generateRSS(200, 1500)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	s := scanner{}
	for b.Loop() {
		s = scanner{input: doc, attrs: s.attrs}
		for kind := s.next(); kind != tokenEOF; kind = s.next() {
			if kind == tokenFault {
				b.Fatal(s.fault)
			}
		}
	}
}
