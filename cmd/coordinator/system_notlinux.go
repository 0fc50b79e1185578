//go:build !linux

package main

// workInBatch does nothing: it is for a scheduler that this system has not.
func workInBatch() {}
