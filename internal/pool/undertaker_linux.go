package pool

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// envUndertaker tells this program, whatever that is, that it is an undertaker.
const envUndertaker = "FEEDMILL_UNDERTAKER"

func init() {
	if os.Getenv(envUndertaker) != "" {
		bury() // and must not get as far as main
	}
}

// bury is what the undertaker does instead of main. It keeps the groups that it is
// told of, "+7" and "-7", and kills what it has when its stdin ends, which is when
// the coordinator has.
func bury() {
	signal.Ignore()
	groups := make(map[int]bool)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if n, err := strconv.Atoi(lines.Text()); err == nil && n > 1 {
			groups[n] = true
		} else {
			delete(groups, -n)
		}
	}
	for n := range groups {
		syscall.Kill(-n, syscall.SIGKILL)
	}
	os.Exit(0)
}

// An undertaker is a process that is there where some program in a worker's place can
// start others, and ends those when the coordinator is killed: the signal that ends
// the worker itself then is for the process that it was set for, and a child has
// none. It knows them by their group. The zero value is ready, and begins no process
// before it is needed: our own worker, which can start nothing, costs none.
//
// Rejected: also what leaves its group, as a daemon does. docs/sandbox.md says why.
type undertaker struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin *os.File
}

// take has the group of a process end with the coordinator, if the process can start
// others: besides the filters that it inherited it has none of its own, which would
// refuse it. What it returns is called while the number is still that of the process.
func (u *undertaker) take(pid int, inherited int64, log *slog.Logger) (leave func()) {
	if filtersOf(strconv.Itoa(pid)) > inherited {
		return func() {}
	}
	if err := u.say(pid); err != nil {
		log.Debug("what the worker starts may outlive a killed coordinator", "err", err)
		return func() {}
	}
	return func() { u.say(-pid) }
}

func (u *undertaker) say(pid int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cmd == nil {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		cmd := exec.Command("/proc/self/exe")
		cmd.Stdin, cmd.Env = r, []string{envUndertaker + "=1", "GOMAXPROCS=1"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			w.Close()
			return err
		}
		u.cmd, u.stdin = cmd, w
	}
	u.stdin.SetWriteDeadline(time.Now().Add(time.Second)) // it may have been stopped
	_, err := fmt.Fprintf(u.stdin, "%+d\n", pid)
	return err
}

// close ends the undertaker before its stdin does: it may have been stopped, and what
// it was not told to leave may be somebody else's number by now. All workers are gone.
func (u *undertaker) close() {
	if u.cmd == nil {
		return
	}
	u.cmd.Process.Kill()
	u.stdin.Close()
	u.cmd.Wait()
}

// filtersOf returns how many filters of system calls hold a process or thread, named
// as in /proc, 0 where the kernel does not tell (before Linux 5.9).
func filtersOf(of string) int64 {
	status, err := os.ReadFile("/proc/" + of + "/status")
	if err != nil {
		return 0
	}
	return kilobytes(status, "\nSeccomp_filters:") >> 10
}
