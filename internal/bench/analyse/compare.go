package analyse

import (
	"slices"

	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// Beyond reports whether a measure is surely higher by more than threshold, a
// fraction: its whole interval is above 1+threshold.
func (m *Measure) Beyond(threshold float64) bool {
	return m.Verdict == Higher && m.Ratio.Low > 1+threshold
}

// Compare returns a Pair for each cell that both runs have, new over old, in the
// order of the new one, and the names of the cells that only one of them has. Of
// a Pair it fills in the cells, the ratios, and what was seen of the CPU time.
// Whether the runs are of one machine, it does not ask.
//
// They were made one after the other and so are not paired. Their intervals
// hold what differs between invocations and blocks of a run, and not what
// differs between days; so what is smaller than the invocations of one run differ
// by is not seen.
func Compare(old, new *run.Run) (pairs []Pair, unmatched []string) {
	before, after := newAnalysis(old), newAnalysis(new)
	matched := make(map[int]bool)
	boot := stats.Bootstrap{Resamples: max(before.boot.Resamples, after.boot.Resamples, 1000), Seed: after.boot.Seed}
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
		of := func(f figure) Measure {
			x, y := before.table(f, i), after.table(f, c.ID)
			// No interval: what invocations differ by is in that of the ratio already.
			return Measure{Ratio: boot.Unpaired(x, y), P: stats.MannWhitney(stats.Arm(x.Rows(), 0), stats.Arm(y.Rows(), 0)), Twin: stats.Interval{Estimate: max(spread(x), spread(y))}}
		}
		pairs = append(pairs, Pair{Cell: c, Base: old.Cells[i], CPU: of(cpuOf), Wall: of(wallOf)})
	}
	for _, o := range old.Cells {
		if !matched[o.ID] && !o.Clocked && before.use(o.ID) {
			unmatched = append(unmatched, o.Name+" (old)")
		}
	}
	var all []*Measure
	for i := range pairs {
		all = append(all, &pairs[i].CPU)
	}
	judge(all)
	return pairs, unmatched
}

// spread returns the largest mean of an invocation over the smallest one.
func spread(t stats.Table) float64 {
	var means []float64
	for _, group := range t.Groups {
		means = append(means, stats.Means(group)[0])
	}
	return slices.Max(means) / slices.Min(means)
}
