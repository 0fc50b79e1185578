package pool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestAnUndertakerThatIsClosedKillsNobody, whatever it was told last, and is waited
// for also when a signal has stopped it.
func TestAnUndertakerThatIsClosedKillsNobody(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read x; exit 7") // in the group whose number was not taken back
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, stopped := range []bool{false, true} {
		var u undertaker
		if err := u.say(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if stopped {
			u.cmd.Process.Signal(syscall.SIGSTOP)
		}
		closed := make(chan struct{})
		go func() { u.close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			u.cmd.Process.Kill()
			t.Errorf("an undertaker (stopped: %v) is still waited for", stopped)
		}
	}
	fmt.Fprintln(stdin)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("who was in the group ended with %v, want exit status 7", cmd.ProcessState)
	}
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
	defer func() { u.close() }()
	for range 2 {
		room(2) // enough for its stdin
		if err := u.say(1 << 30); !errors.Is(err, syscall.EMFILE) || u.cmd != nil {
			t.Fatalf("without a file to start it with: got %v, %v, want %v and no process", err, u.cmd, syscall.EMFILE)
		}
	}
	room(20)
	if err := u.say(1 << 30); err != nil || u.cmd == nil {
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
