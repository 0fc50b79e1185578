package store

import (
	"cmp"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// A Feed is a subscribed feed as it is stored.
type Feed struct {
	ID       int64
	URL      string
	Title    string // the feed's own
	Link     string // the home page
	Name     string // the user's, which stands for Title; empty when they gave none
	Category string // the user's, see feeds.Subscription
	Settings Settings

	Class  feeds.Class // how the last refresh ended; empty when there was none
	Detail string
	Status int  // of HTTP; 0 when there was no answer
	Fails  int  // failures in a row
	Told   bool // the user has been told that it is failing, see Tell

	NextDue     time.Time // zero: at once
	LastChecked time.Time // zero: never
	LastSuccess time.Time // zero: never

	Validators feeds.Validators
	Items      int // stored items
}

// Label returns what people call the feed: its name, else its title, else its
// URL without a password.
func (f *Feed) Label() string { return cmp.Or(f.Name, f.Title, feeds.RedactURL(f.URL)) }

// Settings are what the user wants for one feed. The zero value is what holds for
// all of them.
type Settings struct {
	Headers  string        // see feeds.Job.Headers
	Interval time.Duration // the least time between two requests; 0 as for all
	Paused   bool          // not asked
}

// A FeedQuery chooses feeds. The zero value chooses all of them.
type FeedQuery struct {
	URLs    []string  // only the feeds that have or had these; nil means any
	IDs     []int64   // only these; nil means any
	Failing bool      // only those whose last refresh failed
	Order   FeedOrder // those that are equal by it come as they were subscribed
}

// A FeedOrder is what feeds are listed by.
type FeedOrder int

// The orders. Letters are compared without regard to the case of those of ASCII.
const (
	ByArrival FeedOrder = iota
	ByName              // as they are called: name, title or else URL
	ByCategory
	ByFails   // most first
	ByDue     // soonest first
	ByChecked // latest first
	ByItems   // most first
)

// feedOrders are the orders as SQL has them.
var feedOrders = [...]string{
	ByArrival:  "id",
	ByName:     "lower(coalesce(nullif(name, ''), nullif(title, ''), url) %s), id",
	ByCategory: "lower(category %s), id",
	ByFails:    "fails DESC, id",
	ByDue:      "next_due, id",
	ByChecked:  "coalesce(last_checked, 0) DESC, id",
	ByItems:    "items DESC, id",
}

// SQL returns what feeds are ordered by; the collation of texts is that of their bytes,
// and knows no letters but those of ASCII.
func (o FeedOrder) SQL(collation string) string {
	return strings.ReplaceAll(feedOrders[o], "%s", collation)
}

// A DueQuery chooses the feeds of a round.
type DueQuery struct {
	Now   time.Time
	By    time.Time // when those that are due must have been; zero means Now
	Early bool      // also feeds that are not due
	Force bool      // also feeds that are not due or gone, and with IDs those that are paused
	IDs   []int64   // only these; nil means any
}

// SQL returns the query for what q chooses, whatever its time and its ids are: the
// columns of a feeds.Ref in their order, and conditions.
func (q *DueQuery) SQL() string {
	text := `SELECT id, url, fails, coalesce(last_full, 0), ttl, skip_hours & 16777215, skip_days & 127, interval, told FROM feeds WHERE true`
	if !q.Force || q.IDs == nil {
		text += ` AND NOT paused`
	}
	if !q.Force {
		text += ` AND class <> 'gone'`
	}
	return text
}

// FarthestDue and FarthestHold are further ahead than any round sets a feed's next
// due time and the end of a hold. What claims to be later was set by a wrong clock.
const (
	FarthestDue  = 31 * 24 * time.Hour
	FarthestHold = 8 * 24 * time.Hour
)
