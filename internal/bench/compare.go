package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Change is what became of the CPU and wall time of a cell from one run to
// another one.
type Change struct {
	Name string // of the cell, in both runs
	Old  int    // the cell's number in the old run
	New  int    // and in the new one
	// CPU and Wall are ratios of the means, new over old: 1.1 is 10 % more.
	CPU, Wall Interval
	// P is the chance of a CPU difference like this between equal cells
	// (Mann-Whitney), and Holm that after the correction for all changes.
	P, Holm float64
	// Verdict is Higher or Lower when the interval of CPU is on one side of 1
	// and Holm below 0.05, else NoDifference.
	Verdict string
}

// Beyond reports whether the change is surely for the worse by more than
// threshold, a fraction: the whole interval of CPU is above 1+threshold.
func (c Change) Beyond(threshold float64) bool {
	return c.Verdict == Higher && c.CPU.Low > 1+threshold
}

// A MachineError says that two runs are of different machines, whose figures
// say nothing about each other.
type MachineError struct {
	Old, New string // as Environment.Machine has them
}

func (e *MachineError) Error() string {
	return fmt.Sprintf("the runs are of different machines: %s; %s", e.Old, e.New)
}

// SameMachine returns a *MachineError unless both runs are of one machine, one
// kernel and one Go.
func SameMachine(old, new *Run) error {
	if a, b := old.Environment.Machine(), new.Environment.Machine(); a != b {
		return &MachineError{a, b}
	}
	return nil
}

// Compare returns a Change for each cell that both runs have, in the order of
// the new one, and the names of the cells that only one of them has. It does not
// ask for SameMachine.
//
// The runs were made one after the other and so are not paired. Their intervals
// hold what differs between invocations and blocks of a run, and not what
// differs between days: the same code measured twice may show a small change.
func Compare(old, new *Run) (changes []Change, unmatched []string) {
	before, after := judged(old), judged(new)
	matched := make(map[int]bool)
	for _, c := range new.Cells {
		if c.Clocked || !after.use(c.ID) {
			continue
		}
		i := slices.IndexFunc(old.Cells, func(o Cell) bool { return sameFactors(o, c) && before.use(o.ID) })
		if i < 0 {
			unmatched = append(unmatched, c.Name+" (new)")
			continue
		}
		matched[i] = true
		changes = append(changes, changeOf(before, after, i, c.ID))
	}
	for _, o := range old.Cells {
		if !matched[o.ID] && !o.Clocked && before.use(o.ID) {
			unmatched = append(unmatched, o.Name+" (old)")
		}
	}
	ps := make([]float64, len(changes))
	for i, c := range changes {
		ps[i] = c.P
	}
	for i, p := range holm(ps) {
		c := &changes[i]
		c.Holm, c.Verdict = p, NoDifference
		switch {
		case p >= 1-confidence || c.CPU.Contains(1):
		case c.CPU.Estimate > 1:
			c.Verdict = Higher
		default:
			c.Verdict = Lower
		}
	}
	return changes, unmatched
}

// judged is an analysis that knows which cells did equal work. It leaves run as
// it is.
func judged(run *Run) *analysis {
	own := *run
	a := newAnalysis(&own)
	a.equalWork()
	own.Warnings = run.Warnings
	return a
}

// sameFactors reports whether two cells were to do the same in the same way,
// whatever they were for.
func sameFactors(a, b Cell) bool {
	a.ID, a.Name, a.Sweeps = b.ID, b.Name, nil
	b.Sweeps = nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

func changeOf(before, after *analysis, old, new int) Change {
	c := Change{Name: after.run.Cells[new].Name, Old: old, New: new}
	boot := bootstrap{max(before.boot.resamples, after.boot.resamples, 1000), after.boot.seed}
	c.CPU = boot.unpaired(before.table(cpuOf, old), after.table(cpuOf, new))
	c.Wall = boot.unpaired(before.table(wallOf, old), after.table(wallOf, new))
	c.P = mannWhitney(xsOf(before.points(old, cpuOf)), xsOf(after.points(new, cpuOf)))
	return c
}

func xsOf(points []point) (xs []float64) {
	for _, p := range points {
		xs = append(xs, p.x)
	}
	return xs
}

// unpaired returns the ratio of the means of the first columns, new over old,
// with an interval from resampling each by itself.
func (b bootstrap) unpaired(old, new table) Interval {
	estimate := means(new.rows())[0] / means(old.rows())[0]
	r := rand.New(rand.NewPCG(b.seed, 0x756e7061))
	xs := make([]float64, 0, b.resamples)
	for range b.resamples {
		if x := resampledMean(r, new) / resampledMean(r, old); !math.IsNaN(x) && !math.IsInf(x, 0) {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return Interval{estimate, estimate, estimate}
	}
	slices.Sort(xs)
	tail := (1 - confidence) / 2
	return Interval{estimate, quantile(xs, tail), quantile(xs, 1-tail)}
}

// resampledMean is the mean of the first column of as many invocations and
// blocks as there are, drawn anew.
func resampledMean(r *rand.Rand, t table) float64 {
	sum, n := 0.0, 0
	for range t.groups {
		group := t.groups[r.IntN(len(t.groups))]
		for range group {
			sum += group[r.IntN(len(group))][0]
			n++
		}
	}
	return sum / float64(n)
}
