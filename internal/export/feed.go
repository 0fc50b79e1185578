package export

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/net/idna"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// Rejected: gorilla/feeds, which has neither categories, sources nor more than
// one enclosure, and keeps every item until the end.

// A feedWriter writes a document around its entries, one after the other. The
// namespace of what feeds have no element for is feedmillNS.
type feedWriter struct {
	out   *bufio.Writer
	tail  string
	entry func(*store.Item) any // what encoding/xml writes
	given map[uint64]bool       // hashes of ids; two feeds may have the same one
}

const feedmillNS = "tag:feedmill,2026:item"

func newFeedWriter(o Options) *feedWriter {
	return &feedWriter{out: bufio.NewWriter(o.Out), given: make(map[uint64]bool)}
}

func (w *feedWriter) Write(it *store.Item) error {
	b, err := xml.MarshalIndent(w.entry(it), "  ", "  ")
	if err != nil {
		return err
	}
	if _, err := w.out.Write(bytes.Map(shown, b)); err != nil {
		return err
	}
	return w.out.WriteByte('\n')
}

func (w *feedWriter) Close() error {
	if _, err := w.out.WriteString(w.tail); err != nil {
		return err
	}
	return w.out.Flush()
}

// shown drops the control characters that XML allows and terminals obey; encoding/xml
// has replaced those that it forbids.
func shown(r rune) rune {
	if r >= 0x7f && r < 0xa0 {
		return -1
	}
	return r
}

// id returns an id for an item that no other in the document has: its own where
// that is a URI, else one that is made of the feed's number, the item's key and when it
// came, which tells it from those of other stores. A feed's URL may change, and may hold
// a password. An id whose hash is another's is taken for the same.
func (w *feedWriter) id(it *store.Item) string {
	id := it.GUID
	for n := 0; n == 0 && !isURI(id) || w.given[xxhash.Sum64String(id)]; n++ {
		id = uuid(strconv.FormatInt(it.FeedID, 10), string(it.Key[:]), strconv.FormatInt(it.FirstSeen.Unix(), 10)+strings.Repeat("+", n))
	}
	w.given[xxhash.Sum64String(id)] = true
	return id
}

// uuid returns a URN that depends on all parts (RFC 9562, version 8).
func uuid(parts ...string) string {
	b := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// named is what RFC 4151, 8141 and 9562 let URIs be that say whose they are. Validators
// take no other.
var named = sync.OnceValue(func() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"tag":  regexp.MustCompile(`^tag:([a-z0-9._-]+@)?[a-z0-9.-]+,\d{4}(-\d\d(-\d\d)?)?:[\w;/?:@&=+$.~!*'()%,#-]*$`),
		"urn":  regexp.MustCompile(`(?i)^urn:[a-z0-9][a-z0-9-]{1,31}:([\w()+,.:=@;$!*'-]|%[0-9a-f]{2})+$`),
		"uuid": regexp.MustCompile(`(?i)^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
	}
})

// isURI reports whether s is absolute and may stand where a URI must, and comes out
// as it is: what XML cannot say, or shown drops, would make two of one.
func isURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsFunc(s, func(r rune) bool {
		return strings.ContainsRune("<>\"{}|\\^`[]", r) || unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError || r&0xfffe == 0xfffe
	}) {
		return false
	}
	kind := u.Scheme
	if kind == "urn" && strings.HasPrefix(strings.ToLower(u.Opaque), "uuid:") {
		kind = "uuid"
	}
	switch form := named()[kind]; {
	case form != nil:
		return form.MatchString(s)
	case kind == "http", kind == "https", kind == "ftp":
		return u.Host != ""
	}
	return kind != "" && (u.Host != "" || u.Opaque != "")
}

// address returns a URL of an item in the characters that every form allows, or
// nothing where it is not absolute, or harms who opens it without a look: what is not
// ASCII, and what only browsers take, is escaped. It leads where it led.
func address(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" && u.Opaque == "" || slices.Contains([]string{"", "javascript", "vbscript", "data", "file"}, u.Scheme) {
		return ""
	}
	if host, err := idna.Lookup.ToASCII(u.Hostname()); err == nil && host != u.Hostname() {
		u.Host = host
		if port := u.Port(); port != "" {
			u.Host += ":" + port
		}
	}
	var b strings.Builder
	text := u.String()
	from := strings.Index(text, u.Host) + len(u.Host) // the brackets of an IPv6 address stay
	b.WriteString(text[:from])
	for i := from; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"{}|\\^`[]", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// webAddress returns an http or https address as address does, and of other schemes
// none: not every reader fetches them.
func webAddress(s string) string {
	if s = address(s); strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		return s
	}
	return ""
}

// escaped returns s as text of an XML element.
func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // to memory
	return b.String()
}

// An origin says in a document of many feeds which one an item is of.
type origin struct {
	XMLName xml.Name `xml:"feedmill:from"`
	ID      int64    `xml:"id,attr"`
	Feed    string   `xml:"feed,attr"`
	Name    string   `xml:"name,attr"`
	Folder  string   `xml:"folder,attr,omitempty"`
}

func originOf(it *store.Item) origin {
	return origin{ID: it.ID, Feed: feeds.RedactURL(it.FeedURL), Name: FeedOf(it), Folder: folder(it)}
}

type atomLink struct {
	Rel    string `xml:"rel,attr,omitempty"`
	Href   string `xml:"href,attr"`
	Type   string `xml:"type,attr,omitempty"`
	Length int64  `xml:"length,attr,omitempty"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type atomTerm struct {
	Term string `xml:"term,attr"`
}

type atomEntry struct {
	XMLName    xml.Name   `xml:"entry"`
	ID         string     `xml:"id"`
	Title      string     `xml:"title"`
	Updated    string     `xml:"updated"`
	Published  string     `xml:"published,omitempty"`
	Author     string     `xml:"author>name"`
	Links      []atomLink `xml:"link"`
	Categories []atomTerm `xml:"category"`
	Summary    *atomText  `xml:"summary"`
	Content    *atomText  `xml:"content"`
	Source     atomSource `xml:"source"`
	Origin     origin
}

type atomSource struct {
	ID      string `xml:"id"`
	Title   string `xml:"title"`
	Updated string `xml:"updated"`
}

// newAtom writes RFC 4287.
func newAtom(o Options) (Writer, error) {
	w := newFeedWriter(o)
	self := ""
	if o.Self != "" {
		self = "  <link rel=\"self\" type=\"application/atom+xml\" href=\"" + escaped(o.Self) + "\"/>\n"
	}
	id := cmp.Or(o.Self, uuid("feed", o.Title))
	w.given[xxhash.Sum64String(id)] = true
	head := `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:feedmill="` + feedmillNS + `">` + "\n" +
		"  <id>" + escaped(id) + "</id>\n  <title>" + escaped(o.Title) + "</title>\n" +
		"  <updated>" + o.Updated.UTC().Format(time.RFC3339) + "</updated>\n  <author><name>" + escaped(o.Title) + "</name></author>\n" +
		self + "  <generator>feedmill</generator>\n"
	w.tail = "</feed>\n"
	w.entry = func(it *store.Item) any {
		e := atomEntry{ID: w.id(it), Title: TitleOf(it), Author: cmp.Or(authorOf(it), FeedOf(it)), Origin: originOf(it)}
		e.Updated = DateOf(it).Format(time.RFC3339)
		if at := instant(it.Updated); at != nil {
			e.Updated = at.Format(time.RFC3339)
		}
		if at := instant(it.Published); at != nil {
			e.Published = at.Format(time.RFC3339)
		}
		link := address(it.Link)
		if link != "" {
			e.Links = append(e.Links, atomLink{Rel: "alternate", Href: link})
		}
		for _, f := range it.Enclosures {
			if href := address(f.URL); href != "" {
				e.Links = append(e.Links, atomLink{"enclosure", href, mediaType(f.Type), max(f.Length, 0)})
			}
		}
		for _, c := range labels(it) {
			e.Categories = append(e.Categories, atomTerm{c})
		}
		if it.Summary != "" {
			e.Summary = &atomText{"html", it.Summary}
		}
		if it.Content != "" || link == "" { // an entry has one or the other
			e.Content = &atomText{"html", it.Content}
		}
		e.Source = atomSource{uuid(strconv.FormatInt(it.FeedID, 10), feeds.RedactURL(it.FeedURL)), FeedOf(it), e.Updated}
		return e
	}
	_, err := w.out.WriteString(xml.Header + head)
	return w, err
}

// mediaType returns a type as a feed may say it, without its parameters.
func mediaType(s string) string {
	if kind, _, err := mime.ParseMediaType(s); err == nil && strings.Contains(kind, "/") {
		return kind
	}
	return "application/octet-stream"
}

type rssItem struct {
	XMLName    xml.Name      `xml:"item"`
	Title      string        `xml:"title"`
	Link       string        `xml:"link,omitempty"`
	GUID       rssGUID       `xml:"guid"`
	Date       string        `xml:"pubDate"`
	Creator    string        `xml:"dc:creator,omitempty"`
	Categories []string      `xml:"category"`
	Text       string        `xml:"description,omitempty"`
	Content    string        `xml:"content:encoded,omitempty"`
	Enclosure  *rssEnclosure `xml:"enclosure"`
	Source     rssSource     `xml:"source"`
	Origin     origin
}

type rssGUID struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

type rssEnclosure struct {
	URL    string `xml:"url,attr"`
	Length int64  `xml:"length,attr"`
	Type   string `xml:"type,attr"`
}

type rssSource struct {
	URL  string `xml:"url,attr"`
	Name string `xml:",chardata"`
}

// newRSS writes RSS 2.0, of whose enclosures an item has one.
func newRSS(o Options) (Writer, error) {
	w := newFeedWriter(o)
	link, self := "http://localhost/", ""
	if o.Self != "" {
		link, self = o.Self, `    <atom:link rel="self" type="application/rss+xml" href="`+escaped(o.Self)+"\"/>\n"
	}
	head := `<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/"` +
		` xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:feedmill="` + feedmillNS + "\">\n  <channel>\n    <title>" + escaped(o.Title) +
		"</title>\n    <link>" + escaped(link) + "</link>\n    <description>" + escaped(o.Title) + "</description>\n" + self +
		"    <lastBuildDate>" + o.Updated.UTC().Format(rssDate) + "</lastBuildDate>\n    <generator>feedmill</generator>\n"
	w.tail = "  </channel>\n</rss>\n"
	w.entry = func(it *store.Item) any {
		e := rssItem{Title: TitleOf(it), GUID: rssGUID{false, w.id(it)}, Date: DateOf(it).Format(rssDate), Creator: authorOf(it),
			Categories: labels(it), Text: cmp.Or(it.Summary, it.Content), Source: rssSource{address(feeds.RedactURL(it.FeedURL)), FeedOf(it)}, Origin: originOf(it)}
		if it.Summary != "" {
			e.Content = it.Content
		}
		e.Link = address(it.Link)
		for _, f := range it.Enclosures {
			if href := webAddress(f.URL); e.Enclosure == nil && href != "" {
				e.Enclosure = &rssEnclosure{href, max(f.Length, 0), mediaType(f.Type)}
			}
		}
		return e
	}
	_, err := w.out.WriteString(xml.Header + head)
	return w, err
}

// rssDate is RFC 822's, with a year of four digits.
const rssDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// A jsonFeed writes JSON Feed 1.1.
type jsonFeed struct {
	*feedWriter
	comma string
}

func newJSONFeed(o Options) (Writer, error) {
	head := map[string]any{"version": "https://jsonfeed.org/version/1.1", "title": o.Title}
	if o.Self != "" {
		head["feed_url"] = o.Self
	}
	b, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	w := &jsonFeed{feedWriter: newFeedWriter(o)}
	w.tail = "]}\n"
	_, err = fmt.Fprintf(w.out, "%s,\"items\":[\n", strings.TrimSuffix(string(b), "}"))
	return w, err
}

func (w *jsonFeed) Write(it *store.Item) error {
	item := map[string]any{
		"id": w.id(it), "title": TitleOf(it), "content_html": body(it), "date_published": DateOf(it).Format(time.RFC3339),
		"_feedmill": map[string]any{"id": it.ID, "feed": feeds.RedactURL(it.FeedURL), "name": FeedOf(it), "folder": folder(it)},
	}
	if link := address(it.Link); link != "" {
		item["url"] = link
	}
	if at := instant(it.Updated); at != nil {
		item["date_modified"] = at.Format(time.RFC3339)
	}
	if author := authorOf(it); author != "" {
		item["authors"] = []map[string]string{{"name": author}}
	}
	if image := address(it.Image); image != "" {
		item["image"] = image
	}
	if tags := labels(it); len(tags) > 0 {
		item["tags"] = tags
	}
	var files []map[string]any
	for _, f := range it.Enclosures {
		if href := address(f.URL); href != "" {
			file := map[string]any{"url": href, "mime_type": mediaType(f.Type)}
			if f.Length > 0 {
				file["size_in_bytes"] = f.Length
			}
			files = append(files, file)
		}
	}
	if files != nil {
		item["attachments"] = files
	}
	if _, err := io.WriteString(w.out, w.comma); err != nil {
		return err
	}
	w.comma = ","
	return JSON(w.out, item)
}
