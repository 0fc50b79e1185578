//go:build linux

package run_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
)

// TestMain lets this test binary be what an experiment starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench-child" {
		os.Exit(run.Child(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// small is an experiment of seconds.
func small(t *testing.T) run.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := run.Quick()
	s.Modes, s.Feeds, s.Items, s.Bytes = []string{run.Goroutine, run.Pipe}, 80, 5, 200
	s.Invocations, s.Blocks, s.Seed, s.Resamples, s.Deaths = 1, 3, 5, 400, 0
	return run.Options{Settings: s, Self: []string{self, "bench-child"}}
}

// sampled takes the samples of cells, which must all succeed.
func sampled(t *testing.T, o *run.Options, cells []run.Cell, planting func(*run.Cell) (string, time.Duration)) *run.Run {
	t.Helper()
	r, err := run.SampleCells(t.Context(), o, t.TempDir(), cells, planting)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Samples {
		if s.Failed != "" {
			t.Fatalf("%s: %s", cells[s.Cell].Name, s.Failed)
		}
	}
	return r
}

// TestPlantedCostsAreFoundWhereTheyAre: so much CPU time for each frame in one
// stage turns up in that stage's row of the ladder and among its direct
// estimates, and in no other row.
func TestPlantedCostsAreFoundWhereTheyAre(t *testing.T) {
	if racing {
		t.Skip("under the race detector the times are its own")
	}
	for _, tt := range []struct{ stage, row string }{
		{"encode", "bytes"}, {"decode", "bytes"}, {"write", "pipe"},
	} {
		t.Run(tt.stage, func(t *testing.T) {
			// Who else uses the machine moves a row now and then, by anything; what is
			// planted moves the same rows by the same each time.
			const attempts = 3
			for i := 1; ; i++ {
				wrong := misplaced(t, tt.stage, tt.row)
				if len(wrong) == 0 {
					return
				}
				t.Logf("attempt %d:\n%s", i, strings.Join(wrong, "\n"))
				if i == attempts {
					t.Fatal("in no attempt was the cost where it had been planted")
				}
			}
		})
	}
}

// misplaced plants a cost in a stage and returns what is wrong with where it is found.
func misplaced(t *testing.T, stage, home string) (wrong []string) {
	t.Helper()
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	o := small(t)
	// One worker: of two, whoever waits looks for work meanwhile, in a row of its own
	// choice. Each feed is one frame, and who reads from a slow writer may sleep before
	// each, and to be woken takes up to 0.2 ms on a virtual machine: so a part of the
	// cost is in both, and what is compared is ten times as much.
	const part, cost, off = 600 * time.Microsecond, 2400 * time.Microsecond, 600 * time.Microsecond
	o.Settings.Workers, o.Settings.Feeds = 1, 40
	natural, l, others := ledgers(t, &o, stage, func(c *run.Cell) (string, time.Duration) {
		if c.Mode == run.Codec && stage == "write" {
			return "", 0 // a write to memory, which is none to a pipe
		}
		return stage, part + cost*time.Duration(c.Twin)
	})
	for i, row := range l.Rows {
		want := 0.0
		if row.Name == "process" { // in which Bye and shards are frames, too
			want = others * float64(cost)
		}
		low, high := want-float64(off), want+float64(off)
		if row.Name == home {
			want, low, high = float64(cost), float64(cost)*7/8, float64(cost+off)
		}
		moved := row.Ladder.Minus(natural.Rows[i].Ladder)
		half := max(moved.High-moved.Estimate, moved.Estimate-moved.Low)
		if moved.Estimate < min(low, want-half) || moved.Estimate > max(high, want+half) {
			complain("row %s moved by %.0f ns a feed %v, want %.0f to %.0f", row.Name, moved.Estimate, moved, low, high)
		}
		if row.Name == home {
			const whole = float64(part + cost)
			if clock := direct(row, stage); clock < whole || clock > 1.1*whole {
				complain("the clock of %s says %.0f ns a feed, want %.0f and little more", stage, clock, whole)
			}
		}
	}
	return wrong
}

// direct returns the direct estimate of a stage in a row, in nanoseconds a feed, and 0
// if it has none.
func direct(row analyse.Row, stage string) float64 {
	for _, p := range row.Parts {
		if p.Name == stage {
			return p.Value.Estimate
		}
	}
	return 0
}

// ledgers takes the samples of a ladder without and with (twins) a cost in a stage, in
// the same blocks, so that what else the machine does falls on both alike. others is
// how often, for each feed, processes go through the stage for a frame that is no feed's.
func ledgers(t *testing.T, o *run.Options, stage string, planting func(*run.Cell) (string, time.Duration)) (natural, planted *analyse.Ledger, others float64) {
	t.Helper()
	cells := run.Ladder(&o.Settings)
	both := slices.Clone(cells)
	for _, c := range cells {
		c.Twin = 1 // has the cost
		both = append(both, c)
	}
	all := sampled(t, o, both, planting)
	var frames, results float64
	for _, s := range all.Samples {
		if c := all.Cells[s.Cell]; c.Clocked && c.Mode == run.Pipe {
			results += float64(c.Feeds)
			for _, used := range s.Stages {
				if used.Name == stage {
					frames += float64(used.Count)
				}
			}
		}
	}
	part := func(twin int) *analyse.Ledger {
		r := &run.Run{Schema: 3, Settings: o.Settings}
		for i, c := range cells {
			c.ID = i
			r.Cells = append(r.Cells, c)
		}
		for _, s := range all.Samples {
			if s.Cell/len(cells) == twin {
				s.Cell %= len(cells)
				r.Samples = append(r.Samples, s)
			}
		}
		l := analyse.Run(r).Ledger
		if l == nil {
			t.Fatal("no ledger was made")
		}
		return l
	}
	return part(0), part(1), frames/results - 1
}

// TestACostInOneOfTwoEqualCellsIsSeen, and none where there is none: what is at the edge
// is not seen.
func TestACostInOneOfTwoEqualCellsIsSeen(t *testing.T) {
	if racing {
		t.Skip("under the race detector the times are its own")
	}
	for name, more := range map[string]time.Duration{"same": 0, "planted": 300 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			o := small(t)
			o.Settings.Blocks, o.Settings.Feeds = 6, 40
			a := o.Settings.At(run.Ship, run.Pipe)
			b := a
			b.Twin = 1
			r := sampled(t, &o, []run.Cell{a.Named(), b.Named()}, func(c *run.Cell) (string, time.Duration) {
				return "encode", time.Millisecond + more*time.Duration(c.Twin)
			})
			f := analyse.Run(r)
			if v := f.Twins[0].CPU.Verdict; v == analyse.Lower || (v == analyse.Higher) != (more > 0) {
				t.Errorf("%v more of a millisecond: got %s, %+v", more, v, f.Twins[0].CPU)
			}
		})
	}
}

// TestKillersCostGoroutinesTheRoundAndProcessesOneFeed, wherever they stand.
func TestKillersCostGoroutinesTheRoundAndProcessesOneFeed(t *testing.T) {
	if racing {
		t.Skip("under the race detector memory runs out in its own way")
	}
	o := small(t)
	for _, tt := range []struct {
		killer string
		place  int
		class  string
	}{{"stack", 3, "worker_crash"}, {"memory", 300, "worker_memory"}} {
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			d, err := run.Endure(t.Context(), &o, t.TempDir(), mode, tt.killer, tt.place)
			if err != nil {
				t.Fatal(err)
			}
			if mode == run.Goroutine && d.Survived || mode == run.Pipe && (!d.Survived || d.Lost > 0 || !strings.HasPrefix(d.Class, "worker_")) {
				t.Errorf("%s at place %d, %s: got %+v, want goroutines dead, and processes to lose the killer alone", tt.killer, tt.place, mode, d)
			}
		}
	}
}

// TestEveryRungAndModeIsTheSameWork: lists are what goroutines hand over, also where
// one takes several frames, and the clocks of a rung know the stages that it adds.
func TestEveryRungAndModeIsTheSameWork(t *testing.T) {
	o := small(t)
	o.Settings.Blocks, o.Settings.Feeds, o.Settings.Items, o.Settings.Bytes = 1, 6, 20, 40_000
	var cells []run.Cell
	for _, mode := range append(run.Modes(), run.Codec, run.LocalPipe) {
		c := o.Settings.At(run.Ship, mode)
		c.Clocked = mode == run.Codec || mode == run.LocalPipe || mode == run.Pipe
		cells = append(cells, c.Named())
	}
	r := sampled(t, &o, cells, nothing)
	for _, s := range r.Samples {
		if s.Hash != r.Samples[0].Hash {
			t.Errorf("%s: results hash to %s, want %s", cells[s.Cell].Name, s.Hash, r.Samples[0].Hash)
		}
		seen := make(map[string]bool)
		for _, st := range s.Stages {
			seen[st.Side+" "+st.Name] = st.CPU > 0 && st.Count > 0
		}
		for _, want := range map[string][]string{
			run.Codec:     {"coordinator encode", "coordinator decode"},
			run.LocalPipe: {"coordinator encode", "coordinator write", "coordinator read", "coordinator decode"},
			run.Pipe:      {"worker encode", "worker write", "coordinator read", "coordinator decode"},
		}[cells[s.Cell].Mode] {
			if !seen[want] {
				t.Errorf("%s: no time in %q, but %v", cells[s.Cell].Name, want, s.Stages)
			}
		}
	}
}

// TestAChildThatIsNoneSaysSo, and so do those that are told nonsense.
func TestAChildThatIsNoneSaysSo(t *testing.T) {
	o := small(t)
	for _, args := range [][]string{{}, {"nothing"}, {"sample"}, {"rounds"}, {"worker", "--errand", "{"}} {
		c := exec.CommandContext(t.Context(), o.Self[0], append(o.Self[1:len(o.Self):len(o.Self)], args...)...)
		out, err := c.CombinedOutput()
		if c.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "bench: ") {
			t.Errorf("%q: got %v and %q, want status 1 and why", args, err, out)
		}
	}
}

// nothing plants nothing.
func nothing(*run.Cell) (string, time.Duration) { return "", 0 }

// TestALargeDocumentKillsNobodyAndItsWorkerGivesTheMemoryBack, while goroutines
// keep it; what the feeds beside it took is told.
func TestALargeDocumentKillsNobodyAndItsWorkerGivesTheMemoryBack(t *testing.T) {
	if racing {
		t.Skip("under the race detector memory runs out in its own way")
	}
	o := small(t)
	var kept [2]int64
	var both sync.WaitGroup
	for i, mode := range []string{run.Goroutine, run.Pipe} {
		both.Go(func() {
			d, err := run.Endure(t.Context(), &o, t.TempDir(), mode, "large", 3)
			if err != nil || !d.Survived || d.Lost > 0 || d.Class != "ok" || d.Deaths > 0 || d.Tail <= 0 || d.Tail > d.Last {
				t.Errorf("%s: got %+v, %v, want everything there, and what it took", mode, d, err)
			}
			kept[i] = d.Kept
		})
	}
	both.Wait()
	if kept[1] <= 0 || kept[1] > kept[0]/2 {
		t.Errorf("processes keep %d bytes and goroutines %d, want less than half of it", kept[1], kept[0])
	}
}

// TestTheRealProgramIsMeasured: all modes end with the same feeds, news are a
// tenth's, and a round on one CPU is one.
func TestTheRealProgramIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("-short was asked for, and this builds the programs")
	}
	o := small(t)
	dir, folder := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", dir, "../../../cmd/coordinator", "../../../cmd/worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as they are built for users, and kept by Go's cache
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("no feed"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Coordinator, o.Worker = filepath.Join(dir, "coordinator"), filepath.Join(dir, "worker")
	o.Settings.Feeds, o.Settings.Blocks, o.Settings.Folder = 20, 2, folder // whose feeds fail alike
	var cells []run.Cell
	for _, w := range []run.Work{run.AllNew, run.TenthNew, run.NothingNew, run.OwnNew} {
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			c := o.Settings.At(w, mode)
			c.OneCPU = w == run.AllNew
			cells = append(cells, c.Named())
		}
	}
	r := sampled(t, &o, cells, func(*run.Cell) (string, time.Duration) { return "", 0 })
	f := analyse.Run(r)
	if len(f.Rounds) != 4 {
		t.Errorf("got %d rounds, want 4: %+v", len(f.Rounds), f.Warnings)
	}
	for _, s := range r.Samples {
		if s.CPU <= 0 || s.Wall <= 0 || s.Peak <= 0 {
			t.Errorf("%s: CPU %v, wall %v, peak %d, want all of them", cells[s.Cell].Name, s.CPU, s.Wall, s.Peak)
		}
		if c := cells[s.Cell]; c.OneCPU && s.CPU > s.Wall*11/10 {
			t.Errorf("%s: %v of CPU in %v, on one", c.Name, s.CPU, s.Wall)
		}
	}
}

// TestRunKeepsWhatItHasWhenInterrupted: what was saved before is there, can be
// read, and says that it is not all.
func TestRunKeepsWhatItHasWhenInterrupted(t *testing.T) {
	o := small(t)
	o.Settings.Feeds, o.Settings.Workers = 4, 1
	var kept bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	o.Save = func(r *run.Run) error {
		cancel()
		kept.Reset()
		return r.Write(&kept)
	}
	r, err := run.Execute(ctx, o)
	if err == nil || r == nil || r.Complete {
		t.Fatalf("got %v, want an error and a run that is not complete", err)
	}
	again, err := run.Read(&kept)
	if err != nil || len(again.Samples) != len(again.Cells) || len(analyse.Run(again).Lists) == 0 {
		t.Fatalf("%v: %d samples of %d cells kept, want one block", err, len(again.Samples), len(again.Cells))
	}
}
