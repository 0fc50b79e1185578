package refresh

import (
	"context"
	"slices"

	"feedmill/internal/feeds"
)

const (
	// groupAhead bounds the unanswered jobs of one group, so that a slow host
	// cannot fill its worker's window. It is several times what a window has for
	// each request under way: with less, a long host's next job would not come up
	// by the time its last one is answered.
	groupAhead = 12

	// openGroups is how many groups that can be given a job a lane keeps
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
		case <-p.lanes[worker].wake:
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
	l := &p.lanes[worker]
	l.asked = true
	for len(ids) < limit {
		at := p.choose(l)
		if at < 0 {
			if !p.steal(worker) {
				break
			}
			continue
		}
		ids = append(ids, p.refs[p.send(l, at)].ID)
	}
	// Who has nothing unanswered has taken what there was: so whoever is told of
	// more here is woken by an answer of its own.
	return ids, len(l.open) > 0 || p.waiting > 0
}

// choose returns where in l.open the group is that gets the next job, having
// begun it if need be, or -1 when there is none.
//
// It is the group with the most unsent jobs for each one that is unanswered
// (D'Hondt's way to share out seats). A host that is asked one request at a
// time needs as long as its feeds are many, so the long ones must always have
// something under way or the round ends waiting for them; groups of like size
// take turns. Rejected: going round the open groups one job each. It is fair
// to groups but starves the long one: on a list with the skew of the real web
// the round took a third longer.
func (p *plan) choose(l *lane) int {
	best, room := -1, 0
	var most, over int // the best's unsent jobs, and what they are divided by
	for i, at := range l.open {
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
	if room >= openGroups || len(l.queue) == 0 {
		return best
	}
	head := l.queue[0]
	if best >= 0 && p.groups[head].unsent()*over < most {
		return best
	}
	l.queue = l.queue[1:]
	p.waiting--
	l.open = append(l.open, head)
	return len(l.open) - 1
}

// send marks the next job of the open group at index at as handed out and
// returns its ref.
func (p *plan) send(l *lane, at int) int32 {
	g := &p.groups[l.open[at]]
	ref := p.order[g.next]
	p.state[ref] = sent
	g.next++
	g.unanswered++
	l.unanswered++
	l.unsent--
	if g.unsent() == 0 {
		l.open = slices.Delete(l.open, at, at+1)
	}
	return ref
}

// steal gives an idle worker, which has no group of its own to begin, every second
// group that the worker with the most before it has not begun, and reports whether
// there was one.
func (p *plan) steal(worker int) bool {
	thief := &p.lanes[worker]
	if thief.unanswered >= stealBelow {
		return false
	}
	victim := (*lane)(nil)
	for w := range p.lanes {
		l := &p.lanes[w]
		if len(l.queue) > 0 && (l.asked || thief.unanswered == 0) && (victim == nil || l.unsent > victim.unsent) {
			victim = l
		}
	}
	if victim == nil {
		return false
	}
	kept := victim.queue[:0]
	for i, g := range victim.queue {
		if (len(victim.queue)-1-i)%2 != 0 {
			kept = append(kept, g)
			continue
		}
		n := p.groups[g].unsent()
		victim.unsent -= n
		thief.unsent += n
		thief.queue = append(thief.queue, g)
		p.groups[g].worker = int32(worker)
	}
	victim.queue = kept
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
	l := &p.lanes[g.worker]
	g.unanswered--
	l.unanswered--
	l.nudge()
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
	l := &p.lanes[g.worker]
	l.unsent -= len(dropped)
	if i := slices.Index(l.open, at); i >= 0 {
		l.open = slices.Delete(l.open, i, i+1)
	}
	l.nudge()
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
	for w := range p.lanes {
		p.lanes[w].nudge()
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
	for i := range p.lanes {
		if p.lanes[i].unanswered > 0 {
			return false
		}
	}
	return true
}

// nudge makes the lane's take look again; one nudge is as good as many.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
