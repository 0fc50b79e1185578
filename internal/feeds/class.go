package feeds

// A Class is the one word that says how a job ended. The words are part of
// the command line's output and of the store: they do not change.
type Class string

// The classes. The first three are success.
const (
	OK          Class = "ok"           // a document was parsed
	NotModified Class = "not_modified" // the server answered 304
	Unchanged   Class = "unchanged"    // the body is the one that is stored

	HTTPError   Class = "http_error"   // a status that is no success, or an answer that breaks HTTP
	Gone        Class = "gone"         // 410
	RateLimited Class = "rate_limited" // 429, or another error with Retry-After but 404 and 410
	HostBackoff Class = "host_backoff" // not asked: its host is being left alone

	DNS     Class = "dns"     // the host has no address
	Connect Class = "connect" // no connection, or it broke before an answer
	TLS     Class = "tls"     // no trusted, valid TLS session
	Timeout Class = "timeout" // a time limit ran out
	Slow    Class = "slow"    // bytes came, but too slowly

	BlockedAddress Class = "blocked_address"  // an address that needs --allow-net
	BlockedScheme  Class = "blocked_scheme"   // neither http nor https
	Redirect       Class = "redirect"         // too many, a loop, or one that is refused
	HeaderTooLarge Class = "header_too_large" // response headers over the limit
	TooLarge       Class = "too_large"        // body over the limit
	BombRatio      Class = "bomb_ratio"       // compressed data that expands absurdly
	Encoding       Class = "encoding"         // Content-Encoding unknown or broken
	Charset        Class = "charset"          // character encoding unknown or broken
	Truncated      Class = "truncated"        // the body ended early

	NotAFeed       Class = "not_a_feed"      // an HTML page, an error object, nothing
	Parse          Class = "parse"           // a feed, but not readable
	LimitDepth     Class = "limit_depth"     // elements nested too deeply
	LimitNamespace Class = "limit_namespace" // too many namespaces or attributes
	LimitItems     Class = "limit_items"     // too many items
	LimitSize      Class = "limit_size"      // too much of something else
	ParserPanic    Class = "parser_panic"    // the parser panicked and was caught

	WorkerMemory   Class = "worker_memory"   // killed its worker by memory
	WorkerStack    Class = "worker_stack"    // killed its worker by stack
	WorkerCPU      Class = "worker_cpu"      // killed its worker by endless work
	WorkerSignal   Class = "worker_signal"   // killed its worker otherwise
	WorkerProtocol Class = "worker_protocol" // its worker broke the protocol

	Store     Class = "store"     // the result could not be stored
	Cancelled Class = "cancelled" // the run ended first; the feed is still due
)

// classes holds every class once, in the order above.
var classes = []Class{
	OK, NotModified, Unchanged,
	HTTPError, Gone, RateLimited, HostBackoff,
	DNS, Connect, TLS, Timeout, Slow,
	BlockedAddress, BlockedScheme, Redirect, HeaderTooLarge, TooLarge, BombRatio, Encoding, Charset, Truncated,
	NotAFeed, Parse, LimitDepth, LimitNamespace, LimitItems, LimitSize, ParserPanic,
	WorkerMemory, WorkerStack, WorkerCPU, WorkerSignal, WorkerProtocol,
	Store, Cancelled,
}

// Classes returns every class once, successes first.
func Classes() []Class { return append([]Class(nil), classes...) }

// OK reports whether c is one of the three classes of success.
func (c Class) OK() bool { return c == OK || c == NotModified || c == Unchanged }

// Kills reports whether c says that the feed killed its worker.
func (c Class) Kills() bool {
	switch c {
	case WorkerMemory, WorkerStack, WorkerCPU, WorkerSignal, WorkerProtocol:
		return true
	}
	return false
}

// ParseClass returns the class spelled s, without allocating, and whether
// there is one.
func ParseClass(s []byte) (Class, bool) {
	for _, c := range classes {
		if string(s) == string(c) {
			return c, true
		}
	}
	return "", false
}
