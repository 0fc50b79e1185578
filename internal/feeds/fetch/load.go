package fetch

import (
	"runtime"
	"time"
)

// How many requests a lane has under way. It begins with few, which is right
// where servers answer at once and the CPU is what a round waits for: more
// would only take memory. While all of them wait for servers and the CPU does
// not, it has more, up to a ceiling, in some 100 ms; and fewer again when
// the CPU has become scarce. The ceiling rises with each answer, as TCP's window does
// when it starts, to Options.Fetches, until the uplink was full.
//
// Rejected: as many as there may be from the beginning. On loopback a round of
// 304s then takes the same time, but a worker's memory grows by half. And to go
// by the time that an answer takes: that is long too when everybody waits for
// the CPU.
const (
	firstFetches = 16
	firstCeiling = 128
	raisedBy     = 3 // for each answer: four times as many after each time that answers take
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
