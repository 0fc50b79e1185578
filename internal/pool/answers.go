package pool

import (
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// handle deals with one message of a process. An error means that the worker
// broke the protocol.
func (s *slot) handle(w *process, m ipc.Message) error {
	s.mu.Lock()
	current := s.current == w
	s.mu.Unlock()
	switch m := m.(type) {
	case *ipc.Result:
		if !current {
			return unexpected("an answer before any job")
		}
		w.watch.answer(m.ID, w.line.Received(), time.Now())
		w.link.answered(m.ID)
		s.shared.count.moved()
		return s.settle(w, m)
	case *ipc.Items:
		if !current {
			return unexpected("an answer before any job")
		}
		s.shared.count.moved()
		if err := w.watch.spent(w.line.Received()); err != nil {
			return err
		}
		return s.keep(m)
	case *ipc.Heartbeat:
		now := time.Now()
		if err := w.watch.heartbeat(now); err != nil {
			return err
		}
		w.link.beat(m, now)
		s.measure(w)
		return nil
	case *ipc.Bye:
		if current && s.owes() {
			return unexpected("Bye with jobs unanswered")
		}
		s.measure(w)
		w.link.parts(m.CPU)
		return w.sayBye()
	}
	return unexpected("a message that a worker does not send")
}

// keep keeps items that came ahead of their job's result.
func (s *slot) keep(part *ipc.Items) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ledger.part(part, s.shared.o.mostOfAJob()); err != nil {
		return unexpected(err.Error())
	}
	return nil
}

// settle passes on r, if its job is with the process and
// unanswered. A job that a process gives back because it is to be replaced is no
// result.
func (s *slot) settle(w *process, r *ipc.Result) error {
	s.mu.Lock()
	if r.Class == feeds.Cancelled && w.drained.Load() && w.grown.Load() {
		err := s.ledger.giveBack(r.ID)
		s.mu.Unlock()
		if err != nil {
			return unexpected(err.Error())
		}
		return nil
	}
	e, err := s.ledger.answer(r.ID)
	if err == nil {
		s.fails, s.breaches, s.away = 0, 0, 0
	}
	s.mu.Unlock()
	if err != nil {
		return unexpected(err.Error())
	}
	r.Attempts += e.deaths
	s.shared.out.put(joined(e.parts, r))
	s.shared.count.moved()
	wake(s.workC)
	wake(s.roomC)
	return nil
}

// joined returns the last result of a job with all its items, those that came
// ahead in parts first.
func joined(parts []*ipc.Items, last *ipc.Result) feeds.Result {
	whole := last.Result
	if len(parts) == 0 {
		return whole
	}
	n := len(whole.Items)
	for _, part := range parts {
		n += len(part.Items)
	}
	items := make([]feeds.Item, 0, n)
	for _, part := range parts {
		items = append(items, part.Items...)
	}
	whole.Items = append(items, whole.Items...)
	return whole
}
