package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
)

// A worker may be elsewhere: the program that is started, a script that ends in
// exec ssh, then only brings its frames. That has no scoreboard, so the worker
// says in heartbeats what it does and what it has cost; and that it ends says
// nothing of the worker, so it is on a leash: it ends by itself when nobody
// answers its heartbeats, and until then nobody else has its jobs.

// defaultLeash is how long a worker that is elsewhere goes on without its
// coordinator.
const defaultLeash = 10 * time.Second

// A link is what the coordinator knows of a worker by its frames alone.
type link struct {
	// elsewhere says that the worker shares no memory with the coordinator, as one
	// on another machine does not. It is valid after Hello.
	elsewhere bool
	leash     time.Duration      // 0 for none; set before the coordinator's Hello is sent
	beatC     chan time.Duration // heartbeats to be answered; the last one does for all

	mu    sync.Mutex    // guards the fields below
	heard time.Time     // when the last heartbeat came, or Hello
	work  board.Work    // what the worker said that it does
	cpu   time.Duration // that it said to have used
}

// beat notes a heartbeat, and has it answered where that is wanted.
func (l *link) beat(h *ipc.Heartbeat, now time.Time) {
	l.mu.Lock()
	l.heard, l.cpu = now, h.CPU
	l.work = board.Work{Phase: board.Phase(h.Phase), Job: h.Job, Bytes: h.Bytes}
	l.mu.Unlock()
	select {
	case <-l.beatC:
	default:
	}
	l.beatC <- h.At
}

// answered notes that job id is answered: it is worked at no more.
func (l *link) answered(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.work.Job == id {
		l.work = board.Work{}
	}
}

// parts notes the last word of a worker, which tells what it has cost.
func (l *link) parts(cpu time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cpu = cpu
}

// over returns when the leash of a worker is over whose link is lost.
func (l *link) over() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard.Add(l.leash + l.leash/8) // to end takes a moment, too
}

const (
	// maxStartFailures is how many processes of a slot may fail before their Hello, one
	// after the other, when none in this run has said one, before the program is taken
	// to be unable to start at all. As often must each slot have reached no worker for
	// the run to end.
	maxStartFailures = 3
	// maxLost is how often in a row each slot must have lost its worker, or reached
	// none, for the run to end, when some have said Hello.
	maxLost = 7
)

// hopeless reports whether no slot that has jobs has a worker, and all of them
// have tried often enough to get one.
func (r *run) hopeless() bool {
	most := maxStartFailures
	if r.reached.Load() {
		most = maxLost
	}
	for _, s := range r.slots {
		s.mu.Lock()
		hope := s.current != nil || !s.done && s.away < most
		s.mu.Unlock()
		if hope {
			return false
		}
	}
	return true
}

// wanted reports whether a worker that has nothing more to do for its slot may be
// of use for another one, whose own is elsewhere or has not said yet where it is.
func (r *run) wanted() bool {
	for _, s := range r.slots {
		s.mu.Lock()
		wanted := s.elsewhere && !s.done && !s.finished()
		s.mu.Unlock()
		if wanted {
			return true
		}
	}
	return false
}

// announce makes those look again who wait for what wanted says.
func (r *run) announce() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.news)
	r.news = make(chan struct{})
}

// offer keeps a worker that has nothing more to do for s, as long as it may be of
// use for another slot, and reports whether one has taken it.
//
// Rejected: to move jobs to slots that have a worker. Their domain would be with
// two as soon as the other one is reached again.
func (r *run) offer(ctx context.Context, s *slot, w *process) bool {
	s.running.set("keeps its worker for others")
	r.announce() // that s is done
	for {
		r.mu.Lock()
		news := r.news
		r.mu.Unlock()
		if !r.wanted() {
			return false
		}
		select {
		case r.spareC <- w:
			return true
		case <-news:
		case <-w.endC:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits before another process is started, when the last one failed. A slot
// that reached no worker takes one that has nothing more to do for another slot, which
// pause returns.
func (s *slot) pause(ctx context.Context) *process {
	s.mu.Lock()
	fails, away, leash := s.fails, s.away > 0, time.Until(s.leash)
	s.mu.Unlock()
	if fails == 0 {
		return nil
	}
	if leash > 0 {
		s.running.set("waits until its last worker has ended for certain")
		wait(ctx, leash, nil)
	}
	s.running.set("pauses")
	most, spareC := backoffMost, (chan *process)(nil) // from which none comes
	if away {
		most, spareC = backoffAway, s.shared.spareC
	}
	w := wait(ctx, backoff(fails-1, most, rand.Float64()), spareC)
	if w != nil {
		w.owner.Store(s)
		s.mu.Lock()
		s.current, s.elsewhere = w, w.link.elsewhere
		s.mu.Unlock()
		s.log.Info("worker of another slot takes over", "pid", w.cmd.Process.Pid)
	}
	return w
}

// wait waits for d, until a spare worker comes, which it returns, or until ctx is
// done.
func wait(ctx context.Context, d time.Duration, spareC <-chan *process) *process {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case w := <-spareC:
		return w
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 3200 * time.Millisecond
	backoffAway  = 51200 * time.Millisecond // where others are reached
)

// backoff returns how long to wait before the process that follows the k-th
// failure in a row is started, k counting from 0: 50 ms doubled k times, at most
// most, of which random (in [0, 1)) takes away up to half. The jitter keeps
// workers that died together from coming back together.
func backoff(k int, most time.Duration, random float64) time.Duration {
	d := min(backoffFirst<<min(max(k, 0), 16), most)
	return d - time.Duration(random*float64(d)/2)
}
