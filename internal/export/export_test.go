package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
	"feedmill/internal/store"
)

// samples are items with what forms stumble over: every kind of markup and
// separator, lines that begin a mail, nothing at all.
func samples() []store.Item {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	return []store.Item{
		{
			ID: 7, FeedID: 1, FeedURL: "https://u:secret@example.org/feed?a=1&b=2", FeedLabel: "Tags & \"quotes\" – 漢字", Category: "News/Local, old",
			Seq: 3, FirstSeen: at,
			Item: feeds.Item{
				Key: feeds.Key{1}, GUID: "tag:example.org,2026:7", Link: "https://example.org/7?x=1&y=2", Title: "A <b>bold</b> & \"odd\" title\twith a tab, é",
				Author: "Ä. Uthor", Summary: "short & <i>sweet</i>", Published: at.Unix() - 60, Updated: at.Unix() - 30,
				Content:    "<p>First line]]></p>\nFrom the start of a line\n<script>alert(1)</script><a href=\"javascript:alert(2)\" onclick=\"x()\">no</a> \\ back\tslash" + strings.Repeat(" long", 300),
				Categories: []string{"go", "a|b"}, Image: "https://example.org/i.png",
				Enclosures: []feeds.Enclosure{{URL: "https://example.org/a.mp3", Type: "audio/mpeg", Length: 42}, {URL: "not a url", Type: "odd"}},
			},
		},
		{ID: 8, FeedID: 2, FeedURL: "http://b.example/", Seq: 1, FirstSeen: at, Item: feeds.Item{Key: feeds.Key{2}, GUID: "tag:example.org,2026:7"}},
		{ID: 9, FeedID: 2, FeedURL: "http://b.example/", Seq: 2, FirstSeen: at, Item: feeds.Item{Key: feeds.Key{3}, Title: "control \x01\x1b[31m and \u202e", Link: "ftp://x", Content: "x"}},
	}
}

// written returns the samples in a form.
func written(t *testing.T, format string, o Options) string {
	t.Helper()
	return writtenOf(t, format, o, samples())
}

func writtenOf(t *testing.T, format string, o Options, items []store.Item) string {
	t.Helper()
	var out bytes.Buffer
	o.Out = &out
	o.Updated = time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)
	w, err := New(format, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if err := w.Write(&it); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestFeedsAreReadBack: what is written as a feed says the same when it is read,
// and no password of a URL is in it.
func TestFeedsAreReadBack(t *testing.T) {
	for _, format := range []string{"atom", "rss", "jsonfeed"} {
		text := written(t, format, Options{Title: "All & sundry", Self: "https://me.example/all.xml"})
		doc, err := read.Read(&feeds.Body{Bytes: []byte(text), URL: "https://me.example/all.xml"})
		if err != nil || len(doc.Items) != 3 || doc.Title != "All & sundry" {
			t.Errorf("%s: got %+v, %v, want three items\n%s", format, doc, err, text)
			continue
		}
		if len(doc.Notes) != 0 && format != "jsonfeed" { // the samples have control characters
			t.Errorf("%s: notes %q", format, doc.Notes)
		}
		i := slices.IndexFunc(doc.Items, func(it feeds.Item) bool { return it.GUID == "tag:example.org,2026:7" })
		if i < 0 {
			t.Errorf("%s: no item has the guid of the first\n%s", format, text)
			continue
		}
		got, want := doc.Items[i], samples()[0].Item
		if got.Link != want.Link || got.Title != want.Title && format != "jsonfeed" || got.Published != want.Published || got.Content != want.Content && got.Summary != want.Content {
			t.Errorf("%s: got  %+v\nwant %+v", format, got, want)
		}
		if !slices.Contains(got.Categories, "News/Local, old") || len(got.Enclosures) == 0 || got.Enclosures[0] != want.Enclosures[0] {
			t.Errorf("%s: got folder and enclosures %q, %+v", format, got.Categories, got.Enclosures)
		}
		if strings.Contains(text, "secret") || strings.Contains(text, "not a url") {
			t.Errorf("%s has what it should not:\n%s", format, text)
		}
	}
}

// TestOtherProgramsReadIt: feedparser, xmllint, sfeed's own and mutt, where they
// are.
func TestOtherProgramsReadIt(t *testing.T) {
	dir := t.TempDir()
	for _, format := range []string{"atom", "rss", "jsonfeed", "sfeed", "mbox"} {
		if err := os.WriteFile(filepath.Join(dir, format), []byte(written(t, format, Options{Self: "https://me.example/x"})), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written(t, "maildir", Options{Dir: filepath.Join(dir, "maildir")})
	// Mutt needs a terminal, which script gives it, with mutt's own exit status.
	mutt := func(folder string) []string {
		return []string{"-qec", "mutt -n -F /dev/null -R -e 'set folder=. record= sleep_time=0' -f " + folder + " -e 'push <first-entry><display-message><exit><exit>'", "/dev/null"}
	}
	const mailbox = "import mailbox,sys\nb=getattr(mailbox,sys.argv[1])(sys.argv[2],create=False)\n" +
		"print(len(b), sorted(m['X-Feedmill-Id'] for m in b))"
	const parse = "import feedparser,sys\nd=feedparser.parse(sys.argv[1])\nassert not d.bozo, d.bozo_exception\n" +
		"print(len(d.entries), d.entries[0].title, d.entries[0].link, d.entries[0].published)"
	for _, c := range []struct {
		program string
		args    []string
		want    string
	}{
		{"/usr/bin/python3", []string{"-c", parse, "atom"}, "3 A <b>bold</b> & \"odd\" title"},
		{"/usr/bin/python3", []string{"-c", parse, "rss"}, "3 A <b>bold</b> & \"odd\" title"},
		{"xmllint", []string{"--noout", "atom", "rss"}, ""},
		{"sfeed_plain", []string{"sfeed"}, "A <b>bold</b> & \"odd\" title with a tab, é"},
		{"sfeed_html", []string{"sfeed"}, "https://example.org/7?x=1&amp;y=2"},
		{"sfeed_atom", []string{"sfeed"}, "<entry>"},
		{"sfeed_mbox", []string{"sfeed"}, "Subject: A <b>bold</b>"},
		{"script", mutt("mbox"), "Msgs:3"},
		{"script", mutt("maildir"), "Msgs:3"},
		{"/usr/bin/python3", []string{"-c", mailbox, "mbox", "mbox"}, "3 ['7', '8', '9']"},
		{"/usr/bin/python3", []string{"-c", mailbox, "Maildir", "maildir"}, "3 ['7', '8', '9']"},
	} {
		t.Run(c.program, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skip("no " + c.program + " here")
			}
			if _, err := exec.LookPath("mutt"); c.program == "script" && err != nil {
				t.Skip("no mutt here")
			}
			if c.program == "/usr/bin/python3" && exec.Command(c.program, "-c", "import feedparser").Run() != nil {
				t.Skip("no feedparser here")
			}
			cmd := exec.Command(c.program, c.args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", "HOME="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s %q: %v\n%s\nwant %q in it", c.program, c.args, err, out, c.want)
			}
		})
	}
}

// TestCellsComeBack: a CSV reader gets what went in.
func TestCellsComeBack(t *testing.T) {
	for format, comma := range map[string]rune{"csv": ',', "tsv": '\t'} {
		r := csv.NewReader(strings.NewReader(written(t, format, Options{})))
		r.Comma = comma
		rows, err := r.ReadAll()
		if err != nil || len(rows) != 4 || !slices.Equal(rows[0], cellNames) {
			t.Fatalf("%s: got %q, %v", format, rows, err)
		}
		if want := samples()[0]; rows[1][0] != "7" || rows[1][3] != want.Category || rows[1][7] != want.Title || rows[1][14] != want.Content {
			t.Errorf("%s: got %q, want %+v", format, rows[1], want)
		}
	}
}

// TestLinesHaveEveryField of an item.
func TestLinesHaveEveryField(t *testing.T) {
	var got Line
	first, _, _ := strings.Cut(written(t, "jsonl", Options{}), "\n")
	if err := json.Unmarshal([]byte(first), &got); err != nil {
		t.Fatal(err)
	}
	if it := samples()[0]; got.ID != 7 || got.FeedName != it.FeedLabel || got.Folder != it.Category || got.Content != it.Content || strings.Contains(got.Feed, "secret") {
		t.Errorf("got %+v", got)
	}
}

// TestMailsAreWhole: each is one mail, whatever lines an item has, with its text,
// its HTML and where it is from.
func TestMailsAreWhole(t *testing.T) {
	text := written(t, "mbox", Options{})
	if n := strings.Count("\n"+text, "\nFrom "); n != 3 {
		t.Errorf("%d lines begin a mail, want 3:\n%s", n, text)
	}
	_, rest, _ := strings.Cut(text, "\n")
	m, err := mail.ReadMessage(strings.NewReader(rest))
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || !strings.Contains(from[0].Name, "Ä. Uthor") {
		t.Errorf("from %v, %v", from, err)
	}
	var words mime.WordDecoder
	for name, want := range map[string]string{
		"Subject": "A <b>bold</b> & \"odd\" title with a tab, é", "X-Feedmill-Id": "7", "X-Feedmill-Folder": "News/Local, old",
		"X-Feedmill-Name": samples()[0].FeedLabel,
	} {
		if got, err := words.DecodeHeader(m.Header.Get(name)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if at, err := m.Header.Date(); err != nil || at.Unix() != samples()[0].Published {
		t.Errorf("date %v, %v", at, err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"From the start of a line", samples()[0].Content} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if got := strings.ReplaceAll(string(b), "\r\n", "\n"); err != nil || !strings.Contains(got, want) {
			t.Errorf("%v, got %q, want %q in it", err, got, want)
		}
	}
}

// TestAMaildirHasEachItemOnce: also when it is written again after a reader has
// moved it.
func TestAMaildirHasEachItemOnce(t *testing.T) {
	dir := t.TempDir()
	written(t, "maildir", Options{Dir: dir})
	files, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v, want 3", len(files), err)
	}
	if err := os.Rename(filepath.Join(dir, "new", files[0].Name()), filepath.Join(dir, "cur", files[0].Name()+":2,S")); err != nil {
		t.Fatal(err)
	}
	written(t, "maildir", Options{Dir: dir})
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(all) != 3 {
		t.Errorf("written again: %q, %v, want the same three", all, err)
	}
}

// TestAPageRunsNothing of what feeds say.
func TestAPageRunsNothing(t *testing.T) {
	text := written(t, "html", Options{Title: "<all>"})
	for _, bad := range []string{"<script", "javascript:", "onclick", "alert", "ftp://x", "<all>", "secret", "<img"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{`id="i7"`, "First line", "News/Local, old", `href="https://example.org/7?x=1&amp;y=2"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

// TestNothingIsAWholeDocument: no item is no error, and no broken file.
func TestNothingIsAWholeDocument(t *testing.T) {
	for _, format := range []string{"atom", "rss", "jsonfeed"} {
		var out bytes.Buffer
		w, err := New(format, Options{Out: &out})
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		if _, err := read.Read(&feeds.Body{Bytes: out.Bytes()}); err != nil {
			t.Errorf("%s: %v\n%s", format, err, &out)
		}
	}
}
