//go:build unix

package main

import (
	"fmt"
	"syscall"
	"time"
)

// limits names the limits of this process that a round may meet.
func limits() string {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return "limits unknown"
	}
	return fmt.Sprintf("%d file descriptors", files.Cur)
}

// cpuTime returns the CPU time that this process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
