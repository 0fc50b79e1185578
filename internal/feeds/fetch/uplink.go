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
// Rejected: to find its rate by having more and fewer requests under way. It is
// known only when it is full, and what has begun then cannot be taken back.
type uplink struct {
	end       atomic.Int64 // of the interval, after made
	interval  atomic.Int64 // its number, from 1
	fullUntil atomic.Int64 // after made
	bytes     atomic.Int64 // that came in this interval of answers that take long
	flows     atomic.Int64 // of so many

	made time.Time
	mu   sync.Mutex // held while an interval is ended
}

func newUplink() *uplink {
	l := &uplink{made: time.Now()}
	l.end.Store(int64(uplinkEvery))
	l.interval.Store(1)
	return l
}

// over returns c, whose bytes l counts from now on.
func (l *uplink) over(c net.Conn) *flow {
	return &flow{Conn: c, uplink: l}
}

// full reports whether the uplink is.
func (l *uplink) full() bool { return int64(time.Since(l.made)) < l.fullUntil.Load() }

// look ends the interval when it is over, and returns its number.
func (l *uplink) look() int64 {
	now := int64(time.Since(l.made))
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
