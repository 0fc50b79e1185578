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

// letGo makes a reader wait, and not in the pool: others would be given it.
func letGo(r *xmlReader) {
	r.walker.reset()
	r.feed.reset()
}

// playAll reads every case of XML in testdata with r, and calls after when r has let
// go of it.
func playAll(t *testing.T, r *xmlReader, after func(name string, text weak.Pointer[byte], d *feeds.Document)) {
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
		d, _ := r.read(f, text, start, "https://example.org/feed")
		body := weak.Make(&text[0])
		text = nil
		letGo(r)
		after(filepath.Base(file), body, d)
	}
}

// TestAReaderThatWaitsHoldsNoDocument: neither the bytes that it read nor what it
// made of them.
func TestAReaderThatWaitsHoldsNoDocument(t *testing.T) {
	r := readers.New().(*xmlReader)
	playAll(t, r, func(name string, text weak.Pointer[byte], d *feeds.Document) {
		var title weak.Pointer[byte]
		if d != nil && len(d.Items) > 0 && d.Items[0].Title != "" {
			title = weak.Make(unsafe.StringData(d.Items[0].Title))
		}
		d = nil
		runtime.GC()
		if text.Value() != nil || title.Value() != nil {
			t.Errorf("%s: text is held: %v, items are held: %v", name, text.Value() != nil, title.Value() != nil)
		}
	})
	runtime.KeepAlive(r)
}

// TestNothingStaysOfTheLastDocument: whatever a reader read before, and wherever that
// ended, it makes the same of the next document.
func TestNothingStaysOfTheLastDocument(t *testing.T) {
	const next = `<rss xmlns:x="urn:x"><channel><x:y/><item><guid>1</guid></item><item><title>a</title></item></channel></rss>`
	read := func(r *xmlReader) string {
		d, failure := r.read(formatRSS, []byte(next), 0, "https://example.org/feed")
		if failure != nil {
			return printDocument(d, failure)
		}
		return printDocument(d, nil)
	}
	r := readers.New().(*xmlReader)
	want := read(r)
	letGo(r)
	playAll(t, r, func(name string, _ weak.Pointer[byte], _ *feeds.Document) {
		if got := read(r); got != want {
			t.Errorf("after %s: got\n%s\nwant\n%s", name, got, want)
		}
		letGo(r)
	})
}

// TestAReaderThatWaitsIsSmall: a large document leaves no more room than most need.
func TestAReaderThatWaitsIsSmall(t *testing.T) {
	r := readers.New().(*xmlReader)
	large := strings.Repeat("&lt;a href='x'&gt;\n", maxReusedScratch/10)
	for _, doc := range []string{
		inRSS(numbered(2*maxReusedItems, "<item><guid>%d</guid></item>")),
		inRSS("<item>" + numbered(2*maxReusedItems, "<category>%d</category>") + "</item>"),
		inRSS("<item>" + numbered(2*maxReusedItems, "<enclosure url='%d'/>") + "</item>"),
		inRSS("<item xml:base='/b/'><title>" + large + "</title><description>" + large + "</description></item>"),
	} {
		if _, failure := r.read(formatRSS, []byte(doc), 0, ""); failure != nil {
			t.Fatal(failure)
		}
		letGo(r)
		b := &r.feed
		if max(cap(b.items), cap(b.entry.lists), cap(b.entry.files)) > maxReusedItems || max(cap(b.scratch), cap(b.out), cap(b.room)) > maxReusedScratch {
			t.Errorf("%.100s: got room for %d items, %d in lists, %d files, and %d, %d, %d bytes", doc,
				cap(b.items), cap(b.entry.lists), cap(b.entry.files), cap(b.scratch), cap(b.out), cap(b.room))
		}
	}
}
