package export

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// message returns an item as a mail (RFC 5322) with its text, and its HTML as the
// feed gave it. Mail readers show HTML without scripts.
func message(it *store.Item) ([]byte, error) {
	var b bytes.Buffer
	header := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, folded(value))
		}
	}
	from := cmp.Or(authorOf(it), FeedOf(it))
	if authorOf(it) != "" && it.FeedLabel != "" {
		from = authorOf(it) + " (" + it.FeedLabel + ")"
	}
	header("From", quoted(from)+" <"+mailbox(it)+">")
	header("To", "feedmill <feedmill@localhost>")
	header("Date", DateOf(it).Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("Subject", encoded(TitleOf(it)))
	header("Message-ID", fmt.Sprintf("<%x.%d@feedmill.invalid>", it.Key, it.FeedID))
	header("X-Feedmill-Id", strconv.FormatInt(it.ID, 10))
	header("X-Feedmill-Feed", encoded(feeds.RedactURL(it.FeedURL)))
	header("X-Feedmill-Name", encoded(FeedOf(it)))
	header("X-Feedmill-Folder", encoded(folder(it)))
	header("X-Feedmill-Link", encoded(it.Link))
	header("Keywords", encoded(strings.Join(labels(it), ", ")))
	header("MIME-Version", "1.0")

	parts := multipart.NewWriter(&b)
	if err := parts.SetBoundary(fmt.Sprintf("feedmill-%x", it.Key)); err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=%q\n\n", parts.Boundary())
	for _, part := range []struct{ kind, text string }{{"text/plain", plain(it)}, {"text/html", body(it) + linksHTML(it)}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {part.kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, err
		}
		q := quotedprintable.NewWriter(w)
		if _, err := q.Write([]byte(part.text)); err != nil {
			return nil, err
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n")), nil
}

// encoded returns s for a header, as RFC 2047 wants it.
func encoded(s string) string {
	s = oneLine(s)
	if e := mime.QEncoding.Encode("utf-8", s); e != s || isPlain(s) {
		return e
	}
	return spelled(s)
}

// quoted returns s for the name of a mailbox.
func quoted(s string) string {
	s = oneLine(s)
	switch e := mime.BEncoding.Encode("utf-8", s); { // Q may have quotes, which a name may not
	case e != s:
		return e
	case !isPlain(s):
		return spelled(s)
	}
	return `"` + strings.NewReplacer(`\`, ``, `"`, `'`).Replace(s) + `"`
}

// isPlain reports whether ASCII may stand in a header as it is: nobody takes it for
// encoded, and no line comes near the 998 bytes that one may have.
func isPlain(s string) bool {
	return !strings.Contains(s, "=?") && !slices.ContainsFunc(strings.Fields(s), func(word string) bool { return len(word) > 500 })
}

// spelled returns s in encoded words, which mime makes of nothing that is ASCII.
func spelled(s string) string {
	var words []string
	for part := range slices.Chunk([]byte(s), 45) {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString(part)+"?=")
	}
	return strings.Join(words, " ")
}

// folded breaks a long header at its blanks.
func folded(s string) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Split(s, " ") {
		switch n := utf8.RuneCountInString(word); {
		case i == 0:
			line = n
		case line+n > 60:
			b.WriteString("\n ")
			line = n
		default:
			b.WriteByte(' ')
			line += n + 1
		}
		b.WriteString(word)
	}
	return b.String()
}

// mailbox returns an address that stands for the feed.
func mailbox(it *store.Item) string {
	host := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return -1
	}, feeds.Domain(it.FeedURL))
	return fmt.Sprintf("feed%d@%s", it.FeedID, cmp.Or(strings.Trim(host, "."), "feedmill.invalid"))
}

// linksHTML are an item's addresses, for the end of its mail.
func linksHTML(it *store.Item) string {
	var b strings.Builder
	for _, u := range append([]string{it.Link}, enclosureURLs(it)...) {
		if href := address(u); href != "" {
			fmt.Fprintf(&b, "\n<p><a href=\"%s\">%s</a></p>", html.EscapeString(href), html.EscapeString(u))
		}
	}
	return b.String()
}

func enclosureURLs(it *store.Item) (all []string) {
	for _, e := range it.Enclosures {
		all = append(all, e.URL)
	}
	return all
}

var (
	strict = bluemonday.StrictPolicy().AddSpaceWhenStrippingTag(true)
	breaks = strings.NewReplacer("</p>", "\n\n</p>", "<br>", "\n<br>", "<br/>", "\n<br/>", "<br />", "\n<br />", "</li>", "\n</li>",
		"</div>", "\n</div>", "</h1>", "\n\n</h1>", "</h2>", "\n\n</h2>", "</h3>", "\n\n</h3>", "</tr>", "\n</tr>", "<li>", "<li>* ")
)

// plain returns what an item says without markup, and its addresses.
func plain(it *store.Item) string {
	text := html.UnescapeString(strict.Sanitize(breaks.Replace(body(it))))
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	for _, u := range append([]string{it.Link}, enclosureURLs(it)...) {
		if u != "" {
			lines = append(lines, "", oneLine(u))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// mbox writes one file of mails (RFC 4155). No line of a mail looks like the
// beginning of one: it is encoded.
type mbox struct{ out *bufio.Writer }

func newMbox(o Options) (Writer, error) { return &mbox{bufio.NewWriter(o.Out)}, nil }

func (w *mbox) Write(it *store.Item) error {
	m, err := message(it)
	if err != nil {
		return err
	}
	m = bytes.ReplaceAll(m, []byte("\nFrom "), []byte("\n=46rom "))
	_, err = fmt.Fprintf(w.out, "From feedmill@localhost %s\n%s\n", it.FirstSeen.UTC().Format(time.ANSIC), m)
	return err
}

func (w *mbox) Close() error { return w.out.Flush() }

// maildir writes a file for each item. One that is written again has the name that
// it had, also when a reader has moved it on, and is left as it is.
type maildir struct {
	dir  string
	seen map[string]bool // names in new and cur, without flags; nil until the first item
}

func newMaildir(o Options) (Writer, error) {
	if o.Dir == "" {
		return nil, errors.New("write maildir: no folder is named")
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("write maildir: %w", err)
		}
	}
	w := &maildir{dir: o.Dir, seen: make(map[string]bool)}
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(o.Dir, sub))
		if err != nil {
			return nil, fmt.Errorf("write maildir: %w", err)
		}
		for _, f := range files {
			name, _, _ := strings.Cut(f.Name(), ":")
			w.seen[name] = true
		}
	}
	return w, nil
}

func (w *maildir) Write(it *store.Item) error {
	name := fmt.Sprintf("%d.%d_%x.feedmill", it.FirstSeen.Unix(), it.FeedID, it.Key)
	if w.seen[name] {
		return nil
	}
	m, err := message(it)
	if err != nil {
		return err
	}
	tmp := filepath.Join(w.dir, "tmp", name)
	err = os.WriteFile(tmp, m, 0o600)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(w.dir, "new", name))
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

func (w *maildir) Close() error { return nil }
