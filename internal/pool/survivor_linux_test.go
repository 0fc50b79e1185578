package pool_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	if os.Getenv(envFiltered) != "" {
		runtime.LockOSThread() // and no thread is made out of this one any more
		if err := filter(0); err != nil {
			panic(err)
		}
	}
	behaviours["has a filter"] = func() {
		if err := filter(unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
			panic(err)
		}
		serve(os.Stdin, os.Stdout)
	}
	behaviours["wants to live"] = wantsToLive
	behaviours["has a child that wants to live"] = hasAChildThatWantsToLive
	behaviours["has a child in its group"] = func() {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envBehaviour+"=child that wants to live")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		wantsToLive()
	}
	behaviours["child that wants to live"] = func() {
		ignoreEverything()
		child(os.Getenv(envOffspring))
	}
}

// ignoreEverything ignores all signals, and asks for none, or another one, when
// the parent dies.
func ignoreEverything() {
	for s := syscall.Signal(1); s < 65; s++ {
		signal.Ignore(s)
	}
	for _, args := range [][2]uintptr{{unix.PR_SET_PDEATHSIG, 0}, {unix.PR_SET_PDEATHSIG, uintptr(unix.SIGURG)}, {unix.PR_SET_PDEATHSIG | 1<<(unix.SizeofPtr*4), 0}} {
		unix.Syscall6(unix.SYS_PRCTL, args[0], args[1], 0, 0, 0, 0)
	}
}

// wantsToLive is a worker without a sandbox that does what it can to outlive its
// coordinator, and the end of its stdin.
func wantsToLive() {
	ignoreEverything()
	c := hello(goodHello())
	for jobs := range shards(c) {
		r := want(jobs[0])
		c.SendResult(&r)
	}
	select {} // its coordinator is gone
}

// TestAWorkerThatWantsToLiveDoesNotOutliveItsCoordinator, though no sandbox
// holds it.
func TestAWorkerThatWantsToLiveDoesNotOutliveItsCoordinator(t *testing.T) {
	t.Parallel()
	usedBehaviours.Store("wants to live", true)
	outlived(t, as(t, "coordinates", "wants to live"))
}

// hasAChildThatWantsToLive is a worker that starts a process in a session of its
// own, whose parent has ended, and which holds none of its files.
func hasAChildThatWantsToLive() {
	cmd := exec.Command("/bin/sh", "-c", `"$0" <&- >&- 2>&- &`, os.Args[0])
	cmd.Env = append(os.Environ(), envBehaviour+"=child that wants to live")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		panic(err)
	}
	wantsToLive()
}

// needsEnclosure skips a test where no PID namespace can be made.
func needsEnclosure(t *testing.T) {
	t.Helper()
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with this goroutine
		made <- unix.Unshare(unix.CLONE_NEWPID)
	}()
	if err := <-made; err != nil {
		t.Skip("needs a PID namespace:", err)
	}
}

// numberIn returns the number of a process that writes it to a file.
func numberIn(t *testing.T, path string) int {
	t.Helper()
	for deadline := time.Now().Add(ages); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil {
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no process has written its number to", path)
	return 0
}

// TestNothingThatAWorkerStartsOutlivesItsCoordinator: not even what has left its
// session, its parent, its files and its signals.
func TestNothingThatAWorkerStartsOutlivesItsCoordinator(t *testing.T) {
	needsEnclosure(t)
	t.Parallel()
	for _, name := range []string{"has a child that wants to live", "child that wants to live"} {
		usedBehaviours.Store(name, true)
	}
	childOutlived(t, "has a child that wants to live", envEnclose+"=1")
}

// TestWhatStaysInAWorkersGroupDoesNotOutliveItsCoordinator: no privileges are needed
// for that.
func TestWhatStaysInAWorkersGroupDoesNotOutliveItsCoordinator(t *testing.T) {
	t.Parallel()
	usedBehaviours.Store("has a child in its group", true)
	childOutlived(t, "has a child in its group")
}

// filter puts a filter that allows everything on this thread.
func filter(flags uintptr) error {
	all := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	prog := unix.SockFprog{Len: 1, Filter: &all}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return errno
	}
	return nil
}

// TestAWorkerWithAFilterNeedsNoUndertaker, also where the coordinator's first thread
// has more filters than the one that starts workers.
func TestAWorkerWithAFilterNeedsNoUndertaker(t *testing.T) {
	t.Parallel()
	if status, _ := os.ReadFile("/proc/self/status"); !bytes.Contains(status, []byte("\nSeccomp_filters:")) {
		t.Skip("the kernel does not tell how many filters there are")
	}
	usedBehaviours.Store("has a filter", true)
	for _, env := range []string{envFiltered + "=", envFiltered + "=1"} {
		o := as(t, "coordinates", "has a filter")
		cmd := exec.Command(o.Path)
		cmd.Env = append(os.Environ(), append(o.Env, env)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		for workers := map[int]bool{}; len(workers) < 4; workers[pid] = true {
			if _, err := fmt.Fscanln(out, &pid); err != nil {
				t.Fatal(err)
			}
		}
		started := 0
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			started += len(bytes.Fields(text))
		}
		cmd.Process.Kill()
		cmd.Wait()
		if started != 4 {
			t.Errorf("with %q a coordinator of 4 workers has %d children", env, started)
		}
	}
}

// childOutlived kills a coordinator whose workers have a child each.
func childOutlived(t *testing.T, workers string, env ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pid")
	o := as(t, "coordinates", workers)
	cmd := exec.Command(o.Path)
	cmd.Env = append(os.Environ(), append(append(o.Env, envOffspring+"="+path), env...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := numberIn(t, path)
	for range 4 { // from then on all workers are known
		if _, err := fmt.Fscanln(out, new(int)); err != nil {
			t.Fatal(err)
		}
	}
	if !alive(pid) {
		t.Fatalf("process %d is gone already: the test shows nothing", pid)
	}
	cmd.Process.Kill()
	awaitGone(t, pid, time.Second)
	cmd.Wait()
}
