package fetch

import (
	"context"
	"slices"
	"sync"
	"time"

	"feedmill/internal/feeds"
)

// A gate keeps a Refresher's manners: how many requests are under way for a
// registrable domain, when the next one may start, and which hosts are to be
// left alone. Whoever asks a host holds a turn of its domain meanwhile.
type gate struct {
	perHost int
	delay   time.Duration

	mu       sync.Mutex
	domains  map[string]*turns
	unused   []*turns // for domains to come
	troubles map[blame]*trouble

	wake func(domain string) // tells the lane that a turn became free; nil without one
}

// turns are what is under way for one domain.
type turns struct {
	busy    int
	next    time.Time       // the earliest start of the next request
	waiting []chan struct{} // fetches that wait here; each gets a turn when its channel closes
}

// A blame is what a trouble is noted against: the name of a host that could not
// be reached, or a domain whose server asked to be left alone.
//
// What goes wrong where a redirect led is noted for the feeds of the host that sent
// us there, and for nobody else's: whoever writes a feed's address, or its
// redirects, must not be able to have other people's hosts left alone. Only where
// a domain asked to be left alone in answer to several that send us there, it holds
// for all that do.
type blame struct {
	via  string // the host whose feeds it holds for; empty: for everybody's
	name string
}

// sent is the via of all whom redirects lead to a domain.
const sent = "*"

// A trouble counts what went wrong.
type trouble struct {
	fails   int
	refusal *feeds.Failure // why it is left alone; nil while it is not
}

// hostFails is how many failures in a row to connect make a host one that is
// left alone.
const hostFails = 3

// A place is where a request goes, as politeness sees it.
type place struct {
	domain string
	host   string
	via    string // the feed's own host, where a redirect led to another one
}

func newGate(perHost int, delay time.Duration) *gate {
	return &gate{
		perHost:  perHost,
		delay:    delay,
		domains:  make(map[string]*turns),
		troubles: make(map[blame]*trouble),
	}
}

// An admission is what try found: a turn, or why there is none.
type admission struct {
	granted bool
	refusal *feeds.Failure // the place is left alone
	wait    time.Duration  // a turn will be free after this; 0 when a leave will tell
}

// try takes a turn if one is free and may start now. It never waits.
func (g *gate) try(p place) admission {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.refusal(p); f != nil {
		return admission{refusal: f}
	}
	t := g.turns(p.domain)
	if t.busy >= g.perHost || len(t.waiting) > 0 {
		return admission{}
	}
	if g.delay > 0 {
		now := time.Now()
		if wait := t.next.Sub(now); wait > 0 {
			return admission{wait: wait}
		}
		t.next = now.Add(g.delay)
	}
	t.busy++
	return admission{granted: true}
}

// enter waits for a turn and for its start. Only who already occupies a fetch
// may wait here: the turns it waits for are then all under way, never queued
// behind it. The error is a *Failure when the place is left alone, and else
// ctx's cause; without error the caller must leave.
func (g *gate) enter(ctx context.Context, p place) error {
	g.mu.Lock()
	if f := g.refusal(p); f != nil {
		g.mu.Unlock()
		return f
	}
	t := g.turns(p.domain)
	if t.busy < g.perHost && len(t.waiting) == 0 {
		t.busy++
	} else {
		turn := make(chan struct{})
		t.waiting = append(t.waiting, turn)
		g.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			g.giveUp(p.domain, turn)
			return context.Cause(ctx)
		}
		g.mu.Lock()
	}
	f, wait := g.refusal(p), time.Duration(0)
	if f == nil {
		wait = g.reserve(t)
	}
	g.mu.Unlock()
	if f != nil {
		g.leave(p.domain)
		return f
	}
	if err := sleep(ctx, wait); err != nil {
		g.leave(p.domain)
		return err
	}
	return nil
}

// again waits until one more request may start in a turn that the caller
// holds, and goes on holding.
func (g *gate) again(ctx context.Context, domain string) error {
	g.mu.Lock()
	wait := g.reserve(g.turns(domain))
	g.mu.Unlock()
	return sleep(ctx, wait)
}

// leave gives a turn back: to a fetch that waits for one, else to the lane.
func (g *gate) leave(domain string) {
	g.mu.Lock()
	t := g.turns(domain)
	if len(t.waiting) > 0 {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
		g.mu.Unlock()
		return
	}
	t.busy--
	if t.busy == 0 && g.delay == 0 {
		delete(g.domains, domain) // a round may visit 36,000 of them
		g.unused = append(g.unused, t)
	}
	g.mu.Unlock()
	if g.wake != nil {
		g.wake(domain)
	}
}

// giveUp takes back a wait for a turn, or gives the turn back if it came at
// the same moment.
func (g *gate) giveUp(domain string, turn chan struct{}) {
	g.mu.Lock()
	t := g.turns(domain)
	at := slices.Index(t.waiting, turn)
	if at >= 0 {
		t.waiting = slices.Delete(t.waiting, at, at+1)
	}
	g.mu.Unlock()
	if at < 0 {
		g.leave(domain)
	}
}

// reserve claims the next start of a request and returns how far off it is.
// The caller holds g.mu and a turn.
func (g *gate) reserve(t *turns) time.Duration {
	if g.delay == 0 {
		return 0
	}
	now := time.Now()
	start := t.next
	if start.Before(now) {
		start = now
	}
	t.next = start.Add(g.delay)
	return start.Sub(now)
}

// turns returns a domain's turns. The caller holds g.mu.
func (g *gate) turns(domain string) *turns {
	t := g.domains[domain]
	if t != nil {
		return t
	}
	if n := len(g.unused); n > 0 {
		t, g.unused = g.unused[n-1], g.unused[:n-1]
	} else {
		t = new(turns)
	}
	g.domains[domain] = t
	return t
}

// refusal returns why a place is left alone, or nil. The caller holds g.mu.
func (g *gate) refusal(p place) *feeds.Failure {
	if len(g.troubles) == 0 {
		return nil
	}
	for _, b := range [...]blame{{"", p.domain}, {"", p.host}, {p.via, p.domain}, {p.via, p.host}, {sent, p.domain}} {
		if t := g.troubles[b]; t != nil && t.refusal != nil && (b.via != sent || p.via != "") {
			return t.refusal
		}
	}
	return nil
}

// failed notes that the host of p could not be reached, and leaves it alone after
// three times in a row. It says nothing of other hosts of its domain: under
// duckdns.org each name is a machine of its own.
func (g *gate) failed(p place, f *feeds.Failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := blame{p.via, p.host}
	t := g.troubles[b]
	if t == nil {
		t = new(trouble)
		g.troubles[b] = t
	}
	t.fails++
	if t.fails >= hostFails && t.refusal == nil {
		t.refusal = &feeds.Failure{
			Class:  feeds.HostBackoff,
			Detail: p.host + " failed three times in a row, last with " + f.Error(),
		}
	}
}

// reached notes that the host of p answered.
func (g *gate) reached(p place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range [...]blame{{"", p.host}, {p.via, p.host}} {
		if t := g.troubles[b]; t != nil && t.refusal == nil {
			delete(g.troubles, b)
		}
	}
}

// hold leaves the domain of p alone from now on, because it asked for that.
func (g *gate) hold(p place, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := &feeds.Failure{Class: feeds.HostBackoff, Detail: p.domain + " " + why}
	before := g.troubles[blame{p.via, p.domain}]
	g.troubles[blame{p.via, p.domain}] = &trouble{refusal: f}
	if p.via == "" || before != nil && before.refusal != nil { // several of one sender's feeds were asked at a time
		return
	}
	senders := g.troubles[blame{sent, p.domain}]
	if senders == nil {
		senders = new(trouble)
		g.troubles[blame{sent, p.domain}] = senders
	}
	if senders.fails++; senders.fails >= hostFails {
		senders.refusal = f
	}
}

// sleep waits for d or for the end of ctx, whose cause it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
