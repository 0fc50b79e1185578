//go:build windows

package main

import "os"

// takeStdout takes stdout and leaves stderr in its place. Only what is printed
// through package os is kept out of the frames here.
func takeStdout() (*os.File, error) {
	wire := os.Stdout
	os.Stdout = os.Stderr
	return wire, nil
}
