package worker

import (
	"errors"
	"sync/atomic"
	"time"
)

// ErrUnanswered says that the coordinator has answered no heartbeat for as long
// as the leash is. It takes the worker to be dead by now and gives its jobs to
// others, so the process must end.
var ErrUnanswered = errors.New("the coordinator has answered no heartbeat for too long")

// leashBeats is how many heartbeats there are at least in the length of a leash.
const leashBeats = 8

// A leash is a lease on what a worker does: it is over when no heartbeat that was
// sent within its length has been answered.
//
// Rejected: to count from when the answer came. It may have lain in a link that
// stood still, and then says nothing of what the coordinator thinks now.
type leash struct {
	begun  time.Time // before Hello was sent, which the coordinator's answers
	length time.Duration
	last   atomic.Int64 // when the heartbeat was sent that was answered last, after begun
}

// answered notes that the heartbeat that was sent at so long after begun was
// answered.
func (l *leash) answered(at time.Duration) {
	if int64(at) > l.last.Load() && at <= time.Since(l.begun) {
		l.last.Store(int64(at))
	}
}

// wait returns ErrUnanswered when the leash is over, nil when stop is closed.
func (l *leash) wait(stop <-chan struct{}) error {
	for {
		left := time.Until(l.begun.Add(time.Duration(l.last.Load()) + l.length))
		if left <= 0 {
			return ErrUnanswered
		}
		select {
		case <-stop:
			return nil
		case <-time.After(left):
		}
	}
}
