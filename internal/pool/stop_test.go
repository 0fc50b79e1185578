//go:build unix

package pool_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
)

// ages is far more than any stop of these tests takes on a busy machine, and
// far less than what does not end.
const ages = 20 * time.Second

func TestCancelledRunAnswersEveryJobAndLeavesNobody(t *testing.T) {
	inEveryMode(t, func(t *testing.T, mode carrier.Mode) {
		for _, name := range []string{"good", "hangs", "never leaves", "mute"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := as(t, name)
				o.Mode, o.StopGrace = mode, 200*time.Millisecond
				js := jobs(400, nil)
				for i := 20; i < len(js); i++ {
					js[i].URL = "wait"
				}
				r := newRound(js, o.Workers, 4)
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				if name == "good" || name == "never leaves" {
					r.onEmit = func(feeds.Result) {
						if len(r.results) == 5 {
							cancel()
						}
					}
				}
				began := time.Now()
				if _, err := r.run(t, ctx, o); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > ages {
					t.Errorf("took %v", took)
				}
				for id, res := range r.results {
					if res.Class != feeds.OK && res.Class != feeds.Cancelled {
						t.Errorf("job %d ended as %s", id, res.Class)
					}
				}
				// What next was never asked for needs no answer.
				for id := range r.jobs {
					if _, answered := r.results[id]; !answered && r.handed(id) {
						t.Errorf("job %d was handed out and has no result", id)
					}
				}
			})
		}
	})
}

// handed reports whether next has handed out a job. Run has returned by then.
func (r *round) handed(id int64) bool {
	for _, h := range r.hands {
		for js := range h {
			for _, j := range js {
				delete(r.jobs, j.ID)
			}
		}
	}
	_, handed := r.jobs[id]
	return handed
}

func TestAGrandchildCannotHoldTheRun(t *testing.T) {
	for name, survives := range map[string]bool{"has a child": false, "has a child of its own group": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usedBehaviours.Store("child", true)
			file := filepath.Join(t.TempDir(), "pid")
			o := as(t, name, file)
			o.Workers, o.StopGrace = 1, 200*time.Millisecond
			r := newRound(jobs(10, nil), 1, 4)
			began := time.Now()
			if _, err := r.run(t, t.Context(), o); err != nil {
				t.Fatal(err)
			}
			r.check(t, nil)
			if took := time.Since(began); took > ages {
				t.Errorf("took %v", took)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if survives {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			awaitGone(t, pid, 5*time.Second)
		})
	}
}

// awaitGone fails the test unless process pid is gone, or a zombie, in time.
func awaitGone(tb testing.TB, pid int, within time.Duration) {
	tb.Helper()
	deadline := time.After(within)
	for look := time.Tick(5 * time.Millisecond); alive(pid); {
		select {
		case <-deadline:
			tb.Errorf("process %d still lives after %v", pid, within)
			syscall.Kill(pid, syscall.SIGKILL)
			return
		case <-look:
		}
	}
}

// alive reports whether process pid runs. A zombie does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) || runtime.GOOS != "linux"
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestWorkersDoNotOutliveAKilledCoordinator(t *testing.T) {
	t.Parallel()
	outlived(t, as(t, "coordinates"))
}

// process starts the program of o with its environment, and returns it with its stdout.
// The caller ends it.
func process(t *testing.T, o pool.Options, stderr io.Writer) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(o.Path)
	cmd.Env, cmd.Stderr = append(os.Environ(), o.Env...), stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// outlived kills the coordinator that o names, which has four workers, and fails
// the test unless these are gone within a second. Before that each of them gets the
// signals.
func outlived(t *testing.T, o pool.Options, signals ...syscall.Signal) {
	t.Helper()
	cmd, out := process(t, o, os.Stderr)
	var pids []int
	for range 4 {
		var pid int
		if _, err := fmt.Fscanln(out, &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
		for _, sig := range signals {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Process.Kill()
	for _, pid := range pids {
		awaitGone(t, pid, time.Second)
	}
	cmd.Wait()
}

// long makes TestSpawnsLeaveNoTrace start a thousand processes.
var long = flag.Bool("long", false, "run long tests at their full length")

// TestSpawnsLeaveNoTrace starts 200 processes in all modes, some of which die,
// are tried or keep a document, and then looks for what is left of them.
func TestSpawnsLeaveNoTrace(t *testing.T) {
	want := 200 / fewer
	if *long {
		want = 1000
	}
	o := as(t, "good")
	o.Workers, o.KeepPoison = 4, t.TempDir()
	// The runtime opens what it polls with when the first pipe is used.
	modes := modes()
	for _, o.Mode = range modes {
		if _, err := newRound(jobs(8, nil), o.Workers, 2).run(t, t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	fdsBefore, goroutinesBefore := openFiles(t), runtime.NumGoroutine()
	spawns := 0
	for i := 0; spawns < want; i++ {
		o.Mode = modes[i%len(modes)]
		urls := map[int64]string{2: "items 50 of 2000"}
		if i%16 < len(modes) {
			urls[3] = "exit"
		}
		r := newRound(jobs(8, urls), o.Workers, 2)
		p, err := r.run(t, t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		r.check(t, map[string]feeds.Class{"exit": feeds.WorkerSignal})
		spawns += p.Stats().Spawns
	}
	if n := openFiles(t); n > fdsBefore {
		t.Errorf("%d files open, want %d as before", n, fdsBefore)
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil && strings.Contains(string(maps), "memfd:feedmill") {
		t.Errorf("shared memory is still mapped:\n%s", maps)
	}
	deadline := time.After(5 * time.Second)
	for look := time.Tick(5 * time.Millisecond); runtime.NumGoroutine() > goroutinesBefore; {
		select {
		case <-deadline:
			t.Fatalf("%d goroutines, want %d as before", runtime.NumGoroutine(), goroutinesBefore)
		case <-look:
		}
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("wait found child %d (%v), want none left", pid, err)
	}
}

// openFiles returns how many file descriptors this process has open.
func openFiles(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		tb.Skip("cannot count open files:", err)
	}
	return len(entries)
}

// TestAStoppedCoordinatorGoesOn as if nothing had been, however long it stood
// still: the silence was its own.
func TestAStoppedCoordinatorGoesOn(t *testing.T) {
	t.Parallel()
	cmd, out := process(t, as(t, "coordinates slowly"), nil)
	lines := bufio.NewReader(out)
	if said, err := lines.ReadString('\n'); said != "begun\n" {
		t.Fatalf("it says %q, %v, want begun", said, err)
	}
	cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(3 * time.Second) // three times as long as a worker may say nothing
	cmd.Process.Signal(syscall.SIGCONT)
	if said, err := lines.ReadString('\n'); said != "200 jobs, 0 deaths, <nil>\n" {
		t.Errorf("it says %q, %v, want 200 jobs without a death", said, err)
	}
	cmd.Wait()
}
