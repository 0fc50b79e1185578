package feeds

import (
	"net/netip"
	"time"
)

// Ship says which items of a document a Result carries.
type Ship uint8

// The two ways to ship.
const (
	ShipNew Ship = iota // the new and the updated items
	ShipAll             // the whole list, the copy that the article describes
)

// Default bounds; a zero field of Options means the one named for it.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxBody    = 20 << 20
	DefaultMaxWire    = 10 << 20
	DefaultPerHost    = 1
	DefaultFetches    = 16
	DefaultDrainGrace = 10 * time.Second
)

// Options configures a Refresher. The zero value of each field means its
// default. They travel to a worker in the first message, so every field is
// plain data.
type Options struct {
	Ship       Ship
	Timeout    time.Duration  // the whole request, redirects and body included
	MaxBody    int64          // bytes of a body after decompression, 2 GiB at most
	MaxWire    int64          // bytes of a body as it comes; 0 follows MaxBody, see below
	PerHost    int            // requests under way for one registrable domain
	HostDelay  time.Duration  // pause between two requests to one registrable domain
	Fetches    int            // requests under way in all
	DrainGrace time.Duration  // how long requests under way may go on once the run is cancelled
	AllowNet   []netip.Prefix // addresses that may be asked although they are not public
	UserAgent  string         // empty means "feedmill"

	// Ports are those that may be connected to, besides 53 for name lookups;
	// empty means any. ConnectPorts makes them. A proxy named by URL may have
	// any port as well as any address.
	Ports []uint16

	// Proxy is the URL of a proxy (http, https, socks5) that every request
	// goes through, or "env" for what HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	// say; empty means none, whatever the environment says. A proxy named by
	// URL is the user's choice and may have any address; what it then
	// connects to is its own matter, so only addresses that are written out
	// in a feed's URL are still checked. With "env" the address that is
	// dialled, proxy or not, must be public or in AllowNet.
	Proxy string

	Parser Parser // who reads the documents
}

// maxWire returns the bound on a body as it comes. Left at zero it is
// DefaultMaxWire, but never more than MaxBody, and MaxBody itself where that
// was raised above its default: whoever allows bodies of 50 MiB means those,
// too, whose server does not compress.
func (o Options) maxWire() int64 {
	switch {
	case o.MaxWire > 0:
		return o.MaxWire
	case o.MaxBody > DefaultMaxBody:
		return o.MaxBody
	case o.MaxBody > 0:
		return min(o.MaxBody, DefaultMaxWire)
	}
	return DefaultMaxWire
}
