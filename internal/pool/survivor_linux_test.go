package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
)

func init() {
	if os.Getenv(envBehaviour) == "ends its first thread" {
		runtime.LockOSThread()
	}
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
	for name, start := range offspring {
		behaviours["has a "+name] = func() { start(); wantsToLive() }
	}
	behaviours["leaves a daemon"] = offspring["daemon"]
	behaviours["has a daemon and no Hello"] = func() { offspring["daemon"](); forever() }
	behaviours["daemon"] = func() {
		ignoreEverything()
		child(os.Getenv(envOffspring))
	}
	behaviours["ends its first thread"] = func() {
		ignoreEverything()
		note(os.Getenv(envOffspring))
		note(os.Getenv(envOffspring))
		syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0) // the runtime has others
	}
}

// ignoreEverything ignores all signals, asks for none, or another one, when the
// parent dies, and wants no limits.
func ignoreEverything() {
	for s := syscall.Signal(1); s < 65; s++ {
		signal.Ignore(s)
	}
	for _, args := range [][2]uintptr{{unix.PR_SET_PDEATHSIG, 0}, {unix.PR_SET_PDEATHSIG, uintptr(unix.SIGURG)}, {unix.PR_SET_PDEATHSIG | 1<<(unix.SizeofPtr*4), 0}} {
		unix.Syscall6(unix.SYS_PRCTL, args[0], args[1], 0, 0, 0, 0)
	}
	none := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	unix.Prlimit(0, unix.RLIMIT_RTTIME, &none, nil)
	unix.Prlimit(os.Getpid(), unix.RLIMIT_RTTIME, &none, nil)
	if number := map[string]uintptr{"amd64": 160, "arm64": 164, "riscv64": 164}[runtime.GOARCH]; number != 0 { // setrlimit
		unix.Syscall(number, unix.RLIMIT_RTTIME, uintptr(unsafe.Pointer(&none)), 0)
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

// TestACoordinatorBearsNoBonds of what it starts: one that another program starts, in the
// moment in which that marks something, has the limit of its mark, and would be killed
// with what is left of that.
func TestACoordinatorBearsNoBonds(t *testing.T) {
	t.Parallel()
	bonds := func(pid string) (lines []string) {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "NoNewPrivs:") || strings.HasPrefix(line, "Seccomp_filters:") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	cmd, out := process(t, as(t, "coordinates"), nil)
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if _, err := fmt.Fscanln(out, new(int)); err != nil { // a worker has worked
		t.Fatal(err)
	}
	if got, want := bonds(strconv.Itoa(cmd.Process.Pid)), bonds("self"); !slices.Equal(got, want) {
		t.Errorf("a coordinator with workers has the bonds %q, want %q as this process", got, want)
	}
}

// offspring start what a worker may leave behind. Each says so in a file, and holds a
// lock on another one.
var offspring = map[string]func(){
	"child in its group": func() { leave(exec.Command(os.Args[0]), "daemon") },
	// In a session of its own; its parent has ended.
	"daemon": func() {
		cmd := exec.Command("/bin/sh", "-c", `"$0" <&- >&- 2>&- &`, os.Args[0])
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		leave(cmd, "daemon")
		cmd.Wait()
	},
	// Each link of which is gone when the next one is there. One is enough.
	hogs: func() {
		if os.Getenv("FEEDMILL_WORKER") != "0" {
			return
		}
		leave(exec.Command("/bin/sh", "-c", `echo >"$0"; f() { f & }; f`, os.Getenv(envOffspring)), "")
	},
	"child without its first thread": func() { leave(exec.Command(os.Args[0]), "ends its first thread") },
}

// hogs takes the processor from whoever is after it, and from the tests beside it.
const hogs = "chain of forks"

// leave starts a process that behaves as named, and holds the lock.
func leave(cmd *exec.Cmd, behaviour string) {
	path := os.Getenv(envOffspring)
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_SH)
	}
	if err != nil {
		panic(err)
	}
	cmd.Env = []string{envBehaviour + "=" + behaviour, envOffspring + "=" + path}
	cmd.ExtraFiles = []*os.File{lock}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	for _, err := os.Stat(path); err != nil; _, err = os.Stat(path) {
		time.Sleep(time.Millisecond)
	}
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

// left awaits something that a worker leaves behind, and returns what tells whether
// any of it lives.
func left(t *testing.T, path string) (lives func() bool) {
	t.Helper()
	for deadline := time.Now().Add(ages); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no worker leaves anything")
		}
	}
	lock, err := os.Open(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return func() bool { return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil }
}

// TestNothingThatAWorkerStartsOutlivesItsCoordinator: not even what has left its
// session, its parent, its files and its signals. No privileges are needed for that.
func TestNothingThatAWorkerStartsOutlivesItsCoordinator(t *testing.T) {
	usedBehaviours.Store("daemon", true)
	usedBehaviours.Store("ends its first thread", true)
	for name := range offspring {
		for _, enclosed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, enclosed %v", name, enclosed), func(t *testing.T) {
				usedBehaviours.Store("has a "+name, true)
				var env []string
				if enclosed {
					needsEnclosure(t)
					env = []string{envEnclose + "=1"}
				}
				if name != hogs {
					t.Parallel()
				}
				childOutlived(t, "has a "+name, 4, env...)
			})
		}
	}
}

// TestAWorkerThatNeverSaysHelloLeavesNothing, soon.
func TestAWorkerThatNeverSaysHelloLeavesNothing(t *testing.T) {
	t.Parallel()
	childOutlived(t, "has a daemon and no Hello", 0)
}

// TestNothingThatAWorkerStartsOutlivesItsRun, nor what a script does that becomes our
// own worker then.
func TestNothingThatAWorkerStartsOutlivesItsRun(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	self, err := os.Executable()
	if err == nil {
		err = os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n"+envBehaviour+"='leaves a daemon' %[1]s\nexec %[1]s\n", self), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name := range offspring {
		t.Run(name, func(t *testing.T) {
			if name != hogs {
				t.Parallel()
			}
			leavesNothing(t, as(t, "has a "+name))
		})
	}
	usedBehaviours.Store("leaves a daemon", true)
	t.Run("script", func(t *testing.T) {
		t.Parallel()
		o := as(t, "has a filter")
		o.Path = script
		leavesNothing(t, o)
	})
	t.Run("no Hello", func(t *testing.T) {
		t.Parallel()
		o := as(t, "has a daemon and no Hello")
		o.HelloWithin = time.Second
		leavesNothing(t, o)
	})
}

// leavesNothing does a round with workers that leave something behind, and fails the
// test if that is there when Run has returned.
func leavesNothing(t *testing.T, o pool.Options) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "offspring")
	o.Env, o.StopGrace = append(o.Env, envOffspring+"="+path), 100*time.Millisecond
	newRound(jobs(2, nil), o.Workers, 1).run(t, t.Context(), o)
	if lives := left(t, path); lives() {
		t.Error("what a worker started outlives the run")
	}
}

// TestRunsBesideEachOtherLeaveEachOthersWorkers, and hooks, which other threads start.
func TestRunsBesideEachOtherLeaveEachOthersWorkers(t *testing.T) {
	t.Parallel()
	o := as(t, "wants to live")
	o.Workers, o.StopGrace = 1, 100*time.Millisecond
	hook := exec.Command("/bin/sh", "-c", "read x; exit 7")
	end, err := hook.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	asked, between := 0, make(chan bool)
	err = p.Run(t.Context(), func(context.Context, int) ([]feeds.Job, error) {
		switch asked++; asked {
		case 2:
			<-between
			fallthrough
		case 1:
			return []feeds.Job{{ID: int64(asked), URL: "ok"}}, nil
		}
		return nil, nil
	}, func(r feeds.Result) {
		if r.ID == 1 {
			if err := hook.Start(); err != nil {
				t.Error(err)
			}
			newRound(jobs(1, nil), 1, 1).run(t, t.Context(), o)
			close(between)
		}
	})
	if st := p.Stats(); err != nil || st.Spawns != 1 || st.Deaths != 0 {
		t.Errorf("got %v, %d workers and %d deaths, want one that lives", err, st.Spawns, st.Deaths)
	}
	end.Close()
	if hook.Wait(); hook.ProcessState.ExitCode() != 7 {
		t.Errorf("the hook ended with %v, want exit status 7", hook.ProcessState)
	}
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
		o.Env = append(o.Env, env)
		var stderr bytes.Buffer
		cmd, out := process(t, o, &stderr)
		var pid int
		for workers := map[int]bool{}; len(workers) < 4; workers[pid] = true {
			if _, err := fmt.Fscanln(out, &pid); err != nil {
				t.Fatalf("after %d workers: %v; the coordinator ended: %v: %s", len(workers), err, cmd.Wait(), &stderr)
			}
		}
		started := children(cmd.Process.Pid)
		cmd.Process.Kill()
		cmd.Wait()
		if started != 4 {
			t.Errorf("with %q a coordinator of 4 workers has %d children", env, started)
		}
	}
}

// childOutlived kills a coordinator whose workers leave something behind, when so many
// of them have worked, or when there is an undertaker.
func childOutlived(t *testing.T, workers string, work int, env ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "offspring")
	o := as(t, "coordinates", workers)
	o.Env = append(append(o.Env, envOffspring+"="+path), env...)
	var stderr bytes.Buffer
	cmd, out := process(t, o, &stderr)
	lives := left(t, path)
	for range work { // from then on all workers are known
		if _, err := fmt.Fscanln(out, new(int)); err != nil {
			t.Fatal(err)
		}
	}
	for begun := time.Now(); work == 0 && children(cmd.Process.Pid) < 5; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			all := family(cmd.Process.Pid)
			cmd.Process.Kill()
			t.Fatalf("no undertaker for workers that say no Hello; the coordinator's children are %q; it ended: %v: %s", all, cmd.Wait(), &stderr)
		}
	}
	if !lives() {
		t.Fatal("what the workers left is gone already: the test shows nothing")
	}
	cmd.Process.Kill()
	within := time.Second
	if workers == "has a "+hogs {
		within = ages
	}
	for deadline := time.Now().Add(within); lives(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("what the workers left still lives after %v", within)
		}
	}
	cmd.Wait()
}

// children returns how many children a process has.
func children(pid int) int { return len(family(pid)) }

// family returns what the children of a process are, by their state and command line.
func family(pid int) (all []string) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(text)) {
			status, _ := os.ReadFile("/proc/" + child + "/status")
			_, state, _ := strings.Cut(string(status), "State:\t")
			args, _ := os.ReadFile("/proc/" + child + "/cmdline")
			all = append(all, state[:min(len(state), 1)]+" "+string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
		}
	}
	return all
}
