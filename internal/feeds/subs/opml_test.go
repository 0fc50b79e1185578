package subs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"feedmill/internal/feeds"
)

func TestOPMLComesBackAsItWasWritten(t *testing.T) {
	want := []feeds.Subscription{
		{URL: "https://one.example/feed", Title: "One & only", Link: "https://one.example/?a=1&b"},
		{URL: "https://two.example/feed?a=1&b=<2>", Category: "News"},
		{URL: "https://three.example/feed", Title: `"Three"`, Category: "News/Local"},
		{URL: "https://four.example/feed", Title: "Vier ü", Category: "Tech"},
		{URL: "https://five.example/feed", Title: "An \u202eevil title", Category: `TCP\/IP`},
		{URL: "https://six.example/feed", Title: "Six", Category: "News/Local\nTech\n" + `A\/B/C`},
	}
	var file bytes.Buffer
	if err := written(&file, "Mine", want); err != nil {
		t.Fatal(err)
	}
	if text := file.String(); strings.ContainsAny(text, "\u202e\u009b") || !strings.Contains(text, "&#8238;") {
		t.Errorf("a character that turns the direction is written as it is:\n%s", text)
	}
	got, err := readOPML(iotest.OneByteReader(&file))
	if err != nil {
		t.Fatal(err)
	}
	byURL := func(a, b feeds.Subscription) int { return strings.Compare(a.URL, b.URL) }
	slices.SortFunc(got, byURL)
	slices.SortFunc(want, byURL)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// TestAHomePageIsOne: a feed's link may be anything, and whoever has the file shows it.
func TestAHomePageIsOne(t *testing.T) {
	for link, want := range map[string]string{
		"https://one.example/a?b#c": ` htmlUrl="https://one.example/a?b"`, "javascript:alert(1)": "", "/relative": "", "mailto:me@one.example": "", "http://": "", " HTTP://b\u00fccher.example ": ` htmlUrl="http://xn--bcher-kva.example/"`,
	} {
		var file strings.Builder
		if err := written(&file, "Mine", []feeds.Subscription{{URL: "https://one.example/feed", Link: link}}); err != nil {
			t.Fatal(err)
		}
		if got := file.String(); strings.Contains(got, "htmlUrl") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%q is written as %s, want %q", link, got, want)
		}
	}
}

// written writes a list as OPML.
func written(w io.Writer, title string, list []feeds.Subscription) error {
	some := func(ids []int64) iter.Seq2[Listed, error] {
		return func(yield func(Listed, error) bool) {
			for _, id := range slices.Backward(ids) { // whose order is none of its business
				if !yield(Listed{ID: id, Subscription: list[id]}, nil) {
					return
				}
			}
		}
	}
	all := func(yield func(Listed, error) bool) {
		for i, s := range list {
			if !yield(Listed{ID: int64(i), Subscription: s}, nil) {
				return
			}
		}
	}
	return WriteOPML(w, title, all, some)
}

// readOPML reads all of a file, each feed once, and joins the errors unless one ended
// it.
func readOPML(r io.Reader) (list []feeds.Subscription, err error) {
	var left []error
	for s, e := range ReadOPML(r) {
		if _, bad := errors.AsType[*ListError](e); bad {
			left = append(left, e)
			continue
		}
		if e != nil {
			return list, e
		}
		if at := slices.IndexFunc(list, func(have feeds.Subscription) bool { return have.URL == s.URL }); at >= 0 {
			list[at] = Join(list[at], s)
		} else {
			list = append(list, s)
		}
	}
	return list, errors.Join(left...)
}

func TestOPMLReportsEachEntryThatIsLeftOut(t *testing.T) {
	const file = `<?xml version="1.0" encoding="ISO-8859-1"?>
<opml version="1.1"><body>
<outline text="Gr` + "\xfc" + `n"><OUTLINE TITLE="kept" XMLURL=" http://A.example/x " />
<outline text="bad" xmlUrl="file:///etc/passwd"/>
<outline text="worse" xmlUrl="not a url"><outline text="in" xmlUrl="https://b.example/"/></outline>
</outline></body></opml>`
	got, err := readOPML(strings.NewReader(file))
	want := []feeds.Subscription{
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
	if failure, ok := errors.AsType[*feeds.Failure](err); !ok || failure.Class != feeds.BlockedScheme {
		t.Errorf("got %v, want class %s", err, feeds.BlockedScheme)
	}
}

func TestOPMLIsBoundedAndRecognised(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       feeds.Class
	}{
		{"empty", "", feeds.NotAFeed},
		{"a feed", "<rss><channel/></rss>", feeds.NotAFeed},
		{"no XML", "https://example.org/feed\n", feeds.NotAFeed},
		{"a page", "<html><body><pre>&lt;opml>&lt;outline></pre></body></html>", feeds.NotAFeed},
		{"a JSON list", `{"outlines":[{"xmlUrl":"http://a.example/1"}]}`, feeds.NotAFeed},
	} {
		_, err := readOPML(strings.NewReader(c.file))
		failure, ok := errors.AsType[*feeds.Failure](err)
		if !ok || failure.Class != c.want {
			t.Errorf("%s: got %v, want class %s", c.name, err, c.want)
		}
	}
	deep := "<opml>" + strings.Repeat("<outline text='"+strings.Repeat("x", 1000)+"'>", 2000) + "<outline xmlUrl='http://a.example/'/>" +
		strings.Repeat("</outline>", 2000) + "<outline xmlUrl='http://b.example/'/>"
	subs, err := readOPML(strings.NewReader(deep))
	if err != nil || len(subs) != 2 || len(subs[0].Category) > maxPath || subs[0].Category == "" || subs[1].Category != "" {
		t.Errorf("deep outlines: got %.200v, %v, want both feeds, the first with a category of at most %d bytes", subs, err, maxPath)
	}
	subs, err = readOPML(io.MultiReader(strings.NewReader(`<opml><outline xmlUrl="https://a.example/"/>`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(subs) != 1 {
		t.Errorf("a reader that fails: got %v, %v, want one feed and its error", subs, err)
	}
}

// TestOneFaultSpoilsAtMostItsOutline: lists are written by many programs, and some
// of them do not know XML.
func TestOneFaultSpoilsAtMostItsOutline(t *testing.T) {
	const head, first, last = `<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title/></head><body>` + "\n",
		`<outline text="First" type="rss" xmlUrl="http://a.example/1"/>`, `<outline text="Last" type="rss" xmlUrl="http://a.example/9"/>` + "</body></opml>"
	x := func(title string) string {
		return "<outline text=\"" + title + "\" type=\"rss\" xmlUrl=\"http://a.example/2\"/>"
	}
	for _, tt := range []struct {
		name, file string
		title      string // of the second of three; "-" where there are two
		bad        int    // outlines that are left out
	}{
		{"control character", head + first + x("be\x07ll") + last, "bell", 0},
		{"reference to one", head + first + x("be&#7;ll") + last, "bell", 0},
		{"NUL", head + first + x("a\x00b") + last, "a\uFFFDb", 0},
		{"no UTF-8", head + first + x("a\xffb") + last, "a\uFFFDb", 0},
		{"bare <", head + first + x("a < b") + last, "a < b", 0},
		{"bare &", head + first + x("a & b &c=d") + last, "a & b &c=d", 0},
		{"entities of HTML", head + first + x("Caf&eacute; &mdash; x") + last, "Café — x", 0},
		{"quotes within quotes", head + first + x(`fubar "baz"`) + last, "fubar", 0},
		{"an end within quotes within quotes", head + first + `<outline text="a "b" > c" xmlUrl="http://a.example/2"/>` + last, "", 0},
		{"a quote that is missing", head + first + `<outline text="a xmlUrl="http://a.example/2"/>` + last, "-", 1},
		{"a quote that is missing in a feed", head + first + `<outline type="rss" text="a xmlUrl="http://a.example/2"/>` + last, "-", 1},
		{"a quote that is missing at the end", head + first + `<outline text="a" xmlUrl="http://a.example/2/>` + "\n" + strings.Replace(last, "Last", "", 1) + strings.Replace(last, "9", "8", 1), "", 1},
		{"a comment without end", head + first + last + "<!-- " + x("y"), "-", 1},
		{"line end in a title", head + first + x("two\r\nlines") + last, "two lines", 0},
		{"attribute without value", head + first + `<outline checked text=x xmlUrl=http://a.example/2 n=0/>` + last, "x", 0},
		{"attribute twice", head + first + `<outline text="x" text="y" xmlUrl="http://a.example/2"/>` + last, "x", 0},
		{"comment with dashes", head + first + "<!-- a -- b -->" + x("x") + last, "x", 0},
		{"XML 1.1", strings.Replace(head, "1.0", "1.1", 1) + first + x("x") + last, "x", 0},
		{"an encoding that nobody knows", strings.Replace(head, "UTF-8", "x-none", 1) + first + x("x") + last, "x", 0},
		{"an encoding that it does not have", strings.Replace(head, "UTF-8", "iso-8859-1", 1) + first + x("é") + last, "é", 0},
		{"an encoding that it has", strings.Replace(head, "UTF-8", "windows-1251", 1) + first + x("\xd2") + last, "Т", 0},
		{"an encoding behind blanks", strings.Replace(head, `encoding="UTF-8"`, "encoding = 'windows-1251'", 1) + first + x("\xd2") + last, "Т", 0},
		{"utf-16 that is none", strings.Replace(head, "UTF-8", "utf-16", 1) + first + x("x") + last, "x", 0},
		{"something before it", "\n\n <br />\n<b>Warning</b>: x\n" + head + first + x("x") + last, "x", 0},
		{"something after it", head + first + x("x") + last + "\nWarning: foo & bar <b>", "x", 0},
		{"a prefix", strings.NewReplacer("<o", "<p:o", "</o", "</p:o").Replace(head + first + x("x") + last), "x", 0},
		{"upper case", strings.ToUpper(head+first) + x("x") + last, "x", 0},
		{"url in place of xmlUrl", head + first + `<outline type="rss" text="x" url="http://a.example/2"/>` + last, "x", 0},
		{"no scheme", head + first + `<outline text="x" xmlUrl="//a.example/2"/>` + last, "x", 0},
		{"a URL in two lines", head + first + "<outline text='x' xmlUrl='http://a.example/\n   2'/>" + last, "x", 0},
		{"no end tag", head + first + `<outline text="x" xmlUrl="http://a.example/2">` + last, "x", 0},
		{"htmlUrl alone", head + first + `<outline type="rss" text="x" htmlUrl="http://a.example/2"/>` + last, "-", 1},
		{"a link", head + first + `<outline type="link" text="x" url="http://a.example/2"/>` + last, "-", 0},
		{"another list", head + first + `<outline type="include" text="x" url="http://a.example/2.opml"/>` + last, "-", 1},
		{"a scheme that is refused", head + first + `<outline text="x" xmlUrl="file:///etc/passwd"/>` + last, "-", 1},
		{"150 of them", head + first + strings.Repeat(`<outline text="x" xmlUrl="exec:rm"/>`, 150) + last, "-", 150},
		{"an address for a name alone", head + first + `<outline text="http://a.example/2"/>` + last, "-", 1},
		{"compressed, with something after it", zipped(head+first+x("x")+last) + "\n", "x", 1},
		{"compressed, without its end", strings.TrimRight(zipped(head+first+x("x")+last), "\x00"), "x", 1},
		{"the file ends in a tag", head + first + `<outline text="Last" xmlUrl="http://a.example/9"/>` + "\n<outline te", "-", 1},
	} {
		got, err := readOPML(strings.NewReader(tt.file))
		var titles []string
		for _, s := range got {
			titles = append(titles, strings.ToLower(s.Title))
		}
		want := []string{"first", strings.ToLower(tt.title), "last"}
		if tt.title == "-" {
			want = []string{"first", "last"}
		}
		bad := 0
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			bad = len(many.Unwrap())
			for _, e := range many.Unwrap() {
				if entry, ok := errors.AsType[*ListError](e); !ok || entry.Line < 2 {
					t.Errorf("%s: got %v, want the outline's line", tt.name, e)
				}
			}
		}
		if !slices.Equal(titles, want) || bad != tt.bad {
			t.Errorf("%s: got %q and %d left out (%v), want %q and %d", tt.name, titles, bad, err, want, tt.bad)
		}
		var file bytes.Buffer
		if err := written(&file, "again", got); err != nil {
			t.Fatal(err)
		}
		if again, err := readOPML(&file); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: written and read again: got %+v, %v, want %+v", tt.name, again, err, got)
		}
	}
}

// TestFoldersComeBack: a name may have a slash, and a feed may be in several.
// zipped returns text in gzip.
func zipped(text string) string {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

func TestFoldersComeBack(t *testing.T) {
	const file = `<opml><body>
<outline text="TCP/IP"><outline xmlUrl="http://a.example/1"/></outline>
<outline text="News"><outline title="A/B"><outline xmlUrl="http://a.example/2" category="/Tech/Linux,/News"/></outline></outline>
<outline text="F1"><outline xmlUrl="http://a.example/3"/></outline><outline text="F2"><outline text="T" xmlUrl="http://a.example/3"/></outline>
<outline text="Only a name"/><outline xmlUrl="http://a.example/4"><outline xmlUrl="http://a.example/5"/></outline>
</body></opml>`
	want := []feeds.Subscription{
		{URL: "http://a.example/1", Category: `TCP\/IP`},
		{URL: "http://a.example/2", Category: "News/" + `A\/B` + "\nTech/Linux\nNews"},
		{URL: "http://a.example/3", Category: "F1\nF2", Title: "T"},
		{URL: "http://a.example/4"},
		{URL: "http://a.example/5"},
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, file)
	z.Close()
	for _, text := range []string{file, packed.String()} {
		got, err := readOPML(strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v, %v, want\n%+v", got, err, want)
		}
		if !IsOPML([]byte(text[:min(len(text), 512)])) {
			t.Error("taken for a plain list")
		}
	}
}

// TestANameIsNoPassword: many programs write a feed's address as its name.
func TestANameIsNoPassword(t *testing.T) {
	for name, want := range map[string]string{
		"https://me:secret@a.example/feed?x": "https://xxxxx@a.example/feed?x", "https://me:secret@a.example/feed": "", "//me:secret@a.example": "//xxxxx@a.example",
		"// TODO: blog by @dave": "// TODO: blog by @dave", "CoDe//Life by @dave": "CoDe//Life by @dave", "Notes:// @home": "Notes:// @home", "a//b:c": "a//b:c",
		"me@a.example": "me@a.example", "Notes // @home": "Notes // @home", "https://a.example/@me": "https://a.example/@me",
		"https://me:sec&#9;ret@a.example/feed": "", "https://me:sec ret@b.example/feed": "https://xxxxx@b.example/feed", "https:// me:secret@a.example /feed": "", "News of //a.example by me@a.example": "News of //a.example by me@a.example",
	} {
		got, err := readOPML(strings.NewReader(`<opml><outline text="` + name + `" xmlUrl="https://me:secret@a.example/feed"/></opml>`))
		if err != nil || len(got) != 1 || got[0].Title != want {
			t.Errorf("%s: got %+v, %v, want the name %q", name, got, err, want)
		}
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

// TestListOfTheOldMac: each line ends in CR, and none is lost or counted twice.
func TestListOfTheOldMac(t *testing.T) {
	for _, end := range []string{"\r", "\r\n", "\n"} {
		var got []string
		list := strings.Join([]string{"https://a.example/ a note", "# " + strings.Repeat("x", 3*maxListLine/4), "nothing", "", "https://b.example/", "exec:rm", "https://c.example/", ""}, end)
		for link, err := range ReadList(iotest.OneByteReader(strings.NewReader(list))) {
			if entry, bad := errors.AsType[*ListError](err); bad {
				link = fmt.Sprint(entry.Line)
			} else if err != nil {
				t.Fatal(err)
			}
			got = append(got, link)
		}
		if want := []string{"https://a.example/", "3", "https://b.example/", "6", "https://c.example/"}; !slices.Equal(got, want) {
			t.Errorf("lines that end in %q: got %q, want %q", end, got, want)
		}
	}
}

// TestListOfAnotherReader: what newsboat keeps beside a URL is left out, and what
// it runs is refused.
func TestListOfAnotherReader(t *testing.T) {
	const list = `https://a.example/feed tag "other tag" "~A title"
https://b.example/feed	# a comment
https://c.example/#part
https://e.example/ title
"query:Unread:unread = \"yes\""
exec:curl https://d.example/
`
	var urls, bad []string
	for link, err := range ReadList(strings.NewReader(zipped(list))) {
		if entry, ok := errors.AsType[*ListError](err); ok {
			bad = append(bad, entry.URL)
		} else if err != nil {
			t.Fatal(err)
		} else {
			urls = append(urls, link)
		}
	}
	if want := []string{"https://a.example/feed", "https://b.example/feed", "https://c.example/", "https://e.example/"}; !slices.Equal(urls, want) {
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
	want := []feeds.Subscription{{URL: "http://a.example/ü", Title: "ü"}}
	for _, enc := range []encoding.Encoding{
		unicode.UTF8BOM, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), unicode.UTF16(unicode.BigEndian, unicode.UseBOM), utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
	} {
		for _, declaration := range []string{"", `<?xml version="1.0" encoding="UTF-16"?>`, `<?xml version="1.0" encoding="utf-8"?>`, `<?xml version="1.0" encoding="utf-16le"?>`} {
			file, err := enc.NewEncoder().String(declaration + opml)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readOPML(iotest.HalfReader(strings.NewReader(file)))
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
