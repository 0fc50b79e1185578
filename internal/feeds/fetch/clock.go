package fetch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
)

// A clock ends one job's exchange when a time limit runs out: the whole
// request's, or the slowest body that is put up with.
// It is a single timer, because a round in which every server answers 304 has
// little else to pay for.
//
// Time spent waiting for a turn or for memory is not the server's fault, and
// the clock stands still meanwhile.
type clock struct {
	limits *limits
	stop   context.CancelCauseFunc
	late   func() // called when the exchange has not ended lateAfter its end; may be nil

	mu      sync.Mutex
	timer   *time.Timer
	running bool
	ended   bool          // stop was called
	stood   time.Time     // since when the clock stands still
	total   time.Time     // end of the whole request
	body    time.Time     // start of the body; zero when none is read
	got     *atomic.Int64 // body bytes so far
}

// newClock returns a clock that stands still. stop is called with a *Failure
// when a limit runs out.
func newClock(l *limits, stop context.CancelCauseFunc) *clock {
	now := time.Now()
	return &clock{limits: l, stop: stop, stood: now, total: now.Add(l.total)}
}

// start lets the clock go on.
func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return
	}
	now := time.Now()
	pause := now.Sub(c.stood)
	c.total = c.total.Add(pause)
	if !c.body.IsZero() {
		c.body = c.body.Add(pause)
	}
	c.running = true
	c.arm(now)
}

// pause makes the clock stand still.
func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return
	}
	c.running = false
	c.stood = time.Now()
	c.timer.Stop()
}

// readBody begins to hold the body against the slowest rate. got counts its
// bytes as they come.
func (c *clock) readBody(got *atomic.Int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = got
	c.body = time.Now()
	if c.running {
		c.arm(c.body)
	}
}

// arm sets the timer to the nearest limit. The caller holds c.mu.
func (c *clock) arm(now time.Time) {
	wait := c.total.Sub(now)
	if c.ended {
		c.timer.Reset(lateAfter)
		return
	}
	if !c.body.IsZero() {
		// From the grace on, the rate is looked at once a second.
		wait = min(wait, max(c.limits.slowAfter-now.Sub(c.body), c.limits.slowEvery))
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.fire)
		return
	}
	c.timer.Reset(wait)
}

// fire finds out which limit ran out, if any did.
func (c *clock) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return
	}
	now := time.Now()
	switch {
	case c.ended:
		if c.late != nil {
			c.late()
		}
		return
	case !now.Before(c.total):
		c.end(&feeds.Failure{Class: feeds.Timeout, Detail: fmt.Sprintf("not done within %v", c.limits.total)})
	case c.tooSlow(now):
		c.end(&feeds.Failure{Class: feeds.Slow, Detail: fmt.Sprintf("%d bytes in %v", c.got.Load(), now.Sub(c.body).Round(100*time.Millisecond))})
	}
	c.arm(now)
}

// lateAfter is how long an exchange may take to notice that it was ended. What
// takes longer is not waiting for anybody: a decoder that spins, say.
const lateAfter = 10 * time.Second

// end ends the exchange. The caller holds c.mu.
func (c *clock) end(f *feeds.Failure) {
	c.ended = true
	c.stop(f)
}

// tooSlow reports whether the body came too slowly. The rate is that of the
// whole body. Rejected: the rate of the last seconds. A server that sends much
// and then pauses would fail by it, and the limit on the whole request already
// bounds the pause.
func (c *clock) tooSlow(now time.Time) bool {
	if c.body.IsZero() {
		return false
	}
	spent := now.Sub(c.body)
	return spent >= c.limits.slowAfter && float64(c.got.Load()) < float64(c.limits.minRate)*spent.Seconds()
}
