//go:build !unix

package fetch

import "time"

// fileRoom returns how many file descriptors this process may still open, or
// unknown.
func fileRoom(unknown int) int { return unknown }

// processCPU returns 0: that a goroutine waits for its turn tells enough.
func processCPU() time.Duration { return 0 }
