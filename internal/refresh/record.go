package refresh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// A group commit ends when one of these is reached: so many outcomes, so much
// time after its first, or so many bytes of item text.
const (
	commitOutcomes = 256
	commitAfter    = 50 * time.Millisecond
	commitBytes    = 4 << 20
)

// commitEarly is the bytes of item text from which on a group need not wait for
// anything but the group before it. What is stored sooner need not be stored
// after the last feed has come, when nothing else is left to do.
const commitEarly = 1 << 20

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
	outcome feeds.Outcome
}

// A recorder writes to the store. It commits outcomes in groups, since a
// durable commit costs the same for one as for hundreds, and reports each once
// it is stored. While one group is written the next one gathers.
type recorder struct {
	store  Store
	refs   []feeds.Ref
	quiet  func() bool // no job is under way, so nothing will come soon
	stop   func(error) // ends the run
	report func(Report)

	pending commitGroup
	ripe    bool // pending need not wait for more

	failed *StoreError // the writing goroutine's, until run returns
}

// A commitGroup is what one commit stores, and what is reported with it.
type commitGroup struct {
	entries []entry // those of a class other than cancelled go to the store
	size    int64   // of the items, about, in bytes
}

// full reports whether nothing more may join the group.
func (g *commitGroup) full() bool { return len(g.entries) >= commitOutcomes || g.size >= commitBytes }

// run records what comes on in until it is closed. Its context has no end of
// its own: results that arrive after an interrupt are finished work, and are
// stored.
//
// It holds at most two groups, one that is written and one that gathers, and
// takes nothing in while the second is full: so a slow store slows the workers.
func (r *recorder) run(ctx context.Context, in <-chan []entry) {
	groups := make(chan commitGroup) // without room: who can send knows that nothing is being written
	var writing sync.WaitGroup
	writing.Go(func() {
		for g := range groups {
			r.commit(ctx, g)
		}
	})
	r.gather(in, groups)
	close(groups)
	writing.Wait()
}

// gather makes groups of what comes on in until it is closed and all of it is
// handed on.
func (r *recorder) gather(in <-chan []entry, groups chan<- commitGroup) {
	timer := time.NewTimer(commitAfter)
	timer.Stop()
	defer timer.Stop()
	var came []entry // not in a group yet
	for open := true; open || len(came)+len(r.pending.entries) > 0; {
		for len(came) > 0 && !r.pending.full() {
			if len(r.pending.entries) == 0 {
				timer.Reset(commitAfter)
			}
			r.pending.entries = append(r.pending.entries, came[0])
			r.pending.size += feeds.SizeOf(came[0].outcome.Items)
			came = came[1:]
		}
		from, to := in, groups // nil where nothing may pass
		if !open || len(came) > 0 || r.pending.full() {
			from = nil
		}
		idle := !open || len(in) == 0 && r.quiet()
		if r.ripe = r.ripe || r.enough(idle); !r.ripe {
			to = nil
		}
		select {
		case came, open = <-from:
		case to <- r.pending:
			r.pending, r.ripe = commitGroup{}, false
			timer.Stop()
		case <-timer.C:
			r.ripe = true
		}
	}
}

// enough reports whether the group that gathers need not wait for more. idle
// says that nothing will come soon.
func (r *recorder) enough(idle bool) bool {
	g := &r.pending
	return len(g.entries) > 0 && (idle || g.full() || g.size >= commitEarly)
}

// commit stores a group and reports it.
func (r *recorder) commit(ctx context.Context, g commitGroup) {
	// The reports point into outcomes, and their receiver may keep them: each
	// group has its own.
	outcomes := make([]feeds.Outcome, 0, len(g.entries))
	for _, e := range g.entries {
		if e.outcome.Class != feeds.Cancelled {
			outcomes = append(outcomes, e.outcome)
		}
	}
	saved, err := r.save(ctx, outcomes)
	at := 0 // in outcomes
	for i := range g.entries {
		e := &g.entries[i]
		e.outcome.Items = nil // stored or never will be: a round must not keep what it has read
		if e.outcome.Class == feeds.Cancelled {
			r.tell(e, &e.outcome, feeds.Saved{ID: e.outcome.ID})
			continue
		}
		o, kept := &outcomes[at], feeds.Saved{ID: e.outcome.ID, Err: err}
		if err == nil {
			kept = saved[at]
		}
		at++
		o.Items = nil
		switch {
		case errors.Is(kept.Err, feeds.ErrLost):
			o.Class, o.Detail = feeds.Cancelled, kept.Err.Error()
			if kept.Err == feeds.ErrLost {
				o.Detail = "another coordinator has " + o.Domain
			}
			r.stop(kept.Err) // before it asks what others ask
		case kept.Err != nil:
			o.Class, o.Detail = feeds.Store, kept.Err.Error()
		}
		r.tell(e, o, kept)
	}
}

// save stores outcomes. It fails when the store did, now or before, and then with
// r.failed, or when it was lost.
func (r *recorder) save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	if len(outcomes) == 0 {
		return nil, nil
	}
	if r.failed != nil {
		return nil, r.failed
	}
	crash.At("coordinator: before save")
	saved, err := r.store.Save(ctx, outcomes)
	crash.At("coordinator: after save")
	if errors.Is(err, feeds.ErrLost) { // as each of them is
		return nil, err
	}
	if err == nil && len(saved) != len(outcomes) {
		err = fmt.Errorf("%d outcomes were given and %d came back", len(outcomes), len(saved))
	}
	if err != nil {
		r.failed = &StoreError{Op: "save outcomes", Err: err}
		r.stop(r.failed)
		return nil, r.failed
	}
	return saved, nil
}

func (r *recorder) tell(e *entry, o *feeds.Outcome, saved feeds.Saved) {
	ref := &r.refs[e.ref]
	r.report(Report{URL: ref.URL, Told: ref.Told, Outcome: o, Saved: saved})
}
