// Package refresh does one round: it finds the feeds that are due, deals
// their hosts evenly to workers, has a [Runner] do the jobs, decides when each
// feed is due again and has a [Store] record it.
//
// It neither fetches nor parses nor writes a file itself, and it starts no
// process: what does is handed to it, which is what makes goroutine against
// process a change of one value.
package refresh

import (
	"context"
	"time"

	"feedmill/internal/feeds"
)

// A Runner does jobs somewhere: in this process or in others.
type Runner interface {
	// Run does jobs with several workers, numbered from 0 to one less than
	// the number that the round was planned for.
	//
	// For each worker it calls next, from one goroutine at a time per worker,
	// to get that worker's next batch. next blocks while there is nothing to
	// hand out yet, and returns no jobs when there never will be again for
	// that worker: the run is done, or the runner's context is.
	//
	// For each job that next returned it calls emit exactly once, from one
	// goroutine at a time for all workers; emit may block, and that is how a
	// slow store slows the workers.
	//
	// When ctx is done, jobs under way may finish within the options' grace
	// and all others end as feeds.Cancelled. Run returns when every job is
	// emitted and everything that it started is gone. It returns an error
	// when it cannot go on, and then some jobs may be without a result.
	Run(ctx context.Context, next Next, emit Emit) error
}

// Next hands out the next batch of a worker. It is an alias of an unnamed
// type so that packages which refresh does not import can name it too.
type Next = func(ctx context.Context, worker int) ([]feeds.Job, error)

// Emit takes a result, which is the receiver's for good.
//
// Rejected: items that the receiver gives back, so that the frame they came in
// is used again. It cost a parameter in six signatures and a class of mistakes,
// and saved 1.3 % of a round's CPU time.
type Emit = func(r feeds.Result)

// A Store is where feeds and their items live.
type Store interface {
	// Jobs returns the jobs of the feeds with these ids, in their order. An
	// id that is no longer there is left out.
	Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error)

	// Save records outcomes in one transaction: items, validators, body hash
	// and next due time of a feed together or not at all. It returns one
	// Saved for each, in order. An error means that none is stored; one that is
	// feeds.ErrLost, that the store may be there again for the next round.
	Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error)

	// Holds returns the registrable domains that asked to be left alone, each
	// with the time until which they did, where that is after now.
	Holds(ctx context.Context, now time.Time) (map[string]time.Time, error)
}
