package fetch

import (
	"runtime"
	"time"
)

// How many requests a lane has under way. It begins with few, which is right
// where servers answer at once and the CPU is what a round waits for: more
// would only take memory. While all of them wait for servers and the CPU does
// not, it has more, up to a ceiling, in some 100 ms; and fewer again when
// the CPU has become scarce.
//
// Rejected: as many as there may be from the beginning. On loopback a round of
// 304s then takes the same time, but a worker's memory grows by half. And to go
// by the time that an answer takes: that is long too when everybody waits for
// the CPU.
const (
	firstFetches = 16
	probeEvery   = 5 * time.Millisecond

	busyShare = 0.7 // of the CPU time that this process may have
	busyLag   = 2 * time.Millisecond
)

// A load tells whether the process could do more.
type load struct {
	at  time.Time
	cpu time.Duration
}

// begin notes where the interval begins that busy looks back at.
func (b *load) begin() { b.at, b.cpu = time.Now(), processCPU() }

// busy reports whether the CPU was what was waited for since begin: this process
// had most of what it may have, or others have so much that it waits for its
// turn. It begins anew.
func (b *load) busy() bool {
	now := time.Now()
	late := now.Sub(b.at) - probeEvery
	runtime.Gosched() // behind every goroutine that could run
	late = max(late, time.Since(now))
	cpu, was := processCPU(), b.cpu
	share := float64(cpu-was) / float64(now.Sub(b.at)) / float64(runtime.GOMAXPROCS(0))
	b.at, b.cpu = time.Now(), cpu
	return share > busyShare || late > busyLag
}

// A ceiling bounds the requests under way by what the uplink has room for, as TCP's
// window does: it begins low and rises with each request that is over, and a little with
// time, for where servers are silent; to Options.Fetches if the uplink is never full. When
// it is, there may be half as many, and it is judged again once there are no more than
// that. From then on the ceiling rises slowly.
type ceiling struct {
	uplink *uplink
	most   int // Options.Fetches

	n        int       // that may be under way
	over     int       // requests that are over
	halved   time.Time // zero for never
	emptying bool      // more are under way than may be since then
	heeded   time.Time // when the uplink was asked last
}

const (
	raisedBy      = 2 // for each request that is over: three times as many when all are
	raisedEvery   = 4 // and once the uplink was full by one, for so many that are over
	fewestFetches = 8
	emptyingMost  = 5 * time.Second
)

func newCeiling(u *uplink, most int) ceiling {
	return ceiling{uplink: u, most: most, n: min(firstFetches, most), heeded: time.Now()}
}

func (c *ceiling) set(n int) { c.n = min(max(n, fewestFetches), c.most) }

// raise is told that a request is over.
func (c *ceiling) raise() {
	c.over++
	switch {
	case c.halved.IsZero():
		c.set(c.n + raisedBy)
	case !c.emptying && c.over%raisedEvery == 0:
		c.set(c.n + 1)
	}
}

// heed asks the uplink whether it is full of what is under way.
func (c *ceiling) heed(underWay int) {
	now := time.Now()
	if now.Sub(c.heeded) < uplinkEvery {
		return
	}
	c.heeded = now
	switch {
	case c.emptying:
		c.emptying = underWay > c.n && now.Sub(c.halved) < emptyingMost
		c.uplink.recount(c.emptying)
	case !c.uplink.full() && c.halved.IsZero():
		c.set(c.n + c.n/4)
	case !c.uplink.full():
		c.set(c.n + 1)
	case c.n <= fewestFetches:
		c.uplink.accept()
	default:
		c.halved, c.emptying = now, true
		c.set(min(c.n, underWay) / 2)
	}
}
