//go:build linux

package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// TestQuotasOfBothVersions: none is none, however it is spelt.
func TestQuotasOfBothVersions(t *testing.T) {
	for text, want := range map[string]float64{
		"max 100000": 0, "150000 100000": 1.5, "-1 100000": 0, "200000 100000": 2, "": 0, "x y": 0, "100000 0": 0, "50000": 0,
	} {
		if got := quota(text); got != want {
			t.Errorf("%q: got %v CPUs, want %v", text, got, want)
		}
	}
}

// TestClocksAreReadWithTheFrameThatIsBeingSent: whoever handles an answer reads the
// clocks while the writer of it has not run again since.
func TestClocksAreReadWithTheFrameThatIsBeingSent(t *testing.T) {
	for _, stage := range []ipc.Stage{ipc.StageEncode, ipc.StageWrite} {
		c := new(clocks)
		p := c.probe()
		p.Begin(stage, 0, 0)
		got := make(chan used, 1)
		go func() { got <- c.read() }()
		for len(got) == 0 && c.sending.TryRLock() { // until it waits, or has not waited
			c.sending.RUnlock()
			runtime.Gosched()
		}
		p.End(stage)
		if u := <-got; u[stage].Count != 1 {
			t.Errorf("%s: the clocks have counted %d frames, want 1", stageNames[stage], u[stage].Count)
		}
	}
}

// TestProcessesAreLookedAtWhileTheyLive: a child is found, its clock ticks finer
// than /proc's and stops with it, and what it used is then among the ended.
func TestProcessesAreLookedAtWhileTheyLive(t *testing.T) {
	c := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; read x")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := rusage(syscall.RUSAGE_CHILDREN)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	u := usageOf(c.Process.Pid)
	if !slices.Contains(children(), c.Process.Pid) || u.cpu <= 0 || u.cpu%tick == 0 || u.minor <= 0 || u.switches <= 0 {
		t.Errorf("of children %v, %d has used %+v, want CPU time finer than %v, faults, switches and memory", children(), c.Process.Pid, u, tick)
	}
	stdin.Close()
	c.Wait() // its read fails
	if got := rusage(syscall.RUSAGE_CHILDREN).less(ended); got.cpu < u.cpu-tick || got.minor < u.minor || processCPU(c.Process.Pid) != 0 {
		t.Errorf("ended: got %+v, alive it had %+v", got, u)
	}
}

// TestLookingAtProcessesIsInNoSample: a window in which nothing is done takes little
// beside what it takes to look at some children.
func TestLookingAtProcessesIsInNoSample(t *testing.T) {
	for range 20 {
		c := exec.CommandContext(t.Context(), "cat")
		if _, err := c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Wait() }) // which the end of the context has killed
	}
	before := processCPU(0)
	pids, _ := others()
	look := processCPU(0) - before
	w := window{clocks: &clocks{off: true}}
	w.start()
	w.stop()
	if len(pids) < 20 || w.s.CPU > look/4 {
		t.Errorf("nothing takes %v of CPU, and to look at %d children %v; want less than a quarter of it", w.s.CPU, len(pids), look)
	}
}

// TestNumbersOfProcAreBytes where the kernel says kB, and what is no number is 0.
func TestNumbersOfProcAreBytes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(name, []byte("Name:\tcat\nPss:     12 kB\nThreads:\t4\nEmpty:\nno colon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := statusFields(name)
	if got["Pss"] != 12<<10 || got["Threads"] != 4 || got["Name"] != 0 || len(statusFields(name+"x")) > 0 {
		t.Errorf("got %v, want 12288 bytes and 4 threads, and of no file nothing", got)
	}
}

// TestFeedsAreSpreadOnHosts: a hundred of them, each an address of its own.
func TestFeedsAreSpreadOnHosts(t *testing.T) {
	seen := make(map[string]int)
	for i := range 1000 {
		seen[host("127.0.0.1:8080", i)]++
	}
	if len(seen) != hosts || seen["127.0.0.1:8080"] != 10 || seen["127.0.0.100:8080"] != 10 {
		t.Errorf("got %d hosts, %v of the first and last", len(seen), []int{seen["127.0.0.1:8080"], seen["127.0.0.100:8080"]})
	}
}

// TestListsHaveTheBytesThatWereAskedFor, in Go as in Python, and differ.
func TestListsHaveTheBytesThatWereAskedFor(t *testing.T) {
	for _, size := range []int{0, 1, 30, 200, 315, 1000, 4000} {
		l := newLists(5, size)
		hashes := make(map[uint64]bool)
		for _, list := range l {
			for _, it := range list {
				if n := len(it.GUID) + len(it.Link) + len(it.Title) + len(it.Author) + len(it.Summary) + len(it.Content); n != size {
					t.Errorf("an item of %d bytes has %d", size, n)
				}
			}
			hashes[hashResult(feeds.OK, list)] = true
		}
		if len(hashes) != distinct {
			t.Errorf("%d lists of %d bytes differ, want %d", len(hashes), size, distinct)
		}
	}
	l := newLists(2, 10)
	if hashResult(feeds.OK, l[0]) == hashResult(feeds.Parse, l[0]) || hashResult(feeds.OK, l[0]) == hashResult(feeds.OK, l[0][:1]) {
		t.Error("class and length do not matter to the hash")
	}
}

// TestAScriptHandsOutEveryJobOncePhaseByPhase: nothing of a phase begins before
// all of the one before is answered, and a worker has its own jobs, or any when
// there is one list for all.
func TestAScriptHandsOutEveryJobOncePhaseByPhase(t *testing.T) {
	for _, lists := range []int{1, 3} {
		jobs := make([]feeds.Job, 100)
		for i := range jobs {
			jobs[i].ID = int64(i + 1)
		}
		var mu sync.Mutex
		var events []string
		counts := make([]int, 2)
		ph := func(n int) phase {
			note := func(what string) func() {
				return func() { events = append(events, fmt.Sprint(what, n)) }
			}
			return phase{jobs: jobs, begin: note("begin"), end: note("end"), answer: func(feeds.Result) { counts[n]++ }}
		}
		s := newScript(lists, ph(0), ph(1))
		var done sync.WaitGroup
		for worker := range 3 {
			done.Go(func() {
				for {
					got, err := s.next(t.Context(), worker)
					if err != nil || len(got) == 0 {
						return
					}
					for _, j := range got {
						if lists == 3 && int(j.ID-1)%3 != worker {
							t.Errorf("worker %d was given job %d", worker, j.ID)
						}
						mu.Lock()
						s.emit(feeds.Result{ID: j.ID})
						mu.Unlock()
					}
				}
			})
		}
		done.Wait()
		if want := []string{"begin0", "end0", "begin1", "end1"}; !slices.Equal(events, want) || counts[0] != 100 || counts[1] != 100 || !s.ended {
			t.Errorf("%d lists: got %v, %v, want %v and 100 answers each", lists, events, counts, want)
		}
	}
}

// TestAScriptEndsWhenItIsCancelled, also for a worker that waits for others.
func TestAScriptEndsWhenItIsCancelled(t *testing.T) {
	s := newScript(2, phase{jobs: []feeds.Job{{ID: 1}}, answer: func(feeds.Result) {}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		jobs, _ := s.next(ctx, 1) // all jobs are the other one's
		ended <- len(jobs)
	}()
	cancel()
	if n := <-ended; n != 0 {
		t.Errorf("got %d jobs, want none", n)
	}
}

// TestWhatARefreshSaysIsItsWork: the same fates in another order, on another
// host, are the same work; another fate is another.
func TestWhatARefreshSaysIsItsWork(t *testing.T) {
	const summary = `{"type":"summary","workers":2,"failed":1,"peak_rss":{"coordinator":100,"worker":10},"worker_deaths":3}`
	line := func(host, path, class string, new int) string {
		return fmt.Sprintf(`{"type":"feed","url":"http://%s/%s?latency=5ms","class":%q,"new":%d}`, host, path, class, new)
	}
	hash := func(lines ...string) string {
		var s Sample
		got, err := s.took([]byte(strings.Join(append(lines, summary), "\n")))
		if err != nil || got != (told{len(lines), 3, 1, true}) || s.Peak != 120 {
			t.Errorf("got %+v, peak %d, %v, want %d answered, 3 deaths, 1 failed and 120", got, s.Peak, err, len(lines))
		}
		return s.Hash
	}
	a := hash(line("h:1", "a", "ok", 2), line("h:2", "b", "ok", 0))
	if b := hash(line("h:9", "b", "ok", 0), line("h:7", "a", "ok", 2)); a != b {
		t.Errorf("the same feeds hash to %s and %s", a, b)
	}
	for _, other := range []string{line("h:1", "a", "ok", 3), line("h:1", "a", "timeout", 2), line("h:1", "c", "ok", 2)} {
		if b := hash(other, line("h:2", "b", "ok", 0)); a == b {
			t.Errorf("%s hashes to the same", other)
		}
	}
	if _, err := new(Sample).took([]byte("no JSON")); err == nil {
		t.Error("what is no JSON was read")
	}
}

// TestFatesAreCountedUntilTheProgramDies: whoever has no line is lost.
func TestFatesAreCountedUntilTheProgramDies(t *testing.T) {
	d := Death{Killer: "stack", Place: 1, Lost: 4}
	d.read([]byte(`{"id":1,"class":"ok"}
{"id":2,"class":"worker_crash"}
{"id":3,"class":"ok","at":5}
{"id":4,"class":"parse"}
{"deaths":2}
{"id":5,"cla`))
	if d.Lost != 2 || d.Class != "worker_crash" || d.Deaths != 2 || d.Last != 5 {
		t.Errorf("got %+v, want 2 lost, the killer's class and 2 deaths", d)
	}
}

// TestTornFramesAreSeen, and whole ones are not taken for torn; a lock mends them, and
// a queue's jobs are each taken once.
func TestTornFramesAreSeen(t *testing.T) {
	var tear Tear
	frame := func(letters string) string { return strings.Repeat(letters, TornSize/len(letters)) }
	tear.count(strings.NewReader(frame("0") + frame("1") + frame("0011") + frame("01") + frame("1") + "00"))
	if tear.Frames != 5 || tear.Torn != 2 {
		t.Errorf("got %d of %d torn, want 2 of 5", tear.Torn, tear.Frames)
	}
	mended, dealt := Tear{Locked: true}, Tear{Readers: 2}
	if err := mended.measure(); err != nil || mended.Torn > 0 || mended.Frames != tearers*tearFrames {
		t.Errorf("with a lock: got %+v, %v, want every frame whole", mended, err)
	}
	if err := dealt.deal(); err != nil || dealt.Torn > 0 || dealt.Frames != tearFrames {
		t.Errorf("several readers: got %+v, %v, want every job taken once", dealt, err)
	}
}

// TestPythonsAreFoundOnce: one that is not there, that fails or that is another
// name of the same is left out, and the lock is asked for.
func TestPythonsAreFoundOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name, says string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+says+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	usual, free := write("python3", "echo CPython 3.13.0 0"), write("python3t", "echo CPython 3.14.0t 1")
	got := Interpreters(t.Context(), []string{filepath.Join(dir, "none"), usual, write("alias", "echo CPython 3.13.0 0"), write("broken", "exit 1"), write("odd", "echo hello"), free})
	want := []Python{{usual, "CPython 3.13.0", false}, {free, "CPython 3.14.0t", true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if told := Here(&Options{Pythons: got}).Pythons; len(told) != 2 || told[0].Path != "python3" || told[1].Path != "python3t" {
		t.Errorf("a run tells of %+v, want no folder", told)
	}
}

// TestTheArticlesProgramCountsAsWeDo: in every mode the same lists, of the text
// that was asked for, and a clock that does not tick in hundredths of a second.
func TestTheArticlesProgramCountsAsWeDo(t *testing.T) {
	found := Interpreters(t.Context(), nil)
	if len(found) == 0 {
		t.Skip("no python3 here")
	}
	o := &Options{Settings: Quick(), Pythons: found}
	e := newExecutor(o, &Run{Settings: o.Settings}, t.TempDir())
	var first Sample
	for _, mode := range []string{PythonThreads, PythonPipe, "python-queue"} {
		c := Cell{Work: Ship, Mode: mode, Workers: 2, Feeds: 20, Items: 3, Bytes: 700, Python: 1}
		s, err := e.inPython(t.Context(), &c)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if first.Hash == "" {
			first = s
		}
		if s.Hash != first.Hash || s.CopiedBytes != 20*3*700 || s.CPU <= 0 || s.CPU%(10*time.Millisecond) == 0 || s.PSS <= 0 {
			t.Errorf("%s: got %+v, want the hash %s, 42000 bytes, CPU time finer than 10 ms and memory", mode, s, first.Hash)
		}
	}
}

// TestTimeLeftShrinksAsThingsAreDone, corrected by how long they took.
func TestTimeLeftShrinksAsThingsAreDone(t *testing.T) {
	var lines []string
	o := &Options{Settings: Quick(), Progress: func(line string) { lines = append(lines, line) }}
	e := newExecutor(o, &Run{Settings: o.Settings, Started: time.Now().Add(-time.Minute)}, "")
	e.progress("first")
	e.done += e.all / 2
	e.progress("second") // a minute for one half
	e.done += e.all / 2
	e.progress("third")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "second; about 1m") || !strings.HasSuffix(lines[2], "about 0s left") {
		t.Errorf("got %q, want a minute left after one half, and nothing at the end", lines)
	}
}

// TestOneCPUIsOne: a program that is started on one sees one, and this one keeps
// its own.
func TestOneCPUIsOne(t *testing.T) {
	c := exec.Command("nproc")
	var out bytes.Buffer
	c.Stdout = &out
	if err := startOnOneCPU(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || strings.TrimSpace(out.String()) != "1" {
		t.Errorf("it sees %q CPUs, %v, want 1", strings.TrimSpace(out.String()), err)
	}
}
