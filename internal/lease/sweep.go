package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"feedmill/internal/feeds"
)

const (
	// atOnce is how many rounds are under way at most: one that works and one that
	// waits for its slowest host.
	atOnce = 2

	// mostLost is how many rounds in a row may be lost. A server that gives leases and
	// fails at what is done under them would be asked for ever, and the hosts with it.
	mostLost = 10
)

// A Round refreshes the feeds of the domains in held that are to be refreshed, and
// returns how many these were. It calls nearly, at most once, when all of its feeds are
// begun, so that others can be: at its end at the latest that is taken as said. When
// ctx ends it has Grace to return.
type Round func(ctx context.Context, held []feeds.Lease, nearly func()) (refreshed int, err error)

// A Sweep does rounds of leased domains until nobody has domains left to refresh but
// others.
type Sweep struct {
	Store Store
	Round Round

	Domains int           // in a round at most
	TTL     time.Duration // of a lease

	// Until is when a store that is lost is waited for no longer, unless a lease's
	// time is over before; the zero time means never.
	Until time.Time
}

// Run sweeps and returns when every round that it began has ended and its leases are
// given back, as far as the store takes them: else they end by themselves.
//
// It returns the cause of ctx, what the store failed with, or a round's own error,
// whichever ended it. A round that lost its leases ends no sweep: its feeds are still
// to be refreshed, by whoever has them now. Nor does a store that is lost, whose errors
// are feeds.ErrLost, unless it stays so for as long as a lease lasts or ten rounds in a
// row are lost.
func (s *Sweep) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := sweep{
		store: s.Store, round: s.Round, domains: s.Domains, ttl: s.TTL, until: s.Until,
		events: make(chan event, 2*atOnce), idle: make(map[string]bool),
	}
	var failed error
	lost := 0 // rounds in a row
	end := func(err error) {
		if failed == nil {
			failed = err
			stop(err)
		}
	}
	for more := true; more || w.running > 0; {
		if more && failed == nil && w.running-w.nearly == 0 && w.running < atOnce {
			began, err := w.begin(ctx)
			if err != nil {
				end(err)
			}
			if more = began; more {
				continue
			}
		}
		if w.running == 0 {
			break
		}
		e := <-w.events
		if e.nearly {
			w.nearly++
			continue
		}
		w.running--
		if e.said {
			w.nearly--
		}
		w.note(e)
		if e.owed {
			w.owed = append(w.owed, e.held...)
		}
		if lost++; e.err == nil {
			lost = 0
		} else if lost == mostLost || !errors.Is(e.err, feeds.ErrLost) {
			end(e.err)
		}
		more = failed == nil // what it left, or lost, may be to be had
	}
	return failed
}

// A sweep is a Run under way. One goroutine has it.
type sweep struct {
	store   Store
	round   Round
	domains int
	ttl     time.Duration
	until   time.Time

	events          chan event      // with room for all that rounds tell, so that none waits for a claim
	running, nearly int             // rounds under way, and how many of these are nearly done
	idle            map[string]bool // domains that were claimed, and had nothing to be refreshed
	owed            []feeds.Lease   // that could not be given back
}

// An event is what a round's goroutine tells.
type event struct {
	nearly bool // it has begun all its feeds, and nothing else is set

	held      []feeds.Lease
	owed      bool // they could not be given back
	said      bool // that it is nearly done
	refreshed int
	err       error
}

// begin claims domains and begins a round of them. It reports whether it did: there
// were some, and not only such as are claimed again and again for nothing, because
// store and round are of two minds on what is due.
func (w *sweep) begin(ctx context.Context) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	held, since, err := w.claim(ctx)
	if err != nil {
		return false, err
	}
	known := 0
	for _, l := range held {
		if w.idle[l.Domain] {
			known++
		}
	}
	if known == len(held) {
		return false, w.release(ctx, held)
	}
	w.running++
	go w.refresh(ctx, held, since)
	return true, nil
}

// claim asks the store for domains until it answers, while it may be back in time. The
// leases begin no earlier than since.
func (w *sweep) claim(ctx context.Context) (held []feeds.Lease, since time.Time, err error) {
	end := time.Now().Add(w.ttl)
	if !w.until.IsZero() && w.until.Before(end) {
		end = w.until
	}
	for pause := w.ttl / 64; ; pause = min(2*pause, renewal(w.ttl)) {
		since = time.Now()
		held, err = w.ask(ctx)
		if !errors.Is(err, feeds.ErrLost) || time.Until(end) < pause {
			return held, since, err
		}
		select {
		case <-ctx.Done():
			return nil, since, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// ask gives back what is owed and asks the store for domains, for as long as the leases
// could be of use.
func (w *sweep) ask(ctx context.Context) (held []feeds.Lease, err error) {
	if err := w.release(ctx, w.owed); err != nil {
		return nil, err
	}
	w.owed = nil
	err = w.within(ctx, usable(w.ttl), func(ctx context.Context) error {
		held, err = w.store.Claim(ctx, w.domains, w.ttl)
		return err
	})
	return held, err
}

// within calls f, and takes a store that does not answer in time for lost.
func (w *sweep) within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bounded.Err() != nil:
		return fmt.Errorf("%w: %w", feeds.ErrLost, err)
	}
	return err
}

// refresh does one round under its leases and tells what became of it.
func (w *sweep) refresh(ctx context.Context, held []feeds.Lease, since time.Time) {
	e := event{held: held}
	kept, stop := keeping(ctx, w.store, held, w.ttl, since)
	e.refreshed, e.err = w.round(kept, held, func() {
		if !e.said {
			e.said = true
			w.events <- event{nearly: true}
		}
	})
	stop()
	err := w.release(ctx, held)
	if e.owed = err != nil; e.err == nil {
		e.err = err
	}
	w.events <- e
}

// release gives leases back, also when ctx has ended: nobody else should wait for
// them to lapse.
func (w *sweep) release(ctx context.Context, held []feeds.Lease) error {
	if len(held) == 0 {
		return nil
	}
	return w.within(context.WithoutCancel(ctx), renewal(w.ttl), func(ctx context.Context) error { return w.store.Release(ctx, held) })
}

// note remembers which domains were claimed for nothing.
func (w *sweep) note(e event) {
	for _, l := range e.held {
		if e.refreshed == 0 && e.err == nil {
			w.idle[l.Domain] = true
		} else {
			delete(w.idle, l.Domain)
		}
	}
}
