package pool

import "context"

// weigh looks whether a process has grown too large.
func (s *slot) weigh(w *process) {
	own := s.pool.weigh(s.n, w.cmd.Process.Pid)
	if at := s.pool.o.RecycleAt; at > 0 && own > at && !w.grown.Swap(true) {
		w.log.Info("worker has grown and will be replaced", "bytes", own)
		wake(s.workC)
	}
}

// warmUp makes another process ready to take over from old, and reports whether
// there is one. If it cannot be started now, old goes on until its next Tick.
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
	s.pool.recycled()
	return true
}

// goAhead makes a process ready for jobs that are still to come.
func (s *slot) goAhead(ctx context.Context) error {
	w, err := s.begin(ctx)
	s.pool.moved()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return s.bury(err)
	}
	s.mu.Lock()
	s.warm = w
	s.mu.Unlock()
	return nil
}

// nextProcess returns the process that is ready, if one is, or else begins one.
// One that became ready for ordinary jobs cannot keep the document of a
// suspect, so where that is wanted a suspect gets a process of its own: what
// eats memory grows before it dies, and is about to be replaced then.
func (s *slot) nextProcess(ctx context.Context) (*process, error) {
	s.mu.Lock()
	w := s.warm
	suspect := len(s.ledger.pending) > 0 && s.ledger.pending[0].alone
	fits := w != nil && (w.trial || !suspect || s.pool.o.KeepPoison == "")
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

// discard gets rid of the process that is ready, if one is.
func (s *slot) discard() {
	s.mu.Lock()
	w := s.warm
	s.warm = nil
	s.mu.Unlock()
	if w != nil {
		s.drain(w)
		s.end(w)
		w.release()
	}
}
