package fetch

import (
	"time"

	"feedmill/internal/feeds"
)

// limits are an Options with every default filled in, and the bounds that no
// user has a reason to change.
type limits struct {
	lookup time.Duration // looking up the name
	dial   time.Duration // connecting
	tls    time.Duration
	total  time.Duration // the whole request, redirects and body included

	slowAfter time.Duration // from here on a body must come at minRate
	minRate   int64         // bytes a second
	lookEvery time.Duration // the longest between two looks at the time

	headerBytes int64
	body        int64 // bytes of a body decoded
	ratioFrom   int64 // decoded bytes from which the expansion counts
	ratio       int64 // decoded bytes for each that came

	perHost    int
	hostDelay  time.Duration
	retryPause time.Duration
	fetches    int
	grace      time.Duration
}

// maxMaxBody is the largest body that can be asked for: sizes stay within an
// int of any machine.
const maxMaxBody = 1<<31 - 2

// newLimits returns the limits of a Refresher that may have as many connections as
// most.
func newLimits(o feeds.Options, most int) *limits {
	total := or(o.Timeout, feeds.DefaultTimeout)
	// Whoever gives servers more time means all that they do.
	part := max(5*time.Second, total/6)
	return &limits{
		lookup:      max(10*time.Second, total/3), // a second name server is asked after 1, then each for longer
		dial:        part,
		tls:         2 * part, // the CPU of both sides has its share in it
		total:       total,
		slowAfter:   max(part, total-feeds.DefaultTimeout+part), // all that it is more
		minRate:     1 << 10,
		lookEvery:   lookEvery,
		headerBytes: 64 << 10,
		body:        min(or(o.MaxBody, feeds.DefaultMaxBody), maxMaxBody),
		ratioFrom:   1 << 20,
		ratio:       200,
		perHost:     or(o.PerHost, feeds.DefaultPerHost),
		hostDelay:   max(o.HostDelay, 0),
		retryPause:  250 * time.Millisecond,
		fetches:     max(min(or(o.Fetches, feeds.DefaultFetches), most), 1),
		grace:       or(o.DrainGrace, feeds.DefaultDrainGrace),
	}
}

// or returns v, or def where v is not set.
func or[T int | int64 | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}

// wire returns the bound on a body as it comes, in bytes. What is encoded is not
// larger than what it holds, but for a little; more is nothing but packing.
func (l *limits) wire() int64 { return l.body + 64<<10 }
