// Package lease has several coordinators share one store without meeting: each
// takes registrable domains for a while, refreshes their feeds and gives them
// back.
//
// Who stops to renew its leases loses them, and knows in time: whatever its clock
// says, what it does under a lease ends before the store gives the domain to
// another. It refuses to decide what a domain's feeds are, when they are due and
// what may be stored: the store does, which checks every lease again at that
// moment.
package lease

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"feedmill/internal/feeds"
)

// A Store gives leases. Its methods may be called from several goroutines.
type Store interface {
	// Claim leases up to n domains that have feeds to refresh and that nobody
	// has, for ttl from now by the store's clock. None means that there are none.
	Claim(ctx context.Context, n int, ttl time.Duration) ([]feeds.Lease, error)

	// Renew makes those leases of held that are not over end a ttl from now, and
	// returns how many these are.
	Renew(ctx context.Context, held []feeds.Lease, ttl time.Duration) (kept int, err error)

	// Release gives leases back. Those that are over are none of its business.
	Release(ctx context.Context, held []feeds.Lease) error
}

// A lease is renewed after a sixth of its time and used for two thirds of it. What is
// under way then may go on for a quarter, so all is over a twelfth before the end.
func renewal(ttl time.Duration) time.Duration { return ttl / 6 }
func usable(ttl time.Duration) time.Duration  { return ttl * 2 / 3 }

// Grace returns how long requests that are under way may go on once the context of
// a lease of ttl has ended.
func Grace(ttl time.Duration) time.Duration { return ttl / 4 }

// Leash returns how long workers may go on that hear nothing of the process that
// renews the leases: it may have been stopped at the last moment at which it would
// have ended them.
func Leash(ttl time.Duration) time.Duration { return ttl - usable(ttl) }

// keeping renews held, which were claimed for ttl by a call that began at since, and
// returns a context that lives as long as they may be used: it ends when some of
// them are gone, and two thirds of ttl after the beginning of the last renewal that
// succeeded, by this process's monotonic clock. Its cause then is feeds.ErrLost.
// The caller must call stop, which waits until nothing is being renewed any more;
// it gives nothing back.
//
// A clock that stands still while the machine sleeps makes a lease seem younger than
// it is. What is brought under it then is refused by the store.
func keeping(ctx context.Context, s Store, held []feeds.Lease, ttl time.Duration, since time.Time) (kept context.Context, stop func()) {
	kept, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := keep(kept, s, held, ttl, since); err != nil {
			cancel(err)
		}
	}()
	return kept, func() {
		cancel(context.Canceled)
		<-done
	}
}

// keep renews until ctx ends, and then returns nil, or until the leases may be used
// no longer, and returns why.
func keep(ctx context.Context, s Store, held []feeds.Lease, ttl time.Duration, since time.Time) error {
	next, end := since.Add(renewal(ttl)), since.Add(usable(ttl))
	var failed error // the last renewal, if it did
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(end)):
			return lapsed(ttl, failed)
		case <-time.After(time.Until(next)):
		}
		sent := time.Now()
		n, err := renew(ctx, s, held, ttl, end)
		switch {
		case ctx.Err() != nil:
			return nil
		case time.Now().After(end): // too late to believe in
			return lapsed(ttl, cmp.Or(err, failed))
		case err != nil:
			failed, next = err, time.Now().Add(renewal(ttl)/4)
		case n < len(held):
			return fmt.Errorf("%w: %d of %d domains went to others", feeds.ErrLost, len(held)-n, len(held))
		default:
			failed, next, end = nil, sent.Add(renewal(ttl)), sent.Add(usable(ttl))
		}
	}
}

// renew asks for one renewal and waits for it until end at most.
func renew(ctx context.Context, s Store, held []feeds.Lease, ttl time.Duration, end time.Time) (int, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	return s.Renew(ctx, held, ttl)
}

// lapsed says that no renewal was heard of in time. why may be nil.
func lapsed(ttl time.Duration, why error) error {
	if why == nil {
		return fmt.Errorf("%w: no renewal in %v", feeds.ErrLost, usable(ttl))
	}
	return fmt.Errorf("%w: no renewal in %v: %w", feeds.ErrLost, usable(ttl), why)
}
