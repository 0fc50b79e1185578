package bench

import (
	"cmp"
	"fmt"
	"slices"
)

// An analysis makes findings of the samples of a run.
type analysis struct {
	run   *Run
	boot  bootstrap
	good  map[int][]*Sample // by cell, those that did not fail
	unfit map[int]bool      // cells whose results are not those of the others
}

// analyse replaces all findings of run by those that its samples bear out. What
// was measured outside of samples, the limits, what is bought and the tearing of
// a pipe, stays.
func analyse(run *Run) {
	a := newAnalysis(run)
	run.Warnings = slices.DeleteFunc(run.Warnings, func(w Warning) bool { return w.Kind != "no-python" && w.Kind != "missing-mode" })
	a.equalWork()
	a.markOutliers()
	a.summaries()
	a.comparisons()
	a.ledgers()
	a.fits()
	a.breakEven()
	a.claims()
	a.doubts()
}

// newAnalysis returns an analysis of run before its first step.
func newAnalysis(run *Run) *analysis {
	a := &analysis{
		run: run, boot: bootstrap{run.Settings.Resamples, run.Settings.Seed},
		good: make(map[int][]*Sample), unfit: make(map[int]bool),
	}
	for i := range run.Samples {
		s := &run.Samples[i]
		if s.Failed == "" {
			a.good[s.Cell] = append(a.good[s.Cell], s)
		}
	}
	return a
}

// use reports whether the figures of a cell may be used.
func (a *analysis) use(cell int) bool { return len(a.good[cell]) > 0 && !a.unfit[cell] }

// equalWork finds the cells whose results differ from those of the goroutines
// that had the same work, or, where there are none, from those of the others.
func (a *analysis) equalWork() {
	type work struct {
		work                Work
		feeds, items, bytes int
		python              bool // which has a hash of its own
	}
	hashes := make(map[work]string)
	for _, sure := range []bool{true, false} {
		for _, c := range a.run.Cells {
			w := work{c.Work, c.Feeds, c.Items, c.Bytes, isPython(c.Mode)}
			for _, s := range a.good[c.ID] {
				if hashes[w] == "" && (c.Mode == Goroutine || c.Mode == "python-threads") == sure {
					hashes[w] = s.Hash
				}
			}
		}
	}
	for _, c := range a.run.Cells {
		for _, s := range a.good[c.ID] {
			if want := hashes[work{c.Work, c.Feeds, c.Items, c.Bytes, isPython(c.Mode)}]; s.Hash != want {
				a.unfit[c.ID] = true
				a.warn("unequal-work", fmt.Sprintf("%s: its results hash to %s, those of the others to %s; its figures are left out", c.Name, s.Hash, want), c.ID)
				break
			}
		}
	}
}

func (a *analysis) warn(kind, text string, cells ...int) {
	a.run.Warnings = append(a.run.Warnings, Warning{Kind: kind, Text: text, Cells: cells})
}

func (a *analysis) markOutliers() {
	for _, samples := range a.good {
		var xs []float64
		for _, s := range samples {
			xs = append(xs, float64(s.CPU))
		}
		for i, out := range outliers(xs) {
			samples[i].Outlier = out
		}
	}
}

// A figure is one number of a sample.
type figure func(*Cell, *Sample) float64

// perFeed returns the figure that x is, for one feed.
func perFeed(x func(*Sample) float64) figure {
	return func(c *Cell, s *Sample) float64 { return x(s) / float64(c.Feeds) }
}

var (
	cpuOf  = perFeed(func(s *Sample) float64 { return float64(s.CPU) })
	wallOf = perFeed(func(s *Sample) float64 { return float64(s.Wall) })
)

// points returns a figure of all samples of a cell.
func (a *analysis) points(cell int, f figure) []point {
	if !a.use(cell) {
		return nil
	}
	var ps []point
	for _, s := range a.good[cell] {
		ps = append(ps, point{s.Invocation, s.Block, f(&a.run.Cells[cell], s)})
	}
	return ps
}

// table returns a figure of several cells in the blocks that all of them have.
func (a *analysis) table(f figure, cells ...int) table {
	var columns [][]point
	for _, c := range cells {
		columns = append(columns, a.points(c, f))
	}
	return pair(columns...)
}

func (a *analysis) summaries() {
	a.run.Summaries = nil
	for _, c := range a.run.Cells {
		if !a.use(c.ID) {
			continue
		}
		sum := Summary{Cell: c.ID, Samples: len(a.good[c.ID])}
		for _, s := range a.good[c.ID] {
			if s.Outlier {
				sum.Outliers++
			}
			sum.Wire += float64(s.WireBytes) / float64(c.Feeds) / float64(sum.Samples)
		}
		one := func(f figure) Summed { return a.boot.summed(a.table(f, c.ID)) }
		sum.CPU, sum.Wall = one(cpuOf), one(wallOf)
		sum.PSS = one(func(_ *Cell, s *Sample) float64 { return float64(s.PSS) })
		sum.Faults = one(perFeed(func(s *Sample) float64 { return float64(s.MinorFaults) }))
		sum.Switches = one(perFeed(func(s *Sample) float64 { return float64(s.Switches) }))
		sum.Calls = one(perFeed(func(s *Sample) float64 { return float64(max(0, s.ReadCalls) + max(0, s.WriteCalls)) }))
		a.run.Summaries = append(a.run.Summaries, sum)
	}
}

// comparisons compares each cell that has one with the cell that differs from
// it in one factor.
func (a *analysis) comparisons() {
	a.run.Comparisons = nil
	visible := make(map[Work]float64)
	for _, c := range a.run.Cells {
		if c.Twin == 0 {
			continue
		}
		base := c
		base.Twin = 0
		if cmp, ok := a.compare("twin", c, base, "the same against itself"); ok {
			v := max(cmp.CPURatio.High, 1/max(cmp.CPURatio.Low, 1e-9))
			visible[c.Work] = max(visible[c.Work], v)
		}
	}
	headline := (&planner{s: &a.run.Settings}).at(a.run.Settings.Work, Pipe)
	for _, c := range a.run.Cells {
		if c.Twin != 0 || c.Clocked || isPython(c.Mode) || c.Mode == Goroutine {
			continue
		}
		base := c
		base.Mode, base.Cold, base.Shipped = Goroutine, false, false
		if c.Mode == Sequential { // it has one worker, goroutines as many as there are CPUs
			base.Workers = a.run.Settings.centre()
		}
		sweep := c.Sweeps[0]
		if c.name() == headline.name() {
			sweep = "headline"
		}
		what := c.Mode
		for _, f := range []struct {
			set  bool
			name string
		}{{c.Cold, " with spawn"}, {c.Shipped, " as shipped"}, {c.Released, " with lists let go"}} {
			if f.set {
				what += f.name
			}
		}
		a.compare(sweep, c, base, fmt.Sprintf("%s against goroutine, %s", what, c.Work))
	}
	a.judge(visible)
}

// compare compares two cells, if both have samples.
func (a *analysis) compare(sweep string, c, base Cell, what string) (Comparison, bool) {
	base, ok := find(a.run.Cells, base)
	t := a.table(cpuOf, c.ID, base.ID)
	if !ok || base.ID == c.ID || len(t.groups) == 0 {
		return Comparison{}, false
	}
	w := a.table(wallOf, c.ID, base.ID)
	one := Comparison{
		What: what, Sweep: sweep, Cell: c.ID, Base: base.ID,
		CPURatio: a.boot.interval(t, ratio(0, 1)), CPUDiff: a.boot.interval(t, difference(0, 1)),
		WallRatio: a.boot.interval(w, ratio(0, 1)), WallDiff: a.boot.interval(w, difference(0, 1)),
	}
	var xs, ys []float64
	for _, row := range t.rows() {
		xs, ys = append(xs, row[0]), append(ys, row[1])
	}
	one.P = mannWhitney(xs, ys)
	a.run.Comparisons = append(a.run.Comparisons, one)
	return one, true
}

// judge puts verdicts into all comparisons, the headline first.
func (a *analysis) judge(visible map[Work]float64) {
	var ps []float64
	for _, c := range a.run.Comparisons {
		ps = append(ps, c.P)
	}
	for i, p := range holm(ps) {
		c := &a.run.Comparisons[i]
		c.Holm = p
		c.Visible = visible[a.run.Cells[c.Cell].Work]
		c.Verdict = verdict(c.CPURatio, c.P, c.Visible, c.Sweep == "twin")
	}
	slices.SortStableFunc(a.run.Comparisons, func(x, y Comparison) int {
		rank := func(c Comparison) int { return slices.Index([]string{"headline", "twin"}, c.Sweep) }
		order := func(r int) int { // headline, all others, twins
			return map[int]int{0: 0, -1: 1, 1: 2}[r]
		}
		return cmp.Compare(order(rank(x)), order(rank(y)))
	})
}

// negligible is the difference below which two cells are taken to be the same,
// however sure it is: compilers and linkers move code by as much.
const negligible = 1.01

// verdict says whether a ratio with its p differs from 1. An equal pair is not
// judged by what it shows itself.
//
// Both the interval and p must say so: of few blocks the resampled interval is
// too narrow, and p is what still knows how few they are. It is p before Holm's
// correction, after which no pair of a quick run could ever differ.
func verdict(r Interval, p, visible float64, twin bool) string {
	if twin {
		visible = 1
	}
	switch {
	case r.Contains(1), p >= 1-confidence, max(r.Estimate, 1/r.Estimate) <= max(visible, negligible):
		return NoDifference
	case r.Estimate > 1:
		return Higher
	}
	return Lower
}
