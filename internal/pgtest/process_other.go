//go:build !linux

package pgtest

import "os/exec"

// Nothing of this is called: see binaries.

func own(string) error    { return nil }
func asServer(*exec.Cmd)  {}
func endWithUs(*exec.Cmd) {}
func children(int) []int  { return nil }
func killTree(int)        {}
