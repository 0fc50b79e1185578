package ipc

import (
	"sync"
	"sync/atomic"

	"feedmill/internal/feeds"
)

// Frames come into memory that is used again: nearly all that a message with
// items needs, its bytes and its lists, is given back by Message.Release. One
// that is never released is left to the garbage collector, so forgetting it is
// no leak.

// chunkSize is how much memory is read into at a time, in bytes: a frame of
// PieceSize with what is around it, or some results of usual size. More would be
// held for a few items by every worker that has sent some.
const chunkSize = PieceSize + leastRoom

// keepItems bounds the lists that are kept to be used again, in items: more
// than fit any frame of PieceSize.
const keepItems = PieceSize / minItem

// A chunk is memory that frames are read into, one behind the other.
type chunk struct {
	b []byte
	// users is how many have it: the inlet that reads into it, and each
	// message that has items in it.
	users atomic.Int32
	// free, where it is set, gives back b, which is not of the pool, such as a
	// mapping. Nothing is ever written to such a b.
	free func()
}

var chunks = sync.Pool{New: func() any { return &chunk{b: make([]byte, chunkSize)} }}

// newChunk returns a chunk with one user. What is in it is of no meaning.
func newChunk() *chunk {
	c := chunks.Get().(*chunk)
	c.users.Store(1)
	return c
}

// unused reports whether c has no user but the one who asks, so that what was
// in it may be written over.
func (c *chunk) unused() bool { return c.users.Load() == 1 && !poison.Load() }

// drop takes a user away, and with the last one the chunk.
func (c *chunk) drop() {
	if c.users.Add(-1) > 0 {
		return
	}
	switch {
	case c.free != nil:
		c.free()
	case !poison.Load():
		chunks.Put(c)
	}
}

// foreignChunk returns a chunk with one user, of memory that free gives back.
func foreignChunk(b []byte, free func()) *chunk {
	c := &chunk{b: b, free: free}
	c.users.Store(1)
	return c
}

// A list is what the items of one message take besides their bytes.
type list struct {
	items      []feeds.Item
	categories slab[string]
	enclosures slab[feeds.Enclosure]
}

var lists = sync.Pool{New: func() any { return new(list) }}

// newList returns a list with room for n items, all zero.
func newList(n int) *list {
	l := lists.Get().(*list)
	if cap(l.items) < n {
		l.items = make([]feeds.Item, n)
	}
	l.items = l.items[:n]
	l.categories.left, l.enclosures.left = maxNested, maxNested
	return l
}

// drop gives l back. It lets go of what was in it, which may be long.
func (l *list) drop() {
	clear(l.items)
	l.categories.reset()
	l.enclosures.reset()
	if cap(l.items) <= keepItems && !poison.Load() {
		lists.Put(l)
	}
}

// A hold is the memory that a message's items have. The zero hold is none.
type hold struct {
	list  *list
	chunk *chunk // nil when their bytes belong to the garbage collector
	bytes []byte // theirs in the chunk
}

// Release gives back the memory of m's items, which nobody may look at any
// more, nor at a copy of them; all else in m stays. Only messages with items
// have such memory; for others, and the second time, Release does nothing. It
// may be called on any goroutine, also while later messages are received. Who
// keeps an item for longer copies it; who does not know for how long need not
// call Release at all.
func (m *Message) Release() {
	h := m.hold
	m.hold = hold{}
	if h.list == nil {
		return
	}
	switch {
	case m.Items != nil:
		m.Items.Items = nil
	case m.Result != nil:
		m.Result.Items = nil
	case m.Call != nil:
		m.Call.Items = nil
	case m.Reply != nil:
		m.Reply.Items = nil
	}
	if poison.Load() && h.chunk != nil && h.chunk.free == nil {
		for i := range h.bytes {
			h.bytes[i] = poisonByte
		}
	}
	h.list.drop()
	if h.chunk != nil {
		h.chunk.drop()
	}
}

const poisonByte = 0xdb

// poison says that memory which is given back is spoilt and never used again.
var poison atomic.Bool

func init() { poison.Store(poisoned) }

// PoisonReleased makes Release spoil what it gives back, for the rest of the
// program, so that whoever still looks at it cannot fail to notice. It is for
// tests; programs that are built for the race detector or with crash points do
// so by themselves.
func PoisonReleased() { poison.Store(true) }
