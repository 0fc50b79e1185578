package refresh

import (
	"cmp"
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
	lanes   []lane
	state   []state // of a ref
	waiting int     // groups in all queues
	stopped bool
}

// A group is the feeds of one registrable domain.
type group struct {
	domain     string
	next, end  int32 // order[next:end] was not handed out
	worker     int32 // or nobody
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

// A lane is what one worker has before it.
type lane struct {
	queue      []int32 // groups not begun, the largest first
	open       []int32 // groups begun that have unsent jobs, in the order of their beginning
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
		lanes:   make([]lane, workers),
	}
	for i := 1; i < len(refs); i++ {
		if refs[i-1].ID >= refs[i].ID {
			return nil, fmt.Errorf("plan round: feed %d comes after feed %d", refs[i].ID, refs[i-1].ID)
		}
	}
	for w := range p.lanes {
		p.lanes[w].wake = make(chan struct{}, 1)
	}
	p.gather()
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
		for w := range p.lanes {
			if p.lanes[w].unsent < p.lanes[least].unsent {
				least = w
			}
		}
		p.groups[g].worker = int32(least)
		p.lanes[least].queue = append(p.lanes[least].queue, g)
		p.lanes[least].unsent += p.groups[g].unsent()
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
	n := make([]int, len(p.lanes))
	for w := range p.lanes {
		n[w] = p.lanes[w].unsent
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

// worker returns the worker that has, or had, the group of a ref, or nobody.
func (p *plan) worker(ref int32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.groups[p.groupOf[ref]].worker)
}
