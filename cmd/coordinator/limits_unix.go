//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// limits names the limits of this process that a round may meet.
func limits() string {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return "limits unknown"
	}
	return fmt.Sprintf("%d file descriptors", files.Cur)
}
