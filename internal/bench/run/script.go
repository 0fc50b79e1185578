//go:build linux

package run

import (
	"context"
	"sync"

	"feedmill/internal/feeds"
)

// batch is how many jobs a worker is handed at a time, in every mode.
const batch = 32

// A script hands out jobs in phases: all of one are answered before the next
// one begins. So one run of a runner can warm up, be measured and say what it
// has used, with the same workers. Feed i always goes to worker i modulo their
// number, or, in a script for one worker, to whoever asks for more.
type script struct {
	workers int
	phases  []phase

	mu    sync.Mutex    // guards the fields below; at is written by one goroutine at a time
	turn  sync.Cond     // something below has changed
	at    int           // phase
	queue [][]feeds.Job // of it, by worker
	left  int           // unanswered in it
	ended bool
}

// A phase is one part of a script.
type phase struct {
	jobs []feeds.Job
	// begin is called when all of the phase before is answered and nothing of
	// this one is handed out; end when all of it is answered. answer gets each
	// result. All three are called from one goroutine at a time.
	begin, end func()
	answer     func(feeds.Result)
}

// newScript returns a script whose first phase has begun.
func newScript(workers int, phases ...phase) *script {
	s := &script{workers: workers, phases: phases, at: -1}
	s.turn.L = &s.mu
	s.advance()
	return s
}

// advance begins the next phase. The caller holds no lock.
func (s *script) advance() {
	next := s.at + 1
	queue := make([][]feeds.Job, s.workers)
	left := 0
	if next < len(s.phases) {
		left = len(s.phases[next].jobs)
		for i, j := range s.phases[next].jobs {
			queue[i%s.workers] = append(queue[i%s.workers], j)
		}
		if begin := s.phases[next].begin; begin != nil {
			begin()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.queue, s.left, s.ended = next, queue, left, next == len(s.phases)
	s.turn.Broadcast()
}

// next is a refresh.Next. Also when there is nothing left for a worker it waits
// for the others to be done: a worker that is told that there is no more ends,
// and what it used would be missing when the window is closed.
func (s *script) next(ctx context.Context, worker int) ([]feeds.Job, error) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.turn.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && ctx.Err() == nil {
		if q := &s.queue[worker%s.workers]; len(*q) > 0 {
			n := min(batch, len(*q))
			jobs := (*q)[:n:n]
			*q = (*q)[n:]
			return jobs, nil
		}
		s.turn.Wait()
	}
	return nil, nil
}

// emit is a refresh.Emit.
func (s *script) emit(r feeds.Result) {
	p := &s.phases[s.at]
	p.answer(r)
	s.mu.Lock()
	s.left--
	done := s.left == 0
	s.mu.Unlock()
	if done {
		if p.end != nil {
			p.end()
		}
		s.advance()
	}
}
