package read

import (
	"bytes"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/rogpeppe/go-internal/txtar"

	"feedmill/internal/feeds"
)

// small is a feed that tells when something stayed of what was read before it.
const small = `<rss xmlns:x="urn:x"><channel><x:y/><item><guid>1</guid></item><item><title>a</title></item></channel></rss>`

// playAll reads every case of XML in testdata with r, and the small feed after each.
func playAll(t *testing.T, r *xmlReader, after func(name, next string, text, title weak.Pointer[byte])) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.Clone(archive.Files[0].Data)
		f, start, _, failure := sniff(text, "https://example.org/feed")
		if failure != nil || f == formatJSON {
			continue
		}
		body, title := weak.Make(&text[0]), weak.Pointer[byte]{}
		if d, _ := r.read(f, text, start, "https://example.org/feed"); d != nil && len(d.Items) > 0 && d.Items[0].Title != "" {
			title = weak.Make(unsafe.StringData(d.Items[0].Title))
		}
		text = nil
		after(filepath.Base(file), readSmall(r), body, title)
	}
}

func readSmall(r *xmlReader) string {
	d, failure := r.read(formatRSS, []byte(small), 0, "https://example.org/feed")
	if failure != nil {
		return printDocument(d, failure)
	}
	return printDocument(d, nil)
}

// TestNothingStaysOfTheLastDocument: whatever a reader read before, and wherever that
// ended, it makes the same of the next document, and holds neither the bytes that it
// read nor what it made of them.
func TestNothingStaysOfTheLastDocument(t *testing.T) {
	r := new(xmlReader)
	want := readSmall(r)
	playAll(t, r, func(name, next string, text, title weak.Pointer[byte]) {
		if next != want {
			t.Errorf("after %s: got\n%s\nwant\n%s", name, next, want)
		}
		runtime.GC()
		if text.Value() != nil || title.Value() != nil {
			t.Errorf("%s: text is held: %v, items are held: %v", name, text.Value() != nil, title.Value() != nil)
		}
	})
	runtime.KeepAlive(r)
}

// TestALargeDocumentIsLetGo: no reader that read one waits for another.
func TestALargeDocumentIsLetGo(t *testing.T) {
	text := []byte(inRSS(numbered(3, "<item><guid>%d</guid></item>") + "<!--" + strings.Repeat("x", maxReused) + "-->"))
	body := weak.Make(&text[0])
	d, err := Read(&feeds.Body{Bytes: text, URL: "https://example.org/feed"})
	if err != nil || len(d.Items) != 3 {
		t.Fatalf("got %v, %v, want 3 items", d, err)
	}
	text = nil
	if runtime.GC(); body.Value() != nil {
		t.Errorf("a document of %d bytes is held", maxReused)
	}
	runtime.KeepAlive(d)
}

// TestAReaderThatWaitsIsSmall: what a document needed that is small itself, and large in
// what is made of it, is not kept for others.
func TestAReaderThatWaitsIsSmall(t *testing.T) {
	linked := strings.Repeat("&lt;a href='x'&gt;\n", 2000)
	for _, c := range []struct {
		doc   string
		waits bool
	}{
		{inRSS(numbered(2*maxReusedList, "<item><guid>%d</guid></item>")), true},
		{inRSS("<item>" + numbered(2*maxReusedList, "<category>%d</category>") + "</item>"), true},
		{inRSS("<item>" + numbered(2*maxReusedList, "<enclosure url='%d'/>") + "</item>"), true},
		{inRSS("<item xml:base='http://a.example/" + strings.Repeat("b", 1000) + "/'><title>" + linked + "</title><description>" + linked + "</description></item>"), false},
	} {
		r := new(xmlReader)
		if _, failure := r.read(formatRSS, []byte(c.doc), 0, ""); failure != nil {
			t.Fatal(failure)
		}
		if r.isSmall() != c.waits {
			t.Errorf("%.100s: waits: %v, with %d, %d, %d bytes", c.doc, r.isSmall(), cap(r.scratch), cap(r.out), cap(r.room))
		}
		readSmall(r)
		b := &r.feed
		if n := max(cap(b.items), cap(b.unsigned), cap(b.entry.lists), cap(b.entry.files), cap(b.maker.found), cap(b.topics), cap(b.maker.files)); n > maxReusedList {
			t.Errorf("%.100s: room for %d elements for the next", c.doc, n)
		}
	}
}
