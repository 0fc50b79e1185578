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

// Goroutines is the Runner whose workers are goroutines of this process. They
// run what a worker process runs, a fetch.Refresher each, so that the only
// difference between the two is the process.
//
// A panic that the parser's recover cannot catch, such as a stack overflow,
// ends the whole program, and a feed that eats all memory takes the other
// feeds' too. That is what worker processes are for.
type Goroutines struct {
	Workers int           // 0 means one for each CPU
	Options feeds.Options // for each worker's Refresher

	// NewRefresher makes each worker's refresher, as for a worker process.
	NewRefresher func(feeds.Options) (Refresher, error)
}

// A Refresher does the jobs of one worker, as fetch.Refresher does: it calls
// emit once for each job, and Run returns when jobs is closed and all are
// emitted.
type Refresher interface {
	Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result))
	Close()
}

// A thread is what one worker has to itself. All are made before the first
// worker starts and the map that holds them does not change after that, so
// workers use them without a lock: the way of threads that share a dictionary
// and keep to keys of their own.
type thread struct {
	refresher  Refresher
	jobs       chan feeds.Job
	unanswered chan struct{} // has one for each, and room for a window of them
}

// Run implements Runner. It returns an error when the options are wrong or
// next gave one while ctx was not done.
//
// Rejected: threads that collect their worker's results for Run to read at the
// end. It needs no channel, but the memory of a whole round, and a round that
// is interrupted would lose what was finished.
func (g *Goroutines) Run(ctx context.Context, next Next, emit Emit) error {
	threads, err := g.threads()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	results := make(chan feeds.Result)
	var workers sync.WaitGroup
	var failed atomic.Pointer[error]
	for n, t := range threads {
		workers.Go(func() {
			if err := t.fill(ctx, n, next); err != nil && ctx.Err() == nil {
				failed.CompareAndSwap(nil, &err)
				stop(err)
			}
		})
		workers.Go(func() {
			defer t.refresher.Close()
			t.refresher.Run(ctx, t.jobs, func(r feeds.Result) {
				results <- r
				<-t.unanswered
			})
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		emit(r)
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("load jobs: %w", *err)
	}
	return nil
}

// threads makes the threads of all workers.
func (g *Goroutines) threads() (map[int]*thread, error) {
	threads := make(map[int]*thread)
	for n := range cmp.Or(max(g.Workers, 0), runtime.NumCPU()) {
		r, err := g.NewRefresher(g.Options)
		if err != nil {
			for _, t := range threads {
				t.refresher.Close()
			}
			return nil, fmt.Errorf("start worker: %w", err)
		}
		threads[n] = &thread{refresher: r, jobs: make(chan feeds.Job), unanswered: make(chan struct{}, g.Options.Window())}
	}
	return threads, nil
}

// fill passes a worker its jobs while fewer than a window are unanswered, and
// closes the thread's jobs when there are no more. The Refresher takes every job
// that it is given, also once ctx is done, so fill need not look at ctx.
func (t *thread) fill(ctx context.Context, n int, next Next) error {
	defer close(t.jobs)
	for {
		jobs, err := next(ctx, n)
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, job := range jobs {
			t.unanswered <- struct{}{}
			t.jobs <- job
		}
	}
}
