package pool

import (
	"context"
	"errors"
	"sync"

	"feedmill/internal/feeds"
)

// run does all jobs of the slot. When it returns, each of them is emitted or
// will be by run.rest, and nothing that it started is left. When it fails it has
// told cancel why.
//
// A slot whose processes are at fault one after the other ends alone: the
// others go on, and take what it has not begun.
func (s *slot) run(ctx context.Context, cancel context.CancelCauseFunc, next nextFunc) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var filling sync.WaitGroup
	var nextErr error
	filling.Go(func() {
		if nextErr = s.fill(ctx, next); nextErr != nil {
			cancel(nextErr)
		}
	})
	err := s.work(ctx)
	if errors.Is(err, errGivenUp) {
		giveUp()
	} else if err != nil {
		cancel(err)
	}
	filling.Wait()
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.shared.announce()
	return errors.Join(err, nextErr)
}

// nextFunc hands out a worker's next batch; see refresh.Runner.
type nextFunc = func(ctx context.Context, worker int) ([]feeds.Job, error)

// fill takes jobs from next for as long as there is room for them, and returns
// when there are no more. An error of a ctx that is done is none.
func (s *slot) fill(ctx context.Context, next nextFunc) error {
	defer func() {
		s.mu.Lock()
		s.dry = true
		s.mu.Unlock()
		s.filling.set("has no more jobs")
		wake(s.workC)
	}()
	for {
		s.filling.set("asks for jobs")
		jobs, err := next(ctx, s.n)
		s.shared.count.moved()
		if err != nil && ctx.Err() != nil {
			err = nil
		}
		if err = errors.Join(err, s.accept(jobs)); err != nil || len(jobs) == 0 {
			return err
		}
		s.filling.set("waits for room")
		for s.full() {
			select {
			case <-s.roomC:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// work runs one process after the other for as long as there are jobs for it.
// There is none while nothing is to do for it.
func (s *slot) work(ctx context.Context) error {
	var spare *process // of another slot
	defer func() {
		if spare != nil {
			s.dismiss(ctx, spare)
			s.setCurrent(nil)
		}
	}()
	for s.awaitJobs(ctx) {
		w, err := spare, error(nil)
		if spare = nil; w == nil {
			w, err = s.begin(ctx)
		}
		s.shared.count.moved()
		if err == nil {
			err = s.serve(ctx, w)
		} else if ctx.Err() == nil {
			err = s.startFailed(err)
		} else {
			err = nil
		}
		if err != nil {
			return err
		}
		spare = s.pause(ctx)
	}
	return nil
}

// awaitJobs waits until there is a job to send, and reports false when there
// will be none or ctx is done.
func (s *slot) awaitJobs(ctx context.Context) bool {
	s.running.set("waits for jobs")
	for ctx.Err() == nil {
		s.mu.Lock()
		some, dry := len(s.ledger.pending) > 0, s.dry
		s.mu.Unlock()
		if some || dry {
			return some
		}
		select {
		case <-s.workC:
		case <-ctx.Done():
		}
	}
	return false
}
