package worker

import (
	"fmt"
	"runtime"
	"time"
)

// DefaultParseCPU is how much CPU time a worker gives one document. Honest
// ones take milliseconds.
const DefaultParseCPU = 10 * time.Second

// maxStacks bounds the stacks of an OverrunError, in bytes.
const maxStacks = 48 << 10

// An OverrunError says that a document took more CPU time than it may, or that
// a request goes on although it was ended. The goroutine that does so cannot be
// stopped, so the process should end.
type OverrunError struct {
	Job    int64
	CPU    time.Duration // used by the whole process since then; 0 for a request
	Stacks []byte        // of all goroutines, for people; at most 48 KiB
}

func (e *OverrunError) Error() string {
	if e.CPU == 0 {
		return fmt.Sprintf("the request of feed %d goes on although it was ended", e.Job)
	}
	return fmt.Sprintf("the document of feed %d took %v of CPU time", e.Job, e.CPU.Round(10*time.Millisecond))
}

// watchCPU returns an error as soon as the refresher has read one document for
// longer than limit, in CPU time of the process: what the garbage collector
// does for it counts, and so does what is fetched meanwhile, but a suspect is
// tried alone. So it does when a request is overdue. It returns nil when stop is
// closed.
//
// Rejected: a timer for each document. Looking from aside costs nothing however
// many documents there are, and is late by a twentieth at most.
func (s *server) watchCPU(limit time.Duration, stop <-chan struct{}) error {
	t := time.NewTicker(max(limit/20, time.Millisecond))
	defer t.Stop()
	var job int64
	var from time.Duration
	for {
		select {
		case <-stop:
			return nil
		case <-t.C:
		}
		used := cpuTime()
		now := s.refresher.Status()
		if now.Parsing != job {
			job, from = now.Parsing, used
		}
		if now.Overdue != 0 {
			// The documents that are read meanwhile have no part in it.
			s.conclude(now.Overdue)
			return &OverrunError{now.Overdue, 0, stacks()}
		}
		if job != 0 && used-from >= limit {
			return &OverrunError{job, used - from, stacks()}
		}
	}
}

// stacks returns those of all goroutines.
func stacks() []byte {
	b := make([]byte, maxStacks)
	return b[:runtime.Stack(b, true)]
}
