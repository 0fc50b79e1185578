package origin

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// A bodyKey names a body: the tag of its representation, and its coding.
type bodyKey struct {
	tag string
	enc coding
}

// maxEpoch keeps every date before 2037.
const maxEpoch = 100_000

// A cache has the present epoch, and keeps bodies of it up to a number of bytes.
// What does not fit is made anew each time.
//
// Rejected: dropping the oldest. A round asks for each feed once, in an order
// that the next one repeats, and then the oldest is just what comes next.
type cache struct {
	limit int64 // negative: keep nothing
	epoch atomic.Int64

	mu     sync.RWMutex
	bodies map[bodyKey][]byte
	size   int64
}

func (c *cache) get(k bodyKey) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	body, ok := c.bodies[k]
	return body, ok
}

// put keeps a copy of body when there is room.
func (c *cache) put(k bodyKey, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+int64(len(body)) > c.limit {
		return
	}
	if _, ok := c.bodies[k]; ok {
		return
	}
	if c.bodies == nil {
		c.bodies = make(map[bodyKey][]byte)
	}
	c.bodies[k] = bytes.Clone(body)
	c.size += int64(len(body))
}

// set begins epoch n, or the nearest one within bounds.
func (c *cache) set(n int) { c.move(func(int64) int64 { return int64(n) }) }

// add moves n epochs on and returns the new one.
func (c *cache) add(n int) int { return c.move(func(old int64) int64 { return old + int64(n) }) }

func (c *cache) move(to func(old int64) int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := min(max(to(c.epoch.Load()), 0), maxEpoch)
	c.epoch.Store(next)
	clear(c.bodies)
	c.size = 0
	return int(next)
}
