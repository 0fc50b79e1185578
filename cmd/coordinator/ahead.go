package main

import (
	"context"
	"log/slog"
	"slices"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// A headStart is a pool whose workers are started while the store is still
// being opened, which takes about as long as they do: a round of four feeds takes
// a tenth less time. It is a refresh.Runner for one round. The round must be
// about feeds that were named, for the ports that the workers' sandbox leaves
// them, which they must know before they start, are guessed from the names.
type headStart struct {
	pool   *pool.Pool
	ports  []uint16 // that its workers may connect to, sorted
	cancel context.CancelCauseFunc

	next   refresh.Next // of the round; valid once beginC is closed, like emit
	emit   refresh.Emit
	beginC chan struct{} // closed by Run
	ran    bool          // the round had jobs
	err    error         // valid once endC is closed
	endC   chan struct{} // closed when the pool's Run has returned
}

// startAhead starts workers for a round over subs. It returns nil where there
// is nothing to start, and where that fails: whoever does it later says why.
// What it returns must be closed, whether it has run a round or not.
func (r *runnerFlags) startAhead(ctx context.Context, subs []feeds.Subscription, o feeds.Options, log *slog.Logger) *headStart {
	if r.mode.value == goroutineMode || len(subs) == 0 || ctx.Err() != nil {
		return nil
	}
	named := make([]feeds.Ref, len(subs))
	for i, s := range subs {
		named[i].URL = s.URL
	}
	o.Ports = feeds.ConnectPorts(named, o)
	p, err := r.newPool(o, log, busy(named, r.workers))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	h := &headStart{pool: p, ports: o.Ports, cancel: cancel, beginC: make(chan struct{}), endC: make(chan struct{})}
	go func() {
		defer close(h.endC)
		h.err = p.Run(ctx, h.hand, func(res feeds.Result, release func()) { h.emit(res, release) })
	}()
	return h
}

// busy returns about how many of n workers will have something to do: a domain
// has one of them. It looks at so many feeds only.
func busy(refs []feeds.Ref, n int) int {
	domains := make(map[string]bool)
	for _, ref := range refs[:min(len(refs), 8*n)] {
		domains[feeds.Domain(ref.URL)] = true
	}
	return min(len(domains), n)
}

// hand is the pool's next: it waits for the round's.
func (h *headStart) hand(ctx context.Context, worker int) ([]feeds.Job, error) {
	select {
	case <-h.beginC:
		return h.next(ctx, worker)
	case <-ctx.Done():
		return nil, nil
	}
}

// fits reports whether the workers may connect to just these ports.
func (h *headStart) fits(ports []uint16) bool { return slices.Equal(h.ports, ports) }

// Run does the jobs of the round; see refresh.Runner. It may be called once.
func (h *headStart) Run(ctx context.Context, next refresh.Next, emit refresh.Emit) error {
	defer context.AfterFunc(ctx, func() { h.cancel(context.Cause(ctx)) })()
	h.next, h.emit, h.ran = next, emit, true
	close(h.beginC)
	<-h.endC
	return h.err
}

// close stops the workers if they still run, and returns when they are gone. It
// may be called again, and of none.
func (h *headStart) close() {
	if h != nil {
		h.cancel(nil)
		<-h.endC
	}
}
