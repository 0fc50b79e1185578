package hostile

import (
	"fmt"
	"net/http"
	"net/netip"
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
