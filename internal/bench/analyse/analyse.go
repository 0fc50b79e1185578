package analyse

import (
	"fmt"
	"slices"

	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// An analysis makes findings.
type analysis struct {
	*Findings
	boot  stats.Bootstrap
	good  map[int][]*run.Sample // by cell, those that did not fail
	unfit map[int]bool          // cells whose results are not those of the others
}

// Run returns the findings of r.
func Run(r *run.Run) *Findings {
	a := newAnalysis(r)
	a.pairs()
	a.scales()
	a.ledger()
	a.losses()
	a.burdens()
	a.claims()
	a.warnings()
	return a.Findings
}

// newAnalysis returns an analysis that knows which cells did equal work.
func newAnalysis(r *run.Run) *analysis {
	a := &analysis{
		Findings: &Findings{Run: r, Warnings: slices.Clone(r.Warnings)},
		boot:     stats.Bootstrap{Resamples: r.Settings.Resamples, Seed: r.Settings.Seed},
		good:     make(map[int][]*run.Sample), unfit: make(map[int]bool),
	}
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Failed == "" {
			a.good[s.Cell] = append(a.good[s.Cell], s)
		}
	}
	a.equalWork()
	return a
}

// use reports whether the figures of a cell may be used.
func (a *analysis) use(cell int) bool { return len(a.good[cell]) > 0 && !a.unfit[cell] }

// equalWork finds the cells whose results differ from those of the goroutines
// that had the same work, or, where there are none, from those of the others.
func (a *analysis) equalWork() {
	type work struct {
		work                run.Work
		feeds, items, bytes int
		python, gofeed      bool // which read and so hash in their own ways
		block               int  // of news, which each block has its own of
	}
	of := func(c *run.Cell, s *run.Sample) work {
		w := work{c.Work, c.Feeds, c.Items, c.Bytes, c.InPython(), c.Gofeed, 0}
		if c.Work == run.TenthNew {
			w.block = s.Block
		}
		return w
	}
	hashes := make(map[work]string)
	for _, sure := range []bool{true, false} {
		for _, c := range a.Cells {
			for _, s := range a.good[c.ID] {
				if hashes[of(&c, s)] == "" && (c.Mode == run.Goroutine || c.Mode == run.PythonThreads) == sure {
					hashes[of(&c, s)] = s.Hash
				}
			}
		}
	}
	for _, c := range a.Cells {
		for _, s := range a.good[c.ID] {
			if want := hashes[of(&c, s)]; s.Hash != want {
				a.unfit[c.ID] = true
				a.warn("unequal-work", fmt.Sprintf("%s: its results hash to %s, those of the others to %s; its figures are left out", c.Name, s.Hash, want), c.ID)
				break
			}
		}
	}
}

func (a *analysis) warn(kind, text string, cells ...int) {
	a.Warnings = append(a.Warnings, run.Warning{Kind: kind, Text: text, Cells: cells})
}

// A figure is one number of a sample.
type figure func(*run.Cell, *run.Sample) float64

// perFeed returns the figure that x is, for one feed.
func perFeed(x func(*run.Sample) float64) figure {
	return func(c *run.Cell, s *run.Sample) float64 { return x(s) / float64(c.Feeds) }
}

var (
	cpuOf  = perFeed(func(s *run.Sample) float64 { return float64(s.CPU) })
	wallOf = perFeed(func(s *run.Sample) float64 { return float64(s.Wall) })
	bytes  = func(_ *run.Cell, s *run.Sample) float64 { return float64(max(s.PSS, s.Peak)) }
)

// points returns a figure of all samples of a cell.
func (a *analysis) points(cell int, f figure) []stats.Point {
	if !a.use(cell) {
		return nil
	}
	var ps []stats.Point
	for _, s := range a.good[cell] {
		ps = append(ps, stats.Point{Invocation: s.Invocation, Block: s.Block, X: f(&a.Cells[cell], s)})
	}
	return ps
}

// table returns a figure of several cells in the blocks that all of them have.
func (a *analysis) table(f figure, cells ...int) stats.Table {
	var columns [][]stats.Point
	for _, c := range cells {
		columns = append(columns, a.points(c, f))
	}
	return stats.Pair(columns...)
}

// pairs compares each cell with the one that does the same in goroutines, or in
// Python's threads, and each twin with its like.
func (a *analysis) pairs() {
	for _, c := range a.Cells {
		base := c
		to := &a.Lists
		switch {
		case c.Clocked || c.Mode == run.Goroutine || c.Mode == run.PythonThreads:
			continue
		case c.Twin > 0:
			to, base.Twin = &a.Twins, 0
		case c.InPython():
			base.Mode = run.PythonThreads
		default:
			base.Mode, base.Cold = run.Goroutine, false
		}
		if c.Work.Real() && c.Twin == 0 {
			to = &a.Rounds
		}
		if p, ok := a.pair(c, base); ok {
			*to = append(*to, p)
		}
	}
	a.judge()
}

// pair compares two cells, if both have samples.
func (a *analysis) pair(c, base run.Cell) (Pair, bool) {
	base, ok := a.Find(base)
	if !ok || len(a.table(cpuOf, c.ID, base.ID).Groups) == 0 {
		return Pair{}, false
	}
	return Pair{
		Cell: c, Base: base, CPU: a.measure(cpuOf, c.ID, base.ID), Wall: a.measure(wallOf, c.ID, base.ID),
		Memory: a.boot.Interval(a.table(bytes, c.ID, base.ID), stats.Difference(0, 1)),
	}, true
}

func (a *analysis) measure(f figure, cell, base int) Measure {
	t := a.table(f, cell, base)
	var xs, ys []float64
	for _, row := range t.Rows() {
		xs, ys = append(xs, row[0]), append(ys, row[1])
	}
	means := stats.Means(t.Rows())
	return Measure{
		Ratio: a.boot.Interval(t, stats.Ratio(0, 1)), More: a.boot.Interval(t, stats.Difference(0, 1)),
		Mean: means[0], Base: means[1], P: stats.MannWhitney(xs, ys),
	}
}

// judge puts verdicts into all pairs.
func (a *analysis) judge() {
	var all []*Measure
	for _, ps := range [][]Pair{a.Rounds, a.Lists, a.Twins} {
		for i := range ps {
			all = append(all, &ps[i].CPU, &ps[i].Wall)
		}
	}
	var ps []float64
	for _, m := range all {
		ps = append(ps, m.P)
	}
	for i, p := range stats.Holm(ps) {
		all[i].P = p
	}
	for _, pairs := range [][]Pair{a.Rounds, a.Lists} {
		for i := range pairs {
			p := &pairs[i]
			p.CPU.Visible, p.Wall.Visible = a.visible(p.Cell)
		}
	}
	for _, m := range all {
		m.Verdict = m.verdict()
	}
}

// visible returns the smallest ratios that could have been seen of a cell: its
// twin's, or the worst of its work where it has none.
func (a *analysis) visible(c run.Cell) (cpu, wall float64) {
	least := func(m Measure) float64 { return max(m.Ratio.High, 1/max(m.Ratio.Low, 1e-9)) }
	for _, t := range a.Twins {
		own := t.Base.Name == c.Name
		if own || t.Cell.Work == c.Work && t.Cell.InPython() == c.InPython() && t.Cell.Gofeed == c.Gofeed {
			cpu, wall = max(cpu, least(t.CPU)), max(wall, least(t.Wall))
		}
		if own {
			return least(t.CPU), least(t.Wall)
		}
	}
	return cpu, wall
}

// negligible is the difference below which two cells are taken to be the same,
// however sure it is: compilers and linkers move code by as much.
const negligible = 1.01

// verdict says whether a ratio differs from 1. The interval and the corrected P
// must both say so, because of few blocks the resampled interval is too narrow;
// and it must be more than the same work against itself came to.
func (m *Measure) verdict() Verdict {
	r := m.Ratio
	switch {
	case r.Contains(1), m.P >= 1-stats.Confidence, max(r.Estimate, 1/r.Estimate) <= max(m.Visible, negligible):
		return NotSeen
	case r.Estimate > 1:
		return Higher
	}
	return Lower
}

// scales calculates what rounds of people's sizes cost.
func (a *analysis) scales() {
	for _, w := range []run.Work{run.AllNew, run.NothingNew} {
		var cells []int
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			many := a.Settings.At(w, mode)
			few := many
			few.Feeds = a.Settings.Few()
			for _, c := range []run.Cell{many, few} {
				if found, ok := a.Find(c); ok {
					cells = append(cells, found.ID)
				}
			}
		}
		if len(cells) != 4 {
			continue
		}
		t := a.table(func(_ *run.Cell, s *run.Sample) float64 { return float64(s.CPU) }, cells...)
		if len(t.Groups) == 0 {
			continue
		}
		many, few := float64(a.Settings.Feeds), float64(a.Settings.Few())
		for _, n := range []int{0, 300, 5_000, 100_000} {
			at := func(m []float64, i int) float64 { // on the line through both
				return m[i+1] + (m[i]-m[i+1])*(float64(n)-few)/(many-few)
			}
			a.Scales = append(a.Scales, Scale{
				Work: w, Feeds: n,
				Goroutines: a.boot.Interval(t, func(rows [][]float64) float64 { return at(stats.Means(rows), 0) }),
				Processes:  a.boot.Interval(t, func(rows [][]float64) float64 { return at(stats.Means(rows), 2) }),
				More: a.boot.Interval(t, func(rows [][]float64) float64 {
					m := stats.Means(rows)
					return at(m, 2) - at(m, 0)
				}),
			})
		}
	}
}

// losses gathers what killers did, by killer and mode.
func (a *analysis) losses() {
	calm := make(map[string]run.Death)
	for _, d := range a.Deaths {
		if d.Killer == "" {
			calm[d.Mode] = d
		}
	}
	for _, k := range run.Killers {
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			l := Loss{Killer: k.Name, Mode: mode}
			var later []stats.Point
			for _, d := range a.Deaths {
				if d.Killer != k.Name || d.Mode != mode {
					continue
				}
				l.Runs, l.Feeds, l.Lost = l.Runs+1, d.Feeds-1, append(l.Lost, d.Lost)
				if d.Survived {
					later = append(later, stats.Point{Block: len(later), X: float64(d.Wall - calm[mode].Wall)})
				} else {
					l.Died++
				}
			}
			l.Recovery = a.boot.Interval(stats.Pair(later), stats.Middle)
			if l.Runs > 0 {
				slices.Sort(l.Lost)
				a.Losses = append(a.Losses, l)
			}
		}
	}
}

// burdens compares rounds that have a slow or large document with those of the
// same repeat and mode that have none.
func (a *analysis) burdens() {
	of := func(document, mode string, figure func(run.Death) float64) (ps []stats.Point) {
		for _, d := range a.Burdens {
			if d.Killer == document && d.Mode == mode && d.Survived && d.Lost == 0 {
				ps = append(ps, stats.Point{Block: d.Repeat, X: figure(d)})
			}
		}
		return ps
	}
	tail := func(d run.Death) float64 { return float64(d.Tail) }
	kept := func(d run.Death) float64 { return float64(d.Kept) }
	for _, k := range run.Burdens {
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			tails, memory := stats.Pair(of(k.Name, mode, tail), of("", mode, tail)), stats.Pair(of(k.Name, mode, kept), of("", mode, kept))
			if n := len(tails.Rows()); n > 0 {
				a.Beside = append(a.Beside, Beside{
					Document: k.Name, Mode: mode, Runs: n,
					Tail: a.boot.Interval(tails, stats.Column(0)), Later: a.boot.Interval(tails, stats.Difference(0, 1)),
					Kept: a.boot.Interval(memory, stats.Difference(0, 1)),
				})
			}
		}
	}
}
