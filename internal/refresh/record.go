package refresh

import (
	"context"
	"fmt"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// A group commit ends when one of these is reached: so many outcomes, so much
// time after its first, or so many bytes of item text.
const (
	commitOutcomes = 256
	commitAfter    = 50 * time.Millisecond
	commitBytes    = 8 << 20
)

// A StoreError says that the store could not be used and that the round was
// stopped for it. What was stored before stays.
type StoreError struct {
	Op  string // what was tried: "read holds", "load jobs" or "save outcomes"
	Err error
}

// Error returns what was tried and why it failed.
func (e *StoreError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }

// An entry is an outcome on its way to the store and to the report.
type entry struct {
	ref     int32
	worker  int
	outcome feeds.Outcome
	release func() // gives back the memory of the outcome's items; may be nil
}

// forget drops the items, which are stored or never will be: a round must not
// keep what it has read.
func (e *entry) forget() {
	e.outcome.Items = nil
	if e.release != nil {
		e.release()
	}
}

// A recorder is the one goroutine that writes to the store. It commits
// outcomes in groups, since a durable commit costs the same for one as for
// hundreds, and reports each once it is stored.
type recorder struct {
	store  Store
	refs   []feeds.Ref
	quiet  func() bool // no job is under way, so nothing will come soon
	stop   func(error) // ends the run
	report func(Report)

	pending []entry
	size    int // bytes of item text in pending
	failed  *StoreError
}

// run records what comes on in until it is closed. Its context has no end of
// its own: results that arrive after an interrupt are finished work, and are
// stored.
func (r *recorder) run(ctx context.Context, in <-chan []entry) {
	timer := time.NewTimer(commitAfter)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case entries, ok := <-in:
			if !ok {
				r.commit(ctx)
				return
			}
			if len(r.pending) == 0 {
				timer.Reset(commitAfter)
			}
			for _, e := range entries {
				r.add(ctx, e)
			}
			if len(in) == 0 && r.quiet() {
				r.commit(ctx)
			}
		case <-timer.C:
			r.commit(ctx)
		}
	}
}

// add takes one entry in, and commits when the group is full.
func (r *recorder) add(ctx context.Context, e entry) {
	if e.outcome.Class == feeds.Cancelled {
		e.forget()
		r.tell(e.ref, e.worker, &e.outcome, feeds.Saved{ID: e.outcome.ID})
		return
	}
	r.pending = append(r.pending, e)
	r.size += textSize(e.outcome.Items)
	if len(r.pending) >= commitOutcomes || r.size >= commitBytes {
		r.commit(ctx)
	}
}

// commit stores what is pending and reports it.
func (r *recorder) commit(ctx context.Context) {
	if len(r.pending) == 0 {
		return
	}
	// The reports point into outcomes, and their receiver may keep them: each
	// group has its own.
	outcomes := make([]feeds.Outcome, len(r.pending))
	for i := range r.pending {
		outcomes[i] = r.pending[i].outcome
	}
	saved := r.save(ctx, outcomes)
	for i := range outcomes {
		o := &outcomes[i]
		o.Items = nil
		r.pending[i].forget()
		kept := feeds.Saved{ID: o.ID}
		switch {
		case saved == nil:
			o.Class, o.Detail = feeds.Store, r.failed.Error()
			kept.Err = r.failed
		case saved[i].Err != nil:
			o.Class, o.Detail = feeds.Store, saved[i].Err.Error()
			kept = saved[i]
		default:
			kept = saved[i]
		}
		r.tell(r.pending[i].ref, r.pending[i].worker, o, kept)
	}
	clear(r.pending)
	r.pending, r.size = r.pending[:0], 0
}

// save stores outcomes. It returns nil when the store failed, now or before.
func (r *recorder) save(ctx context.Context, outcomes []feeds.Outcome) []feeds.Saved {
	if r.failed != nil {
		return nil
	}
	crash.At("coordinator: before save")
	saved, err := r.store.Save(ctx, outcomes)
	crash.At("coordinator: after save")
	if err == nil && len(saved) != len(outcomes) {
		err = fmt.Errorf("%d outcomes were given and %d came back", len(outcomes), len(saved))
	}
	if err != nil {
		r.failed = &StoreError{Op: "save outcomes", Err: err}
		r.stop(r.failed)
		return nil
	}
	return saved
}

func (r *recorder) tell(ref int32, worker int, o *feeds.Outcome, saved feeds.Saved) {
	r.report(Report{URL: r.refs[ref].URL, Worker: worker, Outcome: o, Saved: saved})
}

// textSize returns about how much memory items hold.
func textSize(items []feeds.Item) int {
	const item = 256 // the struct and what allocations round up
	n := item * len(items)
	for i := range items {
		it := &items[i]
		n += len(it.GUID) + len(it.Link) + len(it.Title) + len(it.Author) +
			len(it.Summary) + len(it.Content) + len(it.Image)
	}
	return n
}
