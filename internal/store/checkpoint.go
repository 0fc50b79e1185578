package store

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

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
	pool  *sql.DB
	dueC  chan struct{} // holds a value when there is something to copy; never closed, as a Save may be late
	stopC chan struct{} // closed by close
	wg    sync.WaitGroup
	size  atomic.Int64 // bytes of text since the last time
}

// newCopier starts a copier for the file at path. It must be closed.
func newCopier(path string) (*copier, error) {
	pool, err := sql.Open("sqlite", dataSource(path, "mode=rw"))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	c := &copier{pool: pool, dueC: make(chan struct{}, 1), stopC: make(chan struct{})}
	c.wg.Go(c.run)
	return c, nil
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
	c.pool.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
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
	return c.pool.Close()
}
