// Package hostile is a kit of hostile, broken and merely odd answers that a feed
// server may give, from the network up to the document, each with the classes
// that a reader may report.
//
// It refuses to know the server that it is played on: a Stage says where its
// cases are, and lends connections and ports.
package hostile

import (
	"io"
	"net"
	"net/netip"
	"time"
)

// AnswerLimit is the longest that any answer takes.
const AnswerLimit = 60 * time.Second

// FirstHost is the number of the first case's host. Each case has a host of
// its own, so that a reader which leaves a slow or angry host alone gets to the
// others.
const FirstHost = 1 << 20

// A Stage is the server on which cases are played.
type Stage interface {
	// Host returns the address of host number i, of FirstHost and more. It may
	// be the same for all.
	Host(i int) netip.Addr
	// URL returns the http URL of a path on a host.
	URL(host netip.Addr, path string) string
	// Epoch returns how often the content of feeds has moved on.
	Epoch() int
	// Listen opens a port of its own for a host and keeps account of its
	// connections, which the end of the Stage closes, as it does the port.
	Listen(host netip.Addr) (net.Listener, error)
}

// A Conn is a connection that a case may break.
type Conn interface {
	net.Conn
	// Reset closes the connection so that the peer sees it broken, not ended.
	Reset()
}

// A Taker is a ResponseWriter whose connection can be taken from the HTTP
// server, by a case that says on it what no HTTP server would.
type Taker interface {
	// Take returns the connection. Whoever has called the handler closes it.
	Take() (Conn, error)
}

// Silence takes what a client says and never says a word, until it is gone.
func Silence(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(AnswerLimit))
	io.Copy(io.Discard, c)
	c.Close()
}
