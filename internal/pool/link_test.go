//go:build unix

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
)

func init() {
	behaviours["is a link"] = isALink
	behaviours["is a link to a dead host"] = func() { refuse() }
}

// A link is a program like ssh, between the coordinator and a worker that is
// elsewhere. These variables say what becomes of it.
const (
	envRefused = "FEEDMILL_TEST_LINK_REFUSED" // the numbers of workers whose hosts are not there, as 1,2
	envOpened  = "FEEDMILL_TEST_LINK_OPENED"  // a folder: only the first link of all is opened
	envCutAt   = "FEEDMILL_TEST_LINK_CUT_AT"  // it ends as ssh does after so many bytes of the worker's
	envUnseen  = "FEEDMILL_TEST_LINK_UNSEEN"  // when it ends the far side does not see that
	envPIDs    = "FEEDMILL_TEST_LINK_PIDS"    // a folder in which each link makes a file of its number
)

// refuse is what ssh does when it reaches nobody.
func refuse() {
	fmt.Fprintln(os.Stderr, "ssh: connect to host far port 22: Connection refused")
	os.Exit(255)
}

// isALink starts a worker that has nothing of what the coordinator shares, and
// brings its frames.
func isALink() {
	number := os.Getenv("FEEDMILL_WORKER")
	if slices.Contains(strings.Split(os.Getenv(envRefused), ","), number) {
		refuse()
	}
	if dir := os.Getenv(envOpened); dir != "" {
		if f, err := os.OpenFile(filepath.Join(dir, "opened"), os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			refuse()
		} else {
			f.Close()
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehaviour+"=good")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	inR, inW, err := os.Pipe()
	outR, outW, err2 := os.Pipe()
	if err = errors.Join(err, err2); err != nil {
		panic(err)
	}
	cmd.Stdin, cmd.Stdout = inR, outW
	cmd.ExtraFiles = []*os.File{nil, nil} // no scoreboard goes there
	if os.Getenv(envUnseen) != "" {
		cmd.ExtraFiles = append(cmd.ExtraFiles, inW, outR) // so that neither ever ends
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	inR.Close()
	outW.Close()
	if dir := os.Getenv(envPIDs); dir != "" {
		os.WriteFile(filepath.Join(dir, hostPID()), nil, 0o600)
	}
	go func() {
		io.Copy(inW, os.Stdin)
		inW.Close()
	}()
	if n, err := strconv.ParseInt(os.Getenv(envCutAt), 10, 64); err == nil {
		io.CopyN(os.Stdout, outR, n)
		fmt.Fprintln(os.Stderr, "Connection to far closed by remote host.")
		os.Exit(255)
	}
	io.Copy(os.Stdout, outR)
	cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// linked returns options with workers that are elsewhere.
func linked(t *testing.T, env ...string) pool.Options {
	o := as(t, "is a link")
	o.Env = append(o.Env, env...)
	o.Refresh.Leash = time.Second
	return o
}

func TestALostLinkCondemnsNoFeed(t *testing.T) {
	t.Parallel()
	o := linked(t, envCutAt+"=2000")
	o.Refresh.Leash = 100 * time.Millisecond
	r := newRound(jobs(200, nil), o.Workers, 8)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	for id, res := range r.results {
		if res.Attempts != 0 {
			t.Errorf("job %d is charged with %d deaths, want none", id, res.Attempts)
		}
	}
	if s := p.Stats(); s.Deaths < 4 {
		t.Errorf("%d links were lost, want 4 or more: the test shows nothing", s.Deaths)
	}
}

func TestAHostThatIsNotReachedCostsItsSlotAndNotTheRun(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]string{
		"one of three is gone":     envRefused + "=1",
		"two of three are gone":    envRefused + "=0,2",
		"only one start ever ends": envOpened + "=" + t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := linked(t, env)
			o.Workers = 3
			r := newRound(jobs(300, nil), o.Workers, 10)
			p, err := r.run(t, t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r.check(t, nil)
			if s := p.Stats(); s.Deaths != 0 {
				t.Errorf("%d deaths, want none", s.Deaths)
			}
		})
	}
}

func TestHostsThatAreAllGoneEndTheRun(t *testing.T) {
	t.Parallel()
	o := as(t, "is a link to a dead host")
	r := newRound(jobs(20, nil), o.Workers, 5)
	p, err := r.run(t, t.Context(), o)
	e, ok := errors.AsType[*pool.StartError](err)
	if !ok || !strings.Contains(e.Error(), "Connection refused") {
		t.Errorf("got %v, want a StartError that says what ssh says", err)
	}
	if n := p.Stats().Spawns; n < 3*o.Workers || n > 5*o.Workers {
		t.Errorf("%d tries, want about three for each worker", n)
	}
	r.check(t, map[string]feeds.Class{"ok": feeds.Cancelled})
}

// TestJobsOfALostLinkWaitForItsWorkerToEnd: that does not see that the link is
// gone, and is busy with a job that no two workers may do at a time.
func TestJobsOfALostLinkWaitForItsWorkerToEnd(t *testing.T) {
	t.Parallel()
	pids, lock := t.TempDir(), filepath.Join(t.TempDir(), "lock")
	o := linked(t, envUnseen+"=1", envPIDs+"="+pids)
	o.Workers = 1
	sole := "sole " + lock
	r := newRound(jobs(10, map[int64]string{5: sole}), 1, 10)
	go func() { // ends the link once the job is under way
		for t.Context().Err() == nil {
			if _, err := os.Stat(lock); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		links, _ := os.ReadDir(pids)
		for _, l := range links {
			pid, _ := strconv.Atoi(l.Name())
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Deaths != 1 || s.Spawns != 2 {
		t.Errorf("%d deaths of %d processes, want 1 of 2", s.Deaths, s.Spawns)
	}
}

// sole is a job that no two workers may do at a time. The first one never
// finishes it.
func sole(ctx context.Context, path string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	first := err == nil
	if !first {
		f, err = os.Open(path)
	}
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		panic(fmt.Sprintf("somebody else does this job: %v", err))
	}
	if first {
		forever()
	}
}

func TestALinkThatStandsStillIsNobodysFault(t *testing.T) {
	t.Parallel()
	pids := t.TempDir()
	o := linked(t, envPIDs+"="+pids)
	o.Workers, o.HangAfter, o.StopGrace = 1, time.Second, 100*time.Millisecond
	js := jobs(40, nil)
	for i := range js {
		js[i].URL = "sleep"
	}
	r := newRound(js, 1, 20)
	r.onEmit = func(feeds.Result) {
		if len(r.results) != 10 {
			return
		}
		links, _ := os.ReadDir(pids)
		for _, l := range links {
			pid, _ := strconv.Atoi(l.Name())
			syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Deaths != 1 || r.results[40].Attempts != 0 {
		t.Errorf("%d deaths, the last job charged with %d, want 1 and 0", s.Deaths, r.results[40].Attempts)
	}
}

// TestAKillerIsFoundWhereverItIs: the worker says in frames which document it
// reads.
func TestAKillerIsFoundWhereverItIs(t *testing.T) {
	t.Parallel()
	for url, class := range map[string]feeds.Class{"panic": feeds.WorkerSignal, "memory": feeds.WorkerMemory, "spin": feeds.WorkerCPU} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			o := linked(t, envCPU+"=100ms")
			r := newRound(jobs(100, map[int64]string{17: url}), o.Workers, 16)
			p, err := r.run(t, t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r.check(t, map[string]feeds.Class{url: class})
			if s := p.Stats(); s.Deaths != 2 || r.results[17].Attempts != 2 {
				t.Errorf("%d deaths, %d of them charged, want 2 and 2", s.Deaths, r.results[17].Attempts)
			}
		})
	}
}

// TestTheBillIsTheWorkersAndNotTheLinks: only the worker knows what it used.
func TestTheBillIsTheWorkersAndNotTheLinks(t *testing.T) {
	t.Parallel()
	o := linked(t)
	o.Workers = 1
	r := newRound(jobs(4, map[int64]string{2: "burn"}), 1, 4)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	s := p.Stats()
	if s.CPU < burnt {
		t.Errorf("CPU %v, want more than the %v that a job burnt", s.CPU, burnt)
	}
	if s.PeakRSS[0] != 0 {
		t.Errorf("%d bytes resident, which are the link's, want 0 for not known", s.PeakRSS[0])
	}
}

// burnt is how much CPU time the job burn takes.
const burnt = 300 * time.Millisecond

// burn uses CPU time.
func burn() {
	for {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		if time.Duration(u.Utime.Nano()+u.Stime.Nano()) > burnt {
			return
		}
	}
}
