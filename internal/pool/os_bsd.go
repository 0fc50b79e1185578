//go:build unix && !linux

package pool

import (
	"os/exec"
	"syscall"
)

// attributes makes cmd start in a process group of its own, so that a Ctrl-C on
// the terminal reaches the coordinator alone, and so that a worker and all it
// started can be signalled as one. That the coordinator is gone it learns from
// the end of its stdin alone.
func attributes(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
