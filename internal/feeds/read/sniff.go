package read

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// snippetSize is how much of a document that is no feed a failure shows, in
// bytes.
const snippetSize = 80

// A format is a vocabulary that feeds are written in.
type format uint8

const (
	formatRSS format = iota + 1 // of any version
	formatAtom
	formatJSON
)

// rootFormats holds the formats of XML by the name of their root in lower case. An
// entry alone is a document, too (RFC 4287, section 2).
var rootFormats = map[string]format{"rss": formatRSS, "channel": formatRSS, "rdf": formatRSS, "feed": formatAtom, "entry": formatAtom}

// sniff finds the root of the feed in text: its format, where it begins, and
// whether something stands before it that should not. White space, comments,
// instructions, a document type declaration and elements that are complete in
// themselves, such as a warning that a server's script printed, do not hide it,
// however long they are. base is where text came from.
func sniff(text []byte, base string) (f format, start int, junk bool, err *feeds.Failure) {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return 0, 0, false, &feeds.Failure{Class: feeds.NotAFeed, Detail: "empty document"}
	case trimmed[0] == '{':
		return formatJSON, len(text) - len(trimmed), false, nil
	}
	s := scan.Scanner{Input: text}
	if s.Pos = bytes.IndexByte(text, '<'); s.Pos < 0 {
		return 0, 0, false, notAFeed("document", text)
	}
	junk = trimmed[0] != '<'
	depth, page := 0, false // page: it says that it is HTML
	for {
		switch s.Next() {
		case scan.Directive:
			if fields := bytes.Fields(s.Text[:min(len(s.Text), snippetSize)]); len(fields) > 1 &&
				bytes.EqualFold(fields[0], []byte("doctype")) && bytes.EqualFold(fields[1], []byte("html")) {
				if depth > 0 {
					return 0, 0, false, htmlPage(text, base)
				}
				page, junk = true, true // the root tells, since templates put it before feeds, too
			}
		case scan.Text, scan.CDATA:
			junk = junk || len(bytes.TrimSpace(s.Text)) > 0
		case scan.Close:
			depth = max(depth-1, 0)
		case scan.Open:
			if depth > 0 {
				depth += btoi(!s.Empty && !scan.IsVoid(s.Name.Full))
				continue
			}
			name := strings.ToLower(string(s.Name.Local()))
			if f, ok := rootFormats[name]; ok {
				return f, s.Start, junk, nil
			}
			if page || name == "html" || name == "head" || name == "body" {
				return 0, 0, false, htmlPage(text, base)
			}
			depth += btoi(!s.Empty && !scan.IsVoid(s.Name.Full))
			junk = true
		case scan.Fault:
			if page {
				return 0, 0, false, htmlPage(text, base)
			}
			if _, ok := rootFormats[strings.ToLower(string(s.Name.Local()))]; ok && s.Fault == scan.FaultAttributes {
				return 0, 0, false, tooManyAttributes()
			}
			// A stray bracket: go on behind it. What ends early would be
			// looked through again and again.
			if next := bytes.IndexByte(text[s.Start+1:], '<'); next >= 0 && !s.Early {
				s.Pos = s.Start + 1 + next
				continue
			}
			if s.Early && !junk {
				return 0, 0, false, &feeds.Failure{Class: feeds.Truncated, Detail: "document ends before a feed begins"}
			}
			return 0, 0, false, notAFeed("document", text)
		case scan.EOF:
			if page {
				return 0, 0, false, htmlPage(text, base)
			}
			return 0, 0, false, notAFeed("document", text)
		}
	}
}

// notAFeed describes a document of no known format.
func notAFeed(what string, text []byte) *feeds.Failure {
	return &feeds.Failure{Class: feeds.NotAFeed, Detail: what + " beginning " + snippet(text)}
}

// snippet returns the beginning of text in quotes, safe to print anywhere.
func snippet(text []byte) string {
	text = bytes.TrimLeft(text, " \t\r\n")
	said := feeds.RedactText(string(text[:min(len(text), 4*snippetSize)]))
	if len(said) <= snippetSize {
		return strconv.QuoteToASCII(said)
	}
	return strconv.QuoteToASCII(strings.ToValidUTF8(said[:snippetSize], "")) + "..."
}

// htmlPage describes a page that came instead of a feed.
func htmlPage(text []byte, base string) *feeds.Failure {
	f := notAFeed("HTML page", text)
	page := readPage(text, base)
	if page.title != "" {
		f.Detail = "HTML page titled " + snippet([]byte(page.title))
	}
	if f.Links = page.feeds; len(page.feeds) > 0 {
		var some []string
		for _, url := range page.feeds[:min(3, len(page.feeds))] {
			some = append(some, feeds.RedactURL(url))
		}
		f.Hint = "the page names a feed: " + strings.Join(some, ", ")
	}
	return f
}

// maxPageBytes bounds what is read of an HTML page, in bytes: link elements
// stand in the head.
const maxPageBytes = 512 << 10

// feedType matches the media types that mark a link as that of a feed, application/json
// among them, which JSON Feed 1.0 asked for, and what else is meant as one.
var feedType = regexp.MustCompile(`^\s*((application|text)/((x-)?(rss|atom|rdf)(\+xml)?|xml)|application/(feed\+)?json)\s*(;|$)`)

// A page is what is worth knowing of an HTML page.
type page struct {
	title    string
	feeds    []string // those of comments last
	comments []string
}

func readPage(text []byte, base string) page {
	var p page
	root, err := url.Parse(base)
	if err != nil {
		root = new(url.URL)
	}
	based := false // the first one counts
	tokens := html.NewTokenizer(bytes.NewReader(text[:min(len(text), maxPageBytes)]))
	inTitle := false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			p.feeds = append(p.feeds, p.comments...)
			p.feeds = p.feeds[:min(len(p.feeds), feeds.MaxLinks)]
			return p
		case html.TextToken:
			if inTitle && p.title == "" {
				p.title = strings.Join(strings.Fields(string(tokens.Text())), " ")
			}
		case html.EndTagToken:
			inTitle = false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := tokens.TagName()
			switch string(name) {
			case "title":
				inTitle = true
			case "base":
				href := strings.TrimSpace(attributesOf(tokens)["href"])
				if next, err := root.Parse(href); err == nil && href != "" && !based && (next.Scheme == "http" || next.Scheme == "https") {
					root, based = next, true
				}
			case "noscript":
				tokens.NextIsNotRawText() // there is none here
			case "link":
				p.addLink(attributesOf(tokens), root)
			}
		}
	}
}

// addLink takes the feed that a link element names, if it does.
func (p *page) addLink(attrs map[string]string, root *url.URL) {
	rels := strings.Fields(strings.ToLower(attrs["rel"]))
	href := strings.TrimSpace(lineEnds.ReplaceAllString(attrs["href"], ""))
	if href == "" || len(href) > maxURL || !feedType.MatchString(strings.ToLower(attrs["type"])) || !slices.Contains(rels, "alternate") {
		return
	}
	u, err := root.Parse(href)
	if err != nil || u.Host == "" || strings.Contains(u.Path, "/wp-json/") {
		return // the last is what WordPress calls an alternate of a page: its own API
	}
	link := u.String()
	if u.Scheme != "http" && u.Scheme != "https" {
		if link, err = feeds.SubscriptionURL(link); err != nil {
			return
		}
	}
	list := &p.feeds
	if title := strings.ToLower(attrs["title"]); strings.Contains(title, "comment") || strings.Contains(title, "komment") {
		list = &p.comments
	}
	if !slices.Contains(p.feeds, link) && !slices.Contains(p.comments, link) && len(*list) < feeds.MaxLinks {
		*list = append(*list, link)
	}
}

// attributesOf returns the attributes of the tag that tokens stands on; of two
// with one name the first counts, as in browsers.
func attributesOf(tokens *html.Tokenizer) map[string]string {
	attrs := make(map[string]string)
	for more := true; more; {
		var key, value []byte
		key, value, more = tokens.TagAttr()
		if _, ok := attrs[string(key)]; !ok {
			attrs[string(key)] = string(value)
		}
	}
	return attrs
}
