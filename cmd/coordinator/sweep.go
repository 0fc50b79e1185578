package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/lease"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/postgres"
)

// newSweep returns what refreshes db under leases, and nil where nobody else can use
// it at the same time.
func newSweep(db store.DB, l *leaseFlags) *sweep {
	p, ok := db.(*postgres.DB)
	if !ok {
		return nil
	}
	return &sweep{db: p, flags: l}
}

// leaseFlags say how a coordinator takes its part of a shared store.
type leaseFlags struct {
	node  string
	claim int
	ttl   time.Duration
}

func (l *leaseFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.node, "node", "", "on a shared store: the `NAME` that status shows [default: host and process]")
	f.IntVar(&l.claim, "claim", 300, "on a shared store: take `N` domains at a time")
	f.DurationVar(&l.ttl, "ttl", defaultTTL, "on a shared store: how long a lease lasts that is not renewed")
	if err := f.MarkHidden("ttl"); err != nil {
		panic(err) // the flag was added just above
	}
}

// defaultTTL is how long the domains of a coordinator that died stay idle.
const defaultTTL = time.Minute

func (l *leaseFlags) check() error {
	switch {
	case l.claim < 1 || l.claim > 100_000:
		return usage("", "--claim %d: want 1 to 100000", l.claim)
	case l.ttl < 2*time.Second || l.ttl > time.Hour:
		return usage("", "--ttl %v: want 2s to 1h", l.ttl)
	}
	return nil
}

// bound sets what the workers of a leased round keep to: what is under way when
// a lease can be used no longer has a grace, and workers whose coordinator stands
// still end before its leases do.
func (l *leaseFlags) bound(o *feeds.Options) {
	o.DrainGrace = min(cmp.Or(o.DrainGrace, feeds.DefaultDrainGrace), lease.Grace(l.ttl))
	o.Leash = min(mostLeash, lease.Leash(l.ttl))
}

// mostLeash is how long workers go on without their coordinator at most.
const mostLeash = 10 * time.Second

// A sweep is a run on a shared store: rounds of leased domains, as many as it takes.
type sweep struct {
	db    *postgres.DB
	flags *leaseFlags
	query store.DueQuery // but for the time and the feeds
	named bool           // certain feeds are meant, and not what is due
	wait  time.Duration  // for domains that others have, where feeds are named
	until time.Time      // when a server that is lost is waited for no longer; zero for never

	// do refreshes feeds whose domains are leased as long as ctx lives, and calls
	// nearly when most of these domains are done.
	do func(ctx context.Context, db refresh.Store, refs []feeds.Ref, nearly func()) error
}

// run refreshes what is due or, where certain feeds are meant, refs. It returns those
// of them that it could not, because others have their domains.
func (s *sweep) run(ctx context.Context, refs []feeds.Ref) (left []feeds.Ref, err error) {
	if !s.named {
		return nil, s.rounds(ctx, &claims{DB: s.db}, nil)
	}
	of := make(map[string][]feeds.Ref)
	c := &claims{DB: s.db, named: true}
	for _, ref := range refs {
		domain := feeds.Domain(ref.URL)
		if of[domain] == nil {
			c.left = append(c.left, domain)
		}
		of[domain] = append(of[domain], ref)
	}
	for until := time.Now().Add(s.wait); ; {
		if err = s.rounds(ctx, c, of); err != nil || len(c.left) == 0 || !time.Now().Before(until) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(min(waitStep, time.Until(until))):
		}
	}
	for _, domain := range c.left {
		left = append(left, of[domain]...)
	}
	return left, err
}

// rounds sweeps until there is nothing to claim that was due before: what it has
// refreshed may be due again at once. of, unless nil, has the only feeds that are
// meant, by their domains.
func (s *sweep) rounds(ctx context.Context, from lease.Store, of map[string][]feeds.Ref) error {
	by := s.db.Now().Add(-time.Second) // due times are whole seconds
	l := lease.Sweep{Store: from, Domains: s.flags.claim, TTL: s.flags.ttl, Until: s.until}
	l.Round = func(ctx context.Context, held []feeds.Lease, nearly func()) (int, error) {
		db, q := s.db.Held(held), s.query
		q.Now, q.By = s.db.Now(), by
		if of != nil { // and these anew: others may have had them meanwhile
			q.IDs = []int64{}
			for _, l := range held {
				for _, ref := range of[l.Domain] {
					q.IDs = append(q.IDs, ref.ID)
				}
			}
		}
		refs, err := db.Due(ctx, q)
		switch {
		case err != nil && ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case err != nil:
			return 0, &refresh.StoreError{Op: "find due feeds", Err: err}
		case len(refs) == 0:
			return 0, nil
		}
		return len(refs), s.do(ctx, db, refs, nearly)
	}
	return l.Run(ctx)
}

// waitStep is how often it is looked whether another run has ended.
const waitStep = 200 * time.Millisecond

// claims are those of a store, whose errors say that they are the store's.
type claims struct {
	*postgres.DB
	named bool     // certain domains are claimed, each once
	left  []string // of these, what was not to be had so far
}

// Claim leases domains whose feeds are due, or the next of those that are named.
func (c *claims) Claim(ctx context.Context, most int, ttl time.Duration) ([]feeds.Lease, error) {
	if !c.named {
		held, err := c.DB.Claim(ctx, most, ttl)
		return held, leaseError(err)
	}
	for domains := range slices.Chunk(c.left, most) {
		held, err := c.ClaimDomains(ctx, domains, ttl)
		if err != nil {
			return nil, leaseError(err)
		}
		if len(held) > 0 {
			got := make(map[string]bool, len(held))
			for _, l := range held {
				got[l.Domain] = true
			}
			c.left = slices.DeleteFunc(c.left, func(domain string) bool { return got[domain] })
			return held, nil
		}
	}
	return nil, nil
}

// Release gives leases back.
func (c *claims) Release(ctx context.Context, held []feeds.Lease) error {
	return leaseError(c.DB.Release(ctx, held))
}

// leaseError gives an error of the store its type.
func leaseError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &refresh.StoreError{Op: "share the store", Err: err}
}

// A countdown finds out when most of a round's domains are done, so that the next round
// can begin: what is left waits for slow hosts.
type countdown struct {
	say  func()
	of   map[int64]string // the domain of a feed
	left map[string]int   // feeds of a domain that are not answered
	most int              // domains that may be left
}

func newCountdown(refs []feeds.Ref, say func()) *countdown {
	t := &countdown{say: say, of: make(map[int64]string, len(refs)), left: make(map[string]int)}
	for _, ref := range refs {
		domain := feeds.Domain(ref.URL)
		t.of[ref.ID] = domain
		t.left[domain]++
	}
	t.most = len(t.left) / 4
	return t
}

// answered notes that a feed is done, whatever became of it.
func (t *countdown) answered(id int64) {
	domain := t.of[id]
	if t.left[domain]--; t.left[domain] > 0 {
		return
	}
	delete(t.left, domain)
	if len(t.left) == t.most && t.say != nil {
		t.say()
		t.say = nil
	}
}
