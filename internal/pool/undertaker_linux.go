package pool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A mark is what a process bears that a starter started, as does each that descends
// from it, and what none can take off, whatever becomes of its session, its parent or
// its files: a soft limit of processor time at real-time priority (RLIMIT_RTTIME),
// which means nothing without such a priority and is a number drawn for the starter;
// and the bonds of the starter's thread, of which one refuses to change that limit.
//
// A limit is one of the whole process, so this one has it only while something is
// started. A hook that another thread starts in that moment gets the limit, but no
// bonds: neither it nor what it leaves behind bears the mark.
//
// The zero value marks nothing.
type mark struct {
	limit unix.Rlimit
	bonds bonds
}

// bonds are what all that a thread starts inherits, and never gets rid of.
type bonds struct {
	alone   bool  // no_new_privs
	filters int64 // of system calls; 0 where the kernel does not tell (before Linux 5.9)
}

// bondsOf returns those of a process or thread, by its folder in /proc, and whether
// that has ended with all its threads, and so has no file any more.
func bondsOf(dir string) (b bonds, ended bool) {
	status, _ := os.ReadFile(dir + "/status")
	has := func(line string) bool { return bytes.Contains(status, []byte("\n"+line)) }
	b = bonds{alone: has("NoNewPrivs:\t1\n"), filters: kilobytes(status, "\nSeccomp_filters:") >> 10}
	return b, has("State:\tZ") && has("Threads:\t1\n")
}

// newMark draws a mark. A number of few digits could be a limit that somebody has.
func newMark() (m mark) {
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &m.limit); err != nil || m.limit.Max < 1<<20 {
		return mark{}
	}
	most := min(m.limit.Max, math.MaxInt)
	m.limit.Cur = most - rand.Uint64N(most/2)
	return m
}

// seal seals this thread, whose bonds are then part of the mark. If it had them all
// before, what other threads start may have them too, and nothing is marked.
func (m *mark) seal() error {
	before, _ := bondsOf("/proc/thread-self")
	err := sealThread()
	if m.bonds, _ = bondsOf("/proc/thread-self"); m.bonds == before || m.limit.Cur == 0 {
		*m = mark{}
	}
	return err
}

var marking sync.Mutex // held while a process is started that could get a mark

// put has what f starts on a sealed thread bear the mark m, and no other one.
func (m mark) put(f func() error) error {
	marking.Lock()
	defer marking.Unlock()
	var old unix.Rlimit
	if m.limit.Cur != 0 && unix.Prlimit(0, unix.RLIMIT_RTTIME, &m.limit, &old) == nil {
		defer unix.Prlimit(0, unix.RLIMIT_RTTIME, &old, nil)
	}
	return f()
}

// on reports whether a process, by its folder in /proc, bears the mark, and has ended.
func (m mark) on(dir string) (marked, ended bool) {
	limits, _ := os.ReadFile(dir + "/limits")
	_, line, _ := bytes.Cut(limits, []byte("\nMax realtime timeout "))
	if soft, _, _ := bytes.Cut(bytes.TrimLeft(line, " "), []byte(" ")); string(soft) != strconv.FormatUint(m.limit.Cur, 10) {
		return false, false
	}
	b, ended := bondsOf(dir)
	return b.alone && b.filters >= m.bonds.filters, ended
}

// mostSweep bounds a sweep, a pass of which takes 12 ms with 100 processes. What still
// forks after it does so faster than it can be found.
const mostSweep = 10 * time.Second

// sweep kills what bears the mark, in passes over all processes until one finds nothing
// that may have left a child meanwhile: neither what bears the mark, though it has ended
// since, nor what is gone when it is looked at. Each pass begins with the youngest and
// leaves out what is done with, so that it is quick enough for a chain of forks.
func (m mark) sweep() {
	done := make(map[string]bool)
	for begun, found := time.Now(), true; found && time.Since(begun) < mostSweep; {
		proc, err := os.Open("/proc")
		if err != nil {
			return
		}
		names, _ := proc.Readdirnames(-1)
		proc.Close()
		found = false
		for _, name := range slices.Backward(names) {
			pid, err := strconv.Atoi(name)
			if err != nil || done[name] || pid == os.Getpid() {
				continue
			}
			// Before it is looked at: if the number changes hands, no signal is sent.
			p, err := os.FindProcess(pid)
			if err != nil {
				continue
			}
			marked, ended := m.on("/proc/" + name)
			_, gone := os.Stat("/proc/" + name)
			if marked && !errors.Is(p.Kill(), syscall.EPERM) || gone != nil {
				found = true
			}
			done[name] = !marked || ended
			p.Release()
		}
	}
}

// envUndertaker tells this program, whatever that is, that it is an undertaker, and
// for which mark.
const envUndertaker = "FEEDMILL_UNDERTAKER"

func init() {
	if text := os.Getenv(envUndertaker); text != "" {
		signal.Ignore()
		var m mark
		fmt.Sscan(text, &m.limit.Cur, &m.bonds.filters)
		io.Copy(io.Discard, os.Stdin) // which ends when the coordinator does
		m.sweep()
		os.Exit(0) // and must not get as far as main
	}
}

// An undertaker is a process that is there where some program in a worker's place can
// start others, and ends those when the coordinator is killed: the signal that ends
// the worker itself then is for the process that it was set for, and a child has
// none. It knows them by their mark. The zero value is ready, and begins no process
// before it is needed: our own worker, which can start nothing, costs none.
type undertaker struct {
	mu     sync.Mutex
	needed bool // something may be left at the end
	closed bool
	cmd    *exec.Cmd
	stdin  *os.File
}

// take has what a worker starts end with the coordinator, and with the run, if it can
// start any: unless it has a filter of its own, which would refuse that, and was no
// other program before, as a script is.
func (u *undertaker) take(worker *exec.Cmd, m mark, log *slog.Logger) {
	dir := "/proc/" + strconv.Itoa(worker.Process.Pid)
	b, _ := bondsOf(dir)
	runs, _ := os.Stat(dir + "/exe")
	given, _ := os.Stat(worker.Path)
	u.mu.Lock()
	defer u.mu.Unlock()
	if m == (mark{}) || u.closed || b.filters > m.bonds.filters && os.SameFile(runs, given) {
		return
	}
	u.needed = true
	if err := u.begin(m); err != nil {
		log.Debug("what the worker starts may outlive a killed coordinator", "err", err)
	}
}

func (u *undertaker) begin(m mark) error {
	if u.cmd != nil {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Stdin, cmd.Env = r, []string{fmt.Sprintf("%s=%d %d", envUndertaker, m.limit.Cur, m.bonds.filters), "GOMAXPROCS=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := (mark{}).put(cmd.Start); err != nil {
		w.Close()
		return err
	}
	u.cmd, u.stdin = cmd, w
	return nil
}

// close does the undertaker's work, since all workers are gone, and ends it, which a
// signal may have stopped.
func (u *undertaker) close(m mark) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed = true; u.needed {
		m.sweep()
	}
	if u.cmd != nil {
		u.cmd.Process.Kill()
		u.stdin.Close()
		u.cmd.Wait()
	}
}
