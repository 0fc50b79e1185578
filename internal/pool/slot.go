package pool

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
)

// A run is what the slots of one call of Run share.
type run struct {
	o       *Options
	count   *counters
	out     *output
	starter *starter
	carrier carrier.Carrier
	keeper  *keeper
	slots   []*slot
	last    undertaker // of what workers start

	reached atomic.Bool   // some worker has said Hello
	spareC  chan *process // workers for slots that reach none

	mu   sync.Mutex    // guards the field below
	news chan struct{} // closed when a slot is done, or knows where its worker is
}

// An output passes results on, one at a time.
type output struct {
	mu    sync.Mutex // held while emit runs; never together with a slot's
	emit  func(r feeds.Result)
	doing activity
}

// put passes on a result.
func (o *output) put(r feeds.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doing.set("passes on a result")
	o.emit(r)
	o.doing.set("waits for results")
}

// A slot is one worker number: the jobs that next handed out for it and, one
// after the other, the processes that do them. That they stay with the slot
// keeps every host with one process at a time.
type slot struct {
	n      int
	shared *run // with the other slots
	log    *slog.Logger

	running activity // of the goroutine that runs processes
	filling activity // of the goroutine that calls next

	// Both hold at most one value, which says: look again. Whoever changes
	// what the other side waits for puts one in and never blocks.
	workC chan struct{} // for the goroutine that runs processes
	roomC chan struct{} // for the goroutine that calls next

	mu     sync.Mutex // guards the fields below; never held while a pipe or emit is waited for
	ledger ledger
	dry    bool // next has no more
	fails  int  // processes in a row that ended badly without one answer
	// breaches is how often in a row, without one answer, the worker was at fault.
	breaches int
	stops    int    // processes that a signal had stopped, in this run
	over     string // why it takes no more jobs while others do; empty when it is not so
	done     bool   // run has returned, or is about to
	// away is how often in a row, without one answer, no worker was reached or the
	// link to one was lost. elsewhere says that the worker is not on this machine,
	// or has not said yet where it is; leash is until when one may live whose link
	// was lost.
	away      int
	elsewhere bool
	leash     time.Time
	current   *process // that has the jobs; nil when none has
}

func newSlot(r *run, n int) *slot {
	return &slot{
		n: n, shared: r, log: r.o.Logger.With("worker", n),
		workC: make(chan struct{}, 1), roomC: make(chan struct{}, 1),
	}
}

// wake makes the goroutine that waits on c look again.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// accept takes over jobs that next handed out.
func (s *slot) accept(jobs []feeds.Job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake(s.workC)
	return s.ledger.adopt(jobs)
}

// full reports whether the slot is to ask for no more jobs now.
func (s *slot) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ledger.unanswered) >= s.shared.o.Refresh.Window()
}

// owes reports whether the process has jobs that it has not answered.
func (s *slot) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.out > 0
}

// finished reports whether there is nothing more to do for the slot. The caller
// holds s.mu.
func (s *slot) finished() bool { return s.dry && len(s.ledger.unanswered) == 0 }

// setCurrent says which process has the jobs.
func (s *slot) setCurrent(w *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = w
}

// urls names jobs for people. The caller holds s.mu.
func (s *slot) urls(ids []int64) (names []string) {
	for _, id := range ids {
		if e := s.ledger.unanswered[id]; e != nil {
			names = append(names, fmt.Sprintf("%d %s", id, feeds.RedactURL(e.job.URL)))
		}
	}
	return names
}
