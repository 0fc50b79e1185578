//go:build !unix

package worker

import "time"

var started = time.Now()

// cpuTime returns the time since the process started: a worker with one
// document to read for long does nothing else.
func cpuTime() time.Duration { return time.Since(started) }
