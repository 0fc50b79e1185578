package pool

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var quiet = slog.New(slog.DiscardHandler)

// lastsLong returns a program that lives until it is killed, or the test ends.
func lastsLong(t *testing.T) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", "read x")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if cmd.ProcessState == nil {
			cmd.Wait()
		}
	})
	return cmd
}

// TestASweepReachesWhatItsStarterStartedAlone: not what another one did, nor a hook that
// some other thread starts while a worker is being started.
func TestASweepReachesWhatItsStarterStartedAlone(t *testing.T) {
	ours, others := newStarter(quiet, false), newStarter(quiet, false)
	defer others.close()
	defer ours.close()
	if ours.mark == (mark{}) {
		t.Skip("needs RLIMIT_RTTIME, and a filter of system calls or no_new_privs that this process lacks")
	}
	worker, another, hook := lastsLong(t), lastsLong(t), lastsLong(t)
	for cmd, start := range map[*exec.Cmd]func() error{
		worker:  func() error { return ours.start(worker) },
		another: func() error { return others.start(another) },
		hook:    func() error { return ours.mark.put(hook.Start) },
	} {
		if err := start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(hook.Process.Pid, unix.RLIMIT_RTTIME, nil, &limit); err != nil || limit.Cur != ours.mark.limit.Cur {
		t.Fatalf("the hook has the limit %d, %v, want %d: the test shows nothing", limit.Cur, err, ours.mark.limit.Cur)
	}
	ours.mark.sweep()
	wantKilled(t, "the worker", worker, true)
	wantKilled(t, "a worker of another run", another, false)
	wantKilled(t, "a hook", hook, false)
}

// wantKilled ends a process that need not be there any more, and fails the test unless
// that was killed, or was not.
func wantKilled(t *testing.T, name string, cmd *exec.Cmd, want bool) {
	t.Helper()
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if got := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL; got != want {
		t.Errorf("%s ended with %v, want killed: %v", name, cmd.ProcessState, want)
	}
}

// TestAnUndertakerIsClosedAlsoWhenItWasStopped, and does its work.
func TestAnUndertakerIsClosedAlsoWhenItWasStopped(t *testing.T) {
	s := newStarter(quiet, false)
	if s.mark == (mark{}) {
		t.Skip("needs RLIMIT_RTTIME, and a filter of system calls or no_new_privs that this process lacks")
	}
	worker := lastsLong(t)
	if err := s.start(worker); err != nil {
		t.Fatal(err)
	}
	defer worker.Process.Kill()
	if s.last.take(worker, s.mark, quiet); s.last.cmd == nil {
		t.Fatal("no undertaker for a program that can start others")
	}
	s.last.cmd.Process.Signal(syscall.SIGSTOP)
	closed := make(chan struct{})
	go func() { s.last.close(s.mark); close(closed) }()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		s.last.cmd.Process.Kill()
		t.Error("an undertaker that is stopped is still waited for")
	}
	wantKilled(t, "who bears the mark", worker, true)
	s.close()
}

// TestAnUndertakerThatDoesNotStartIsNone: nothing of it is left, and the next worker
// asks for one again.
func TestAnUndertakerThatDoesNotStartIsNone(t *testing.T) {
	limitFiles(t, 100)
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	room := func(n int) { // leaves room for n more files
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			files = append(files, f)
		}
		for range n {
			files[len(files)-1].Close()
			files = files[:len(files)-1]
		}
	}
	var u undertaker
	defer func() { u.close(mark{}) }()
	for range 2 {
		room(2) // enough for its stdin
		if err := u.begin(mark{}); !errors.Is(err, syscall.EMFILE) || u.cmd != nil {
			t.Fatalf("without a file to start it with: got %v, %v, want %v and no process", err, u.cmd, syscall.EMFILE)
		}
	}
	room(20)
	if err := u.begin(mark{}); err != nil || u.cmd == nil {
		t.Errorf("with files again: got %v, %v, want a process", err, u.cmd)
	}
}

// limitFiles limits how many files this process may have, until the test ends.
// unix.Setrlimit would have what is started from now on have other limits, too.
func limitFiles(t *testing.T, most uint64) {
	t.Helper()
	set := func(new, old *unix.Rlimit) {
		_, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(new)), uintptr(unsafe.Pointer(old)), 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
	}
	var old unix.Rlimit
	set(nil, &old)
	set(&unix.Rlimit{Cur: most, Max: old.Max}, nil)
	t.Cleanup(func() { set(&old, nil) })
}
