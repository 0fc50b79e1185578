package hostile

import (
	"fmt"
	"net/http"
	"net/netip"
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
	link func(s Stage, host netip.Addr, path string) string
	tls  tlsFault    // what is wrong with the case's own TLS port
	talk func(*talk) // what is said there over HTTP/2
}

// A tlsFault is what is wrong with the TLS port of a case.
type tlsFault int

const (
	tlsSound      tlsFault = iota // no TLS port at all
	tlsPrivate                    // nothing, for those who trust the authority
	tlsExpired                    // the certificate was good until yesterday
	tlsWrongName                  // the certificate is another host's
	tlsSelfSigned                 // the certificate vouches for itself
	tlsSilent                     // the handshake is never answered
	tlsHTTP2                      // nothing: HTTP/2 over it is at fault
)

// A Played is a Case as one Kit plays it.
type Played struct {
	Case
	URL string

	host netip.Addr
	hits atomic.Int64
}

// An exchange is one request for a case.
type exchange struct {
	stage Stage
	w     http.ResponseWriter
	r     *http.Request
	c     *Played
	hit   int64  // how often the case was asked, this time included; steps do not count
	step  string // what follows the name in the path; empty at first
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

// fail sends a status code with a short text.
func (x *exchange) fail(code int, why string) { http.Error(x.w, why, code) }

// document plays a document that is the same each time.
func document(contentType string, build func() string) func(*exchange) {
	return func(x *exchange) { x.send(contentType, []byte(build())) }
}

// text plays a document that is short enough to stand in the table.
func text(contentType, body string) func(*exchange) {
	return document(contentType, func() string { return body })
}

// The content types of the kit's documents.
const (
	typeRSS  = "application/rss+xml"
	typeAtom = "application/atom+xml"
	typeJSON = "application/feed+json"
	typeXML  = "text/xml"
	typeHTML = "text/html; charset=utf-8"
)

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
