//go:build windows

package pool

import (
	"os"
	"os/exec"
	"syscall"
)

// attributes makes cmd start in a process group of its own, so that a Ctrl-C in
// the console reaches the coordinator alone.
func attributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// quit does nothing: there is no SIGQUIT here.
func quit(*os.Process) error { return nil }

// terminateGroup does nothing: there is no SIGTERM here.
func terminateGroup(*os.Process) error { return nil }

// killGroup ends p. What p started is not reached.
func killGroup(p *os.Process) error { return p.Kill() }

// endSignal returns 0: no process ends by a signal here.
func endSignal(*os.ProcessState) syscall.Signal { return 0 }

// sigsys is a signal that no process here ends by.
const sigsys = syscall.Signal(-1)

// resources returns no limits: there are none here that matter.
func resources() capacity { return capacity{} }
