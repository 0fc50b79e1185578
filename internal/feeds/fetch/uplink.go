package fetch

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	uplinkEvery = 500 * time.Millisecond // how often an uplink is looked at, while anything comes
	uplinkFew   = 32                     // answers that may come slowly at a time because their servers are slow
	uplinkSlow  = 16 << 10               // bytes a second of each, on average, that are slow

	// How long connections take, in the mean of so many that begin one after the other,
	// tells whether they wait in a queue, or are lost there: then one takes a second and
	// more (RFC 6298), and more is not counted.
	connectCohort = 32
	connectMost   = time.Second
	connectMore   = 200 * time.Millisecond // than usual, where an uplink is full
)

// An uplink is this machine's own way to the network, as far as one Refresher fills it.
// It is full while many answers that take long all come slowly: then they wait for
// each other and not for their servers, so that no server's time is spent, and fewer
// are asked for at a time. Over 10 Mbit/s 1,024 requests for 40 KB were under
// way at a time, and more than half of 3,000 feeds not done within 30 s.
//
// Answers that come within an interval or two say nothing, and nor do servers that send
// nothing: a list has many of both.
//
// It is full, too, while connections take longer than those took that began first, when few
// were under way: routers keep what they cannot send in a queue, drop what does not fit
// there, and have no room for more than so many flows. Over 20 Mbit/s with a queue of
// 0.4 s every fifth of 3,000 feeds was not done in time, though few came slowly at any
// moment: the others waited for what was lost.
//
// Rejected: to find its rate by having more and fewer requests under way. It is
// known only when it is full, and what has begun then cannot be taken back.
type uplink struct {
	end       atomic.Int64 // of the interval, after made
	interval  atomic.Int64 // its number, from 1
	fullUntil atomic.Int64 // after made
	came      atomic.Int64 // when anything came last, after made
	bytes     atomic.Int64 // that came in this interval of answers that take long
	flows     atomic.Int64 // of so many

	made time.Time
	mu   sync.Mutex // held while an interval is ended

	connects sync.Mutex    // guards what follows
	count    int           // how often what was under way was discounted
	cohort   *cohort       // of the connections that begin now
	usual    time.Duration // the mean of the first cohort, or what was accepted
	crowded  time.Duration // the mean by which it was full; zero since it was discounted
}

// A cohort is connections that began one after the other. Those that come about at once
// must not be taken for all: who is silent is heard of last.
type cohort struct {
	begun, over int
	took        time.Duration // all together
	count       int           // the uplink's when it began
}

func newUplink() *uplink {
	l := &uplink{made: time.Now(), cohort: new(cohort)}
	l.end.Store(int64(uplinkEvery))
	l.interval.Store(1)
	return l
}

// over returns c, whose bytes l counts from now on.
func (l *uplink) over(c net.Conn) *flow {
	return &flow{Conn: c, uplink: l}
}

// fullSince reports whether the uplink was full at any time since then.
func (l *uplink) fullSince(t time.Time) bool { return int64(t.Sub(l.made)) < l.fullUntil.Load() }

// full reports whether the uplink is.
func (l *uplink) full() bool { return int64(time.Since(l.made)) < l.fullUntil.Load() }

// uplinkDead is for how long nothing comes over an uplink that is not full but gone.
const uplinkDead = 4 * time.Second

// dead reports whether the uplink seems to be gone. Whether it is the coordinator finds
// out, from what all workers tell it.
func (l *uplink) dead() bool { return int64(time.Since(l.made))-l.came.Load() > int64(uplinkDead) }

// look ends the interval when it is over, and returns its number.
func (l *uplink) look() int64 {
	now := int64(time.Since(l.made))
	l.came.Store(now)
	if now >= l.end.Load() && l.mu.TryLock() {
		defer l.mu.Unlock()
		bytes, flows := l.bytes.Swap(0), l.flows.Swap(0)
		if flows >= uplinkFew && bytes < flows*int64(uplinkSlow*uplinkEvery/time.Second) {
			l.fullUntil.Store(now + 2*int64(uplinkEvery))
		}
		l.end.Store(now + int64(uplinkEvery))
		l.interval.Add(1)
	}
	return l.interval.Load()
}

// A flow is a connection whose bytes an uplink counts.
type flow struct {
	net.Conn
	uplink *uplink
	began  atomic.Int64 // the interval of the answer's first byte; 0 before
	told   atomic.Int64 // the last interval in which it counted
}

// begin says that a request is made next.
func (f *flow) begin() { f.began.Store(0) }

func (f *flow) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	now := f.uplink.look()
	f.began.CompareAndSwap(0, now)
	if f.began.Load() < now-1 {
		f.uplink.bytes.Add(int64(n))
		if f.told.Swap(now) != now {
			f.uplink.flows.Add(1)
		}
	}
	return n, err
}

// connecting notes that a connection to a host begins. The caller calls done when that is
// over, whatever it came to.
func (l *uplink) connecting() (done func()) {
	l.connects.Lock()
	defer l.connects.Unlock()
	c, begun := l.cohort, time.Now()
	if c.begun++; c.begun == connectCohort {
		l.cohort = &cohort{count: l.count}
	}
	late := time.AfterFunc(connectMost, func() { l.took(c, time.Since(begun)) })
	return func() {
		if late.Stop() {
			l.took(c, time.Since(begun))
		}
	}
}

// took notes how long a connection of a cohort took.
func (l *uplink) took(c *cohort, d time.Duration) {
	l.connects.Lock()
	defer l.connects.Unlock()
	c.took += min(d, connectMost)
	if d > connectMost+lateLook { // this process did not run
		c.count = -1
	}
	if c.over++; c.over < connectCohort || c.count != l.count {
		return
	}
	mean := c.took / connectCohort
	if l.usual == 0 {
		l.usual = mean
	}
	if mean >= l.usual+connectMore {
		l.crowded = mean
		l.fullUntil.Store(int64(time.Since(l.made) + 2*uplinkEvery))
	}
}

// recount says that what is under way says nothing of how full the uplink will be; and
// whether it is full until more is known.
func (l *uplink) recount(full bool) {
	l.connects.Lock()
	defer l.connects.Unlock()
	l.count++
	l.cohort, l.crowded = &cohort{count: l.count}, 0
	until := time.Since(l.made)
	if full {
		until += 2 * uplinkEvery
	}
	l.fullUntil.Store(int64(until))
}

// accept says that there cannot be fewer requests under way: if connections take long now,
// they always do.
func (l *uplink) accept() {
	l.connects.Lock()
	l.usual = max(l.usual, l.crowded)
	l.connects.Unlock()
	l.recount(false)
}
