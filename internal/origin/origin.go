// Package origin is a feed server for tests, demonstrations and benchmarks: it
// plays many hosts on the loopback range, with feeds that move on when its
// epoch does, files served as they are, and a kit of hostile answers.
//
// It refuses to be reached from another machine: a connection whose local
// address is not a loopback one is closed before a byte of it is read.
package origin

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"feedmill/internal/origin/authority"
	"feedmill/internal/origin/hostile"
)

// Defaults and bounds of Options.
const (
	DefaultFeeds      = 100
	DefaultItems      = 20
	DefaultBytes      = 1000
	defaultCacheBytes = 32 << 20

	maxHosts = hostile.FirstHost // hosts that one Server plays
	maxFeeds = 1 << 24           // feeds that one Server generates
)

// Options configures a Server. The zero value serves DefaultFeeds generated
// feeds on one host, with news for every feed in every epoch.
type Options struct {
	// Addr is the address of the first host and the port of all of them. The
	// host must be a loopback IPv4 address, "localhost" or empty; port 0, or
	// no Addr at all, takes a free port.
	Addr string

	// Feeds is how many feeds are generated; 0 means DefaultFeeds, and a
	// negative number none. Hosts is on how many hosts they are spread
	// evenly; 0 means 1.
	Feeds int
	Hosts int
	// HostCounts says how many feeds each host has and replaces Feeds and
	// Hosts. WebSkew makes one with the skew of real lists.
	HostCounts []int

	Items int // items of a feed; 0 means DefaultItems
	Bytes int // bytes of an item, about; 0 means DefaultBytes

	Seed uint64 // of all generated content
	// Epoch is the first epoch, and Every the time after which the next one
	// begins; 0 leaves that to SetEpoch.
	Epoch int
	Every time.Duration
	// NewsEvery is in how many epochs a feed gets one new item: 0 and 1 mean
	// in each, k means in one of k, and a negative number never. Which one it
	// is differs from feed to feed.
	NewsEvery int

	NoValidators bool          // leave out ETag and Last-Modified
	NoGzip       bool          // send bodies as they are, whatever is accepted
	Latency      time.Duration // wait before each answer of a feed or file
	CacheBytes   int64         // generated bodies kept for an epoch; 0 means 32 MiB, negative none

	Dir string // a folder whose files are served under /dir/; empty for none
	TLS bool   // play the hostile TLS cases too, each on a port of its own

	// HTTPS gives generated feeds and files https URLs. The port then speaks
	// TLS too, HTTP/2 and HTTP/1.1, with a certificate for each name and address
	// that it is called by; AuthorityPEM is who signs them. The hostile cases
	// stay where they are.
	HTTPS bool
	// Web gives each host of feeds and files a latency and a fate of its own,
	// as on the web; see fateOf.
	Web bool

	// Log takes one line of JSON for each request; see requestLog. The
	// Server writes to it from one goroutine at a time and never closes it.
	Log io.Writer
	// Now replaces the clock of the request log, so that a test can play days
	// in seconds. Nil means time.Now.
	Now func() time.Time
}

// A Server is a feed server on the loopback range. Its methods may be called
// from any goroutine, before, while and after Run.
type Server struct {
	opts      Options
	listener  *listener
	authority *authority.Authority // nil without Options.TLS and HTTPS
	hosts     hosts
	content   content
	log       *requestLog
	kit       *hostile.Kit
	mux       *http.ServeMux

	counts counters
	conns  connSet
	work   sync.WaitGroup // connections being served
}

// Addr returns the address of the first host, such as "127.0.0.1:8080".
func (s *Server) Addr() string { return s.hosts.base.String() }

// Loopbacks reports whether this machine answers on all of 127.0.0.0/8, as
// Linux and Windows do. Where it does not, as on macOS, every feed is on the
// first host.
func (s *Server) Loopbacks() bool { return s.hosts.loopbacks }

// Epoch returns the epoch that is being served.
func (s *Server) Epoch() int { return s.content.epoch() }

// SetEpoch serves epoch n from the next request on. Going back is allowed and
// gives the same bytes as before. An n that is out of bounds is taken as the
// nearest one within.
func (s *Server) SetEpoch(n int) {
	s.content.cache.set(n)
}

// AddEpochs moves n epochs on, as SetEpoch does, and returns the new one.
func (s *Server) AddEpochs(n int) int { return s.content.cache.add(n) }

// News returns how many new items feed number n gets between two epochs. It
// is negative when to is before from.
func (s *Server) News(n, from, to int) int {
	return s.content.version(n, to) - s.content.version(n, from)
}

// TotalNews returns how many new items all generated feeds together get
// between two epochs.
func (s *Server) TotalNews(from, to int) int {
	total := 0
	for n := range s.content.feeds {
		total += s.News(n, from, to)
	}
	return total
}

// Requests returns what the server has done so far.
func (s *Server) Requests() Counts {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	c := s.counts.all
	c.Connections, c.Refused = s.conns.accepted.Load(), s.conns.refused.Load()
	return c
}

// HostileURL returns the URL of a case of the kit, or "" when it is not played.
func (s *Server) HostileURL(name string) string { return s.kit.Place(name) }

// HostileHits returns how often a case was asked for; one of hostile.HTTP2, over
// how many connections.
func (s *Server) HostileHits(name string) int64 { return s.kit.Hits(name) }

// ListHostile writes the URLs of the cases that are played to w, one a line,
// in the order of hostile.Cases.
func (s *Server) ListHostile(w io.Writer) error { return s.kit.List(w) }

// TLSRoots returns a pool with the authority that signed the certificates of
// the TLS cases and of all hosts, or nil without Options.TLS and HTTPS. Who
// trusts it sees an expired one as expired and a wrong name as such, and finds
// tls-private-root in order.
func (s *Server) TLSRoots() *x509.CertPool {
	if s.authority == nil {
		return nil
	}
	return s.authority.Pool()
}

// AuthorityPEM returns the certificate of the authority that signs for an
// origin of Options.TLS or HTTPS, for SSL_CERT_FILE; nil for another.
func (s *Server) AuthorityPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return s.authority.PEM()
}

// Feeds returns how many feeds are generated.
func (s *Server) Feeds() int { return s.content.feeds }

// Hosts returns how many hosts the generated feeds are spread on.
func (s *Server) Hosts() int { return len(s.hosts.counts) }

// complete puts in the defaults and checks the bounds.
func (o *Options) complete() error {
	o.Feeds = max(cmp.Or(o.Feeds, DefaultFeeds), 0)
	o.Hosts = cmp.Or(o.Hosts, 1)
	o.Items = cmp.Or(o.Items, DefaultItems)
	o.Bytes = cmp.Or(o.Bytes, DefaultBytes)
	o.NewsEvery = cmp.Or(o.NewsEvery, 1)
	o.CacheBytes = cmp.Or(o.CacheBytes, defaultCacheBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.HostCounts) > 0 {
		o.Hosts, o.Feeds = len(o.HostCounts), 0
		for i, n := range o.HostCounts {
			if n < 0 || n > maxFeeds {
				return fmt.Errorf("host %d has %d feeds, want 0 to %d", i, n, maxFeeds)
			}
			o.Feeds += n
		}
	}
	for _, b := range []struct {
		what          string
		got, min, max int
	}{
		{"feeds", o.Feeds, 0, maxFeeds}, {"hosts", o.Hosts, 1, maxHosts},
		{"items", o.Items, 1, maxItems}, {"bytes of an item", o.Bytes, 1, maxBytes},
		{"epoch", o.Epoch, 0, maxEpoch},
	} {
		if b.got < b.min || b.got > b.max {
			return fmt.Errorf("%d %s, want %d to %d", b.got, b.what, b.min, b.max)
		}
	}
	return nil
}

// splitAddr returns the host and the port of an Options.Addr.
func splitAddr(addr string) (netip.Addr, uint16, error) {
	first := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if addr == "" {
		return first, 0, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return first, 0, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return first, 0, fmt.Errorf("address %q: port must be a number up to 65535", addr)
	}
	if host == "" || host == "localhost" {
		return first, uint16(port), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is4() || !ip.IsLoopback() {
		return first, 0, fmt.Errorf("address %q: host must be in 127.0.0.0/8", addr)
	}
	if ip.As4()[1] >= 128 {
		return first, 0, fmt.Errorf("address %q: host must be below 127.128.0.0, to leave room for others", addr)
	}
	return ip, uint16(port), nil
}
