package read

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"feedmill/internal/feeds"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata want")

// TestOddDocuments reads every case in testdata. A case is a txtar file with
// the document in "feed" and what is read from it in "want". Lines above them
// say how the document gets to the reader:
//
//	content-type: VALUE
//	base: URL          "none" for none; default https://example.org/feed
//	encode: NAME       the document is in that encoding; utf-16le and so on
//	                   without a byte order mark, utf-16le-bom with one
//	unquote            \xNN and the like in the document are undone
//	cut: TEXT          the document ends before TEXT
//	repeat: N          what stands between {{ and }} is there N times, # in it
//	                   is the number
func TestOddDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) == 0 || archive.Files[0].Name != "feed" {
				t.Fatal("the first file is not feed")
			}
			body, contentType, base := playCase(t, archive)
			d, err := readAs(feeds.ParserAuto, body, contentType, base)
			got := printDocument(d, err)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(archive.Files) != 2 || got != string(archive.Files[1].Data) {
				t.Errorf("got\n%s\nwant\n%s", got, archive.Files[len(archive.Files)-1].Data)
			}
		})
	}
}

// playCase returns what a case gives to ReadDocument.
func playCase(t *testing.T, archive *txtar.Archive) (body []byte, contentType, base string) {
	body, base = archive.Files[0].Data, "https://example.org/feed"
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "content-type":
			contentType = value
		case "base":
			base = strings.TrimPrefix(value, "none")
		case "unquote":
			body = unquote(t, body)
		case "cut":
			var found bool
			if body, _, found = bytes.Cut(body, []byte(value)); !found {
				t.Fatalf("nothing to cut at %q", value)
			}
		case "repeat":
			body = repeat(t, body, value)
		case "encode":
			body = encode(t, body, value)
		}
	}
	return body, contentType, base
}

func unquote(t *testing.T, body []byte) []byte {
	var out []byte
	for rest := string(body); rest != ""; {
		if rest[0] != '\\' {
			out, rest = append(out, rest[0]), rest[1:]
			continue
		}
		c, multibyte, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			t.Fatal(err)
		}
		if rest = tail; multibyte {
			out = append(out, string(c)...)
		} else {
			out = append(out, byte(c))
		}
	}
	return out
}

func repeat(t *testing.T, body []byte, times string) []byte {
	n, err := strconv.Atoi(times)
	before, rest, opened := strings.Cut(string(body), "{{")
	piece, after, closed := strings.Cut(rest, "}}")
	if err != nil || !opened || !closed {
		t.Fatalf("nothing to repeat %s times", times)
	}
	var b strings.Builder
	b.WriteString(before)
	for i := range n {
		b.WriteString(strings.ReplaceAll(piece, "#", strconv.Itoa(i)))
	}
	b.WriteString(after)
	return []byte(b.String())
}

func encode(t *testing.T, body []byte, name string) []byte {
	mark := strings.HasSuffix(name, "-bom")
	name = strings.TrimSuffix(name, "-bom")
	if mark {
		body = append([]byte("\uFEFF"), body...)
	}
	enc, err := htmlindex.Get(name)
	switch name {
	case "utf-16le":
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf-16be":
		enc = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "utf-32le":
		enc = utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case "utf-32be":
		enc = utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	default:
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := enc.NewEncoder().Bytes(body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// printDocument writes what ReadDocument returned, one field a line, without
// those that are empty.
func printDocument(d *feeds.Document, err error) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, strconv.Quote(value))
		}
	}
	if failure, ok := errors.AsType[*feeds.Failure](err); ok {
		fmt.Fprintf(&b, "class: %s\n", failure.Class)
		line("detail", failure.Detail)
		line("hint", failure.Hint)
	} else {
		fmt.Fprintf(&b, "class: ok\n")
	}
	if d == nil {
		return b.String()
	}
	line("title", d.Title)
	line("link", d.Link)
	if d.Pacing != (feeds.Pacing{}) {
		fmt.Fprintf(&b, "pacing: ttl %v, skip hours %#x, skip days %#x\n", d.Pacing.TTL, d.Pacing.SkipHours, d.Pacing.SkipDays)
	}
	for _, n := range d.Notes {
		line("note", n)
	}
	for i := range d.Items {
		if i == 8 {
			fmt.Fprintf(&b, "%d more items\n", len(d.Items)-i)
			break
		}
		it := &d.Items[i]
		fmt.Fprintf(&b, "item %x\n", it.Key[:4])
		line("  guid", it.GUID)
		line("  link", it.Link)
		line("  title", it.Title)
		line("  author", it.Author)
		line("  summary", it.Summary)
		line("  content", it.Content)
		line("  image", it.Image)
		line("  published", printDate(it.Published))
		line("  updated", printDate(it.Updated))
		for _, c := range it.Categories {
			line("  category", c)
		}
		for _, e := range it.Enclosures {
			fmt.Fprintf(&b, "  enclosure: %q %s %d\n", e.URL, e.Type, e.Length)
		}
	}
	return b.String()
}

func printDate(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// TestDatesInATextAreText: an element of HTML that somebody named like a date of
// feeds keeps what it says.
func TestDatesInATextAreText(t *testing.T) {
	for _, said := range []string{"Sat, 09 May 2020 10:00:00 GMT", strings.Repeat("long ago ", 50)} {
		doc := `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><content type="xhtml"><div><pubDate>` + said + `</pubDate></div></content></entry></feed>`
		for _, parser := range []feeds.Parser{feeds.ParserAuto, feeds.ParserGofeed} {
			d, err := readAs(parser, []byte(doc), "", "")
			if err != nil || len(d.Items) != 1 || !strings.Contains(d.Items[0].Content, strings.TrimSpace(said)) {
				t.Errorf("parser %d: got %+v, %v, want an item that says %q", parser, d, err, said)
			}
		}
	}
}

// TestOddDatesAreAllRead: however many dates have an odd form, they cost little and
// are read, whatever the format and whoever reads the document.
func TestOddDatesAreAllRead(t *testing.T) {
	const n = 20_000
	const odd, common, iso = "09 May 20 10:00 +0000", "Sat, 09 May 2020 10:00:00 GMT", "2020-05-09T10:00:00Z"
	list := func(item, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, item, i, odd)
		}
		fmt.Fprintf(&b, item, n, last)
		return b.String()
	}
	for name, doc := range map[string]string{
		"rss":   "<rss><channel>" + list("<item><guid>%d</guid><pubDate>%s</pubDate></item>", common) + "</channel></rss>",
		"cdata": "<rss><channel>" + list("<item><guid>%d</guid><pubDate><![CDATA[%s]]></pubDate></item>", common) + "</channel></rss>",
		"dc": "<rss xmlns:dc='http://purl.org/dc/elements/1.1/'><channel>" +
			list("<item><guid>%d</guid><dc:date>%s</dc:date></item>", iso) + "</channel></rss>",
		"atom": "<feed xmlns='http://www.w3.org/2005/Atom'>" + list("<entry><id>%d</id><published>%s</published></entry>", iso) + "</feed>",
		"json": `{"version":"https://jsonfeed.org/version/1","items":[` + list("{\"id\":\"%d\",\"date_published\":\"%s\n\"},", iso) + "{}]}",
	} {
		for _, parser := range []feeds.Parser{feeds.ParserAuto, feeds.ParserGofeed} {
			d, err := readAs(parser, []byte(doc), "", "")
			if err != nil || len(d.Items) != n+1 {
				t.Fatalf("%s, parser %d: got %v, want %d items", name, parser, err, n+1)
			}
			want := n + 1
			dated := 0
			for i := range d.Items {
				if d.Items[i].Published == 1589018400 || d.Items[i].Updated == 1589018400 {
					dated++
				}
			}
			if dated != want {
				t.Errorf("%s, parser %d: %d items have a date, want %d", name, parser, dated, want)
			}
		}
	}
}
