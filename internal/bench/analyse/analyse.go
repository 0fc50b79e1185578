package analyse

import (
	"fmt"
	"slices"
	"time"

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
				a.warn("unequal-work", fmt.Sprintf("%s: its results hash to %s, those of the others to %s; its figures are left out", c.Name, s.Hash, want))
				break
			}
		}
	}
}

func (a *analysis) warn(kind, text string) {
	a.Warnings = append(a.Warnings, run.Warning{Kind: kind, Text: text})
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

// table returns a figure of several cells in the blocks that all of them have.
func (a *analysis) table(f figure, cells ...int) stats.Table {
	columns := make([][]stats.Point, len(cells))
	for i, cell := range cells {
		if !a.use(cell) {
			continue
		}
		for _, s := range a.good[cell] {
			columns[i] = append(columns[i], stats.Point{Invocation: s.Invocation, Block: s.Block, X: f(&a.Cells[cell], s)})
		}
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
			base.Mode = run.Goroutine
		}
		if c.Work.Real() && c.Twin == 0 {
			to = &a.Rounds
		}
		if p, ok := a.pair(c, base); ok {
			*to = append(*to, p)
		}
	}
	a.correct()
}

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
	rows := t.Rows()
	means := stats.Means(rows)
	return Measure{
		Ratio: a.boot.Interval(t, stats.Ratio(0, 1)), More: a.boot.Interval(t, stats.Difference(0, 1)),
		Mean: means[0], Base: means[1], P: stats.MannWhitney(stats.Arm(rows, 0), stats.Arm(rows, 1)),
	}
}

// correct sets twins beside all measures and judges them.
func (a *analysis) correct() {
	var all []*Measure
	for _, pairs := range [][]Pair{a.Rounds, a.Lists, a.Twins} {
		for i := range pairs {
			p := &pairs[i]
			if p.Cell.Twin == 0 {
				p.CPU.Twin, p.Wall.Twin = a.twin(p.Cell)
			}
			all = append(all, &p.CPU, &p.Wall)
		}
	}
	judge(all)
}

// judge corrects every P for all the others and says what was seen.
func judge(all []*Measure) {
	ps := make([]float64, len(all))
	for i, m := range all {
		ps[i] = m.P
	}
	for i, p := range stats.Holm(ps) {
		all[i].P = p
		all[i].Verdict = all[i].verdict()
	}
}

// twin returns what the same work came to against itself: a cell's own twin, or of
// those of its work the ones that came to most.
func (a *analysis) twin(c run.Cell) (cpu, wall stats.Interval) {
	most := func(x, y stats.Interval) stats.Interval {
		if reach(y) > reach(x) {
			return y
		}
		return x
	}
	for _, t := range a.Twins {
		switch {
		case t.Base.Name == c.Name:
			return t.CPU.Ratio, t.Wall.Ratio
		case t.Cell.Work == c.Work && t.Cell.InPython() == c.InPython() && t.Cell.Gofeed == c.Gofeed:
			cpu, wall = most(cpu, t.CPU.Ratio), most(wall, t.Wall.Ratio)
		}
	}
	return cpu, wall
}

// reach returns the end of an interval that is farthest from 1, as a ratio above 1.
func reach(i stats.Interval) float64 { return max(away(i.Low), away(i.High)) }

// away returns a ratio, or its inverse, whichever is above 1; of none it is 1.
func away(ratio float64) float64 {
	if ratio <= 0 {
		return 1
	}
	return max(ratio, 1/ratio)
}

// negligible is the difference below which two cells are taken to be the same,
// however sure it is: compilers and linkers move code by as much.
const negligible = 1.01

// verdict says whether a ratio differs from 1, in words that another run repeats. With
// a sharp line between two words every second run would have the other one of what lies
// on the line, so there is room. A difference is not seen when its interval has 1 in it,
// when the corrected P is not small (of few blocks intervals are too narrow, and of
// many comparisons one in twenty leaves 1 out by chance), or when the same work against
// itself came to as much. It is seen when all of its interval is beyond the interval of
// the same work against itself. Else it is at the edge.
func (m *Measure) verdict() Verdict {
	r, near := m.Ratio, m.Ratio.Low // the end on the side of 1
	if r.Estimate < 1 {
		near = r.High
	}
	switch {
	case r.Contains(1), m.P >= 1-stats.Confidence, away(r.Estimate) <= max(away(m.Twin.Estimate), negligible):
		return NotSeen
	case away(near) <= max(reach(m.Twin), negligible):
		return AtTheEdge
	case r.Estimate > 1:
		return Higher
	}
	return Lower
}

// scales calculates what rounds of people's sizes cost, on the line through
// rounds of two sizes.
func (a *analysis) scales() {
	many, few := a.Settings.Feeds, a.Settings.Few()
	for _, w := range []run.Work{run.AllNew, run.NothingNew} {
		var cells []int
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			for _, feeds := range []int{many, few} {
				c := a.Settings.At(w, mode)
				c.Feeds = feeds
				if found, ok := a.Find(c); ok {
					cells = append(cells, found.ID)
				}
			}
		}
		t := a.table(func(_ *run.Cell, s *run.Sample) float64 { return float64(s.CPU) }, cells...)
		if len(cells) != 4 || len(t.Groups) == 0 || many == few {
			continue
		}
		for _, n := range []int{0, 300, 5_000, 100_000} {
			of := func(goroutines, processes float64) stats.Interval {
				return a.boot.Interval(t, func(rows [][]float64) float64 {
					m, x := stats.Means(rows), float64(n-few)/float64(many-few)
					return goroutines*(m[1]+(m[0]-m[1])*x) + processes*(m[3]+(m[2]-m[3])*x)
				})
			}
			a.Scales = append(a.Scales, Scale{Work: w, Feeds: n, Goroutines: of(1, 0), Processes: of(0, 1), More: of(-1, 1)})
		}
	}
}

// losses gathers what killers did, by killer and mode.
func (a *analysis) losses() {
	calm := make(map[string]time.Duration)
	for _, d := range a.Deaths {
		if d.Killer == "" {
			calm[d.Mode] = d.Wall
		}
	}
	each(run.Killers, func(killer, mode string) {
		l := Loss{Killer: killer, Mode: mode}
		var later []stats.Point
		for _, d := range a.Deaths {
			switch {
			case d.Killer != killer || d.Mode != mode:
				continue
			case d.Survived:
				later = append(later, stats.Point{Block: len(later), X: float64(d.Wall - calm[mode])})
			default:
				l.Died++
			}
			l.Runs, l.Feeds, l.Lost = l.Runs+1, d.Feeds-1, append(l.Lost, d.Lost)
		}
		l.Recovery = a.boot.Interval(stats.Pair(later), stats.Middle)
		if l.Runs > 0 {
			slices.Sort(l.Lost)
			a.Losses = append(a.Losses, l)
		}
	})
}

// burdens compares rounds that have a slow or large document with those of the
// same repeat and mode that have none.
func (a *analysis) burdens() {
	each(run.Burdens, func(document, mode string) {
		of := func(figure func(run.Death) float64) stats.Table {
			var with, without []stats.Point
			for _, d := range a.Burdens {
				p := stats.Point{Block: d.Repeat, X: figure(d)}
				switch {
				case d.Mode != mode || !d.Survived || d.Lost > 0:
				case d.Killer == document:
					with = append(with, p)
				case d.Killer == "":
					without = append(without, p)
				}
			}
			return stats.Pair(with, without)
		}
		tails := of(func(d run.Death) float64 { return float64(d.Tail) })
		memory := of(func(d run.Death) float64 { return float64(d.Kept) })
		if n := len(tails.Rows()); n > 0 {
			a.Beside = append(a.Beside, Beside{
				Document: document, Mode: mode, Runs: n,
				Tail: a.boot.Interval(tails, stats.Column(0)), Later: a.boot.Interval(tails, stats.Difference(0, 1)),
				Kept: a.boot.Interval(memory, stats.Difference(0, 1)),
			})
		}
	})
}

// each calls f for each killer in both modes.
func each(killers []run.Killer, f func(killer, mode string)) {
	for _, k := range killers {
		f(k.Name, run.Goroutine)
		f(k.Name, run.Pipe)
	}
}
