//go:build unix

package worker

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // then the coordinator's own limit is the only one
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
