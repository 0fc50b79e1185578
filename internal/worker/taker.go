package worker

import (
	"io"
	"sync"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A taker takes batches out of the queue that all workers share: one at a time,
// when the coordinator has said that it may and there are few jobs left here.
// It does not begin what it takes: the coordinator may know better.
//
// Rejected: to begin at once and claim meanwhile. A batch whose worker died
// between the two would have to be done again by somebody who cannot know which
// of its servers were asked already.
type taker struct {
	conn *ipc.Conn
	room int // jobs below which another batch is taken

	changed chan struct{} // holds a value when one of the fields below has changed

	mu      sync.Mutex // guards the fields below
	may     bool
	owed    int // jobs that are this worker's and not answered
	closed  bool
	claimed *ipc.Batch // taken, and not granted; nil when there is none
}

func newTaker(conn *ipc.Conn, room int) *taker {
	return &taker{conn: conn, room: room, changed: make(chan struct{}, 1)}
}

// run takes batches and calls claim with the number of each, until close is
// called or the queue has an end.
func (t *taker) run(claim func(number int64)) error {
	if !t.conn.HasJobs() {
		return nil
	}
	for t.await() {
		b, err := t.conn.Take()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		crash.At("worker: after take batch")
		t.mu.Lock()
		closed := t.closed
		t.claimed, t.may = b, false
		t.mu.Unlock()
		if closed {
			return nil // the coordinator finds out that nobody has claimed it
		}
		claim(b.Number)
		crash.At("worker: after claim batch")
	}
	return nil
}

// await waits until a batch may be taken. It returns false when none may be any
// more. While a claim is under way none may, whatever is said meanwhile: with a
// second batch the first one would be forgotten, and its Grant then a breach.
func (t *taker) await() bool {
	for {
		t.mu.Lock()
		closed, now := t.closed, t.may && t.claimed == nil && t.owed < t.room
		t.mu.Unlock()
		if closed || now {
			return !closed
		}
		<-t.changed
	}
}

// grant takes note of what the coordinator says, and returns the jobs that may
// begin.
func (t *taker) grant(g *ipc.Grant) ([]feeds.Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.claimed
	if g.Batch != 0 && (b == nil || b.Number != g.Batch) {
		return nil, unexpected("Grant of a batch that was not claimed")
	}
	if g.Batch != 0 {
		t.claimed = nil
	}
	t.may = g.Take
	t.change()
	if !g.Begin || b == nil {
		return nil, nil
	}
	crash.At("worker: after grant batch")
	return b.Jobs, nil
}

// owe adds n, which may be negative, to the jobs that are here.
func (t *taker) owe(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owed += n
	if t.owed < t.room {
		t.change()
	}
}

// close makes run return, soon.
func (t *taker) close() {
	t.mu.Lock()
	t.closed = true
	t.change()
	t.mu.Unlock()
	t.conn.StopTaking()
}

// change tells run to look again.
func (t *taker) change() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}
