package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// serve has a process do jobs until there are none left for it, it dies, it
// has grown too large, or ctx is done. Then the process is gone, or another slot's,
// and what it had not answered is pending again. It fails with errGivenUp.
func (s *slot) serve(ctx context.Context, w *process) error {
	s.setCurrent(w)
	o := s.shared.o
	unwatchC := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { w.endIfHung(max(o.HangAfter/8, time.Millisecond), o.StopGrace, s.owes, unwatchC) })
	unwatch := sync.OnceFunc(func() {
		close(unwatchC)
		watching.Wait()
	})
	// A worker that does not read must not hold the run. Its watch would
	// find out as well, only later.
	loosen := context.AfterFunc(ctx, func() { w.stdin.SetWriteDeadline(time.Now().Add(o.StopGrace)) })

	drain, over := s.supply(ctx, w)
	if over {
		unwatch()
		if s.shared.offer(ctx, s, w) {
			loosen()
			s.setCurrent(nil)
			return nil
		}
	}
	if drain {
		s.measure(w)
		s.drain(ctx, w)
	}
	loosen()
	s.end(w)
	unwatch()
	s.setCurrent(nil)
	defer w.release()
	s.shared.count.moved()
	if w.parted() && !s.owes() {
		return nil
	}
	s.shared.count.note(func(st *Stats) { st.Deaths++ })
	if ctx.Err() != nil {
		return nil
	}
	return s.blame(w)
}

// supply sends jobs to a process until it takes or says nothing more, or is to be
// drained: there is nothing more to do for the slot, which over says as well,
// it has grown, or ctx is done.
func (s *slot) supply(ctx context.Context, w *process) (drain, over bool) {
	for ctx.Err() == nil {
		if w.grown.Load() {
			return true, false
		}
		s.mu.Lock()
		idle := len(s.ledger.sent) == 0
		jobs := s.ledger.take(mostJobs, s.shared.o.Refresh.Window())
		alone := s.ledger.single
		over = s.finished()
		if len(jobs) > 0 {
			w.watch.give(len(jobs), idle, time.Now()) // before the watch can see that it owes them
		}
		s.mu.Unlock()
		switch {
		case over:
			return true, true
		case len(jobs) > 0:
			w.watchFor(jobs[0].ID, alone)
			s.running.set("sends jobs")
			if err := s.send(w, jobs); err != nil {
				w.log.Debug("send shard", "err", err)
				return false, false
			}
			s.shared.count.moved()
			continue
		}
		s.running.set("waits for answers")
		select {
		case <-s.workC:
		case <-w.endC:
			return false, false
		case <-ctx.Done():
		}
	}
	return true, false
}

// mostJobs is how many jobs are in one message at most: enough that a message costs
// nothing beside them, and so few that a worker begins while more are packed.
const mostJobs = 32

// send sends jobs as one shard, or as several when one would be too long for
// a frame. A job that is too long on its own is answered at once.
func (s *slot) send(w *process, jobs []feeds.Job) error {
	crash.At("coordinator: before send shard")
	err := w.send(&ipc.Shard{Jobs: jobs})
	crash.At("coordinator: after send shard")
	if !errors.Is(err, ipc.ErrMessageTooLarge) {
		return err
	}
	if len(jobs) > 1 {
		half := len(jobs) / 2
		if err := s.send(w, jobs[:half]); err != nil {
			return err
		}
		return s.send(w, jobs[half:])
	}
	return s.settle(w, &ipc.Result{Result: feeds.Result{
		ID: jobs[0].ID, Class: feeds.LimitSize, Detail: "the feed has too many known items to send to a worker",
	}})
}

// measure notes how much memory a process has, and whether it has grown too large.
func (s *slot) measure(w *process) {
	if w.link.elsewhere {
		return // how large the link is does not matter
	}
	peak, own := MemoryOf(w.cmd.Process.Pid)
	s.shared.count.note(func(st *Stats) { st.PeakRSS[s.n] = max(st.PeakRSS[s.n], peak) })
	if at := s.shared.o.RecycleAt; at > 0 && own > at && !w.grown.Swap(true) {
		w.log.Info("worker has grown and will be replaced", "bytes", own)
		wake(s.workC)
	}
}

// handle deals with one message of a process. An error means that the worker
// broke the protocol.
func (s *slot) handle(w *process, m ipc.Message) error {
	s.mu.Lock()
	current := s.current == w
	s.mu.Unlock()
	switch m := m.(type) {
	case *ipc.Result:
		if !current {
			return ipc.Unexpected("an answer before any job")
		}
		w.watch.answer(m.ID, w.line.Received(), time.Now())
		w.link.answered(m.ID)
		s.shared.count.moved()
		return s.settle(w, m)
	case *ipc.Items:
		if !current {
			return ipc.Unexpected("an answer before any job")
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
			return ipc.Unexpected("Bye with jobs unanswered")
		}
		s.measure(w)
		w.link.parts(m.CPU)
		return w.sayBye()
	}
	return ipc.Unexpected("a message that a worker does not send")
}

// keep keeps items that came ahead of their job's result.
func (s *slot) keep(part *ipc.Items) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ledger.part(part, s.shared.o.mostOfAJob()); err != nil {
		return ipc.Unexpected("%v", err)
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
			return ipc.Unexpected("%v", err)
		}
		return nil
	}
	e, err := s.ledger.answer(r.ID)
	if err == nil {
		s.fails, s.breaches, s.away = 0, 0, 0
	}
	s.mu.Unlock()
	if err != nil {
		return ipc.Unexpected("%v", err)
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
	lists := make([][]feeds.Item, 0, len(parts)+1)
	for _, part := range parts {
		lists = append(lists, part.Items)
	}
	whole.Items = slices.Concat(append(lists, whole.Items)...)
	return whole
}
