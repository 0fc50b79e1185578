//go:build !linux

package main

// peakRSS returns 0: this system's accounting is not read.
func peakRSS() int64 { return 0 }

// workInBatch does nothing: it is for a scheduler that this system has not.
func workInBatch() {}
