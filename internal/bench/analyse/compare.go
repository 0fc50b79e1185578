package analyse

import (
	"slices"

	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// A Change is what became of the CPU and wall time of a cell from one run to
// another one.
type Change struct {
	Name string // of the cell, in both runs
	// CPU and Wall are ratios of the means, new over old: 1.1 is 10 % more.
	CPU, Wall stats.Interval
	// P is the chance of a CPU difference like this between equal cells
	// (Mann-Whitney), after Holm's correction for all changes.
	P       float64
	Verdict Verdict // of the CPU time
}

// Beyond reports whether the change is surely for the worse by more than
// threshold, a fraction: the whole interval of CPU is above 1+threshold.
func (c Change) Beyond(threshold float64) bool {
	return c.Verdict == Higher && c.CPU.Low > 1+threshold
}

// Compare returns a Change for each cell that both runs have, in the order of
// the new one, and the names of the cells that only one of them has. Whether
// they are of one machine, it does not ask.
//
// The runs were made one after the other and so are not paired. Their intervals
// hold what differs between invocations and blocks of a run, and not what
// differs between days; so what is smaller than the invocations of one run differ
// by is not seen.
func Compare(old, new *run.Run) (changes []Change, unmatched []string) {
	before, after := newAnalysis(old), newAnalysis(new)
	matched := make(map[int]bool)
	boot := stats.Bootstrap{Resamples: max(before.boot.Resamples, after.boot.Resamples, 1000), Seed: after.boot.Seed}
	var ps, visible []float64
	for _, c := range new.Cells {
		if c.Clocked || !after.use(c.ID) {
			continue
		}
		i := slices.IndexFunc(old.Cells, func(o run.Cell) bool { return o.Name == c.Name && before.use(o.ID) })
		if i < 0 {
			unmatched = append(unmatched, c.Name+" (new)")
			continue
		}
		matched[i] = true
		changes = append(changes, Change{
			Name: c.Name, CPU: boot.Unpaired(before.table(cpuOf, i), after.table(cpuOf, c.ID)),
			Wall: boot.Unpaired(before.table(wallOf, i), after.table(wallOf, c.ID)),
		})
		visible = append(visible, max(spread(before.table(cpuOf, i)), spread(after.table(cpuOf, c.ID))))
		xs := func(a *analysis, cell int) (xs []float64) {
			for _, p := range a.points(cell, cpuOf) {
				xs = append(xs, p.X)
			}
			return xs
		}
		ps = append(ps, stats.MannWhitney(xs(before, i), xs(after, c.ID)))
	}
	for _, o := range old.Cells {
		if !matched[o.ID] && !o.Clocked && before.use(o.ID) {
			unmatched = append(unmatched, o.Name+" (old)")
		}
	}
	for i, p := range stats.Holm(ps) {
		// No interval: what invocations differ by is in that of the ratio already.
		m := Measure{Ratio: changes[i].CPU, P: p, Twin: stats.Interval{Estimate: visible[i]}}
		changes[i].P, changes[i].Verdict = p, m.verdict()
	}
	return changes, unmatched
}

// spread returns the largest mean of an invocation over the smallest one.
func spread(t stats.Table) float64 {
	var means []float64
	for _, group := range t.Groups {
		means = append(means, stats.Means(group)[0])
	}
	return slices.Max(means) / slices.Min(means)
}
