package feeds

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

func TestOPMLComesBackAsItWasWritten(t *testing.T) {
	want := []Subscription{
		{URL: "https://one.example/feed", Title: "One & only"},
		{URL: "https://two.example/feed?a=1&b=<2>", Category: "News"},
		{URL: "https://three.example/feed", Title: `"Three"`, Category: "News/Local"},
		{URL: "https://four.example/feed", Title: "Vier ü", Category: "Tech"},
	}
	var file bytes.Buffer
	if err := WriteOPML(&file, "Mine", want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadOPML(iotest.OneByteReader(&file))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestOPMLReportsEachEntryThatIsLeftOut(t *testing.T) {
	const file = `<?xml version="1.0" encoding="ISO-8859-1"?>
<opml version="1.1"><body>
<outline text="Gr` + "\xfc" + `n"><OUTLINE TITLE="kept" XMLURL=" http://A.example/x " />
<outline text="bad" xmlUrl="file:///etc/passwd"/>
<outline text="worse" xmlUrl="not a url"><outline text="in" xmlUrl="https://b.example/"/></outline>
</outline></body></opml>`
	got, err := ReadOPML(strings.NewReader(file))
	want := []Subscription{
		{URL: "http://a.example/x", Title: "kept", Category: "Grün"},
		{URL: "https://b.example/", Title: "in", Category: "Grün"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("got error %v, want two joined ones", err)
	}
	for i, line := range []int{4, 5} {
		entry, ok := errors.AsType[*ListError](joined.Unwrap()[i])
		if !ok || entry.Line != line {
			t.Errorf("error %d: got %v, want line %d", i, joined.Unwrap()[i], line)
		}
	}
	if failure, ok := errors.AsType[*Failure](err); !ok || failure.Class != BlockedScheme {
		t.Errorf("got %v, want class %s", err, BlockedScheme)
	}
}

func TestOPMLIsBoundedAndRecognised(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       Class
	}{
		{"empty", "", NotAFeed},
		{"a feed", "<rss><channel/></rss>", NotAFeed},
		{"no XML", "https://example.org/feed\n", NotAFeed},
		{"deep outlines", "<opml>" + strings.Repeat("<outline>", 100), LimitDepth},
		{"deep elements", "<opml>" + strings.Repeat("<x>", 1000), LimitDepth},
	} {
		_, err := ReadOPML(strings.NewReader(c.file))
		failure, ok := errors.AsType[*Failure](err)
		if !ok || failure.Class != c.want {
			t.Errorf("%s: got %v, want class %s", c.name, err, c.want)
		}
	}
	subs, err := ReadOPML(strings.NewReader(`<opml><outline xmlUrl="https://a.example/"/><outline`))
	if _, isEntry := errors.AsType[*ListError](err); len(subs) != 1 || err == nil || isEntry {
		t.Errorf("cut file: got %v and %v, want one subscription and an error of the file", subs, err)
	}
}

func TestListReportsTheLineOfEachBadEntry(t *testing.T) {
	list := "\xef\xbb\xbfhttps://a.example\r\n# comment\n\n  http://b.example/x#frag  \nexec:rm\n" +
		strings.Repeat("x", 3*maxListLine) + "\nhttps://c.example/last"
	var urls []string
	var lines []int
	for link, err := range ReadList(iotest.HalfReader(strings.NewReader(list))) {
		entry, bad := errors.AsType[*ListError](err)
		switch {
		case bad:
			lines = append(lines, entry.Line)
		case err != nil:
			t.Fatal(err)
		default:
			urls = append(urls, link)
		}
	}
	if want := []string{"https://a.example/", "http://b.example/x", "https://c.example/last"}; !reflect.DeepEqual(urls, want) {
		t.Errorf("got %q, want %q", urls, want)
	}
	if want := []int{5, 6}; !reflect.DeepEqual(lines, want) {
		t.Errorf("bad lines: got %v, want %v", lines, want)
	}
}

// TestListOfAnotherReader: what newsboat keeps beside a URL is left out, and what
// it runs is refused.
func TestListOfAnotherReader(t *testing.T) {
	const list = `https://a.example/feed tag "other tag" "~A title"
https://b.example/feed	# a comment
https://c.example/#part
"query:Unread:unread = \"yes\""
exec:curl https://d.example/
`
	var urls, bad []string
	for link, err := range ReadList(strings.NewReader(list)) {
		if entry, ok := errors.AsType[*ListError](err); ok {
			bad = append(bad, entry.URL)
		} else if err != nil {
			t.Fatal(err)
		} else {
			urls = append(urls, link)
		}
	}
	if want := []string{"https://a.example/feed", "https://b.example/feed", "https://c.example/"}; !slices.Equal(urls, want) {
		t.Errorf("got %q, want %q", urls, want)
	}
	if want := []string{`"query:Unread:unread = \"yes\""`, "exec:curl https://d.example/"}; !slices.Equal(bad, want) {
		t.Errorf("left out %q, want %q", bad, want)
	}
}

func TestListEndsWithTheReadersError(t *testing.T) {
	var last error
	n := 0
	for _, err := range ReadList(io.MultiReader(strings.NewReader("https://a.example/\n"), iotest.ErrReader(io.ErrUnexpectedEOF))) {
		last = err
		n++
	}
	if n != 2 || !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("got %d entries, the last with %v; want 2, %v", n, last, io.ErrUnexpectedEOF)
	}
}

// TestListsInWideEncodings: what an editor or a shell of Windows writes.
func TestListsInWideEncodings(t *testing.T) {
	const opml = `<opml><outline text="ü" xmlUrl="feed://a.example/ü"/></opml>`
	want := []Subscription{{URL: "http://a.example/ü", Title: "ü"}}
	for _, enc := range []encoding.Encoding{
		unicode.UTF8BOM, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), unicode.UTF16(unicode.BigEndian, unicode.UseBOM), utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
	} {
		for _, declaration := range []string{"", `<?xml version="1.0" encoding="UTF-16"?>`, `<?xml version="1.0" encoding="utf-8"?>`, `<?xml version="1.0" encoding="utf-16le"?>`} {
			file, err := enc.NewEncoder().String(declaration + opml)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadOPML(iotest.HalfReader(strings.NewReader(file)))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %q: got %+v, %v, want %+v", enc, declaration, got, err, want)
			}
			if !IsOPML([]byte(file[:31])) {
				t.Errorf("%v, %q: taken for a plain list", enc, declaration)
			}
		}
		list, err := enc.NewEncoder().String("# ü\r\nhttps://a.example/ü\r\nnothing\r\n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for link, err := range ReadList(iotest.HalfReader(strings.NewReader(list))) {
			if err != nil {
				link = err.Error()
			}
			got = append(got, link)
		}
		if want := []string{"https://a.example/ü", "line 3: blocked_scheme: unusable URL: no scheme; http or https is needed"}; !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", enc, got, want)
		}
		if IsOPML([]byte(list[:31])) {
			t.Errorf("%v: a plain list is taken for OPML", enc)
		}
	}
}
