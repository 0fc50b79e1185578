package read

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuOfThread returns the CPU time that the calling thread has used. Only a
// goroutine that is locked to its thread can take a difference of two.
func cpuOfThread() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0 // where a sandbox refuses it, nothing costs anything
	}
	return time.Duration(t.Nano())
}
