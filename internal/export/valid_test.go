package export

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
	"feedmill/internal/store"
)

// What validators of feeds ask for, as far as a writer can break it: RFC 4287,
// the RSS 2.0 specification with the Advisory Board's best practices, JSON Feed
// 1.1.

const atomNS = "http://www.w3.org/2005/Atom"

// A node is an element with what is in it.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []node     `xml:",any"`
}

func (n *node) all(space, name string) (found []node) {
	for _, sub := range n.Nodes {
		if sub.XMLName.Local == name && sub.XMLName.Space == space {
			found = append(found, sub)
		}
	}
	return found
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// A verdict gathers what is wrong with a document.
type verdict []string

func (v *verdict) need(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Sprintf(format, args...))
	}
}

// one returns the text of the one element of a name that there must be.
func (v *verdict) one(n *node, space, name string) string {
	found := n.all(space, name)
	v.need(len(found) == 1, "%s has %d of %s, want one", n.XMLName.Local, len(found), name)
	if len(found) == 0 {
		return ""
	}
	return strings.TrimSpace(found[0].Text)
}

var (
	plainURL  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:(//(\[[0-9a-fA-F:.]+\])?)?[0-9A-Za-z;/?:@&=+$.\-_!~*'()%,#]*$`)
	iri       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^` + "`" + `]+$`)
	tagURI    = regexp.MustCompile(`^tag:([a-z0-9\-._]+@)?[a-z0-9.\-]+,\d{4}(-\d{2}(-\d{2})?)?:[0-9a-zA-Z;/?:@&=+$.\-_!~*'()%,#]*$`)
	urn       = regexp.MustCompile(`^[Uu][Rr][Nn]:[a-zA-Z0-9][a-zA-Z0-9-]{1,31}:([a-zA-Z0-9()+,.:=@;$_!*'\-]|%[0-9A-Fa-f]{2})+$`)
	uuidURN   = regexp.MustCompile(`^[Uu][Rr][Nn]:[Uu][Uu][Ii][Dd]:[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$`)
	withHost  = regexp.MustCompile(`^\w+://[^/\s<>"{}|\\^` + "`" + `\[\]][^\s<>"{}|\\^` + "`" + `\[\]]*$`)
	mediaKind = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$`)
	rfc822    = regexp.MustCompile(`^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$`)
)

// url needs an absolute URL of plain characters.
func (v *verdict) url(what, s string, schemes ...string) {
	u, err := url.Parse(s)
	v.need(err == nil && plainURL.MatchString(s) && (u.Host != "" || u.Opaque != ""), "%s is %q, want an absolute URL", what, s)
	v.need(err != nil || !slices.Contains([]string{"javascript", "vbscript", "data", "file"}, u.Scheme), "%s is %q, which harms who opens it", what, s)
	if err == nil && len(schemes) > 0 {
		v.need(strings.Contains(strings.Join(schemes, " "), u.Scheme), "%s is %q, want one of %q", what, s, schemes)
	}
}

func (v *verdict) rfc3339(what, s string) {
	at, err := time.Parse(time.RFC3339, s)
	v.need(err == nil && at.Year() < 10000, "%s is %q, want a date of RFC 3339", what, s)
}

func (v *verdict) rfc822(what, s string) {
	_, err := time.Parse(time.RFC1123, s)
	v.need(err == nil && rfc822.MatchString(s), "%s is %q, want a date of RFC 822", what, s)
}

// unique needs ids that are IRIs, each of them once; of those that say whose they
// are, the form that this has.
func (v *verdict) unique(what, id string, seen map[string]bool) {
	form := iri
	switch lower := strings.ToLower(id); {
	case strings.HasPrefix(lower, "tag:"):
		form = tagURI
	case strings.HasPrefix(lower, "urn:uuid:"):
		form = uuidURN
	case strings.HasPrefix(lower, "urn:"):
		form = urn
	case strings.HasPrefix(lower, "http"), strings.HasPrefix(lower, "ftp:"):
		form = withHost
	}
	v.need(form.MatchString(id), "%s is %q, want %s", what, id, form)
	v.need(!seen[id], "%s is %q a second time", what, id)
	seen[id] = true
}

func parsed(t *testing.T, text string) (*node, verdict) {
	t.Helper()
	var root node
	if err := xml.Unmarshal([]byte(text), &root); err != nil {
		return &root, verdict{"no XML: " + err.Error()}
	}
	var v verdict
	at := strings.IndexFunc(text, func(r rune) bool { return r != '\t' && r != '\n' && unicode.IsControl(r) })
	v.need(at < 0, "a control character %q", text[max(at, 0):min(max(at, 0)+9, len(text))])
	return &root, v
}

func validAtom(t *testing.T, text string) verdict {
	root, v := parsed(t, text)
	seen := make(map[string]bool)
	v.need(root.XMLName == xml.Name{Space: atomNS, Local: "feed"}, "the root is %v", root.XMLName)
	v.need(v.one(root, atomNS, "title") != "", "the feed has no title")
	v.unique("id of the feed", v.one(root, atomNS, "id"), seen)
	v.rfc3339("updated of the feed", v.one(root, atomNS, "updated"))
	self := 0
	for _, l := range root.all(atomNS, "link") {
		if l.attr("rel") == "self" {
			self++
			v.url("self", l.attr("href"), "http", "https")
			v.need(l.attr("type") == "application/atom+xml", "self is of type %q", l.attr("type"))
		}
	}
	v.need(self == 1, "%d links to itself, want one", self)
	for _, e := range root.all(atomNS, "entry") {
		v.one(&e, atomNS, "title")
		v.unique("id of an entry", v.one(&e, atomNS, "id"), seen)
		v.rfc3339("updated", v.one(&e, atomNS, "updated"))
		for _, p := range e.all(atomNS, "published") {
			v.rfc3339("published", p.Text)
		}
		v.need(len(e.all(atomNS, "author")) > 0, "an entry without author")
		for _, a := range e.all(atomNS, "author") {
			v.need(v.one(&a, atomNS, "name") != "", "an author without name")
		}
		alternate := 0
		for _, l := range e.all(atomNS, "link") {
			v.url("link", l.attr("href"))
			if l.attr("rel") == "alternate" {
				alternate++
			}
			if l.attr("type") != "" {
				v.need(mediaKind.MatchString(l.attr("type")), "a link of type %q", l.attr("type"))
			}
		}
		v.need(alternate == 1 || alternate == 0 && len(e.all(atomNS, "content")) == 1, "%d alternates and %d contents", alternate, len(e.all(atomNS, "content")))
		v.need(len(e.all(atomNS, "content")) < 2 && len(e.all(atomNS, "summary")) < 2, "two contents or summaries")
		for _, text := range append(e.all(atomNS, "content"), e.all(atomNS, "summary")...) {
			v.need(text.attr("type") == "html" && len(text.Nodes) == 0, "%s of type %q with %d elements", text.XMLName.Local, text.attr("type"), len(text.Nodes))
		}
		for _, c := range e.all(atomNS, "category") {
			v.need(strings.TrimSpace(c.attr("term")) != "", "a category without term")
		}
		for _, s := range e.all(atomNS, "source") {
			v.need(iri.MatchString(v.one(&s, atomNS, "id")), "the id of a source is %q", v.one(&s, atomNS, "id"))
			v.one(&s, atomNS, "title")
			v.rfc3339("updated of a source", v.one(&s, atomNS, "updated"))
		}
	}
	return v
}

func validRSS(t *testing.T, text string) verdict {
	root, v := parsed(t, text)
	v.need(root.XMLName.Local == "rss" && root.attr("version") == "2.0", "the root is %v %q", root.XMLName, root.attr("version"))
	channels := root.all("", "channel")
	if v.need(len(channels) == 1, "%d channels", len(channels)); len(channels) != 1 {
		return v
	}
	c := &channels[0]
	for _, name := range []string{"title", "link", "description"} {
		v.need(v.one(c, "", name) != "", "no %s", name)
	}
	v.url("link", v.one(c, "", "link"), "http", "https")
	v.rfc822("lastBuildDate", v.one(c, "", "lastBuildDate"))
	self := c.all(atomNS, "link")
	if v.need(len(self) == 1, "%d atom:links, want one", len(self)); len(self) == 1 {
		v.url("self", self[0].attr("href"), "http", "https")
		v.need(self[0].attr("rel") == "self" && self[0].attr("type") == "application/rss+xml", "the atom:link is %q of %q", self[0].attr("rel"), self[0].attr("type"))
	}
	seen := make(map[string]bool)
	for _, it := range c.all("", "item") {
		v.need(v.one(&it, "", "title") != "" || len(it.all("", "description")) == 1, "an item of neither title nor description")
		for _, l := range it.all("", "link") {
			v.url("link", l.Text)
		}
		v.need(len(it.all("", "link")) < 2 && len(it.all("", "enclosure")) < 2 && len(it.all("", "author")) == 0, "more links, enclosures or authors than there may be")
		v.unique("guid", v.one(&it, "", "guid"), seen)
		for _, g := range it.all("", "guid") {
			v.need(g.attr("isPermaLink") == "false", "isPermaLink is %q", g.attr("isPermaLink"))
		}
		v.rfc822("pubDate", v.one(&it, "", "pubDate"))
		for _, e := range it.all("", "enclosure") {
			v.url("enclosure", e.attr("url"), "http", "https")
			v.need(regexp.MustCompile(`^\d+$`).MatchString(e.attr("length")) && mediaKind.MatchString(e.attr("type")), "an enclosure of length %q and type %q", e.attr("length"), e.attr("type"))
		}
		for _, s := range it.all("", "source") {
			v.url("source", s.attr("url"))
			v.need(strings.TrimSpace(s.Text) != "", "a source without name")
		}
		for _, cat := range it.all("", "category") {
			v.need(strings.TrimSpace(cat.Text) != "", "an empty category")
		}
	}
	return v
}

func validJSONFeed(t *testing.T, text string) (v verdict) {
	type file struct {
		URL  string `json:"url"`
		Type string `json:"mime_type"`
		Size *int64 `json:"size_in_bytes"`
	}
	var doc struct {
		Version, Title string
		FeedURL        string `json:"feed_url"`
		Items          []struct {
			ID      string `json:"id"`
			URL     string
			HTML    *string `json:"content_html"`
			Text    *string `json:"content_text"`
			Image   string
			Date    string `json:"date_published"`
			Changed string `json:"date_modified"`
			Authors []struct{ Name, URL, Avatar string }
			Tags    []string
			Files   []file `json:"attachments"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return verdict{"no JSON: " + err.Error()}
	}
	v.need(doc.Version == "https://jsonfeed.org/version/1.1" && doc.Title != "" && doc.Items != nil, "version %q, title %q", doc.Version, doc.Title)
	v.url("feed_url", doc.FeedURL, "http", "https")
	seen := make(map[string]bool)
	for _, it := range doc.Items {
		v.unique("id", it.ID, seen)
		v.need(it.HTML != nil || it.Text != nil, "an item without content")
		v.rfc3339("date_published", it.Date)
		if it.Changed != "" {
			v.rfc3339("date_modified", it.Changed)
		}
		for what, address := range map[string]string{"url": it.URL, "image": it.Image} {
			if address != "" {
				v.url(what, address)
			}
		}
		for _, a := range it.Authors {
			v.need(a.Name+a.URL+a.Avatar != "", "an author of nothing")
		}
		for _, tag := range it.Tags {
			v.need(strings.TrimSpace(tag) != "", "an empty tag")
		}
		for _, f := range it.Files {
			v.url("attachment", f.URL)
			v.need(mediaKind.MatchString(f.Type), "an attachment of type %q", f.Type)
			v.need(f.Size == nil || *f.Size > 0, "an attachment of size %v", f.Size)
		}
	}
	return v
}

// hardest are items whose feeds were careless where validators are not.
func hardest() []store.Item {
	at := time.Date(2026, 2, 28, 23, 59, 59, 0, time.FixedZone("", 3600))
	one := func(n byte, it feeds.Item) store.Item {
		it.Key = feeds.Key{n}
		return store.Item{ID: int64(n), FeedID: 1, FeedURL: "https://b\u00fccher.example/feed?x=[1]&a", Seq: int64(n), FirstSeen: at, Item: it}
	}
	return append(samples(),
		one(10, feeds.Item{GUID: "https://me.example/all.xml", Title: "has the feed's own address for an id"}),
		one(11, feeds.Item{Link: "https://b\u00fccher.example:8080/\u00e4?q=\u6f22 [x]|y#z{}", Title: "not ASCII"}),
		one(12, feeds.Item{Link: "/relative", Image: "i.png", Title: "relative", Enclosures: []feeds.Enclosure{{URL: "a.mp3"}}}),
		one(13, feeds.Item{Link: "https://[2001:db8::1]:8443/a[1]", Summary: "only a summary"}),
		one(14, feeds.Item{Link: "mailto:me@example.org", Author: " ", Categories: []string{"", " ", "x"}}),
		one(15, feeds.Item{Enclosures: []feeds.Enclosure{{URL: "ftp://example.org/a", Type: "a/b/c", Length: -7}, {URL: "https://example.org/\u00e9 b.mp3", Type: "AUDIO/MPEG; codecs=\"x\""}}}),
		one(16, feeds.Item{Published: 1, Updated: 253402300799, GUID: "not a URI", Title: "]]> &amp; \ufffe\uffff\x00"}),
		one(17, feeds.Item{GUID: "not a URI", Link: "https://u:p@example.org/%zz?%", Content: "<a href='/x'>"}),
		one(18, feeds.Item{Link: "http://", Title: "\t\n "}),
		one(19, feeds.Item{GUID: "tag:Example.org,26:no date", Title: "\u009b31m C1 \u0085 \x7f", Content: "<p>\u009d"}),
		one(20, feeds.Item{GUID: "tag:example.org:20", Published: 1 << 60, Updated: -1 << 60}),
		one(21, feeds.Item{GUID: "urn:uuid:21", Published: 253402300800}),
		one(22, feeds.Item{GUID: "urn:x", Title: strings.Repeat("long & ", 20_000)}),
		one(23, feeds.Item{GUID: "https:example.org/23", Link: "https:/example.org/23"}),
		one(24, feeds.Item{GUID: "https://example.org/?a[]=24", Link: "https://example.org/?a[]=24"}),
		one(25, feeds.Item{GUID: "urn:uuid:60A76C80-D399-11D9-B93C-0003939E0AF6", Author: " space "}),
		one(26, feeds.Item{GUID: "urn:isbn:0451450523", Content: "<script>alert(1)</script><img src=x onerror=y>"}),
	)
}

// whole returns the hardest items in a form.
func whole(t *testing.T, format string) string {
	t.Helper()
	return writtenOf(t, format, Options{Title: "All & sundry", Self: "https://me.example/all.xml"}, hardest())
}

var validators = map[string]func(*testing.T, string) verdict{"atom": validAtom, "rss": validRSS, "jsonfeed": validJSONFeed}

// TestFeedsAreValid: whatever feeds said, what is written of it breaks no rule of
// its form, and the own reader and feedparser find every item.
func TestFeedsAreValid(t *testing.T) {
	for format, valid := range validators {
		t.Run(format, func(t *testing.T) {
			text := whole(t, format)
			for _, wrong := range valid(t, text) {
				t.Error(wrong)
			}
			doc, err := read.Read(&feeds.Body{Bytes: []byte(text), URL: "https://me.example/all.xml"})
			if want := len(hardest()); err != nil || len(doc.Items) != want {
				t.Errorf("read back: %d items, %v, want %d", len(doc.Items), err, want)
			}
			if t.Failed() {
				t.Log(text)
			}
			if format == "jsonfeed" || exec.Command("/usr/bin/python3", "-c", "import feedparser").Run() != nil {
				return // feedparser is not there, or reads none
			}
			path := filepath.Join(t.TempDir(), format)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			const parse = "import feedparser,sys\nd=feedparser.parse(sys.argv[1])\nprint(d.bozo, len(d.entries), len({e.id for e in d.entries}), all(e.get('published_parsed') or e.get('updated_parsed') for e in d.entries), d.version)"
			out, err := exec.Command("/usr/bin/python3", "-c", parse, path).CombinedOutput()
			n := len(hardest())
			if want := fmt.Sprintf("False %d %d True ", n, n); err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("feedparser: got %q, %v, want %q", out, err, want)
			}
		})
	}
}

// FuzzWhatIsWrittenIsValid: no item, however hostile, makes a form break its rules,
// and two items that differ in what a form cannot say are two.
func FuzzWhatIsWrittenIsValid(f *testing.F) {
	long := strings.Repeat("x", 2000)
	for _, text := range []string{
		"", " ", "\u0085", "\u009b31m", "\u2028", "\u00a0", "\ufffe", "\xff\xed\xa0\x80", "\x00\x1b[2J\r\n.\r\n", "\u202e", "<b>&amp;", "]]>", "=?utf-8?q?a?=",
		"a@example.org (A)", "A, B <a@example.org>", "urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6", "tag:example.org,2026:", "https://example.org/", "/a", "//h/a", "#", "javascript:alert(1)",
		long, strings.Repeat("=?x ", 500), strings.Repeat("https://example.org/ ", 100), "https://example.org/" + long, strings.Repeat("\u6f22", 800), "\nFrom me", "a|b", "a,b\nc",
	} {
		f.Add(text, text, int64(0), int64(0))
		f.Add("https://example.org/"+text, text+"x"+text, int64(-62135596800), int64(253402300799))
	}
	f.Fuzz(func(t *testing.T, a, b string, published, changed int64) {
		a, b = strings.ToValidUTF8(a, "\ufffd"), strings.ToValidUTF8(b, "\ufffd") // as all of a store is
		it := store.Item{ID: 1, FeedID: 1, FeedURL: "https://example.org/feed?" + url.QueryEscape(a), FeedLabel: b, Category: b + "\n" + a, FirstSeen: time.Unix(1e9, 0), Item: feeds.Item{
			GUID: a, Link: a, Title: b, Author: b, Summary: a, Content: b, Image: a, Categories: []string{a, b}, Published: published, Updated: changed,
			Enclosures: []feeds.Enclosure{{URL: a, Type: b, Length: published}, {URL: b, Type: a, Length: changed}},
		}}
		items := []store.Item{it}
		for i, tail := range []string{"", "\u0085", " ", "\ufffe", "\ufffd"} {
			it.Key, it.GUID, it.Link, it.Title, it.FeedLabel, it.Author = feeds.Key{byte(i)}, a+tail, b, a, "", a
			items = append(items, it)
		}
		o := Options{Title: "All", Self: "https://me.example/all.xml", Updated: time.Unix(1e9, 0)}
		for format, valid := range validators {
			text := writtenOf(t, format, o, items)
			for _, wrong := range valid(t, text) {
				t.Errorf("%s: %s", format, wrong)
			}
		}
		if links := strings.ToLower(linksHTML(&it)); strings.Contains(links, `href="javascript:`) {
			t.Errorf("mail: the links are %s", links)
		}
		for _, wrong := range validMbox(writtenOf(t, "mbox", o, items), len(items)) {
			t.Errorf("mbox: %s", wrong)
		}
		for line := range strings.Lines(writtenOf(t, "sfeed", o, items)) {
			if fields := strings.Split(line, "\t"); len(fields) != 9 {
				t.Errorf("sfeed: %d fields in %q, want 9", len(fields), line)
			}
		}
		for _, wrong := range validPage(writtenOf(t, "html", o, items)) {
			t.Errorf("html: %s", wrong)
		}
	})
}

// validMbox says what RFC 4155 and 5322 do not allow in a file of n mails.
func validMbox(text string, n int) (v verdict) {
	mails := strings.Split("\n"+text, "\nFrom ")[1:]
	v.need(len(mails) == n, "%d mails, want %d", len(mails), n)
	for _, m := range mails {
		_, m, _ = strings.Cut(m, "\n")
		for line := range strings.Lines(m) {
			v.need(len(line) <= 998, "a line of %d bytes: %.60q", len(line), line)
			at := strings.IndexFunc(line, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) || r > '~' })
			v.need(at < 0, "a character that no mail may have in %.90q", line)
		}
		parsed, err := mail.ReadMessage(strings.NewReader(m))
		if v.need(err == nil, "no mail: %v", err); err != nil {
			continue
		}
		from, err := parsed.Header.AddressList("From")
		v.need(err == nil && len(from) == 1 && strings.Contains(from[0].Address, "@"), "From is %q, %v", parsed.Header.Get("From"), err)
		_, err = parsed.Header.Date()
		v.need(err == nil, "Date is %q", parsed.Header.Get("Date"))
		for name := range parsed.Header {
			v.need(strings.HasPrefix(name, "X-Feedmill-") || strings.Contains(" From To Date Subject Message-Id Keywords Mime-Version Content-Type ", " "+name+" "), "a header %q", name)
		}
	}
	return v
}

// validPage says what a page has that it must not have.
func validPage(text string) (v verdict) {
	v.need(utf8.ValidString(text), "no UTF-8")
	allowed := map[string]string{"a": " href rel ", "article": " id ", "div": "", "meta": " charset name content http-equiv ", "p": " class ", "time": " datetime ", "html": " lang "}
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return v
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			v.need(!slices.Contains([]string{"script", "iframe", "object", "embed", "form", "img", "svg", "link", "base"}, tag.Data), "a <%s>", tag.Data)
			for _, a := range tag.Attr {
				v.need(strings.Contains(allowed[tag.Data], " "+a.Key+" "), "<%s %s=%q>", tag.Data, a.Key, a.Val)
				v.need(a.Key != "href" || strings.HasPrefix(a.Val, "http") || strings.HasPrefix(a.Val, "mailto:"), "a link to %q", a.Val)
			}
		}
	}
}

// TestTheRulesSeeWhatIsWrong: each rule is broken once.
func TestTheRulesSeeWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ format, old, new string }{
		{"atom", "<updated>2026-11-28T13:00:00Z</updated>", ""},
		{"atom", "2026-11-28T13:00:00Z", "2026-11-28 13:00"},
		{"atom", `rel="self"`, `rel="related"`},
		{"atom", `href="https://me.example/all.xml"`, `href="all.xml"`},
		{"atom", "<id>tag:example.org,2026:7</id>", "<id>7</id>"},
		{"atom", "<id>tag:example.org,2026:7</id>", "<id>https://me.example/all.xml</id>"},
		{"atom", `<content type="html"></content>`, ""},
		{"atom", `term="x"`, `term=""`},
		{"atom", `type="audio/mpeg"`, `type="audio"`},
		{"atom", "<id>tag:example.org,2026:7</id>", "<id>tag:example.org:7</id>"},
		{"atom", "<id>tag:example.org,2026:7</id>", "<id>urn:uuid:7</id>"},
		{"atom", "<id>tag:example.org,2026:7</id>", "<id>https:7</id>"},
		{"atom", "not ASCII", "not \u009bASCII"},
		{"rss", "<description>All &amp; sundry</description>", ""},
		{"rss", `rel="self"`, `rel="alternate"`},
		{"rss", "Sat, 28 Nov 2026 13:00:00 GMT", "Sat, 28 Nov 26 13:00:00"},
		{"rss", "<guid isPermaLink=\"false\">tag:example.org,2026:7</guid>", ""},
		{"rss", `isPermaLink="false"`, `isPermaLink="true"`},
		{"rss", `length="42"`, `length=""`},
		{"rss", "https://example.org/a.mp3", "ftp://example.org/a.mp3"},
		{"rss", "<link>https://example.org/7?x=1&amp;y=2</link>", "<link>/7</link>"},
		{"jsonfeed", "version/1.1", "version/1"},
		{"jsonfeed", `"feed_url":"https://me.example/all.xml"`, `"feed_url":"/all.xml"`},
		{"jsonfeed", `"id":"tag:example.org,2026:7"`, `"id":""`},
		{"jsonfeed", "content_html", "content"},
		{"jsonfeed", "2026-11-28T11:59:00Z", "yesterday"},
		{"jsonfeed", `"mime_type":"audio/mpeg"`, `"mime_type":""`},
	} {
		text := whole(t, c.format)
		broken := strings.Replace(text, c.old, c.new, 1)
		if broken == text {
			t.Errorf("%s: there is no %s to break", c.format, c.old)
		} else if got := validators[c.format](t, broken); len(got) == 0 {
			t.Errorf("%s: with %q for %q nothing is wrong", c.format, c.new, c.old)
		}
	}
}

// TestIdsOutliveAMove: an item keeps the id that was made for it when its feed has
// another URL, and has another one than the same item of another feed.
func TestIdsOutliveAMove(t *testing.T) {
	ids := make(map[string]bool)
	for _, it := range []store.Item{
		{FeedID: 1, FeedURL: "http://old.example/feed", Item: feeds.Item{Key: feeds.Key{1}, GUID: "1"}},
		{FeedID: 1, FeedURL: "https://u:p@new.example/feed", Item: feeds.Item{Key: feeds.Key{1}, GUID: "1"}},
		{FeedID: 2, FeedURL: "http://old.example/feed", Item: feeds.Item{Key: feeds.Key{1}, GUID: "1"}},
		{FeedID: 1, FeedURL: "http://old.example/feed", FirstSeen: time.Unix(1e9, 0), Item: feeds.Item{Key: feeds.Key{1}, GUID: "1"}}, // of another store
	} {
		ids[newFeedWriter(Options{}).id(&it)] = true
	}
	if len(ids) != 3 {
		t.Errorf("the ids are %v, want one of each feed of each store", ids)
	}
}

// TestAYearThatNoFormCanSayIsNone: whatever a store has for a date, its items come
// out in every form.
func TestAYearThatNoFormCanSayIsNone(t *testing.T) {
	for _, format := range Formats() {
		o := Options{}
		if format == "maildir" {
			o.Dir = t.TempDir()
		}
		for _, at := range []int64{1 << 60, -1 << 60, 253402300800} {
			it := samples()[0]
			it.Published, it.Updated = at, at
			if text := writtenOf(t, format, o, []store.Item{it}); regexp.MustCompile(`\d{5}-\d\d-\d\d|-\d{4,}-\d\d-\d\d| \d{5,} \d\d:\d\d`).MatchString(text) {
				t.Errorf("%s of %d: %s", format, at, text)
			}
		}
	}
}
