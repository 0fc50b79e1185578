//go:build !unix

package main

// limits says nothing: this system's limits are not read.
func limits() string { return "limits not read on this system" }
