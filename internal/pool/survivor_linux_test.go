package pool_test

import (
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

	"golang.org/x/sys/unix"
)

func init() {
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
