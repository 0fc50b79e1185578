//go:build !unix

package main

import "time"

// limits says nothing: this system's limits are not read.
func limits() string { return "limits not read on this system" }

// cpuTime returns 0: this system's accounting is not read.
func cpuTime() time.Duration { return 0 }
