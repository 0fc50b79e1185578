// Package fetch asks servers for feeds, with manners: one request of a registrable
// domain at a time, conditional requests, bounded bodies, no address that is not
// public.
//
// It reads no document: whoever makes a [Refresher] says what does. It keeps no
// state between two refreshes except open connections: whatever a refresh needs
// comes in with its feeds.Job, and whatever it found leaves in its feeds.Result.
package fetch

import (
	"sync/atomic"

	"feedmill/internal/feeds"
)

// accept names feed types first; the last one is for servers that know none. It does
// not name application/json: some sites then give ActivityStreams in place of a
// page that names its feeds (pfefferle/wordpress-activitypub#2857).
const accept = "application/atom+xml, application/rss+xml, application/feed+json, " +
	"application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, */*;q=0.1"

// A Refresher refreshes feeds. It keeps its connections, and what it learned
// about hosts to leave alone, for its own life only: one Refresher serves one
// round, in one Run.
type Refresher struct {
	limits    *limits
	ship      feeds.Ship
	addresses *addressPolicy
	gate      *gate
	bodies    *bodyReader
	transport *transport

	// Header values that every request shares; nobody writes to them.
	accept, encodings, agent, deltas []string

	read     ReadFunc
	reader   feeds.Parser   // who reads documents
	parser   chan struct{}  // holds one token while a document is parsed
	observer feeds.Observer // told of that document; nil for nobody

	parsing atomic.Int64
	overdue atomic.Int64
}

// A ReadFunc makes a document of a body, as read.Read does. The error is a
// *Failure, and the document with it, if there is one, what could be salvaged.
type ReadFunc func(*feeds.Body) (*feeds.Document, error)

// New returns a Refresher that reads what it fetches with read. The
// caller closes it. The error says what is wrong with o.Proxy.
func New(o feeds.Options, read ReadFunc) (*Refresher, error) {
	return newRefresher(o, newLimits(o, cap(files().connections)), read)
}

func newRefresher(o feeds.Options, l *limits, read ReadFunc) (*Refresher, error) {
	g := newAddressPolicy(o.AllowNet, o.Ports)
	transport, err := newTransport(o, l, g, files())
	if err != nil {
		return nil, err
	}
	agent := o.UserAgent
	if agent == "" {
		agent = "feedmill"
	}
	return &Refresher{
		limits:    l,
		ship:      o.Ship,
		addresses: g,
		gate:      newGate(l.perHost, l.hostDelay),
		bodies:    newBodyReader(l),
		transport: transport,
		accept:    []string{accept},
		encodings: []string{acceptEncoding},
		agent:     []string{agent},
		deltas:    []string{"feed"},
		read:      read,
		reader:    o.Parser,
		parser:    make(chan struct{}, 1),
	}, nil
}

// Observe makes r tell o what it does, which it must be asked for before it is
// given jobs.
func (r *Refresher) Observe(o feeds.Observer) { r.observer = o }

// Close drops idle connections. It is called after the last Run
// returned.
func (r *Refresher) Close() { r.transport.closeKept() }

// Status returns what r does now. It takes no lock.
func (r *Refresher) Status() feeds.Status {
	return feeds.Status{Parsing: r.parsing.Load(), Overdue: r.overdue.Load()}
}
