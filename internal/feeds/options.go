package feeds

import (
	"cmp"
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
	DefaultMaxBody    = 50 << 20
	DefaultPerHost    = 1
	DefaultFetches    = 512
	DefaultDrainGrace = 10 * time.Second
)

// Options configures a Refresher. The zero value of each field means its
// default. They travel to a worker in the first message, so every field is
// plain data.
type Options struct {
	Ship       Ship
	Timeout    time.Duration  // the whole request, redirects and body included
	MaxBody    int64          // bytes of a body after decompression, 2 GiB at most
	PerHost    int            // requests under way for one registrable domain
	HostDelay  time.Duration  // pause between two requests to one registrable domain
	Fetches    int            // the most requests under way; fewer while the CPU is scarce
	DrainGrace time.Duration  // how long requests under way may go on once the run is cancelled
	AllowNet   []netip.Prefix // addresses that may be asked although they are not public
	UserAgent  string         // empty means "feedmill"
	HTTP1      bool           // speak no HTTP/2

	// Ports are those that may be connected to, besides 53 for name lookups;
	// empty means any. ConnectPorts makes them. A proxy named by URL may have
	// any port as well as any address.
	Ports []uint16

	// Proxy is the URL of a proxy (http, https, socks5) that every request
	// goes through, or "env" for what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and
	// NO_PROXY say; empty means none, whatever the environment says. A proxy named by
	// URL is the user's choice and may have any address; what it then
	// connects to is its own matter, so only addresses that are written out
	// in a feed's URL are still checked. With "env" the address that is
	// dialled, proxy or not, must be public or in AllowNet.
	Proxy string

	Parser Parser // who reads the documents

	// Leash is how long a worker goes on although the coordinator answers none
	// of its heartbeats; 0 means as long as its stdin is open. It is a lease: it
	// counts from when the heartbeat was sent that was answered last.
	Leash time.Duration
}

// Window returns how many jobs a worker with these options holds at most: so
// many that one host's feeds do not keep requests to others from being under
// way. Whoever sends jobs keeps to it, and who is sent more may refuse them.
func (o Options) Window() int {
	return max(leastWindow, 2*cmp.Or(o.Fetches, DefaultFetches))
}

// leastWindow lets a commit of outcomes gather while a worker is busy.
const leastWindow = 128
