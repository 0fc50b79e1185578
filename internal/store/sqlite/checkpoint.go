package sqlite

import (
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"feedmill/internal/feeds"
)

// copyEvery is after how many bytes of item text the log is copied into the
// file, beside the round. It is more work than copying everything once in
// Close, as some pages change again, but then the machine has nothing else to
// do and the user waits. It is less than a group commit of a busy round has, so
// that Close is left with the last one: 4 MiB, just above that, left it two.
const copyEvery = 2 << 20

// A copier copies the log into the file in the background, on a connection of
// its own, beside the one that writes. It is help and no more: what it cannot
// copy, because of a reader or an error, stays in the log, which is as durable,
// and the writer's own checkpoints and Close see to it.
type copier struct {
	path  string
	conn  *sqlite.Conn  // run's; nil until there was something to copy
	dueC  chan struct{} // holds a value when there is something to copy; never closed, as a Save may be late
	stopC chan struct{} // closed by close
	wg    sync.WaitGroup
	size  atomic.Int64 // bytes of text since the last time
}

// newCopier starts a copier for the file at path. It must be closed.
func newCopier(path string) *copier {
	c := &copier{path: path, dueC: make(chan struct{}, 1), stopC: make(chan struct{})}
	c.wg.Go(c.run)
	return c
}

// run copies whenever something is due, until close.
func (c *copier) run() {
	for {
		select {
		case <-c.dueC:
			c.copy()
		case <-c.stopC:
			select {
			case <-c.dueC:
				c.copy()
			default:
			}
			return
		}
	}
}

func (c *copier) copy() {
	if c.conn == nil {
		var err error
		if c.conn, err = openConn(c.path); err != nil {
			return
		}
	}
	script(c.conn, "PRAGMA wal_checkpoint(PASSIVE)")
}

// saved tells the copier what was committed.
func (c *copier) saved(outcomes []feeds.Outcome) {
	n := 0
	for i := range outcomes {
		for j := range outcomes[i].Items {
			it := &outcomes[i].Items[j]
			n += len(it.Content) + len(it.Summary)
		}
	}
	if c.size.Add(int64(n)) < copyEvery {
		return
	}
	c.size.Store(0)
	select {
	case c.dueC <- struct{}{}:
	default: // it is at it
	}
}

// close ends the copier once it has copied what is due.
func (c *copier) close() error {
	close(c.stopC)
	c.wg.Wait()
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}
