//go:build linux

package run

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

// A collector counts what the garbage collector had to mark: how many bytes
// were alive at the end of each of its cycles. Times a price for a byte that is
// the CPU time it took.
//
// Rejected: /cpu/classes/gc of runtime/metrics. It is made of the wall clock,
// and on a machine that others use it was thirty times too much
// (golang.org/issue/59749). A CPU profile, whose hundred samples a second see
// nothing of a window of milliseconds.
type collector struct {
	arm    sync.Once
	cycles atomic.Int64
	marked atomic.Int64
}

// read returns the cycles and the bytes marked so far. The first call begins
// the count.
func (c *collector) read() (cycles, marked int64) {
	c.arm.Do(func() { c.sentinel() })
	return c.cycles.Load(), c.marked.Load()
}

// sentinel makes a piece of garbage that tells when it is collected, and then
// makes another one.
func (c *collector) sentinel() {
	s := new([16]byte)
	runtime.SetFinalizer(s, func(*[16]byte) {
		c.cycles.Add(1)
		c.marked.Add(liveBytes())
		c.sentinel()
	})
}

// liveBytes returns how many bytes were alive at the end of the last cycle.
func liveBytes() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// gcPrice returns what the collector takes for each byte that is alive, in
// nanoseconds of CPU time: that of a cycle of its own, over what it marks. It is
// the cheapest of three, as the first one has others' garbage to sweep.
func gcPrice() float64 {
	best := math.Inf(1)
	for range 3 {
		before := processCPU(0)
		runtime.GC()
		best = min(best, float64(processCPU(0)-before))
	}
	return best / float64(max(liveBytes(), 1))
}
