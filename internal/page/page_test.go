package page

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
	"feedmill/internal/store"
)

var at = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// items returns n of them, the newest first, of three feeds in two folders.
func items(n int) []store.Item {
	var all []store.Item
	for i := range n {
		it := store.Item{
			ID: int64(n - i), FeedID: int64(i%3 + 1), FeedURL: fmt.Sprintf("https://u:secret@f%d.example/feed", i%3), FeedLabel: fmt.Sprintf("Feed %d", i%3),
			Category: []string{"News/Local", "", "Über uns"}[i%3], FirstSeen: at.Add(-time.Duration(i) * 5 * time.Hour),
		}
		it.Title, it.Link, it.Key = fmt.Sprintf("Item %d of <many>", n-i), fmt.Sprintf("https://f.example/%d", n-i), feeds.Key{byte(n - i)}
		it.Content = `<p onclick="x()">Text <b>bold</b></p><script>alert(1)</script><img src="https://t.example/pixel.png"><a href="javascript:x()">no</a>` +
			strings.Repeat(" A long text that has to wrap on a phone.", 20)
		it.Enclosures = []feeds.Enclosure{{URL: "https://f.example/a.mp3"}, {URL: "javascript:alert(3)"}}
		all = append(all, it)
	}
	return all
}

// list writes the list of feeds, which is the caller's business.
func list(w io.Writer) error {
	_, err := io.WriteString(w, `<opml><body><outline text="Mine"/></body></opml>`)
	return err
}

// tree returns the files below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestASiteIsWholeAndRunsNothing: every link within it leads to a file of it, and
// nothing that a feed says is run, loaded or told.
func TestASiteIsWholeAndRunsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := Write(dir, items(12), list, Options{Title: "All & sundry"}); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	pages := 0
	for name, text := range files {
		if strings.Contains(text, "secret") {
			t.Errorf("%s has a password", name)
		}
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		pages++
		for _, bad := range []string{"<script", "javascript:", "onclick", "<img", "<many>"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to, part, _ := strings.Cut(m[1], "#")
			to = filepath.ToSlash(filepath.Join(filepath.Dir(name), to))
			if files[to] == "" || part != "" && !strings.Contains(files[to], `id="`+part+`"`) {
				t.Errorf("%s leads to %s, which is not there", name, m[1])
			}
		}
	}
	if pages != 1+3+2+3 { // 12 items, five hours apart, are of three days
		t.Errorf("%d pages, want the first, three days, two folders and three feeds: %d files", pages, len(files))
	}
	doc, err := read.Read(&feeds.Body{Bytes: []byte(files["atom.xml"])})
	if err != nil || len(doc.Items) != 12 {
		t.Errorf("the Atom feed: %+v, %v, want 12 items", doc, err)
	}
	if !strings.Contains(files["feeds.opml"], `text="Mine"`) {
		t.Errorf("the OPML: %s", files["feeds.opml"])
	}
}

// TestAPageDoesNotGrowWithOtherFeeds: a thousand of them make a thousand pages, not
// a thousand lists of a thousand.
func TestAPageDoesNotGrowWithOtherFeeds(t *testing.T) {
	one := items(1)[0]
	few, many := []store.Item{one}, []store.Item{one}
	for i := range 200 {
		other := one
		other.ID, other.FeedID, other.FeedLabel = int64(100+i), int64(100+i), fmt.Sprintf("Other %d", i)
		many = append(many, other)
	}
	size := func(all []store.Item) int {
		dir := t.TempDir()
		if _, err := Write(dir, all, list, Options{}); err != nil {
			t.Fatal(err)
		}
		return len(tree(t, dir)[feedFile(one.FeedID)])
	}
	if alone, beside := size(few), size(many); beside > alone+10 {
		t.Errorf("the page of a feed has %d bytes alone and %d beside 200 others", alone, beside)
	}
}

// TestOnlyWhatChangedIsWritten, and what is gone is removed.
func TestOnlyWhatChangedIsWritten(t *testing.T) {
	dir := t.TempDir()
	all := items(12)
	first, err := Write(dir, all[1:], list, Options{})
	if err != nil || first.Written == 0 || first.Kept+first.Removed != 0 {
		t.Fatalf("got %+v, %v, want all written", first, err)
	}
	same, err := Write(dir, all[1:], list, Options{})
	if want := (Made{Kept: first.Written}); err != nil || same != want {
		t.Errorf("the same again: got %+v, %v, want %+v", same, err, want)
	}
	less, err := Write(dir, all[1:3], list, Options{})
	if err != nil || less.Removed == 0 {
		t.Errorf("with less: got %+v, %v, want files removed", less, err)
	}
	if got, want := len(tree(t, dir))-1, less.Written+less.Kept; got != want {
		t.Errorf("%d files are there, want %d", got, want)
	}
}

// TestAListThatCannotBeMadeLeavesTheOldOne, says why, and leaves nothing half made.
func TestAListThatCannotBeMadeLeavesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, items(3), list, Options{}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	broken := errors.New("no list")
	_, err := Write(dir, items(3), func(w io.Writer) error { io.WriteString(w, "<opml>"); return broken }, Options{})
	if after := tree(t, dir); err != broken || !maps.Equal(after, before) {
		t.Errorf("got %v and %d files, want %v and the %d as they were", err, len(after), broken, len(before))
	}
}

// TestAFolderOfSomethingElseIsLeftAlone.
func TestAFolderOfSomethingElseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Write(dir, items(1), list, Options{})
	if _, ok := errors.AsType[*ForeignError](err); !ok || tree(t, dir)["index.html"] != "mine" {
		t.Errorf("got %v and %v, want a ForeignError and the file as it was", err, tree(t, dir))
	}
}

// TestABrowserShowsIt: Chromium finds the items, refuses nothing for the page's
// policy, and draws no line wider than a phone.
func TestABrowserShowsIt(t *testing.T) {
	chromium := os.Getenv("FEEDMILL_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && chromium == "" {
			chromium = found
		}
	}
	if chromium == "" {
		t.Skip("no Chromium to look at the page with: apt-get install chromium, or name one with FEEDMILL_CHROMIUM")
	}
	dir := t.TempDir()
	if _, err := Write(dir, items(12), list, Options{Images: true}); err != nil {
		t.Fatal(err)
	}
	// The page has no script of its own, so the probe that measures it is put
	// into a copy, whose policy lets just that run.
	text := tree(t, dir)["index.html"]
	text = strings.Replace(text, "default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'", 1)
	text = strings.ReplaceAll(text, "<details>", "<details open>")
	text = strings.Replace(text, "</body>", `<script>document.title = "fits " + (document.documentElement.scrollWidth <= document.documentElement.clientWidth)</script></body>`, 1)
	if err := os.WriteFile(filepath.Join(dir, "probe.html"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"index.html": "Item 12 of &lt;many&gt;", "probe.html": "<title>fits true</title>"} {
		cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--host-resolver-rules=MAP * ~NOTFOUND",
			"--window-size=500,900", "--enable-logging=stderr", "--dump-dom", "file://"+filepath.Join(dir, file))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Skipf("%s does not run here: %v\n%s", chromium, err, stderr.Bytes())
		}
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%s: want %q in what Chromium shows:\n%.3000s", file, want, &stdout)
		}
		if strings.Contains(stderr.String(), "Refused to") || strings.Contains(stderr.String(), "Content Security Policy") {
			t.Errorf("%s: the page breaks its own policy:\n%s", file, &stderr)
		}
	}
}
