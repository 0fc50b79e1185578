// Package feeds says what a feed is and how one is refreshed: fetched with
// conditional requests, parsed, given identities and compared with what is
// already known.
//
// It knows nothing of processes, of the wire between them or of the store, and
// it keeps no state between two refreshes except open connections: whatever a
// refresh needs comes in with its [Job], and whatever it found leaves in its
// [Result].
package feeds

import "time"

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

// An Enclosure is a file that belongs to an item, such as a podcast's audio.
type Enclosure struct {
	URL    string
	Type   string // media type as given
	Length int64  // bytes as declared; 0 when absent or not a number
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
}

// Validators are what a server gave to make the next request conditional.
// They are opaque: stored and sent back byte for byte, never parsed.
type Validators struct {
	ETag         string
	LastModified string
}

// A Job is one feed to refresh, with all that is known of it.
type Job struct {
	ID         int64  // the caller's; not 0, unique within a round; the Result carries it back
	URL        string // absolute, http or https
	Validators Validators
	BodyHash   uint64  // hash of the last body that was stored; 0 when none is
	Known      []Known // the items that are stored, in no order
	// Spans is Result.Spans of the last document that was read; empty when none
	// was, or nobody kept it.
	Spans string
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
	// Refused says of a Connect that the feed's own host answered, and that
	// nothing listens there (ECONNREFUSED): the network works. It is false
	// when it was a proxy that refused.
	Refused bool
	MovedTo string // where a permanent redirect (301, 308) points; else empty

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
	// New and Updated count the items that the job did not know, or knew
	// with another content.
	New     int
	Updated int

	Pacing Pacing
	Cost   Cost

	// Links are the feeds that an HTML page names, when one came instead of a
	// feed: absolute http and https URLs, in the page's order, at most MaxLinks.
	Links []string

	// Reader is who read the document, if one was, and Declined why the fast
	// reader left it to gofeed.
	Reader   Reader
	Declined Decline

	// Spans is what the next job for the feed should have of this document, at
	// most MaxSpans bytes that mean nothing to anybody else. They replace what
	// is stored when the class is OK, and only then; empty is a value, too.
	Spans string
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
	Wire    int64         // body bytes as they came, still compressed
	Decoded int64         // body bytes after decompression
	Fetch   time.Duration // from the first request to the last body byte
	Parse   time.Duration // guard, parse, identity and diff; wall, with one parse at a time
	// ParseCPU is the CPU time of Parse, without what the garbage collector
	// did beside it; 0 where the system does not tell.
	ParseCPU time.Duration
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
	Updated int    // items whose content was replaced in place
	Items   int    // items that the feed now has
	MovedTo string // the feed's new URL, when a permanent redirect was now believed
	Err     error  // why this feed alone was not stored; nil when it was
}
