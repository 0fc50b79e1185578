package pool

import (
	"slices"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// handle deals with one message of a process. An error means that the worker
// broke the protocol.
func (s *slot) handle(w *process, m *ipc.Message) error {
	s.mu.Lock()
	current := s.current == w
	s.mu.Unlock()
	if !current && (m.Result != nil || m.Items != nil) {
		return unexpected("an answer before any job")
	}
	switch {
	case m.Result != nil:
		w.watch.answer(m.Result.ID, time.Now())
		s.pool.moved()
		return s.settle(w, m)
	case m.Items != nil:
		s.pool.moved()
		return s.keep(m)
	case m.Tick != nil:
		w.watch.tick(m.Tick.Parsing, time.Now())
		s.weigh(w)
		return nil
	case m.Claim != nil:
		return s.claim(w, m.Claim.Batch)
	case m.Bye != nil:
		if current && s.owes() {
			return unexpected("Bye with jobs unanswered")
		}
		s.pool.weigh(s.n, w.cmd.Process.Pid)
		return w.sayBye()
	}
	return unexpected("a message that a worker does not send")
}

// unexpected returns the error for a well-formed message that may not come.
func unexpected(detail string) error {
	return &ipc.ProtocolError{Kind: ipc.ErrUnexpected, Detail: detail}
}

// keep keeps items that came ahead of their job's result.
func (s *slot) keep(part *ipc.Message) error {
	// What a document says can grow in its items, where bytes that are no
	// text become three each and a field fills another one, but not beyond
	// any measure.
	limit := 8*s.pool.o.Refresh.MaxBody + ipc.DefaultMaxFrame
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ledger.part(part, limit); err != nil {
		return unexpected(err.Error())
	}
	return nil
}

// settle passes on the result in m, if its job is with the process and
// unanswered. A job that a process gives back because another one takes over is
// no result.
func (s *slot) settle(w *process, m *ipc.Message) error {
	r := m.Result
	s.mu.Lock()
	if r.Class == feeds.Cancelled && w.retired.Load() {
		err := s.ledger.giveBack(r.ID)
		s.mu.Unlock()
		if err != nil {
			return unexpected(err.Error())
		}
		m.Release()
		return nil
	}
	e, err := s.ledger.answer(r.ID)
	if err == nil {
		s.fails = 0
	}
	s.mu.Unlock()
	if err != nil {
		return unexpected(err.Error())
	}
	r.Attempts += e.deaths
	whole, release := joined(e.parts, m)
	s.shared.out.put(whole, release)
	s.pool.moved()
	wake(s.workC)
	s.shared.answered(e)
	return nil
}

// joined returns the result in last with all its items, those that came ahead
// in parts first, and what gives back the memory of all these messages; nil
// when there is nothing to give back.
func joined(parts []*ipc.Message, last *ipc.Message) (whole feeds.Result, release func()) {
	whole = *last.Result
	if len(parts) == 0 {
		if len(whole.Items) > 0 {
			release = last.Release
		}
		return whole, release
	}
	all := append(slices.Clip(parts), last)
	n := len(whole.Items)
	for _, part := range parts {
		n += len(part.Items.Items)
	}
	items := make([]feeds.Item, 0, n)
	for _, part := range parts {
		items = append(items, part.Items.Items...)
	}
	whole.Items = append(items, whole.Items...)
	return whole, func() {
		for _, m := range all {
			m.Release()
		}
	}
}
