package worker

import (
	"sync"

	"feedmill/internal/feeds"
)

// An inbox holds the jobs that came and were not begun, in order. It has no
// bound of its own: the coordinator has one on what it sends, and stdin must
// be read whatever happens. Any goroutine may use it, but only one takes jobs
// out.
type inbox struct {
	changed chan struct{} // holds a value when the head may have become another one

	mu      sync.Mutex // guards the fields below
	waiting []waiting
	closed  bool
}

// A waiting is a job in an inbox.
type waiting struct {
	job       feeds.Job
	cancelled bool
}

// inboxState says what is to be done with the head of an inbox.
type inboxState int

const (
	inboxReady   inboxState = iota // begin it
	inboxRefused                   // do not: it was cancelled, or the inbox closed
	inboxEmpty                     // there is none now
	inboxEnded                     // there will be none
)

func newInbox() *inbox { return &inbox{changed: make(chan struct{}, 1)} }

// change tells the goroutine that takes jobs to look again.
func (b *inbox) change() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// add puts jobs at the end. It reports false, and takes none, when the inbox
// is closed.
func (b *inbox) add(jobs []feeds.Job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	for _, j := range jobs {
		b.waiting = append(b.waiting, waiting{job: j})
	}
	b.change()
	return true
}

// cancel marks a job as not to be begun and reports whether it is here.
func (b *inbox) cancel(id int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.waiting {
		if b.waiting[i].job.ID == id {
			b.waiting[i].cancelled = true
			b.change()
			return true
		}
	}
	return false
}

// close refuses all jobs that are here or come later.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.change()
}

// head returns the first job, without taking it out, and what to do with it.
func (b *inbox) head() (feeds.Job, inboxState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		if b.closed {
			return feeds.Job{}, inboxEnded
		}
		return feeds.Job{}, inboxEmpty
	}
	if first := b.waiting[0]; b.closed || first.cancelled {
		return first.job, inboxRefused
	}
	return b.waiting[0].job, inboxReady
}

// pop takes out the first job and reports whether it was cancelled.
func (b *inbox) pop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.waiting[0]
	b.waiting[0] = waiting{} // so that what it knew can be freed
	b.waiting = b.waiting[1:]
	return first.cancelled
}

// len returns how many jobs are here.
func (b *inbox) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}
