package pool

import (
	"os/exec"
	"syscall"
)

// attributes makes cmd start in a process group of its own, so that a Ctrl-C on
// the terminal reaches the coordinator alone, and so that a worker and all it
// started can be signalled as one; and makes it end with the thread that
// starts it, see starter.
func attributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
