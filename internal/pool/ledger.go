package pool

import (
	"cmp"
	"fmt"
	"slices"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A lease is a job that a slot has to answer for.
type lease struct {
	job    feeds.Job
	order  int  // of being handed out
	alone  bool // to be sent only when nothing else is, and nothing beside it
	deaths int  // of processes that it is charged with

	accused bool // a scoreboard named it
	witness bool // it was under way with one that is accused, and is not charged as long as that may be guilty
	solo    int  // processes that died while they had this job and no other

	parts []*ipc.Items // Items that came ahead of the result
	bytes int64        // what those parts take in memory
}

// A ledger is what one slot owes: every job that adopt took leaves it exactly
// once, through answer, died or rest. It starts nothing and sends nothing, and
// it is not safe for concurrent use.
type ledger struct {
	unanswered map[int64]*lease // every lease, by job
	pending    []*lease         // those not sent, the next one first
	sent       []*lease         // those that the process has, in the order of sending
	adopted    int              // jobs so far
	single     bool             // what was sent last must be alone
}

// adopt takes over jobs that were handed out for a slot, behind those that wait
// already.
func (l *ledger) adopt(jobs []feeds.Job) error {
	if l.unanswered == nil {
		l.unanswered = make(map[int64]*lease)
	}
	for _, j := range jobs {
		if j.ID == 0 || l.unanswered[j.ID] != nil {
			return fmt.Errorf("hand out job %d: id is zero or in use", j.ID)
		}
		l.adopted++
		e := &lease{job: j, order: l.adopted}
		l.unanswered[j.ID] = e
		l.pending = append(l.pending, e)
	}
	return nil
}

// suspect reports whether the next job to be sent must be alone.
func (l *ledger) suspect() bool { return len(l.pending) > 0 && l.pending[0].alone }

// take marks at most so many jobs as sent and returns them, such that no more
// than window are sent and unanswered. A job that must be alone is.
func (l *ledger) take(most, window int) (jobs []feeds.Job) {
	if len(l.sent) > 0 && (l.single || l.suspect()) {
		return nil
	}
	if l.single = l.suspect(); l.single {
		most = 1
	}
	for _, e := range l.pending[:min(most, max(window-len(l.sent), 0), len(l.pending))] {
		if e.alone && len(jobs) > 0 {
			break
		}
		l.sent = append(l.sent, e)
		jobs = append(jobs, e.job)
	}
	clear(l.pending[:len(jobs)])
	l.pending = l.pending[len(jobs):]
	return jobs
}

// find returns where in sent the job is, which the process must have.
func (l *ledger) find(id int64) (int, error) {
	at := slices.IndexFunc(l.sent, func(e *lease) bool { return e.job.ID == id })
	if at < 0 {
		return 0, fmt.Errorf("job %d, which it does not have", id)
	}
	return at, nil
}

// leastPart is about how many bytes each Items but the last has at least.
const leastPart = 32 << 10

// part keeps m, which has items that came ahead of their job's result. It fails
// when the process does not have that job, or when its parts together exceed
// limit bytes.
func (l *ledger) part(m *ipc.Items, limit int64) error {
	at, err := l.find(m.ID)
	if err != nil {
		return fmt.Errorf("items for %w", err)
	}
	e := l.sent[at]
	if e.bytes += feeds.SizeOf(m.Items); e.bytes > limit {
		return fmt.Errorf("items of job %d exceed %d bytes", e.job.ID, limit)
	}
	if int64(len(e.parts)) > limit/leastPart {
		return fmt.Errorf("items of job %d in more than %d parts", e.job.ID, limit/leastPart)
	}
	e.parts = append(e.parts, m)
	return nil
}

// answer strikes out job id and returns its lease. It fails when the process
// does not have that job, be it that it was never sent or is answered already.
//
// An answer clears a job that was accused. When the last one is cleared, the
// witnesses are all that is left: each is charged, and from now on alone.
func (l *ledger) answer(id int64) (*lease, error) {
	at, err := l.find(id)
	if err != nil {
		return nil, fmt.Errorf("result for %w", err)
	}
	e := l.sent[at]
	l.sent = slices.Delete(l.sent, at, at+1)
	delete(l.unanswered, id)
	if e.accused && !l.accuses() {
		for _, o := range l.unanswered {
			if o.witness {
				o.witness, o.alone = false, true
				o.deaths++
			}
		}
	}
	return e, nil
}

// accuses reports whether some job is accused and not cleared.
func (l *ledger) accuses() bool {
	for _, e := range l.unanswered {
		if e.accused {
			return true
		}
	}
	return false
}

// giveBack takes back job id, which a process was given and has not begun, to the
// place that it had: those that must be alone first, and each in the order of being
// handed out. It fails when the process does not have that job.
func (l *ledger) giveBack(id int64) error {
	at, err := l.find(id)
	if err != nil {
		return fmt.Errorf("given back %w", err)
	}
	e := l.sent[at]
	l.sent = slices.Delete(l.sent, at, at+1)
	e.parts, e.bytes = nil, 0
	place := slices.IndexFunc(l.pending, func(p *lease) bool {
		return p.order > e.order && p.alone == e.alone || e.alone && !p.alone
	})
	if place < 0 {
		place = len(l.pending)
	}
	l.pending = slices.Insert(l.pending, place, e)
	return nil
}

// died takes back what the process had when it died, and returns the job that is
// now known to kill its workers, which is struck out; nil when there is none.
// suspects are the jobs that it was working on when it died, none when that is
// not known.
//
// Whoever is named is tried once more, first and alone; all others are spared.
// Where nobody is named, or all that were named live, each of those that were
// under way is charged, and goes on alone. A job is guilty when a process dies
// that had nothing else, and it has been named before, or alone in another one
// that died.
//
// Rejected: to charge whoever is named and leave it at that. What a worker says
// last may be a lie, so an innocent job could stand in for the killer at each
// death, as often as there are jobs under way. Tried first, it is cleared, and
// the others are charged.
func (l *ledger) died(suspects []int64) (guilty *lease) {
	lost := l.takeBack()
	named := func(e *lease) bool { return slices.Contains(suspects, e.job.ID) }
	switch {
	case len(lost) == 1:
		e := lost[0]
		e.deaths++
		if e.solo++; e.solo > 1 || e.accused && named(e) {
			l.convict(e)
			return e
		}
		e.alone, e.accused = true, e.accused || named(e)
	case slices.ContainsFunc(lost, named):
		var first, others []*lease
		for _, e := range lost {
			if !named(e) {
				e.witness = true
				others = append(others, e)
				continue
			}
			e.deaths++
			e.alone, e.accused = true, true
			first = append(first, e)
		}
		copy(lost, append(first, others...))
	default:
		for _, e := range lost {
			e.deaths++
			e.alone = true
		}
	}
	return nil
}

// convict strikes out the first job of pending, which is guilty. If it was accused,
// the death is explained: nobody else is charged with it.
func (l *ledger) convict(e *lease) {
	delete(l.unanswered, e.job.ID)
	l.pending = l.pending[1:]
	if !e.accused {
		return
	}
	for _, o := range l.unanswered {
		if o.accused && o.solo == 0 {
			o.alone = false
		}
		o.accused, o.witness = false, false
	}
}

// takeBack takes back every job that was sent, to be sent again before anything
// else. It returns that part of pending, in the order of sending.
func (l *ledger) takeBack() []*lease {
	lost := len(l.sent)
	for _, e := range l.sent {
		e.parts, e.bytes = nil, 0 // which nobody has seen
	}
	l.pending = slices.Concat(l.sent, l.pending)
	l.sent = nil
	return l.pending[:lost]
}

// rest strikes out whatever is left and returns it.
func (l *ledger) rest() (left []*lease) {
	for _, e := range l.unanswered {
		left = append(left, e)
	}
	slices.SortFunc(left, func(a, b *lease) int { return cmp.Compare(a.job.ID, b.job.ID) })
	*l = ledger{}
	return left
}
