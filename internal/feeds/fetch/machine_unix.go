//go:build unix

package fetch

import (
	"syscall"
	"time"
)

// fileRoom returns how many file descriptors this process may still open, or
// unknown.
func fileRoom(unknown int) int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return unknown
	}
	// Descriptors are given out from the lowest, so a new one tells how many
	// there are, and needs no file that a sandbox may have closed.
	open, err := syscall.Dup(0)
	if err != nil {
		return unknown
	}
	syscall.Close(open)
	return int(min(uint64(r.Cur), 1<<20)) - open
}

// processCPU returns the CPU time that this process has used.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
