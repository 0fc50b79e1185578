package origin

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// A Case is one hostile, broken or merely odd answer of the kit.
type Case struct {
	Name string // its place is /hostile/NAME
	// Row is the number of the fault, 1 to 45, that the case plays in the
	// project's list of hostile networks and documents; 0 when it has none.
	Row int
	// Want has the classes, space separated, that a reader may report on its
	// first request. The first word is the best answer.
	Want  string
	About string // what happens, one line of text

	play func(x *exchange)
	// link replaces the usual URL of the case. It is given the case's own
	// host.
	link func(s *Server, host netip.Addr, path string) string
	tls  tlsFault // what is wrong with the case's own TLS port
}

// Hostile returns the cases of the kit in the order of their rows, roughly
// from the network up to the document. The TLS ones are only played with
// Options.TLS.
//
// Two rows are left out: names that do not resolve (24), or resolve to another
// address each time (3), need a resolver, not a server. And of row 26 there is
// no key of more than 8,192 bits, since it takes seconds to make.
func Hostile() []Case {
	return slices.Concat(
		addressCases(), redirectCases(), wireCases(), sizeOfAnswerCases(), codingCases(),
		statusCases(), validatorCases(), tlsCases(),
		boundCases(), entityCases(), identityCases(), charsetCases(), characterCases(), dateCases(),
		changeCases(), vocabularyCases(), structureCases(), jsonCases(),
	)
}

// A playedCase is a Case as one Server plays it.
type playedCase struct {
	Case
	URL  string
	host netip.Addr
	hits atomic.Int64
}

// hostileHosts is where the hosts of the cases begin, counted from the first
// host of the Server. Each case has a host of its own, so that a reader which
// leaves a slow or angry host alone gets to the others.
const hostileHosts = MaxHosts

// playCases gives each case its place.
func (s *Server) playCases() {
	s.hostile, s.cases = make(map[string]*playedCase), nil
	for i, c := range Hostile() {
		if c.tls != tlsSound && !s.opts.TLS {
			continue
		}
		p := &playedCase{Case: c, host: s.host(hostileHosts + i)}
		path := "/hostile/" + c.Name
		if c.link != nil {
			p.URL = c.link(s, p.host, path)
		} else {
			p.URL = string(s.appendURL(nil, p.host, path))
		}
		s.hostile[c.Name] = p
		s.cases = append(s.cases, p)
	}
}

// HostileURL returns the URL of a case, or "" when it is not played.
func (s *Server) HostileURL(name string) string {
	if p := s.hostile[name]; p != nil {
		return p.URL
	}
	return ""
}

// ListHostile writes the URLs of the cases that are played to w, one a line,
// in the order of Hostile.
func (s *Server) ListHostile(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, p := range s.cases {
		fmt.Fprintln(b, p.URL)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write hostile list: %w", err)
	}
	return nil
}

// tableHostile writes URL, expected classes and what happens, separated by
// tabs.
func (s *Server) tableHostile(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, p := range s.cases {
		fmt.Fprintf(b, "%s\t%s\t%s\n", p.URL, p.Want, p.About)
	}
	return b.Flush()
}

// An exchange is one request for a case.
type exchange struct {
	s    *Server
	w    *response
	r    *http.Request
	c    *playedCase
	hit  int64  // how often the case was asked, this time included; steps do not count
	step string // what follows the name in the path; empty at first
}

func (s *Server) serveHostile(w http.ResponseWriter, r *http.Request) {
	p := s.hostile[r.PathValue("name")]
	rec, ok := w.(*response)
	if p == nil || p.play == nil || !ok {
		http.NotFound(w, r)
		return
	}
	x := &exchange{s: s, w: rec, r: r, c: p, step: r.PathValue("step")}
	if x.step == "" {
		x.hit = p.hits.Add(1)
	}
	p.play(x)
}

// path returns the path of a step of the case.
func (x *exchange) path(step string) string { return "/hostile/" + x.c.Name + "/" + step }

// send sends a document with status 200 and its length.
func (x *exchange) send(contentType string, body []byte) {
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	x.w.Write(body)
}

// sendRSS sends the small sound feed that cases use whose fault is elsewhere.
func (x *exchange) sendRSS() { x.send(typeRSS, []byte(soundRSS())) }

// fail sends a status with a short text.
func (x *exchange) fail(status int, text string) { http.Error(x.w, text, status) }

// The content types of the kit's documents.
const (
	typeRSS  = "application/rss+xml"
	typeAtom = "application/atom+xml"
	typeJSON = "application/feed+json"
	typeXML  = "text/xml"
	typeHTML = "text/html; charset=utf-8"
)

// document plays a document that is the same each time.
func document(contentType string, build func() string) func(*exchange) {
	return func(x *exchange) { x.send(contentType, []byte(build())) }
}

// text plays a document that is short enough to stand in the table.
func text(contentType, body string) func(*exchange) {
	return document(contentType, func() string { return body })
}

// xmlHead begins the kit's XML documents.
const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// rss returns an RSS 2.0 document around items.
func rss(items ...string) string {
	return xmlHead + bareRSS(items...)
}

// bareRSS is rss without the XML declaration.
func bareRSS(items ...string) string {
	return `<rss version="2.0"><channel><title>A hostile feed</title><link>https://example.org/</link>` +
		`<description>One of the kit</description>` + "\n" + strings.Join(items, "\n") + "\n</channel></rss>\n"
}

// item returns a sound RSS item, with extra elements at its end.
func item(n int, extra ...string) string {
	return fmt.Sprintf(`<item><title>Item %d</title><link>https://example.org/%d</link><guid>https://example.org/%d</guid>`+
		`<pubDate>Wed, 0%d Jan 2025 12:00:00 GMT</pubDate><description>Text of item %d</description>%s</item>`,
		n, n, n, 1+n%9, n, strings.Join(extra, ""))
}

// items returns sound items numbered from first down to last.
func items(first, last int) []string {
	var all []string
	for n := first; n >= last; n-- {
		all = append(all, item(n))
	}
	return all
}

// soundRSS is a feed of three items with nothing wrong.
func soundRSS() string { return rss(items(3, 1)...) }

// atom returns an Atom document around entries.
func atom(entries ...string) string {
	return xmlHead + `<feed xmlns="http://www.w3.org/2005/Atom"><title>A hostile feed</title>` +
		`<id>https://example.org/</id><updated>2025-01-01T12:00:00Z</updated>` + "\n" +
		strings.Join(entries, "\n") + "\n</feed>\n"
}
