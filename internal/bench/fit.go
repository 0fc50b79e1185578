package bench

import (
	"fmt"
	"slices"
)

// fits fits the cost model of each mode over goroutines in work ship, to the
// sizes that were measured.
func (a *analysis) fits() {
	a.run.Fits = nil
	if f, ok := a.fit(Pipe); ok {
		a.run.Fits = append(a.run.Fits, f)
	}
}

// A pairing is a cell and the goroutines that did the same.
type pairing struct {
	cell, base Cell
	bytes      float64 // of a feed's list
}

// pairings returns the pairs of a mode that differ in size alone.
func (a *analysis) pairings(mode string) []pairing {
	var ps []pairing
	for _, c := range a.run.Cells {
		base := c
		base.Mode = Goroutine
		base, ok := find(a.run.Cells, base)
		if c.Mode != mode || !slices.Contains(c.Sweeps, "items") || !ok || !a.use(c.ID) || !a.use(base.ID) {
			continue
		}
		ps = append(ps, pairing{c, base, float64(a.good[c.ID][0].CopiedBytes) / float64(c.Feeds)})
	}
	return ps
}

// fit fits gap = a + c items + b bytes. It needs four sizes for three terms.
func (a *analysis) fit(mode string) (Fit, bool) {
	ps := a.pairings(mode)
	if len(ps) < 4 {
		return Fit{}, false
	}
	var columns []int
	for _, p := range ps {
		columns = append(columns, p.cell.ID, p.base.ID)
	}
	t := a.table(cpuOf, columns...)
	rows := t.rows()
	if len(rows) < 2 {
		return Fit{}, false
	}
	weight := weights(rows)
	line := func(rows [][]float64) []float64 {
		var x [][]float64
		var y []float64
		for i, gap := range gaps(rows) {
			x, y = append(x, ps[i].design()), append(y, gap)
		}
		b, err := leastSquares(x, y, weight)
		if err != nil {
			return nil
		}
		return b
	}
	b := line(rows)
	if b == nil {
		return Fit{}, false
	}
	f := Fit{What: fmt.Sprintf("CPU time of %s over goroutine, %s, a feed", mode, Ship), Work: Ship, Mode: mode, Base: Goroutine}
	names := []Term{{Name: "a", What: "each feed", Unit: "ns"}, {Name: "c", What: "each item", Unit: "ns/item"}, {Name: "b", What: "each byte", Unit: "ns/B", Limit: "raw-pipe"}}
	for i, term := range names {
		term.Value = a.boot.interval(t, func(rows [][]float64) float64 { return line(rows)[i] })
		if l, ok := a.run.limit(term.Limit); ok {
			term.Times = term.Value.Estimate / l.Value.Estimate
		}
		f.Terms = append(f.Terms, term)
	}
	if s, ok := a.spawnTerm(); ok {
		f.Terms = append(f.Terms, s)
	}
	a.fitPoints(&f, ps, t, b)
	return f, true
}

// design returns the row of the design matrix of a pair.
func (p pairing) design() []float64 { return []float64{1, float64(p.cell.Items), p.bytes} }

// gaps returns the mean gap of each pair of columns.
func gaps(rows [][]float64) []float64 {
	m := means(rows)
	var g []float64
	for i := 0; i+1 < len(m); i += 2 {
		g = append(g, m[i]-m[i+1])
	}
	return g
}

// weights returns for each pair of columns one over the variance of its gap.
func weights(rows [][]float64) []float64 {
	mean := gaps(rows)
	w := make([]float64, len(mean))
	for i := range w {
		variance := 0.0
		for _, row := range rows {
			d := row[2*i] - row[2*i+1] - mean[i]
			variance += d * d / float64(len(rows))
		}
		// A pair whose blocks happen to agree is no better than a hundredth.
		w[i] = 1 / max(variance, mean[i]*mean[i]*1e-4, 1)
	}
	return w
}

// fitPoints puts in what the line makes of each pair, its ranges and its
// quality.
func (a *analysis) fitPoints(f *Fit, ps []pairing, t table, b []float64) {
	var obs []observation
	f.Items, f.Bytes = [2]int{1 << 40, 0}, [2]int{1 << 40, 0}
	for i, p := range ps {
		at := FitPoint{
			Cell: p.cell.ID, Base: p.base.ID, Items: p.cell.Items, Bytes: int(p.bytes),
			Gap: a.boot.interval(t, difference(2*i, 2*i+1)), Fitted: dot(p.design(), b),
		}
		at.Residual = at.Gap.Estimate - at.Fitted
		f.Cells = append(f.Cells, at)
		f.Items = [2]int{min(f.Items[0], at.Items), max(f.Items[1], at.Items)}
		f.Bytes = [2]int{min(f.Bytes[0], at.Bytes), max(f.Bytes[1], at.Bytes)}
		for _, row := range t.rows() {
			obs = append(obs, observation{i, p.design(), row[2*i] - row[2*i+1]})
		}
	}
	f.LackOfFit, f.AdjustedR2 = lackOfFit(obs, b), adjustedR2(obs, b)
}

// spawnTerm returns what a worker more costs that is started for this alone.
func (a *analysis) spawnTerm() (Term, bool) {
	spawn, ok := a.spawn()
	term := Term{Name: "s", What: "each worker started", Unit: "ns/spawn", Value: spawn, Limit: "spawn"}
	if l, have := a.run.limit("spawn"); have {
		term.Times = spawn.Estimate / l.Value.Estimate
	}
	return term, ok
}

// spawn returns the CPU time of a worker that is started and ended for one run,
// over that of one that is there.
func (a *analysis) spawn() (Interval, bool) {
	for _, cold := range a.run.Cells {
		warm := cold
		warm.Cold = false
		warm, ok := find(a.run.Cells, warm)
		if !cold.Cold || !ok || cold.Mode != Pipe {
			continue
		}
		t := a.table(cpuOf, cold.ID, warm.ID)
		if len(t.groups) > 0 {
			return a.boot.interval(t, difference(0, 1)).times(float64(cold.Feeds) / float64(cold.Workers)), true
		}
	}
	return Interval{}, false
}
