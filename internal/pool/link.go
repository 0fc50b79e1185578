package pool

import (
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
