package bench

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestMain lets this test binary be what an experiment starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench-child" {
		os.Exit(Child(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// small is an experiment of seconds.
func small(t *testing.T) Options {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("an experiment needs Linux's /proc")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := Quick()
	s.Modes, s.Feeds, s.Items, s.Bytes = []string{Goroutine, Pipe}, 80, 5, 200
	s.Invocations, s.Blocks, s.Seed, s.Resamples = 1, 3, 5, 400
	return Options{Settings: s, Self: []string{self, "bench-child"}}
}

// sampled takes the samples of cells and makes findings of them.
func sampled(t *testing.T, o *Options, cells []Cell) *Run {
	t.Helper()
	for i := range cells {
		cells[i].ID = i
	}
	run := &Run{Schema: Schema, Settings: o.Settings, Cells: cells}
	e := &executor{o: o, run: run, dir: t.TempDir(), names: make(map[string][]string), rand: rand.New(rand.NewPCG(1, 2))}
	if err := e.blocks(t.Context(), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	analyse(run)
	for _, s := range run.Samples {
		if s.Failed != "" {
			t.Fatalf("%s: %s", cells[s.Cell].Name, s.Failed)
		}
	}
	return run
}

// ladderCells are those of a ledger in work ship.
func ladderCells(o *Options) []Cell {
	p := &planner{s: &o.Settings}
	p.ladder(Ship)
	return slices.DeleteFunc(p.cells, func(c Cell) bool { return c.Twin > 0 || c.Mode == Sequential })
}

// sampledTwice takes the samples of cells as they are and with a cost in a stage,
// in the same blocks, so that what else the machine does falls on both alike. It
// returns what is found of each.
func sampledTwice(t *testing.T, o *Options, cells []Cell) (natural, planted *Run) {
	t.Helper()
	both := slices.Clone(cells)
	for _, c := range cells {
		c.Twin = 1 // has the cost
		both = append(both, c)
	}
	all := sampled(t, o, both)
	part := func(twin int) *Run {
		run := &Run{Schema: Schema, Settings: o.Settings}
		for i, c := range cells {
			c.ID = i
			run.Cells = append(run.Cells, c)
		}
		for _, s := range all.Samples {
			if s.Cell/len(cells) == twin {
				s.Cell %= len(cells)
				run.Samples = append(run.Samples, s)
			}
		}
		analyse(run)
		return run
	}
	return part(0), part(1)
}

// TestPlantedCostsAreFoundWhereTheyAre: so much CPU time for each frame in one
// stage turns up in that stage's row of the ladder and among its direct
// estimates, and in no other row.
func TestPlantedCostsAreFoundWhereTheyAre(t *testing.T) {
	if racing {
		t.Skip("under the race detector the times are its own")
	}
	// most is how much of a cost may turn up. Who reads from a writer that is slow
	// sleeps before each frame, and found several at once before: to wake it is the
	// pipe's cost, too, and dear where others want the CPU. So is what every
	// interruption takes out of the caches, and there are more of them in more time.
	const most = 4. / 3
	for _, tt := range []struct{ stage, row string }{
		{"encode", Codec}, {"decode", Codec}, {"write", LocalPipe},
	} {
		t.Run(tt.stage, func(t *testing.T) {
			o := small(t)
			// Each feed is one frame. A write to memory, as the rung codec has
			// it, is none to a pipe.
			const cost = 600 * time.Microsecond
			o.planting = func(c *Cell) plant {
				if c.Twin == 0 || c.Mode == Codec && tt.stage == "write" {
					return plant{}
				}
				return plant{tt.stage, cost}
			}
			before, after := sampledTwice(t, &o, ladderCells(&o))
			natural, l := before.Ledgers[0], after.Ledgers[0]
			for i, row := range l.Rows {
				// In rows with processes Hello, Bye and shards are frames, too:
				// a sixth of the feeds'.
				want, low, high := 0.0, -float64(cost)/4, float64(cost)/4
				if row.Name == tt.row {
					want, low, high = float64(cost), float64(cost)*7/8, float64(cost)*most
				}
				moved := row.Ladder.minus(natural.Rows[i].Ladder)
				half := max(moved.High-moved.Estimate, moved.Estimate-moved.Low)
				if moved.Estimate < min(low, want-half) || moved.Estimate > max(high, want+half) {
					t.Errorf("row %s moved by %.0f ns a feed %v, want %.0f to %.0f", row.Name, moved.Estimate, moved, low, high)
				}
				if row.Name == tt.row {
					checkPart(t, row, tt.stage, float64(cost))
				}
			}
		})
	}
}

// checkPart checks that the direct estimate of a stage is a cost and little
// more.
func checkPart(t *testing.T, row LedgerRow, stage string, cost float64) {
	t.Helper()
	for _, p := range row.Parts {
		if p.Name == stage {
			if p.Value.Estimate < cost || p.Value.Estimate > 1.3*cost {
				t.Errorf("the clock of %s says %.0f ns a feed, want %.0f and little more", stage, p.Value.Estimate, cost)
			}
			return
		}
	}
	t.Errorf("row %s has no direct estimate of %s: %v", row.Name, stage, row.Parts)
}

// TestTheSameAgainstItselfIsNoDifference, and against itself with a cost is.
func TestTheSameAgainstItselfIsNoDifference(t *testing.T) {
	if racing {
		t.Skip("under the race detector the times are its own")
	}
	for name, tt := range map[string]struct {
		more time.Duration
		want string
	}{"same": {0, NoDifference}, "planted": {time.Millisecond, Higher}} {
		t.Run(name, func(t *testing.T) {
			o := small(t)
			o.Settings.Blocks = 6
			o.planting = func(c *Cell) plant {
				return plant{"encode", time.Millisecond + tt.more*time.Duration(c.Twin)}
			}
			p := &planner{s: &o.Settings}
			a := p.at(Ship, Pipe)
			b := a
			b.Twin = 1
			p.add("ladder", a)
			p.add("twin", b)
			run := sampled(t, &o, p.cells)
			if len(run.Comparisons) != 1 || run.Comparisons[0].Verdict != tt.want {
				t.Errorf("got %+v, want %q", run.Comparisons, tt.want)
			}
		})
	}
}

// TestUnequalWorkGetsNoFigures: a mode whose results differ is named, and
// nothing that it was measured is used.
func TestUnequalWorkGetsNoFigures(t *testing.T) {
	o := small(t)
	p := &planner{s: &o.Settings}
	p.add("ladder", p.at(Ship, Goroutine))
	p.add("ladder", p.at(Ship, Pipe))
	run := &Run{Schema: Schema, Settings: o.Settings, Cells: p.cells}
	for block := range 4 {
		run.Samples = append(run.Samples,
			Sample{Cell: 0, Block: block, CPU: time.Second, Hash: "a"},
			Sample{Cell: 1, Block: block, CPU: time.Millisecond, Hash: map[bool]string{true: "b", false: "a"}[block == 2]})
	}
	analyse(run)
	if len(run.Summaries) != 1 || run.Summaries[0].Cell != 0 || len(run.Comparisons) != 0 {
		t.Errorf("got summaries %+v, comparisons %+v, want only those of goroutines", run.Summaries, run.Comparisons)
	}
	if len(run.Warnings) == 0 || run.Warnings[0].Kind != "unequal-work" || len(run.NotForPublication) == 0 {
		t.Errorf("got warnings %+v, want unequal-work first", run.Warnings)
	}
}

// TestDoubtsAreNamed: noise, throttling, stolen time, failures and too few runs
// each have a warning of their own, before what is only missing.
func TestDoubtsAreNamed(t *testing.T) {
	run := &Run{Schema: Schema, Settings: Quick(), Cells: []Cell{{Name: "one", Mode: Goroutine, Feeds: 1, Workers: 1}}, Samples: []Sample{
		{Foreign: 0.2, Steal: 0.1, Throttled: true, Hash: "a"}, {Failed: "it did", Hash: "a"},
	}, Warnings: []Warning{{Kind: "no-python"}, {Kind: "missing-mode"}}}
	analyse(run)
	if last := run.Warnings[len(run.Warnings)-1].Kind; run.Warnings[0].Kind != "failed-sample" || last != "no-python" {
		t.Errorf("warnings are from %s to %s, want the gravest first: from failed-sample to no-python", run.Warnings[0].Kind, last)
	}
	for _, kind := range []string{"failed-sample", "interrupted", "noisy", "throttled", "steal", "too-few-runs"} {
		if !slices.ContainsFunc(run.Warnings, func(w Warning) bool { return w.Kind == kind }) {
			t.Errorf("no warning of kind %s in %+v", kind, run.Warnings)
		}
	}
}

// TestKillersCostGoroutinesTheRound and processes one feed.
func TestKillersCostGoroutinesTheRound(t *testing.T) {
	if racing {
		t.Skip("under the race detector memory runs out in its own way")
	}
	o := small(t)
	for _, mode := range []string{Goroutine, Pipe} {
		b, err := endure(t.Context(), &o, ordeal{mode, "memory", o.Self, 100})
		if err != nil {
			t.Fatal(err)
		}
		want := Buy{Killer: "memory", Mode: mode, Feeds: ordealFeeds, Survived: mode == Pipe}
		if b.Survived != want.Survived || (b.Lost == 0) != (mode == Pipe) || mode == Pipe && b.Class != "worker_memory" {
			t.Errorf("%s: got %+v", mode, b)
		}
	}
}

// TestRunKeepsWhatItHasWhenInterrupted: what was saved before is there, can be
// read, and says that it is not all.
func TestRunKeepsWhatItHasWhenInterrupted(t *testing.T) {
	o := small(t)
	o.Settings.Feeds, o.Settings.Workers, o.Settings.Profile = 4, []int{1}, "quick"
	path := filepath.Join(t.TempDir(), "run.json")
	ctx, cancel := context.WithCancel(t.Context())
	o.Save = func(r *Run) error {
		cancel()
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = r.WriteTo(f)
		return err
	}
	run, err := Execute(ctx, o)
	if err == nil || run == nil || run.Complete {
		t.Fatalf("got %v, want an error and a run that is not complete", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kept, err := Read(f)
	if err != nil || len(kept.Samples) != len(kept.Cells) || len(kept.Summaries) == 0 {
		t.Fatalf("%v: %d samples of %d cells kept, want one block", err, len(kept.Samples), len(kept.Cells))
	}
}
