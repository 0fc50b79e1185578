//go:build unix

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
)

// needsScoreboard skips a test where workers have none.
func needsScoreboard(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no memfd on", runtime.GOOS)
	}
}

func TestWithoutAScoreboardTheKillerIsFoundAllTheSame(t *testing.T) {
	t.Parallel()
	// In frames a worker says which document it reads, and what it fetches not.
	for url, deaths := range map[string]int{"exit": 2, "fetch and exit": 3} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			o := as(t, "good")
			o.NoScoreboard = true
			r := newRound(jobs(100, map[int64]string{17: url}), o.Workers, 16)
			p, err := r.run(t, t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r.check(t, map[string]feeds.Class{url: feeds.WorkerSignal})
			if s := p.Stats(); s.Deaths != deaths {
				t.Errorf("%d deaths, want %d", s.Deaths, deaths)
			}
		})
	}
}

// TestAKillerThatReadsNothingYetIsFound: the scoreboard says that no document
// was read, so all are charged.
func TestAKillerThatReadsNothingYetIsFound(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	r := newRound(jobs(100, map[int64]string{17: "fetch and exit"}), o.Workers, 16)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"fetch and exit": feeds.WorkerSignal})
	if s := p.Stats(); s.Deaths != 3 {
		t.Errorf("%d deaths, want 3", s.Deaths)
	}
}

// TestAScoreboardThatLiesCondemnsNobodyElse: the killer puts another job of its
// worker on the board before it strikes.
func TestAScoreboardThatLiesCondemnsNobodyElse(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	r := newRound(jobs(100, map[int64]string{17: "accuse the next and exit"}), o.Workers, 16)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"accuse the next and exit": feeds.WorkerSignal})
}

func TestADocumentThatKilledTwiceIsKept(t *testing.T) {
	needsScoreboard(t)
	t.Parallel()
	o := as(t, "good")
	o.KeepPoison = filepath.Join(t.TempDir(), "new", "folder")
	r := newRound(jobs(60, map[int64]string{17: "panic", 40: "fetch and exit"}), o.Workers, 16)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"panic": feeds.WorkerSignal, "fetch and exit": feeds.WorkerSignal})
	files, _ := filepath.Glob(o.KeepPoison + "/*")
	var names []string
	for _, f := range files {
		id, _, _ := strings.Cut(filepath.Base(f), "-")
		names = append(names, id+filepath.Ext(f))
	}
	// Job 40 dies before it has a document.
	if want := []string{"17.body", "17.txt", "40.txt"}; !slices.Equal(names, want) {
		t.Fatalf("kept %q, want %q", names, want)
	}
	body, err := os.ReadFile(files[0])
	if err != nil || string(body) != "document of panic" {
		t.Errorf("kept %q, %v, want the document", body, err)
	}
	text, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"url: panic\n", "class: worker_signal\n", "parse, byte 7", "panic: parser: boom", "attempts: 2\n", "goroutine "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

// TestTooMuchCPUForOneDocument: the worker ends itself, twice.
func TestTooMuchCPUForOneDocument(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	o.Env = append(o.Env, envCPU+"=200ms")
	r := newRound(jobs(60, map[int64]string{17: "spin"}), o.Workers, 16)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"spin": feeds.WorkerCPU})
	if d := r.results[17].Detail; !strings.Contains(d, "gave up: the document of feed 17 took") {
		t.Errorf("detail %q, want it to say what the worker said", d)
	}
	if s := p.Stats(); runtime.GOOS == "linux" && s.Deaths != 2 {
		t.Errorf("%d deaths, want 2", s.Deaths)
	}
}

// TestAHungWorkerIsAskedForItsStacks before it is killed.
func TestAHungWorkerIsAskedForItsStacks(t *testing.T) {
	needsScoreboard(t)
	t.Parallel()
	o := as(t, "good")
	o.Workers, o.HangAfter, o.KeepPoison = 1, 300*time.Millisecond, t.TempDir()
	o.StopGrace = 5 * time.Second // to write the stacks takes a moment
	r := newRound(jobs(3, map[int64]string{2: "spin"}), 1, 3)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"spin": feeds.WorkerCPU})
	texts, _ := filepath.Glob(o.KeepPoison + "/2-*.txt")
	if len(texts) != 1 {
		t.Fatalf("%d reports, want one", len(texts))
	}
	text, err := os.ReadFile(texts[0])
	// Where the signal met another thread, Go has no stack of what runs on this
	// one. With GOTRACEBACK=crash it would, and every death be one of SIGABRT.
	told := strings.Contains(string(text), "pool_test.misdeeds") || strings.Contains(string(text), "goroutine running on other thread")
	if err != nil || !strings.Contains(string(text), "SIGQUIT") || !told {
		t.Errorf("%v, want the stack of what hung in\n%s", err, text)
	}
}

// TestAWorkerThatHasGrownIsReplaced once it has finished what it had begun, and the
// rest is done by the next one, at nobody's charge.
func TestAWorkerThatHasGrownIsReplaced(t *testing.T) {
	if runtime.GOOS != "linux" || fewer > 1 {
		t.Skip("only Linux tells how much memory a worker has, and the race detector takes more than that")
	}
	t.Parallel()
	o := as(t, "good")
	o.Workers, o.RecycleAt = 1, 64<<20
	js := jobs(200, nil)
	for i := range js {
		js[i].URL = "sleep"
	}
	js[20].URL = "grow"
	r := newRound(js, 1, 50)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	for id, res := range r.results {
		if res.Attempts != 0 {
			t.Errorf("job %d is charged with %d attempts", id, res.Attempts)
		}
	}
	if s := p.Stats(); s.Spawns != 2 || s.Deaths != 0 {
		t.Errorf("%d processes, %d deaths, want 2 and none", s.Spawns, s.Deaths)
	}
}

// TestAStoppedWorkerDoesNotOutliveAKilledCoordinator: it cannot see the end of
// its stdin.
func TestAStoppedWorkerDoesNotOutliveAKilledCoordinator(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no PR_SET_PDEATHSIG on", runtime.GOOS)
	}
	t.Parallel()
	outlived(t, as(t, "coordinates"), syscall.SIGSTOP)
}

// TestAWorkerThatIsStoppedCostsItsSilence: no feed can have done that, so none is
// charged with it, or goes on alone.
func TestAWorkerThatIsStoppedCostsItsSilence(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nobody tells that a process is stopped")
	}
	o := onlyOnce(t, as(t, "is stopped"))
	o.HangAfter, o.StopGrace = time.Second, 10*time.Millisecond
	r := newRound(jobs(40, nil), o.Workers, 4)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if p.Stats().Deaths != 1 {
		t.Errorf("%d deaths, want 1", p.Stats().Deaths)
	}
	for id, res := range r.results {
		if res.Attempts != 0 {
			t.Errorf("job %d is charged with %d deaths, want none", id, res.Attempts)
		}
	}
}

// TestAWorkerCannotHideBehindASignal: one that stops itself again and again, each
// time after an answer, is nobody's fault a few times and no more.
func TestAWorkerCannotHideBehindASignal(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nobody tells that a process is stopped")
	}
	o := as(t, "is taken over")
	o.HangAfter, o.StopGrace = 500*time.Millisecond, 10*time.Millisecond
	r := newRound(jobs(80, map[int64]string{5: "takes over"}), o.Workers, 4)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"takes over": feeds.WorkerCPU})
	// Six that are nobody's fault or all that were under way, and two alone.
	if p.Stats().Deaths > 8 {
		t.Errorf("%d deaths, want 8 at most", p.Stats().Deaths)
	}
}

func TestARunInWhichNothingMovesSaysWhoWaitsForWhom(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	o.StallAfter = 3 * time.Second // in which a full machine starts two workers
	var told *pool.StallError
	o.Stalled = func(e *pool.StallError) { told = e }
	js := jobs(40, nil)
	for i := 4; i < len(js); i++ {
		js[i].URL = "wait"
	}
	r := newRound(js, o.Workers, 4)
	_, err := r.run(t, t.Context(), o)
	stall, ok := errors.AsType[*pool.StallError](err)
	if !ok || stall != told || stall.Abandoned {
		t.Fatalf("got %v, told %v, want the same StallError", err, told)
	}
	// A worker may hear of the end before it is killed, and answer.
	for id := range r.jobs {
		if got := r.results[id].Class; got != feeds.Cancelled && got != feeds.OK {
			t.Errorf("job %d ended as %q", id, got)
		}
	}
	wants := []string{"the coordinator waits for results", "worker 0: ", "worker 1: ", "jobs with it", "waits for answers", "unread in stdin", " goroutines; "}
	if runtime.GOOS == "linux" {
		// How much is unread is what it was at that moment: often nothing,
		// but a heartbeat may have come.
		wants = append(wants, "parse of feed ", "in stdout ")
	}
	for _, want := range wants {
		if !strings.Contains(stall.Report, want) {
			t.Errorf("the report lacks %q:\n%s", want, stall.Report)
		}
	}
}

// TestARunWhoseResultsNobodyTakesEnds although what holds it cannot be ended.
func TestARunWhoseResultsNobodyTakesEnds(t *testing.T) {
	o := as(t, "good")
	o.StallAfter, o.StopGrace = 500*time.Millisecond, 50*time.Millisecond
	stuck := make(chan struct{})
	r := newRound(jobs(400, nil), o.Workers, 32)
	r.onEmit = func(feeds.Result) {
		if len(r.results) == 5 {
			<-stuck
		}
	}
	_, err := r.run(t, t.Context(), o)
	stall, ok := errors.AsType[*pool.StallError](err)
	if !ok || !stall.Abandoned {
		t.Fatalf("got %v, want a StallError that leaves something behind", err)
	}
	if want := "the coordinator passes on a result for "; !strings.Contains(stall.Report, want) {
		t.Errorf("the report lacks %q:\n%s", want, stall.Report)
	}
	close(stuck)
}

// TestHostileFramesAreNamedAndDropped: whatever a worker sends that it may not
// send is a fault of the job it does it for, and nothing of it gets through.
func TestHostileFramesAreNamedAndDropped(t *testing.T) {
	for url, says := range map[string]string{
		"garbage":        "not a frame",
		"4 GB":           "frame too large: frame",
		"wrong checksum": "bad checksum",
		"wrong number":   "wrong sequence",
		"foreign result": "which it does not have",
		"foreign items":  "which it does not have",
		"early Bye":      "Bye with jobs unanswered",
		"order":          "a message that a worker does not send",
	} {
		t.Run(url, func(t *testing.T) {
			inEveryMode(t, func(t *testing.T, mode carrier.Mode) {
				if mode == carrier.LockedPipe {
					return // what a worker writes there without an envelope is nobody's
				}
				o := as(t, "is hostile")
				o.Mode, o.Workers = mode, 1
				r := newRound(jobs(20, map[int64]string{7: url}), 1, 5)
				p, err := r.run(t, t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				r.check(t, map[string]feeds.Class{url: feeds.WorkerProtocol})
				bad := r.results[7]
				if len(bad.Items) > 0 || bad.Title != "" || !strings.Contains(bad.Detail, says) {
					t.Errorf("got %+v, want nothing but a detail that says %q", bad, says)
				}
				if s := p.Stats(); s.Deaths != 3 || s.Spawns != 4 {
					t.Errorf("%d deaths of %d processes, want 3 of 4", s.Deaths, s.Spawns)
				}
			})
		})
	}
}

// TestTwoHundredWorkers run for a user without privileges.
func TestTwoHundredWorkers(t *testing.T) {
	if fewer > 1 || testing.Short() {
		t.Skip("200 processes with the race detector take a while")
	}
	o := as(t, "good")
	o.Workers = 200
	r := newRound(jobs(2000, nil), o.Workers, 5)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Workers != 200 || s.Spawns != 200 || s.Deaths != 0 {
		t.Errorf("%d workers, %d processes, %d deaths, want 200, 200, 0", s.Workers, s.Spawns, s.Deaths)
	}
}

// TestFileLimitOf64 runs this test binary as a coordinator that may open 64
// files and asks for 200 workers.
func TestFileLimitOf64(t *testing.T) {
	o := as(t, "coordinates 200")
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0"`, o.Path)
	cmd.Env = append(os.Environ(), o.Env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if want := "400 of 400 jobs done by 6 workers"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want %q\n%s", out, want, errs.String())
	}
	if want := "not enough room"; !strings.Contains(errs.String(), want) {
		t.Errorf("stderr %q, want it to say %q", errs.String(), want)
	}
}

// coordinates200 is a coordinator that asks for 200 workers.
func coordinates200() {
	self, _ := os.Executable()
	p, err := pool.New(pool.Options{Path: self, Workers: 200, Env: []string{envBehaviour + "=good"}, Logger: textLogger(os.Stderr)})
	if err != nil {
		panic(err)
	}
	workers := p.Stats().Workers
	r := newRound(jobs(400, nil), workers, 8)
	err = p.Run(context.Background(), r.next, r.emit)
	done := 0
	for _, res := range r.results {
		if res.Class == feeds.OK {
			done++
		}
	}
	fmt.Printf("%d of %d jobs done by %d workers, %v\n", done, len(r.jobs), workers, err)
}
