package feeds

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
			d, err := ReadDocument(body, contentType, base)
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
func printDocument(d *Document, err error) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, strconv.Quote(value))
		}
	}
	if failure, ok := errors.AsType[*Failure](err); ok {
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
	if d.Pacing != (Pacing{}) {
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
