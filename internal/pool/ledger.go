package pool

import (
	"cmp"
	"fmt"
	"slices"
	"unsafe"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// maxDeaths is how many workers a job may outlive without an answer when it is
// not known which job is to blame. With the last of them it was alone in its
// worker, so nothing else can be. It can be charged with more: with all those
// that it was spared, at once, when the others that were tried are cleared.
const maxDeaths = 3

// A blame says which jobs are to be tried for the death of their process.
type blame struct {
	jobs []int64
	// sure says that the process was working on these when it died. Then
	// nobody else is charged, as long as one of them may be guilty.
	sure bool
	// nobody says that it died of something that no job can cause.
	nobody bool
}

// A death is one for which jobs were accused. Those that were spared for it
// are charged after all when every one of the accused has been cleared.
type death struct{ accused int }

// A lease is a job that a slot has to answer for.
type lease struct {
	job    feeds.Job
	lane   int  // the slot that it was handed out for
	order  int  // of sending; meaningful while sent
	sent   bool // to the process that runs now
	deaths int  // processes that died while they had the job, but for those it was spared
	alone  bool // to be sent only when nothing else is, and nothing beside it

	accused *death   // that it is now tried for; nil when it is not
	spared  []*death // that others are tried for

	parts []*ipc.Message // Items that came ahead of the result
	bytes int64          // what those parts take in memory
}

// A ledger is what one slot owes: every job that adopt took leaves it exactly
// once, through answer, died or rest. It starts nothing and sends nothing, and
// it is not safe for concurrent use.
type ledger struct {
	unanswered map[int64]*lease // every lease, by job
	pending    []*lease         // those not sent, the next one first
	out        int              // how many are sent
	sends      int              // jobs sent so far
	deaths     int              // processes that died
}

// adopt takes over jobs that were handed out for a slot, behind those that wait
// already. With sent, the process has them.
func (l *ledger) adopt(lane int, sent bool, jobs []feeds.Job) error {
	if l.unanswered == nil {
		l.unanswered = make(map[int64]*lease)
	}
	for _, j := range jobs {
		if j.ID == 0 || l.unanswered[j.ID] != nil {
			return fmt.Errorf("hand out job %d: id is zero or in use", j.ID)
		}
		e := &lease{job: j, lane: lane}
		l.unanswered[j.ID] = e
		if sent {
			l.send(e)
		} else {
			l.pending = append(l.pending, e)
		}
	}
	return nil
}

// send takes note that the process has a job.
func (l *ledger) send(e *lease) {
	l.sends++
	l.out++
	e.sent, e.order = true, l.sends
}

// trying reports whether there are jobs that must be alone in their process.
func (l *ledger) trying() bool {
	if l.deaths == 0 {
		return false
	}
	for _, e := range l.unanswered {
		if e.alone {
			return true
		}
	}
	return false
}

// take marks at most batch jobs as sent and returns them, such that no more
// than window are sent and unanswered. A job that must be alone is.
func (l *ledger) take(batch, window int) []feeds.Job {
	if len(l.pending) == 0 {
		return nil
	}
	if l.pending[0].alone {
		if l.out > 0 {
			return nil
		}
		batch, window = 1, 1
	}
	var jobs []feeds.Job
	for _, e := range l.pending[:min(batch, max(window-l.out, 0), len(l.pending))] {
		if e.alone && len(jobs) > 0 || l.out == 1 && l.aloneOut() {
			break
		}
		l.send(e)
		jobs = append(jobs, e.job)
	}
	clear(l.pending[:len(jobs)])
	l.pending = l.pending[len(jobs):]
	return jobs
}

// aloneOut reports whether a job that must be alone is with the process.
func (l *ledger) aloneOut() bool {
	for _, e := range l.unanswered {
		if e.sent && e.alone {
			return true
		}
	}
	return false
}

// part keeps m, which has items that came ahead of their job's result. It fails
// when the process does not have that job, or when its parts together exceed
// limit bytes.
func (l *ledger) part(m *ipc.Message, limit int64) error {
	id, items := m.Items.ID, m.Items.Items
	e := l.unanswered[id]
	if e == nil || !e.sent {
		return fmt.Errorf("items for job %d, which it does not have", id)
	}
	for i := range items {
		e.bytes += size(&items[i])
	}
	if e.bytes > limit {
		return fmt.Errorf("items of job %d exceed %d bytes", id, limit)
	}
	e.parts = append(e.parts, m)
	return nil
}

// size returns about how much memory an item takes, in bytes.
func size(it *feeds.Item) int64 {
	n := int(unsafe.Sizeof(*it)) + len(it.GUID) + len(it.Link) + len(it.Title) + len(it.Author) + len(it.Summary) + len(it.Content) + len(it.Image)
	for _, c := range it.Categories {
		n += int(unsafe.Sizeof(c)) + len(c)
	}
	for _, e := range it.Enclosures {
		n += int(unsafe.Sizeof(e)) + len(e.URL) + len(e.Type)
	}
	return int64(n)
}

// answer strikes out job id and returns its lease. It fails when the process
// does not have that job, be it that it was never sent or is answered already.
// A job that was accused is cleared by that.
func (l *ledger) answer(id int64) (*lease, error) {
	e := l.unanswered[id]
	if e == nil || !e.sent {
		return nil, fmt.Errorf("result for job %d, which it does not have", id)
	}
	delete(l.unanswered, id)
	l.out--
	if e.accused != nil {
		l.clear(e.accused)
	}
	return e, nil
}

// clear takes note that one of those accused of a death is innocent. When all
// are, each job that was spared for it is charged.
func (l *ledger) clear(d *death) {
	if d.accused--; d.accused > 0 {
		return
	}
	for _, e := range l.unanswered {
		if i := slices.Index(e.spared, d); i >= 0 {
			e.spared = slices.Delete(e.spared, i, i+1)
			e.charge()
		}
	}
}

// charge counts a death against the job.
func (e *lease) charge() {
	e.deaths++
	e.alone = e.alone || e.deaths > 1
}

// reset forgets what a process had sent of the job, which nobody has seen.
func (e *lease) reset() {
	for _, m := range e.parts {
		m.Release()
	}
	e.sent, e.parts, e.bytes = false, nil, 0
}

// giveBack takes back job id, which a process was given and has not begun. It
// fails when the process does not have that job.
func (l *ledger) giveBack(id int64) error {
	e := l.unanswered[id]
	if e == nil || !e.sent {
		return fmt.Errorf("job %d given back, which it does not have", id)
	}
	e.reset()
	l.out--
	at := slices.IndexFunc(l.pending, func(p *lease) bool { return p.order == 0 || p.order > e.order })
	if at < 0 {
		at = len(l.pending)
	}
	l.pending = slices.Insert(l.pending, at, e)
	return nil
}

// died takes back what the process had when it died, to be sent again before
// anything else, and returns the job that is now known to kill its workers, if
// there is one, which is struck out.
//
// When it is sure whom to blame, these are tried first, each alone in what is
// then a fresh process, and all others are spared. A second death proves the
// charge. Else each job is charged: one that is suspected, or has two deaths,
// will be sent alone, and the one that then has maxDeaths is guilty.
//
// Rejected: to charge a suspect alone and leave it at that. What a worker says
// last may be old or a lie, so an innocent job could stand in for the killer at
// each death, 128 times over. Tried first, it is cleared, and the others are
// charged.
func (l *ledger) died(b blame) (condemned []*lease) {
	d := &death{}
	l.deaths++
	lost := l.lost()
	if b.nobody {
		l.pending = slices.Concat(lost, l.pending)
		return nil
	}
	accused := func(e *lease) bool { return slices.Contains(b.jobs, e.job.ID) }
	sure := b.sure && slices.ContainsFunc(lost, accused)
	var tried, crowd, alone []*lease
	for _, e := range lost {
		switch {
		case sure && accused(e) && !e.alone:
			d.accused++
			e.accused, e.alone = d, true
			e.charge()
			tried = append(tried, e)
			continue
		case sure && !e.alone:
			e.spared = append(e.spared, d)
		default: // also when it was alone: then it is nobody else
			e.charge()
			e.alone = e.alone || accused(e)
		}
		switch {
		case e.alone && (e.accused != nil || e.deaths >= maxDeaths):
			condemned = append(condemned, e)
			delete(l.unanswered, e.job.ID)
		case e.alone:
			alone = append(alone, e)
		default:
			crowd = append(crowd, e)
		}
	}
	l.pending = slices.Concat(tried, crowd, alone, l.pending)
	return condemned
}

// lost takes back every job that was sent and returns them in that order.
func (l *ledger) lost() []*lease {
	var all []*lease
	for _, e := range l.unanswered {
		if e.sent {
			e.reset()
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *lease) int { return cmp.Compare(a.order, b.order) })
	l.out = 0
	return all
}

// rest strikes out whatever is left and returns it.
func (l *ledger) rest() []*lease {
	var left []*lease
	for _, e := range l.unanswered {
		e.reset()
		left = append(left, e)
	}
	slices.SortFunc(left, func(a, b *lease) int { return cmp.Compare(a.job.ID, b.job.ID) })
	clear(l.unanswered)
	l.pending, l.out = nil, 0
	return left
}
