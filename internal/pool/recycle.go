package pool

import "context"

// measure notes how much memory a process has, and whether it has grown too large.
func (s *slot) measure(w *process) {
	if w.link.elsewhere {
		return // how large the link is does not matter
	}
	peak, own := memoryOf(w.cmd.Process.Pid)
	s.shared.count.note(func(st *Stats) { st.PeakRSS[s.n] = max(st.PeakRSS[s.n], peak) })
	if at := s.shared.o.RecycleAt; at > 0 && own > at && !w.grown.Swap(true) {
		w.log.Info("worker has grown and will be replaced", "bytes", own)
		wake(s.workC)
	}
}

// warmUp makes another process ready to take over from old, and reports whether
// there is one. If it cannot be started now, old goes on until its next heartbeat.
func (s *slot) warmUp(ctx context.Context, old *process) bool {
	w, err := s.begin(ctx)
	if err != nil {
		old.log.Warn("worker that has grown is kept: no other one starts", "err", err)
		old.grown.Store(false)
		return false
	}
	s.mu.Lock()
	s.warm = w
	s.mu.Unlock()
	s.shared.count.note(func(st *Stats) { st.Recycled++ })
	return true
}

// nextProcess returns the process that is ready, if one is, or else begins one.
// One that became ready for ordinary jobs cannot keep the document of a
// suspect, so where that is wanted a suspect gets a process of its own: what
// eats memory grows before it dies, and is about to be replaced then.
func (s *slot) nextProcess(ctx context.Context) (*process, error) {
	s.mu.Lock()
	w := s.warm
	fits := w != nil && (w.capture != nil || w.link.elsewhere || !s.ledger.suspect() || s.shared.o.KeepPoison == "")
	if fits {
		s.warm = nil
	}
	s.mu.Unlock()
	if fits {
		return w, nil
	}
	s.discard()
	return s.begin(ctx)
}
