package fetch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
)

// A clock ends one job's exchange when a time limit runs out: the whole request's,
// or the slowest body that is put up with.
// It is a single timer, because a round in which every server answers 304 has
// little else to pay for.
//
// Time spent waiting for a turn or for memory is not the server's fault, and
// the clock stands still meanwhile. Nor is time in which this process did not run:
// a user had stopped it, or the machine had no turn for it. So the clock looks at
// the time once a second at least, and a second that takes longer is one second. Nor is
// time in which the uplink was full, up to the limit once more.
//
// Rejected: the time that the machine has counted. Whoever stopped a round for half
// a minute found every feed under way timed out, and its host blamed for it.
type clock struct {
	limits *limits
	uplink *uplink // nil for one that is never full
	stop   context.CancelCauseFunc
	late   func() // called when the exchange has not ended lateAfter its end; may be nil

	mu      sync.Mutex
	timer   *time.Timer
	running bool
	looked  time.Time     // when the clock was last looked at, while it runs
	wait    time.Duration // from then until the timer fires
	spent   time.Duration // what counts
	waited  time.Duration // for the uplink

	ended time.Duration // of spent, when stop was called; zero before
	body  time.Duration // of spent, when the body began
	got   *atomic.Int64 // body bytes so far; nil when none is read
}

const (
	// lookEvery is the longest between two looks at the time.
	lookEvery = time.Second
	// lateLook is how much of what a look comes too late counts nevertheless.
	lateLook = 100 * time.Millisecond
	// lateAfter is how long an exchange may take to notice that it was ended. What
	// takes longer is not waiting for anybody: a decoder that spins, say.
	lateAfter = 10 * time.Second
)

// newClock returns a clock that stands still. stop is called with a *Failure
// when a limit runs out.
func newClock(l *limits, k *uplink, stop context.CancelCauseFunc) *clock {
	return &clock{limits: l, uplink: k, stop: stop}
}

// within returns a context that ends after limit, in time that a clock counts, and stop,
// which the caller calls. Its cause is a *Failure then.
func within(ctx context.Context, limit time.Duration, k *uplink) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	c := newClock(&limits{total: limit, lookEvery: lookEvery}, k, cancel)
	c.start()
	return limited, func() { c.pause(); cancel(nil) }
}

// start lets the clock go on.
func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return
	}
	if c.ended > 0 {
		c.ended = c.spent
	}
	c.running, c.looked = true, time.Now()
	c.arm()
}

// pause makes the clock stand still.
func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return
	}
	c.count()
	c.running = false
	c.timer.Stop()
}

// readBody begins to hold the body against the slowest rate. got counts its
// bytes as they come.
func (c *clock) readBody(got *atomic.Int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count()
	c.got, c.body = got, c.spent
	c.arm()
}

// count adds what has gone by since the last look. The caller holds c.mu, and calls
// arm when the clock goes on.
func (c *clock) count() {
	if !c.running {
		return
	}
	now := time.Now()
	passed := min(now.Sub(c.looked), c.wait+lateLook)
	c.looked = now
	if c.uplink != nil && c.waited < c.limits.total && c.uplink.full() {
		c.waited += passed
		return
	}
	c.spent += passed
}

// arm sets the timer to the nearest limit, or to the next look. The caller holds c.mu.
func (c *clock) arm() {
	if !c.running {
		return
	}
	wait := min(c.limits.lookEvery, c.limits.total-c.spent)
	if c.got != nil {
		// From the grace on, the rate is looked at as often as the time.
		if grace := c.body + c.limits.slowAfter - c.spent; grace > 0 {
			wait = min(wait, grace)
		}
	}
	if c.ended > 0 {
		wait = min(c.limits.lookEvery, c.ended+lateAfter-c.spent)
	}
	c.wait = max(wait, 0)
	if c.timer == nil {
		c.timer = time.AfterFunc(c.wait, c.fire)
		return
	}
	c.timer.Reset(c.wait)
}

// fire finds out which limit ran out, if any did.
func (c *clock) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return
	}
	c.count()
	var f *feeds.Failure
	switch body := c.spent - c.body; {
	case c.ended > 0:
		if c.spent >= c.ended+lateAfter {
			if c.late != nil {
				c.late()
			}
			return
		}
	case c.spent >= c.limits.total:
		f = &feeds.Failure{Class: feeds.Timeout, Detail: fmt.Sprintf("not done within %v", c.limits.total)}
	case c.got != nil && c.tooSlow(body):
		f = &feeds.Failure{Class: feeds.Slow, Detail: fmt.Sprintf("%d bytes in %v", c.got.Load(), body.Round(100*time.Millisecond))}
	}
	if f != nil {
		c.ended = c.spent
		c.stop(f)
	}
	c.arm()
}

// tooSlow reports whether the body, which took spent so far, came too slowly. The rate
// is that of the whole body. Rejected: the rate of the last seconds. A server that
// sends much and then pauses would fail by it, and the limit on the whole request
// already bounds the pause.
func (c *clock) tooSlow(spent time.Duration) bool {
	return spent >= c.limits.slowAfter && float64(c.got.Load()) < float64(c.limits.minRate)*spent.Seconds()
}
