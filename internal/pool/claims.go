package pool

import (
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// What a slot does where workers take their jobs out of a queue; see dealer.

// more reports whether the slot may still get jobs that it does not have yet.
// It must be asked before the jobs that it has are looked at.
func (s *slot) more() bool {
	if d := s.shared.dealer; d != nil {
		return d.more()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dry
}

// offered reports whether the slot is to have a process for jobs that are there
// for whoever is free.
func (s *slot) offered() bool {
	d := s.shared.dealer
	return d != nil && d.invite(s)
}

// accept takes over jobs that next handed out for the slot.
func (s *slot) accept(jobs []feeds.Job) error {
	s.mu.Lock()
	s.asked += len(jobs)
	s.mu.Unlock()
	if d := s.shared.dealer; d != nil {
		return d.add(s.n, jobs)
	}
	return s.adopt(s.n, false, jobs...)
}

// adopt makes jobs the slot's, which next handed out for the slot lane. With
// sent, its process has them already.
func (s *slot) adopt(lane int, sent bool, jobs ...feeds.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake(s.workC)
	return s.ledger.adopt(lane, sent, jobs)
}

// full reports whether the slot is to ask for no more jobs now.
func (s *slot) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked >= s.pool.o.Window
}

// answered takes note, for the slot that had asked for it, that a job is
// answered.
func (r *run) answered(e *lease) {
	s := r.slots[e.lane]
	s.mu.Lock()
	s.asked--
	s.mu.Unlock()
	wake(s.roomC)
}

// attend answers the claim of a process, if it has made one, and lets it take
// the next batch. While the slot tries suspects its process gets none.
//
// What a process may it is never forbidden, as its claim could be on its way
// already: it is turned away when it claims.
func (s *slot) attend(w *process) error {
	d := s.shared.dealer
	if d == nil {
		return nil
	}
	s.mu.Lock()
	trying, idle := s.ledger.trying(), s.ledger.out == 0
	g := ipc.Grant{Batch: w.claimed, Take: !trying && d.trusted.Load()}
	if g.Batch == 0 && (w.may || !g.Take) {
		s.mu.Unlock()
		return nil
	}
	w.claimed, w.may = 0, g.Take
	s.mu.Unlock()
	switch {
	case g.Batch == 0:
	case trying:
		d.release(g.Batch, w)
	default:
		if idle {
			w.watch.begin(time.Now())
		}
		w.watchFor(0, false)
		g.Begin = d.grant(g.Batch, w, s)
	}
	s.running.set("grants a batch")
	defer s.pool.moved()
	if g.Begin {
		crash.At("coordinator: before grant batch")
		defer crash.At("coordinator: after grant batch")
	}
	return w.line.Send(&ipc.Message{Grant: &g})
}

// idle says whether the slot's process may take a batch and has nothing to do.
func (s *slot) idle(w *process, nothing bool) {
	if d := s.shared.dealer; d != nil {
		d.free(s, nothing && w.may)
	}
}

// claim takes note that a process has taken a batch out of the queue.
func (s *slot) claim(w *process, number int64) error {
	d := s.shared.dealer
	if d != nil {
		d.claim(number, w) // before anybody can answer it
	}
	s.mu.Lock()
	may, late := d != nil && w.may && number != 0, w.drained.Load()
	w.may = false
	if may && !late {
		w.claimed = number
	}
	s.mu.Unlock()
	if !may {
		return unexpected("Claim that it may not make")
	}
	if late {
		d.release(number, w)
	}
	wake(s.workC)
	return nil
}

// forgo takes note that a process is to begin nothing more: a batch that it has
// claimed is offered again.
func (s *slot) forgo(w *process) {
	s.mu.Lock()
	number := w.claimed
	w.claimed = 0
	s.mu.Unlock()
	if d := s.shared.dealer; d != nil {
		d.release(number, w)
		d.free(s, false)
	}
}

// ignoresQueue reports whether the slot's process may take a batch, has nothing
// to do and does not take one.
func (s *slot) ignoresQueue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil && s.current.may && s.ledger.out == 0
}
