package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/export"
	"feedmill/internal/feeds"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
)

// TestAKilledCursorLosesNothing: items --cursor is killed at any moment, again and
// again, and goes on where its file says. Every item is seen, in order, and what is
// seen twice is of a part that was killed.
func TestAKilledCursorLosesNothing(t *testing.T) {
	t.Parallel()
	const n, part = 400, 20
	dir := t.TempDir()
	path := filepath.Join(dir, "feeds.db")
	db, err := sqlite.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: "https://example.org/feed"}})
	if err != nil {
		t.Fatal(err)
	}
	o := feeds.Outcome{At: time.Now()}
	o.ID, o.Class = done[0].ID, feeds.OK
	for i := range n {
		o.Items = append(o.Items, feeds.Item{Key: feeds.Key{byte(i), byte(i >> 8)}, Hash: 1, Title: strings.Repeat("x", 2000)})
	}
	if _, err := db.Save(t.Context(), []feeds.Outcome{o}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	last, killed := int64(0), 0
	// As long as a run takes here, twice as much is half of them killed.
	began := time.Now()
	if out, err := exec.Command(filepath.Join(programs, "coordinator"), "items", "--db", path, "--format", "jsonl", "--limit", fmt.Sprint(part)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(began)
	for runs := 0; last < n; runs++ {
		if runs > 20*n/part {
			t.Fatalf("seed %d: after %d runs the cursor is at %d of %d", seed, runs, last, n)
		}
		cmd := exec.Command(filepath.Join(programs, "coordinator"), "items", "--db", path, "--cursor", filepath.Join(dir, "seen"), "--format", "jsonl", "--limit", fmt.Sprint(part))
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(2*whole))), func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		first := last + 1
		for line := range strings.Lines(out.String()) {
			var l export.Line
			if json.Unmarshal([]byte(line), &l) != nil {
				break // it was killed within the line
			}
			if l.ID != first {
				t.Fatalf("seed %d: got item %d, want %d: one was lost, or its part not repeated", seed, l.ID, first)
			}
			first++
		}
		b, err := os.ReadFile(filepath.Join(dir, "seen"))
		if err == nil {
			if _, err := fmt.Sscan(string(b), &last); err != nil || last >= first {
				t.Fatalf("seed %d: the cursor is %q, %v, though only %d was written", seed, b, err, first-1)
			}
		}
	}
	t.Logf("%d runs were killed", killed)
}

// TestAListComesBackAsItWas: 395 renamed feeds in folders are imported, refreshed
// by servers that call them otherwise, and exported with the same names, in the
// same folders and order.
func TestAListComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	var opml strings.Builder
	n := 0
	feed := func(name string) {
		n++
		fmt.Fprintf(&opml, `<outline text="%s %d" xmlUrl="https://f%d.example/%d"/>`, name, n, n%7, n)
	}
	opml.WriteString(`<opml version="2.0"><body>`)
	for f := range 5 {
		feed("between &amp; above")
		fmt.Fprintf(&opml, `<outline text="Folder &amp; %d"><outline text="in TCP/IP">`, f)
		for range 60 {
			feed("My &quot;own&quot; name")
		}
		opml.WriteString(`<outline text="Ü – 漢字"><outline text="back\slash/">`)
		feed("déjà vu 🚲 &lt;b&gt;")
		opml.WriteString(`</outline></outline>`)
		feed("after the folder")
		opml.WriteString(`</outline>`)
		for range 15 {
			feed("Folder &amp; 1")
		}
		opml.WriteString(`<outline text="Folder &amp; 0">`) // of the same name, elsewhere
		feed("deep")
		opml.WriteString(`</outline></outline>`)
	}
	opml.WriteString(`</body></opml>`)
	list := filepath.Join(dir, "in.opml")
	if err := os.WriteFile(list, []byte(opml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "feeds.db")
	coordinator := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(filepath.Join(programs, "coordinator"), append([]string{"--db", path}, args...)...).Output()
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return string(out)
	}
	if got := coordinator("feeds", "import", list); got != "395 added, 0 known, 0 left out\n" {
		t.Fatalf("import: %s", got)
	}
	want := outlines(t, opml.String())
	if got := outlines(t, coordinator("feeds", "export")); !slices.Equal(got, want) {
		t.Errorf("exported before a refresh: %s", firstDifference(got, want))
	}
	db, err := sqlite.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []feeds.Outcome
	for id := range int64(395) {
		o := feeds.Outcome{At: time.Now()}
		o.ID, o.Class, o.Title = id+1, feeds.OK, "The server's title"
		outcomes = append(outcomes, o)
	}
	if _, err := db.Save(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := outlines(t, coordinator("feeds", "export")); !slices.Equal(got, want) {
		t.Errorf("exported after a refresh: %s", firstDifference(got, want))
	}
	if got := coordinator("feeds", "import", list); got != "0 added, 395 known, 0 left out\n" {
		t.Errorf("imported again: %s", got)
	}
}

// outlines returns the feeds of an OPML file as they stand there, each with its
// folders.
func outlines(t *testing.T, text string) (all []string) {
	t.Helper()
	type outline struct {
		Text string    `xml:"text,attr"`
		URL  string    `xml:"xmlUrl,attr"`
		In   []outline `xml:"outline"`
	}
	var doc struct {
		In []outline `xml:"body>outline"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, in []outline)
	walk = func(path string, in []outline) {
		for _, o := range in {
			if o.URL != "" {
				all = append(all, fmt.Sprintf("%s %q %s", path, o.Text, o.URL))
			}
			walk(path+fmt.Sprintf("%q ", o.Text), o.In)
		}
	}
	walk("", doc.In)
	return all
}
