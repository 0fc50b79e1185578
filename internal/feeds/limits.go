package feeds

import "time"

// limits are an Options with every default filled in, and the bounds that no
// user has a reason to change.
type limits struct {
	dial   time.Duration // looking up the name and connecting
	tls    time.Duration
	header time.Duration // from having a connection to the last header
	total  time.Duration // the whole request, redirects and body included

	slowAfter time.Duration // from here on a body must come at minRate
	slowEvery time.Duration // how often that is looked at
	minRate   int64         // bytes a second

	headerBytes int64
	wire        int64 // bytes of a body as it comes
	body        int64 // bytes of a body decoded
	ratioFrom   int64 // decoded bytes from which the expansion counts
	ratio       int64 // decoded bytes for each that came

	perHost    int
	hostDelay  time.Duration
	retryPause time.Duration
	fetches    int
	ahead      int // jobs received and not begun
	grace      time.Duration
}

// maxMaxBody is the largest body that can be asked for: sizes stay within an
// int of any machine.
const maxMaxBody = 1<<31 - 2

func newLimits(o Options) *limits {
	return &limits{
		dial:        5 * time.Second,
		tls:         5 * time.Second,
		header:      10 * time.Second,
		total:       or(o.Timeout, DefaultTimeout),
		slowAfter:   5 * time.Second,
		slowEvery:   time.Second,
		minRate:     1 << 10,
		headerBytes: 64 << 10,
		wire:        o.maxWire(),
		body:        min(or(o.MaxBody, DefaultMaxBody), maxMaxBody),
		ratioFrom:   1 << 20,
		ratio:       200,
		perHost:     or(o.PerHost, DefaultPerHost),
		hostDelay:   max(o.HostDelay, 0),
		retryPause:  250 * time.Millisecond,
		fetches:     or(o.Fetches, DefaultFetches),
		ahead:       4096,
		grace:       or(o.DrainGrace, DefaultDrainGrace),
	}
}

// or returns v, or def where v is not set.
func or[T int | int64 | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}
