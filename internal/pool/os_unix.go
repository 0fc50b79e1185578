//go:build unix

package pool

import (
	"os"
	"os/exec"
	"syscall"
)

// attributes makes cmd start in a process group of its own, so that a Ctrl-C on
// the terminal reaches the coordinator alone, and so that a worker and all it
// started can be signalled as one. It ends with the thread that starts it where the
// system can do that, see starter; elsewhere it learns by the end of its stdin alone
// that the coordinator is gone.
func attributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

// quit asks p alone to say on stderr what all its goroutines do, and to end.
// It must not have been waited for, like the groups below: until then their
// number is not used again.
func quit(p *os.Process) error { return syscall.Kill(p.Pid, syscall.SIGQUIT) }

// terminateGroup asks the group of p to end.
func terminateGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends the group of p.
func killGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

// endSignal returns the signal that ended a process, or 0.
func endSignal(s *os.ProcessState) syscall.Signal {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return w.Signal()
	}
	return 0
}

// sigsys is the signal of a system call that a sandbox answers with death.
const sigsys = syscall.SIGSYS

// resources returns what there is room for here.
func resources() capacity {
	r := capacity{memory: memoryLimit()}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		r.files = uint64(files.Cur)
	}
	return r
}
