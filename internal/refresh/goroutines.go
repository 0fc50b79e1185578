package refresh

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"feedmill/internal/feeds"
)

// defaultWindow is how many jobs a worker has unanswered before it is given
// no more.
const defaultWindow = 128

// Goroutines is the Runner whose workers are goroutines of this process. They
// run what a worker process runs, a feeds.Refresher each, so that the only
// difference between the two is the process.
//
// A panic that the parser's recover cannot catch, such as a stack overflow,
// ends the whole program, and a feed that eats all memory takes the other
// feeds' too. That is what worker processes are for.
type Goroutines struct {
	Workers int           // 0 means one for each CPU
	Options feeds.Options // for each worker's Refresher
	Window  int           // unanswered jobs of one worker; 0 means 128

	// NewRefresher makes each worker's refresher; nil means feeds.NewRefresher.
	// A worker process has the same choice.
	NewRefresher func(feeds.Options) (Refresher, error)
}

// A Refresher does the jobs of one worker, as feeds.Refresher does: it calls
// emit once for each job, and Run returns when jobs is closed and all are
// emitted.
type Refresher interface {
	Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result))
	Close()
}

// A slot is what one worker has to itself. All are made before the first
// worker starts and the map that holds them does not change after that, so
// workers use them without a lock: the way of threads that share a dictionary
// and keep to keys of their own.
type slot struct {
	refresher  Refresher
	jobs       chan feeds.Job
	unanswered atomic.Int64
	room       chan struct{} // a job was answered
}

// Run implements Runner. It returns an error when the options are wrong or
// next gave one while ctx was not done.
//
// Rejected: slots that collect their worker's results for Run to read at the
// end. It needs no channel, but the memory of a whole round, and a round that
// is interrupted would lose what was finished.
func (g *Goroutines) Run(ctx context.Context, next Next, emit Emit) error {
	slots, err := g.slots()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	results := make(chan feeds.Result)
	var workers sync.WaitGroup
	var failed atomic.Pointer[error]
	for n, s := range slots {
		workers.Go(func() {
			if err := s.fill(ctx, n, next, g.window()); err != nil && ctx.Err() == nil {
				failed.CompareAndSwap(nil, &err)
				stop(err)
			}
		})
		workers.Go(func() {
			defer s.refresher.Close()
			s.refresher.Run(ctx, s.jobs, func(r feeds.Result) {
				results <- r
				s.answered()
			})
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		emit(r, nil)
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("load jobs: %w", *err)
	}
	return nil
}

// slots makes the slots of all workers.
func (g *Goroutines) slots() (map[int]*slot, error) {
	slots := make(map[int]*slot)
	for n := range cmp.Or(max(g.Workers, 0), runtime.NumCPU()) {
		r, err := g.newRefresher()
		if err != nil {
			for _, s := range slots {
				s.refresher.Close()
			}
			return nil, fmt.Errorf("start worker: %w", err)
		}
		slots[n] = &slot{refresher: r, jobs: make(chan feeds.Job), room: make(chan struct{}, 1)}
	}
	return slots, nil
}

func (g *Goroutines) newRefresher() (Refresher, error) {
	if g.NewRefresher != nil {
		return g.NewRefresher(g.Options)
	}
	return feeds.NewRefresher(g.Options)
}

func (g *Goroutines) window() int64 { return int64(cmp.Or(max(g.Window, 0), defaultWindow)) }

// fill passes a worker its jobs while fewer than window are unanswered, and
// closes the slot's jobs when there are no more. The Refresher takes every job
// that it is given, also once ctx is done, so fill need not look at ctx.
func (s *slot) fill(ctx context.Context, n int, next Next, window int64) error {
	defer close(s.jobs)
	for {
		jobs, err := next(ctx, n)
		if err != nil || len(jobs) == 0 {
			return err
		}
		s.unanswered.Add(int64(len(jobs)))
		for _, job := range jobs {
			s.jobs <- job
		}
		for s.unanswered.Load() >= window {
			<-s.room
		}
	}
}

// answered makes room for another job.
func (s *slot) answered() {
	s.unanswered.Add(-1)
	select {
	case s.room <- struct{}{}:
	default:
	}
}
