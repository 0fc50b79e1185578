package pool

import (
	"context"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/ipc"
)

// dismiss gets rid of a process that owes nothing.
func (s *slot) dismiss(ctx context.Context, w *process) {
	s.drain(ctx, w)
	s.end(w)
	w.release()
}

// drain asks a process to finish and waits for its Bye, for as long as its
// jobs may take.
func (s *slot) drain(ctx context.Context, w *process) {
	s.running.set("waits for a worker to finish")
	w.drained.Store(true)
	crash.At("coordinator: before drain")
	if err := w.send(&ipc.Drain{}); err != nil {
		w.log.Debug("send drain", "err", err)
		return
	}
	grace := s.shared.o.Refresh.DrainGrace + s.shared.o.StopGrace
	if ctx.Err() == nil && s.owes() {
		grace += s.shared.o.patience() // it has only grown; its guard ends it if it hangs
	}
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case <-w.byeC:
	case <-w.endC:
	case <-limit.C:
		w.log.Info("worker has not finished in time")
	}
}

// end stops a process and adds up what it has cost.
func (s *slot) end(w *process) {
	s.running.set("stops a worker")
	w.stop(s.shared.o.StopGrace)
	s.shared.count.bill(w.line.Sent(), w.line.Received(), w.cost())
}

// stop gets rid of the process, by the ladder that the package comment
// describes, and returns when it is reaped, both readers are done and all
// pipes are closed.
func (w *process) stop(grace time.Duration) {
	quietC := make(chan struct{})
	go func() {
		w.readers.Wait()
		close(quietC)
	}()
	w.stdin.Close()
	rungs := []struct {
		name  string
		climb func()
	}{
		{"SIGTERM", func() { w.signal("SIGTERM", terminateGroup, nil) }},
		{"SIGKILL", func() { w.kill(nil) }},
		{"close pipes", func() {
			w.stdout.Close()
			w.stderr.Close()
		}},
	}
	for _, rung := range rungs {
		select {
		case <-quietC:
		case <-time.After(grace):
			w.log.Info("worker still there", "after", grace, "next", rung.name)
			rung.climb()
		}
	}
	<-quietC
	w.reap(grace)
	w.stdout.Close()
	w.stderr.Close()
	w.line.Close()
}

// reap kills what is left of the group and waits for the process. Both its
// pipes have ended, so it has nothing more to say; if that is because it is
// exiting, its exit status is settled already and a signal changes nothing.
func (w *process) reap(grace time.Duration) {
	w.kill(nil)
	w.leave()
	w.mu.Lock()
	w.waiting = true
	w.mu.Unlock()
	still := time.NewTicker(grace + time.Second)
	defer still.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// An error other than an exit status leaves no state; there is
		// nothing else that could be done about it.
		w.cmd.Wait()
	}()
	for {
		select {
		case <-done:
			w.state = w.cmd.ProcessState
			return
		case <-still.C:
			w.log.Warn("killed worker is still not reaped")
		}
	}
}
