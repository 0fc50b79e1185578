package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

const ttl = time.Minute

// A fakeStore leases domains that are due until they are released.
type fakeStore struct {
	mu       sync.Mutex
	due      []string
	leased   map[string]time.Time // by domain: the end
	renewals []time.Time          // when they were sent

	takes time.Duration            // how long a renewal takes
	renew func(n int) (int, error) // stands for the n-th renewal, counted from 0, unless nil
	claim error
	again bool        // what is given back is due again
	away  func() bool // the server is lost, unless nil
}

// gone is what a store says of a server that is lost.
func (s *fakeStore) gone() error {
	if s.away != nil && s.away() {
		return fmt.Errorf("%w: %w", feeds.ErrLost, errDown)
	}
	return nil
}

func (s *fakeStore) Claim(ctx context.Context, n int, ttl time.Duration) ([]feeds.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.claim, s.gone()); err != nil {
		return nil, err
	}
	n = min(n, len(s.due))
	var held []feeds.Lease
	for _, d := range s.due[:n] {
		held = append(held, feeds.Lease{Domain: d})
		s.hold(d, ttl)
	}
	s.due = s.due[n:]
	return held, nil
}

func (s *fakeStore) hold(domain string, ttl time.Duration) {
	if s.leased == nil {
		s.leased = make(map[string]time.Time)
	}
	s.leased[domain] = time.Now().Add(ttl)
}

func (s *fakeStore) Renew(ctx context.Context, held []feeds.Lease, ttl time.Duration) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(s.renewals)
	s.renewals = append(s.renewals, time.Now())
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
	}
	s.mu.Lock()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if s.renew != nil {
		if n, err := s.renew(at); err != nil || n < len(held) {
			return n, err
		}
	}
	for _, l := range held {
		s.hold(l.Domain, ttl)
	}
	return len(held), nil
}

func (s *fakeStore) Release(ctx context.Context, held []feeds.Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gone(); err != nil {
		return err
	}
	for _, l := range held {
		delete(s.leased, l.Domain)
		if s.again {
			s.due = append(s.due, l.Domain)
		}
	}
	return nil
}

var errDown = errors.New("the server is down")

// kept leases a domain of s, keeps it, and returns how long after the claim the
// context ended and why; after an hour it ends it.
func kept(t *testing.T, s *fakeStore) (time.Duration, error) {
	t.Helper()
	start := time.Now()
	s.due = []string{"example.org"}
	held, err := s.Claim(t.Context(), 1, ttl)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := keeping(t.Context(), s, held, ttl, start)
	defer stop()
	select {
	case <-ctx.Done():
		if s.leased["example.org"].Before(time.Now().Add(Grace(ttl))) {
			t.Errorf("the round ended %v after the claim, and its lease ends at %v: no time for the grace",
				time.Since(start), s.leased["example.org"].Sub(start))
		}
		return time.Since(start), context.Cause(ctx)
	case <-time.After(time.Hour):
		return time.Hour, nil
	}
}

// TestALeaseThatCannotBeRenewedEndsItsRoundInTime says when: two thirds of a
// lease after the last renewal that succeeded was sent.
func TestALeaseThatCannotBeRenewedEndsItsRoundInTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		store *fakeStore
		want  time.Duration
	}{
		{"never renewed", &fakeStore{renew: func(int) (int, error) { return 0, errDown }}, 40 * time.Second},
		{"no answer", &fakeStore{takes: time.Hour}, 40 * time.Second},
		{"renewed twice", &fakeStore{renew: func(n int) (int, error) {
			if n >= 2 {
				return 0, errDown
			}
			return 1, nil
		}}, 60 * time.Second},
		{"renewed slowly, twice", &fakeStore{takes: 7 * time.Second, renew: func(n int) (int, error) {
			if n >= 2 {
				return 0, errDown
			}
			return 1, nil
		}}, 60 * time.Second},
		{"down for a while", &fakeStore{renew: func(n int) (int, error) {
			if n > 0 && n < 9 {
				return 0, errDown
			}
			return 1, nil
		}}, time.Hour},
		{"taken by another", &fakeStore{renew: func(n int) (int, error) { return 1 - min(n, 1), nil }}, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, cause := kept(t, tt.store)
				if got != tt.want || (got < time.Hour) != errors.Is(cause, feeds.ErrLost) {
					t.Errorf("the round ended %v after the claim, with %v; want %v", got, cause, tt.want)
				}
			})
		})
	}
}

func TestALeaseIsRenewedEverySixthOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{takes: 3 * time.Second}
		start := time.Now()
		if got, cause := kept(t, s); got != time.Hour {
			t.Fatalf("the round ended after %v: %v", got, cause)
		}
		for i, at := range s.renewals[:100] {
			if got, want := at.Sub(start), time.Duration(i+1)*ttl/6; got != want {
				t.Fatalf("renewal %d was sent after %v, want %v", i, got, want)
			}
		}
	})
}

// TestALateClaimIsNotBelieved has the answer to a claim come when the lease is over.
func TestALateClaimIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := keeping(t.Context(), &fakeStore{takes: time.Second}, []feeds.Lease{{Domain: "example.org"}}, ttl, time.Now().Add(-ttl))
		defer stop()
		synctest.Wait()
		if ctx.Err() == nil {
			t.Error("the round goes on under a lease that is over")
		}
	})
}

// swept sweeps s with rounds that last as long as last says of their first domain,
// whose feeds are all begun at once, and returns when each domain was begun.
func swept(t *testing.T, s *Sweep, last func(domain string) time.Duration) (began map[string]time.Duration, err error) {
	t.Helper()
	start := time.Now()
	began = make(map[string]time.Duration)
	var mu sync.Mutex
	s.Round = func(ctx context.Context, held []feeds.Lease, nearly func()) (int, error) {
		mu.Lock()
		for _, l := range held {
			if _, twice := began[l.Domain]; twice {
				t.Errorf("%s was given to two rounds", l.Domain)
			}
			began[l.Domain] = time.Since(start)
		}
		mu.Unlock()
		nearly()
		select {
		case <-time.After(last(held[0].Domain)):
			return len(held), nil
		case <-ctx.Done():
			return len(held), context.Cause(ctx)
		}
	}
	err = s.Run(t.Context())
	return began, err
}

func TestASlowHostDoesNotHoldTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{due: []string{"slow", "a", "b", "c", "d", "e"}}
		start := time.Now()
		began, err := swept(t, &Sweep{Store: store, Domains: 1, TTL: ttl}, func(domain string) time.Duration {
			if domain == "slow" {
				return time.Hour
			}
			return time.Second
		})
		if err != nil || len(began) != 6 || len(store.leased) != 0 {
			t.Fatalf("%d domains were begun, %d are leased, error %v; want 6, none, nil", len(began), len(store.leased), err)
		}
		if began["e"] != 4*time.Second || time.Since(start) != time.Hour {
			t.Errorf("the last domain was begun after %v and all were done after %v, want 4s and 1h", began["e"], time.Since(start))
		}
	})
}

// TestASweepEndsThoughItsStoreHasNoEnd has a store that goes on leasing domains in
// which the round finds nothing to refresh.
func TestASweepEndsThoughItsStoreHasNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{due: []string{"a", "b", "c"}, again: true}
		rounds := 0
		s := Sweep{Store: store, Domains: 2, TTL: ttl, Round: func(context.Context, []feeds.Lease, func()) (int, error) {
			rounds++
			return 0, nil
		}}
		if err := s.Run(t.Context()); err != nil || rounds != 2 || len(store.leased) != 0 {
			t.Errorf("error %v after %d rounds, %d leased; want nil, 2, none", err, rounds, len(store.leased))
		}
	})
}

// TestAFailureEndsTheSweepAndGivesBack fails each part of a sweep while another
// round is under way.
func TestAFailureEndsTheSweepAndGivesBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  func(s *fakeStore, cancel context.CancelCauseFunc) error // of the round of domain b
		want  error
		calls int
	}{
		{"the round", func(*fakeStore, context.CancelCauseFunc) error { return errDown }, errDown, 2},
		{"the claim after it", func(s *fakeStore, _ context.CancelCauseFunc) error { s.claim = errDown; return nil }, errDown, 2},
		{"the whole program", func(_ *fakeStore, cancel context.CancelCauseFunc) error { cancel(errDown); return nil }, errDown, 2},
		{"its lease alone", func(*fakeStore, context.CancelCauseFunc) error { return feeds.ErrLost }, nil, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				store := &fakeStore{due: []string{"a", "b", "c"}}
				var done []string
				s := Sweep{Store: store, Domains: 1, TTL: ttl, Round: func(ctx context.Context, held []feeds.Lease, nearly func()) (int, error) {
					done = append(done, held[0].Domain)
					nearly()
					var err error
					if held[0].Domain == "b" {
						time.Sleep(time.Second)
						err = tt.fail(store, cancel)
					} else {
						select {
						case <-ctx.Done():
							err = context.Cause(ctx)
						case <-time.After(time.Minute):
						}
					}
					return 1, err
				}}
				err := s.Run(ctx)
				if !errors.Is(err, tt.want) || len(store.leased) != 0 || len(done) != tt.calls {
					t.Errorf("error %v, leased %v, rounds of %v; want %v, none, %d rounds", err, store.leased, done, tt.want, tt.calls)
				}
				if slices.Contains(done, "c") != (tt.want == nil) {
					t.Errorf("rounds of %v", done)
				}
			})
		})
	}
}

// TestASweepOutlivesAServer that is lost in the middle of a round: it goes on when the
// server is back, with the domains that it could not give back, and gives up after the
// time of a lease, or when it is told to.
func TestASweepOutlivesAServer(t *testing.T) {
	for _, tt := range []struct {
		away, until time.Duration
		want        error
		ends        time.Duration // within a renewal's time
	}{
		{ttl / 2, 0, nil, ttl/2 + time.Second},
		{time.Hour, 0, errDown, ttl + time.Second},
		{ttl / 2, 10 * time.Second, errDown, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			lost := func() bool { return time.Since(start) >= time.Second && time.Since(start) < tt.away }
			store := &fakeStore{due: []string{"a", "b"}, away: lost}
			done := make(map[string]bool)
			s := Sweep{Store: store, Domains: 1, TTL: ttl}
			if tt.until > 0 {
				s.Until = start.Add(tt.until)
			}
			s.Round = func(_ context.Context, held []feeds.Lease, _ func()) (int, error) {
				time.Sleep(time.Second)
				if err := store.gone(); err != nil {
					return 1, err
				}
				done[held[0].Domain] = true
				return 1, nil
			}
			err := s.Run(t.Context())
			took := time.Since(start)
			if !errors.Is(err, tt.want) || took > tt.ends+renewal(ttl) || took < tt.ends-renewal(ttl) {
				t.Errorf("away for %v: error %v after %v, want %v after some %v", tt.away, err, took, tt.want, tt.ends)
			}
			if tt.want == nil && (!done["b"] || len(store.leased) != 0) {
				t.Errorf("refreshed %v, leased %v; want b refreshed and a, which was given back late, free", done, store.leased)
			}
		})
	}
}

// TestRoundsThatAreAlwaysLostEnd the sweep, and such as are lost now and then do not.
func TestRoundsThatAreAlwaysLostEnd(t *testing.T) {
	for _, tt := range []struct {
		good int // of so many rounds one is not lost; 0 means none
		want int // rounds
		err  error
	}{{0, mostLost, feeds.ErrLost}, {mostLost, 3 * mostLost, nil}} {
		synctest.Test(t, func(t *testing.T) {
			store := &fakeStore{due: []string{"a"}, again: true}
			rounds := 0
			s := Sweep{Store: store, Domains: 1, TTL: ttl, Round: func(context.Context, []feeds.Lease, func()) (int, error) {
				if rounds++; rounds == 3*mostLost {
					store.again = false
				}
				if tt.good > 0 && rounds%tt.good == 0 {
					return 1, nil
				}
				return 1, feeds.ErrLost
			}}
			if err := s.Run(t.Context()); !errors.Is(err, tt.err) || rounds != tt.want {
				t.Errorf("one of %d rounds is good: got %v after %d rounds, want %v after %d", tt.good, err, rounds, tt.err, tt.want)
			}
		})
	}
}
