// Package feeds has the words of the project: what a feed, an item, a job and its
// result are, how a job can end, how a URL is spelled, what makes two items the
// same and what is new among them.
//
// It does no work: it asks no server, reads no document and opens no file. Its
// rooms do, each of which knows only this package: fetch, read and subs.
package feeds

import (
	"time"
	"unsafe"
)

// A Key identifies an item within its feed. It is the first 16 bytes of a
// SHA-256, so that identifiers of any length and content compare alike.
type Key [16]byte

// A Known is what a refresh must know of a stored item to tell whether the
// one in the document is new, updated or the same.
type Known struct {
	Key Key
	// Hash is the item's content hash when it was stored. 0 means that the
	// item is to be left alone whatever it says now: it was removed by the
	// user, or edited too often.
	Hash uint64
}

// An Item is one entry of a feed. Text fields hold what the document says,
// trimmed of surrounding white space; they are not sanitised, and whoever
// shows them must escape them.
//
// Strings of an item that came over a wire may share one large buffer: an item
// that is kept for long must be cloned.
type Item struct {
	Key  Key    // identity within the feed, see Identify
	Hash uint64 // hash of every field below, see ContentHash

	GUID       string
	Link       string
	Title      string
	Author     string // the names of all authors, joined by ", "
	Summary    string
	Content    string
	Image      string
	Published  int64 // Unix seconds; 0 when absent or absurd
	Updated    int64 // Unix seconds; 0 when absent or absurd
	Categories []string
	Enclosures []Enclosure
}

// SizeOf returns about how much memory items hold, in bytes: at least that of
// their texts. What waits to be stored is bounded by it.
func SizeOf(items []Item) (n int64) {
	for i := range items {
		it := &items[i]
		size := int(unsafe.Sizeof(*it)) + len(it.GUID) + len(it.Link) + len(it.Title) + len(it.Author) +
			len(it.Summary) + len(it.Content) + len(it.Image)
		for _, c := range it.Categories {
			size += int(unsafe.Sizeof(c)) + len(c)
		}
		for _, e := range it.Enclosures {
			size += int(unsafe.Sizeof(e)) + len(e.URL) + len(e.Type)
		}
		n += int64(size)
	}
	return n
}

// An Enclosure is a file that belongs to an item, such as a podcast's audio.
type Enclosure struct {
	URL    string
	Type   string // media type as given
	Length int64  // bytes as declared; 0 when absent or not a number
}

// A Subscription is a feed in a list that people exchange between readers.
type Subscription struct {
	URL   string // absolute, http or https, as SubscriptionURL returns it
	Title string
	Link  string // the home page, "" when it is not known
	// Category is the folders that it is in: a path on each line, whose names are
	// joined by "/"; a slash in a name is written \/.
	Category string
}

// A Ref names a subscribed feed, with what planning a round needs of it.
type Ref struct {
	ID    int64
	URL   string
	Fails int // failures in a row so far
	// LastFull is when the server last sent a document, or answered a request
	// without validators: Unix seconds, 0 when unknown.
	LastFull int64
	// Pacing is what the last document asked for: TTL, SkipHours and SkipDays.
	// An answer without a document does not take it back.
	Pacing Pacing
	// Interval is the least time between two requests that the user wants for
	// this feed; 0 means what holds for all.
	Interval time.Duration
	// Told says that the user knows that the feed is failing.
	Told bool
}

// Validators are what a server gave to make the next request conditional.
// They are opaque: stored and sent back byte for byte, never parsed, and to no
// other URL than the one that gave them.
type Validators struct {
	ETag         string
	LastModified string
	// URL is which one gave them, where that was not the feed's own: the end of
	// its redirects.
	URL string
}

// A Job is one feed to refresh, with all that is known of it.
type Job struct {
	ID  int64  // the caller's; not 0, unique within a round; the Result carries it back
	URL string // absolute, http or https
	// Headers are the user's for this feed alone: lines of "Name: value" with a
	// line feed between two. They go to the feed's own origin and nowhere else,
	// and stand for what would be sent under these names.
	Headers    string
	Validators Validators
	BodyHash   uint64  // hash of the last body that was stored; 0 when none is
	Known      []Known // the items that are stored, in no order
}

// MaxLinks bounds the feeds that a Result says a page names.
const MaxLinks = 16

// A Result is what became of one Job.
type Result struct {
	ID     int64
	Class  Class
	Detail string // what happened, for people; empty when the class says it all
	Hint   string // what the user could type to change it; usually empty

	Status   int // HTTP status of the last answer; 0 when there was none
	Attempts int // requests begun for this job, not counting redirects
	// Refused says of a Connect that a host was reached, where nothing listens
	// (ECONNREFUSED) or whose server closed the connection without an answer; of a
	// DNS, that a name server said that there is no such name; of a TLS, that the
	// certificate is by an authority unknown here, not of this time, or another
	// host's. It is false when it was a proxy that refused.
	Refused bool
	// Elsewhere says that what failed, or asked to be left alone, was another host
	// than the feed's own, which redirects had led to.
	Elsewhere bool
	MovedTo   string // where a permanent redirect (301, 308) points; else empty

	// Validators and BodyHash replace what is stored. They are meant for it
	// only when the class is one of success (see Class.OK); otherwise they
	// are zero and what is stored stays.
	Validators Validators
	BodyHash   uint64

	Title string // the feed's title, when a document was parsed
	Link  string // the feed's home page, when a document was parsed

	// Items are those that ship: the new and updated ones, or all of them
	// (see Options.Ship), the oldest of the document first.
	Items []Item
	Seen  int // items in the document; 0 when none was parsed
	New   int // items that the job did not know

	Pacing Pacing
	Cost   Cost

	// Links are the feeds that an HTML page names, when one came instead of a
	// feed: absolute http and https URLs, in the page's order but those of comments last, at most MaxLinks.
	Links []string

	Reader Reader // who read the document, if one was
}

// Pacing is what a server and its document ask of the next request. Zero
// fields ask nothing.
type Pacing struct {
	MaxAge     time.Duration // Cache-Control max-age or Expires, counted from the answer
	RetryAfter time.Duration // 429 and 503, counted from the answer
	TTL        time.Duration // RSS ttl, sy:updatePeriod
	SkipHours  uint32        // bit h set: do not ask in hour h, GMT
	SkipDays   uint8         // bit d set: do not ask on weekday d, Sunday is 0, GMT
}

// A Cost is the bill of one job.
type Cost struct {
	Wire  int64         // body bytes as they came, still compressed
	Fetch time.Duration // from the first request to the last body byte
	Parse time.Duration // guard, parse, identity and diff; wall, with one parse at a time
}

// An Outcome is a Result together with what its round decided about the
// feed's future: all that a store changes in one transaction.
type Outcome struct {
	Result
	At      time.Time // when the round received the result
	NextDue time.Time // when the feed should be asked again
	Fails   int       // failures in a row, this one included; 0 after success
	Full    bool      // At is the feed's new Ref.LastFull

	// Domain is the feed's registrable domain, and HoldUntil says until when
	// that domain asked to be left alone; the zero time when it did not.
	Domain    string
	HoldUntil time.Time
}

// A Saved is what storing an Outcome did.
type Saved struct {
	ID      int64
	New     int    // items added
	FirstID int64  // of the items added, in the store: this one and those that follow it; 0 when none was
	Updated int    // items whose content was replaced in place
	Items   int    // items that the feed now has
	MovedTo string // the feed's new URL, when a permanent redirect was now believed
	Err     error  // why this feed alone was not stored; nil when it was
}
