package pool

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// envFirst tells this program that it is the first process of an enclosure.
const envFirst = "FEEDMILL_FIRST"

// The first process of an enclosure is this program once more, whatever that is,
// and must not get as far as main. It waits for the end, and the kernel buries
// whoever is left to it.
func init() {
	if os.Getpid() == 1 && os.Getenv(envFirst) != "" {
		signal.Ignore()
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

// An enclosure is a PID namespace, see pid_namespaces(7). What is started in it
// sees no process outside, and when its first process ends the kernel ends all
// others, however they have changed their session, their parent or their
// signals. The first process ends with the thread that made the enclosure.
type enclosure struct {
	first *exec.Cmd
	stdin io.Closer
}

// enclose makes what this thread, which is locked, starts from now on be
// enclosed. It needs CAP_SYS_ADMIN.
//
// Rejected: a user namespace for those who lack that. A thread of several cannot
// enter one, so it would take another process to start the workers, and open
// more of the kernel to whoever gets past the sandbox.
func enclose() (*enclosure, error) {
	// The first time that package os needs it, it starts a process to see what the
	// kernel can do, which must not be the first one in there.
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		self.Release()
	}
	if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
		return nil, fmt.Errorf("make a PID namespace: %w", err)
	}
	e := &enclosure{first: exec.Command("/proc/self/exe")}
	e.first.Env = []string{envFirst + "=1", "GOMAXPROCS=1"}
	e.first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := e.first.StdinPipe()
	if err == nil {
		err = e.first.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the first process of it: %w", err)
	}
	e.stdin = stdin
	return e, nil
}

// admit prepares cmd to be started in the enclosure. The check that syscall makes
// of a death signal takes a parent outside for one that is gone; nor is the
// signal needed.
func (e *enclosure) admit(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = 0 }

// close ends whatever is left.
func (e *enclosure) close() {
	e.first.Process.Kill()
	e.first.Wait()
	e.stdin.Close()
}
