package scan

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
	s := Scanner{Input: []byte(doc)}
	for i, w := range want {
		if got := printToken(&s, s.Next()); got != w {
			t.Fatalf("token %d: got %q, want %q", i, got, w)
		}
	}
}

func printToken(s *Scanner, kind Kind) string {
	switch kind {
	case Text:
		return "text " + string(s.Text)
	case CDATA:
		return "cdata " + string(s.Text)
	case Open:
		var attrs []string
		for _, a := range s.Attrs {
			attrs = append(attrs, string(a.Name.Full)+"="+string(a.Value))
		}
		text := fmt.Sprintf("open %s %s %v", s.Name.Prefix(), s.Name.Local(), attrs)
		if s.Empty {
			text += " empty"
		}
		return text
	case Close:
		return fmt.Sprintf("close %s %s", s.Name.Prefix(), s.Name.Local())
	case Comment:
		return "comment"
	case Instruction:
		return "instruction"
	case Directive:
		return "directive"
	case Fault:
		return "fault"
	}
	return "eof"
}

// FuzzScanner holds the scanner against encoding/xml where it means to do the
// same: on everything but comments, instructions, directives, forbidden characters
// and what it reads although it is a mistake. Names it does not look at.
func FuzzScanner(f *testing.F) {
	for _, s := range xmlSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := bytes.ToValidUTF8(data, nil)
		if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }) {
			return // others see to that
		}
		for _, apart := range []string{"<?", "<!", "]]>", "&#", "\r"} {
			if bytes.Contains(text, []byte(apart)) {
				return
			}
		}
		s := Scanner{Input: text}
		d := xml.NewDecoder(bytes.NewReader(text))
		d.Strict = false
		empty := false
		for {
			token, err := d.RawToken()
			if _, isEnd := token.(xml.EndElement); isEnd && empty {
				empty = false // encoding/xml makes two tokens of an empty element
				continue
			}
			kind := s.Next()
			if s.Mistake != "" {
				return
			}
			if err != nil && strings.Contains(err.Error(), "name") {
				return
			}
			if err != nil {
				// Text with a reference that the input ends in is a fault for
				// encoding/xml only: nothing comes after it anyway.
				dangling := kind == Text && s.Pos == len(text) && bytes.IndexByte(s.Text, '&') >= 0
				if (err == io.EOF) != (kind == EOF) && kind != Fault && !dangling {
					t.Fatalf("%q at %d: got %q, want %v", text, s.Start, printToken(&s, kind), err)
				}
				return
			}
			if s.Fault == FaultAttributes {
				return
			}
			if got, want := printToken(&s, kind), printXML(token, kind == Open && s.Empty); !strings.HasPrefix(want, "text ") && got != want ||
				strings.HasPrefix(want, "text ") && kind != Text {
				t.Fatalf("%q at %d: got %q, want %q", text, s.Start, got, want)
			}
			empty = kind == Open && s.Empty
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
		s := Scanner{Input: bytes.Repeat([]byte(piece), n)}
		tokens := 0
		for kind := s.Next(); kind != EOF && kind != Fault; kind = s.Next() {
			tokens++
		}
		if tokens > n+1 {
			t.Errorf("%q: %d tokens in %d pieces", piece, tokens, n)
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	doc := bytes.Repeat([]byte(`<item><title>Ripples &amp; reeds</title><a b="c" d='e'/>`+strings.Repeat("A heron, grey as slate. ", 60)+"</item>"), 200)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	s := Scanner{}
	for b.Loop() {
		s = Scanner{Input: doc, Attrs: s.Attrs}
		for kind := s.Next(); kind != EOF; kind = s.Next() {
			if kind == Fault {
				b.Fatal(s.Fault)
			}
		}
	}
}
