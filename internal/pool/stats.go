package pool

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what a Pool's workers have cost, over all calls of Run.
type Stats struct {
	Sent     int64         // bytes written to workers
	Received int64         // bytes read from workers, frames and their headers
	CPU      time.Duration // user and system time of all workers that ended
	PeakRSS  []int64       // most memory resident, in bytes, by worker number; 0 where it is not known
	Workers  int           // processes at a time; fewer than asked for where the system has no room
	Spawns   int           // processes started
	Deaths   int           // processes that ended before they had answered all
	Sandbox  string        // the level that the last worker to start reached
}

// counters are what a Pool counts, over all calls of Run.
type counters struct {
	spawns   atomic.Uint32 // processes that were to be started
	progress atomic.Int64  // how often anything moved

	mu    sync.Mutex // guards the fields below
	stats Stats
	ooms  int64 // processes of this one's group that died for want of memory
	kept  int   // documents of feeds that killed
}

// soFar returns a copy of what was counted so far.
func (c *counters) soFar() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.PeakRSS = append([]int64(nil), s.PeakRSS...)
	return s
}

// generation returns the number of the process that is about to be started.
func (c *counters) generation() uint32 { return c.spawns.Add(1) }

// moved notes that something went on.
func (c *counters) moved() { c.progress.Add(1) }

// note changes what is counted for all to see.
func (c *counters) note(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// outOfMemory reports whether the system has killed somebody for want of
// memory since it was asked last.
func (c *counters) outOfMemory() bool {
	now := oomKills()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.ooms
	c.ooms = now
	return now > before
}

// bill adds what a process that is gone has cost.
func (c *counters) bill(sent, received int64, cpu time.Duration) {
	c.note(func(st *Stats) {
		st.Sent += sent
		st.Received += received
		st.CPU += cpu
	})
}

// keep counts a document that is to be kept, and reports whether there were fewer
// than most before.
func (c *counters) keep(most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept++
	return c.kept <= most
}
