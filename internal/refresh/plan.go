package refresh

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"feedmill/internal/feeds"
)

// nobody is the worker of a group that no worker was given.
const nobody = -1

// A plan says which worker does which feeds of a round, and in which order.
//
// Feeds are grouped by registrable domain and whole groups are dealt to
// workers. A group may still go to another worker as long as none of its jobs
// was handed out; from then on it stays, so that a domain is with one worker
// at a time and being polite to it needs no lock between processes.
//
// It keeps numbers, not jobs: a feed costs some 10 bytes beside its Ref, and its
// domain some 60.
type plan struct {
	refs    []feeds.Ref // by growing id
	groupOf []int32     // the group of a ref
	order   []int32     // refs, those of a group together, in the order given

	mu      sync.Mutex
	groups  []group
	workers []shard
	state   []state // of a ref
	waiting int     // groups that nobody has begun
	stopped bool
}

// A group is the feeds of one registrable domain.
type group struct {
	domain     string
	next, end  int32 // order[next:end] was not handed out
	worker     int32 // or nobody
	ordinal    int32 // how many its worker had begun with it; 0 before
	unanswered int32 // jobs handed out and not answered
}

func (g *group) unsent() int { return int(g.end - g.next) }

// state is how far a ref has come.
type state uint8

const (
	unsent state = iota
	sent
	answered
)

// A shard is what one worker has before it.
type shard struct {
	unbegun    []int32 // groups, the largest first
	open       []int32 // groups begun that have unsent jobs, in the order of their beginning
	begun      int32   // groups, so far
	unsent     int     // jobs
	unanswered int     // jobs handed out and not answered
	asked      bool    // for a batch, once
	wake       chan struct{}
}

// newPlan groups refs and deals the groups to workers. A domain in held is
// left out of the deal and its feeds are never handed out. The same refs,
// workers and seed give the same plan. The ids of refs must grow.
func newPlan(refs []feeds.Ref, workers int, seed uint64, held map[string]time.Time) (*plan, error) {
	p := &plan{
		refs:    refs,
		groupOf: make([]int32, len(refs)),
		state:   make([]state, len(refs)),
		workers: make([]shard, workers),
	}
	for i := 1; i < len(refs); i++ {
		if refs[i-1].ID >= refs[i].ID {
			return nil, fmt.Errorf("plan round: feed %d comes after feed %d", refs[i].ID, refs[i-1].ID)
		}
	}
	for w := range p.workers {
		p.workers[w].wake = make(chan struct{}, 1)
	}
	p.gather()
	p.mix(seed)
	p.deal(seed, held)
	return p, nil
}

// gather finds the groups and brings the refs of each together in p.order.
func (p *plan) gather() {
	byDomain := make(map[string]int32)
	for i, ref := range p.refs {
		domain := feeds.Domain(ref.URL)
		g, ok := byDomain[domain]
		if !ok {
			g = int32(len(p.groups))
			byDomain[domain] = g
			p.groups = append(p.groups, group{domain: domain, worker: nobody})
		}
		p.groupOf[i] = g
		p.groups[g].end++ // a count until the next loop
	}
	start := int32(0)
	for g := range p.groups {
		size := p.groups[g].end
		p.groups[g].next, p.groups[g].end = start, start
		start += size
	}
	p.order = make([]int32, len(p.refs))
	for i, g := range p.groupOf {
		p.order[p.groups[g].end] = int32(i)
		p.groups[g].end++
	}
}

// mix brings the refs of each group into an order drawn from seed, those that were
// never read first. Where a host asks to be left alone after so many requests, it is
// not the same feeds each time that had theirs before.
func (p *plan) mix(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x6d69_7800))
	for _, g := range p.groups {
		refs, unread := p.order[g.next:g.end], 0
		rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
		for i, at := range refs {
			if p.refs[at].LastFull == 0 {
				refs[i], refs[unread] = refs[unread], at
				unread++
			}
		}
	}
}

// deal gives each group to the worker with the fewest jobs so far, the largest
// group first and those of one size in an order drawn from seed. That is at
// most 4/3 of the best deal (Graham 1969), and with the many groups of one
// feed that real lists end in, shards are even to the last job unless one
// domain alone is more than a shard.
func (p *plan) deal(seed uint64, held map[string]time.Time) {
	groups := make([]int32, 0, len(p.groups))
	for g := range p.groups {
		if _, ok := held[p.groups[g].domain]; !ok {
			groups = append(groups, int32(g))
		}
	}
	groups = shuffled(groups, seed)
	slices.SortStableFunc(groups, func(a, b int32) int {
		return p.groups[b].unsent() - p.groups[a].unsent()
	})
	for _, g := range groups {
		least := 0
		for w := range p.workers {
			if p.workers[w].unsent < p.workers[least].unsent {
				least = w
			}
		}
		p.groups[g].worker = int32(least)
		p.workers[least].unbegun = append(p.workers[least].unbegun, g)
		p.workers[least].unsent += p.groups[g].unsent()
	}
	p.waiting = len(groups)
}

// stretch is how many groups of a long list stay together when it is shuffled.
// The store keeps feeds in the order of the list, some twenty on a page: a
// commit of feeds from all over it would write a page for each.
const stretch = 64

// shuffled returns groups in an order drawn from seed: stretches of them in a
// long list, one by one in a short one, which has few pages anyway.
func shuffled(groups []int32, seed uint64) []int32 {
	size := min(stretch, max(1, len(groups)/stretch))
	parts := slices.Collect(slices.Chunk(groups, size))
	rng := rand.New(rand.NewPCG(seed, 0x6665_6564_6d69_6c6c))
	rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return slices.Concat(parts...)
}

// shards returns how many jobs each worker has before it.
func (p *plan) shards() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := make([]int, len(p.workers))
	for w := range p.workers {
		n[w] = p.workers[w].unsent
	}
	return n
}

// domains returns how many registrable domains are to be asked.
func (p *plan) domains() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// domain returns the registrable domain of a ref.
func (p *plan) domain(ref int32) string { return p.groups[p.groupOf[ref]].domain }

// ref returns what the round was given of a feed of its own.
func (p *plan) ref(id int64) *feeds.Ref {
	at, _ := p.find(id)
	return &p.refs[at]
}

// find returns which of the refs is that of a feed. A search is dearer than a map's
// look-up and keeps nothing: of a million feeds the map took 40 MB.
func (p *plan) find(id int64) (ref int32, ok bool) {
	at, ok := slices.BinarySearchFunc(p.refs, id, func(r feeds.Ref, id int64) int { return cmp.Compare(r.ID, id) })
	return int32(at), ok
}

// An ordinal is which worker has, or had, a group, or nobody, and which of its groups that
// is, from 1, in the order in which they were begun; 0 before it was.
type ordinal struct{ worker, n int }

// ordinal returns that of a ref's group.
func (p *plan) ordinal(ref int32) ordinal {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.groups[p.groupOf[ref]]
	return ordinal{int(g.worker), int(g.ordinal)}
}

const (
	// groupAhead bounds the unanswered jobs of one group, so that a slow host
	// cannot fill its worker's window. It is several times what a window has for
	// each request under way: with less, a long host's next job would not come up
	// by the time its last one is answered.
	groupAhead = 12

	// openGroups is how many groups that can be given a job a shard keeps
	// begun before it stops beginning others: one for each request that a worker
	// may have under way, as a host has one at a time. With fewer, a list with ten
	// feeds on each host would have a window full of jobs that wait for others.
	openGroups = feeds.DefaultFetches

	// stealBelow is how few unanswered jobs a worker must have before it may
	// take another's groups. It takes those of a worker that has not asked for
	// anything yet only when it has none at all: else the one that happens to
	// start first, on a list of few hosts, would leave nothing to the last.
	stealBelow = 16
)

// take hands out up to limit jobs for a worker, as the ids of their feeds. It
// blocks while the worker's begun groups are at their bound and nothing else
// is to be had; what wakes it is done, drop and stop, so it must not be called
// where results are handled. It returns none when ctx is done, when the plan
// was stopped, or when there will never be another job for this worker.
func (p *plan) take(ctx context.Context, worker, limit int) []int64 {
	for {
		ids, more := p.pick(worker, limit)
		if len(ids) > 0 || !more {
			return ids
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.workers[worker].wake:
		}
	}
}

// pick makes a batch of what there is now. more says, when the batch is empty,
// that it need not stay so.
func (p *plan) pick(worker, limit int) (ids []int64, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil, false
	}
	s := &p.workers[worker]
	s.asked = true
	for len(ids) < limit {
		at := p.choose(s)
		if at < 0 {
			if !p.steal(worker) {
				break
			}
			continue
		}
		g := &p.groups[s.open[at]]
		ids = append(ids, p.refs[p.send(s, at)].ID)
		if g.unanswered == 1 && g.unsent() > 0 && len(ids) < limit {
			// And the next, so that the worker has it while the connection is open:
			// with two feeds on each of 3,000 https hosts that answer after 300 ms,
			// 3,170 connections for 4,500.
			ids = append(ids, p.refs[p.send(s, at)].ID)
		}
	}
	// Who has nothing unanswered has taken what there was: so whoever is told of
	// more here is woken by an answer of its own.
	return ids, len(s.open) > 0 || p.waiting > 0
}

// choose returns where in s.open the group is that gets the next job, having
// begun it if need be, or -1 when there is none.
//
// It is the group with the most unsent jobs for each one that is unanswered
// (D'Hondt's way to share out seats). A host that is asked one request at a
// time needs as long as its feeds are many, so the long ones must always have
// something under way or the round ends waiting for them; groups of like size
// take turns. Rejected: going round the open groups one job each. It is fair
// to groups but starves the long one: on a list with the skew of the real web
// the round took a third longer.
func (p *plan) choose(s *shard) int {
	best, room := -1, 0
	var most, over int // the best's unsent jobs, and what they are divided by
	for i, at := range s.open {
		g := &p.groups[at]
		if g.unanswered >= groupAhead {
			continue
		}
		room++
		n, d := g.unsent(), 1+int(g.unanswered)
		if best < 0 || n*over > most*d {
			best, most, over = i, n, d
		}
	}
	if room >= openGroups || len(s.unbegun) == 0 {
		return best
	}
	head := s.unbegun[0]
	if best >= 0 && p.groups[head].unsent()*over < most {
		return best
	}
	s.unbegun = s.unbegun[1:]
	p.waiting--
	s.begun++
	p.groups[head].ordinal = s.begun
	s.open = append(s.open, head)
	return len(s.open) - 1
}

// send marks the next job of the open group at index at as handed out and
// returns its ref.
func (p *plan) send(s *shard, at int) int32 {
	g := &p.groups[s.open[at]]
	ref := p.order[g.next]
	p.state[ref] = sent
	g.next++
	g.unanswered++
	s.unanswered++
	s.unsent--
	if g.unsent() == 0 {
		s.open = slices.Delete(s.open, at, at+1)
	}
	return ref
}

// steal gives an idle worker, which has no group of its own to begin, every second
// group that the worker with the most before it has not begun, and reports whether
// there was one.
func (p *plan) steal(worker int) bool {
	thief := &p.workers[worker]
	if thief.unanswered >= stealBelow {
		return false
	}
	victim := (*shard)(nil)
	for w := range p.workers {
		s := &p.workers[w]
		if len(s.unbegun) > 0 && (s.asked || thief.unanswered == 0) && (victim == nil || s.unsent > victim.unsent) {
			victim = s
		}
	}
	if victim == nil {
		return false
	}
	kept := victim.unbegun[:0]
	for i, g := range victim.unbegun {
		if (len(victim.unbegun)-1-i)%2 != 0 {
			kept = append(kept, g)
			continue
		}
		n := p.groups[g].unsent()
		victim.unsent -= n
		thief.unsent += n
		thief.unbegun = append(thief.unbegun, g)
		p.groups[g].worker = int32(worker)
	}
	victim.unbegun = kept
	return true
}

// done notes that the job with this id was answered. It returns the job's
// ref, and false when no such job is unanswered.
func (p *plan) done(id int64) (ref int32, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ref, ok = p.find(id)
	if !ok || p.state[ref] != sent {
		return 0, false
	}
	p.state[ref] = answered
	g := &p.groups[p.groupOf[ref]]
	s := &p.workers[g.worker]
	g.unanswered--
	s.unanswered--
	s.nudge()
	return ref, true
}

// drop takes the unsent jobs of ref's group, which was begun, out of the plan
// as answered and returns their refs. Once the plan was stopped there are none:
// they are rest's.
func (p *plan) drop(ref int32) []int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.groupOf[ref]
	g := &p.groups[at]
	if p.stopped || g.unsent() == 0 {
		return nil
	}
	dropped := p.order[g.next:g.end]
	for _, r := range dropped {
		p.state[r] = answered
	}
	g.next = g.end
	s := &p.workers[g.worker]
	s.unsent -= len(dropped)
	if i := slices.Index(s.open, at); i >= 0 {
		s.open = slices.Delete(s.open, i, i+1)
	}
	s.nudge()
	return dropped
}

// heldBack returns the refs of each group that was dealt to nobody, as answered.
func (p *plan) heldBack() [][]int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var held [][]int32
	for _, g := range p.groups {
		if g.worker != nobody {
			continue
		}
		for _, ref := range p.order[g.next:g.end] {
			p.state[ref] = answered
		}
		held = append(held, p.order[g.next:g.end])
	}
	return held
}

// stop makes every take, now and later, return nothing.
func (p *plan) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for w := range p.workers {
		p.workers[w].nudge()
	}
}

// rest stops the plan and returns the refs that were not answered, which from
// then on are.
func (p *plan) rest() []int32 {
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []int32
	for i := range p.state {
		if p.state[i] != answered {
			p.state[i] = answered
			rest = append(rest, int32(i))
		}
	}
	return rest
}

// quiet reports whether no job is under way.
func (p *plan) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.workers {
		if p.workers[i].unanswered > 0 {
			return false
		}
	}
	return true
}

// nudge makes the worker's take look again; one nudge is as good as many.
func (s *shard) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
