package bench

import (
	"fmt"
	"slices"
)

// noisy is the share of the machine's CPU time from which on others disturb.
const noisy = 0.05

// doubts names what makes figures doubtful, and says whether they may be
// published.
func (a *analysis) doubts() {
	r := a.run
	var foreign, steal float64
	var throttled, disturbed int
	for _, s := range r.Samples {
		foreign += s.Foreign / float64(len(r.Samples))
		steal += s.Steal / float64(len(r.Samples))
		if s.Foreign > noisy {
			disturbed++
		}
		if s.Throttled {
			throttled++
		}
		if s.Failed != "" {
			a.warn("failed-sample", fmt.Sprintf("%s, block %d of invocation %d: %s", r.Cells[s.Cell].Name, s.Block, s.Invocation, s.Failed), s.Cell)
		}
	}
	why := func(kind, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		a.warn(kind, text)
		r.NotForPublication = append(r.NotForPublication, text)
	}
	r.NotForPublication = nil
	if disturbed > 0 {
		why("noisy", "other programs used %.0f %% of the CPUs on average, and more than %.0f %% in %d of %d samples", foreign*100, noisy*100, disturbed, len(r.Samples))
	}
	if steal > 0.01 {
		why("steal", "the hypervisor took %.0f %% of the CPUs", steal*100)
	}
	if throttled > 0 {
		why("throttled", "the cgroup was denied its CPUs in %d of %d samples", throttled, len(r.Samples))
	}
	if r.Settings.Invocations < leastInvocations || r.Settings.Blocks < leastBlocks {
		why("too-few-runs", "%d invocations of %d blocks; at least %d of %d are needed (--full)", r.Settings.Invocations, r.Settings.Blocks, leastInvocations, leastBlocks)
	}
	if !r.Complete {
		why("interrupted", "the run was interrupted after %d of %d samples", len(r.Samples), r.Settings.Invocations*r.Settings.Blocks*len(r.Cells))
	}
	if len(a.unfit) > 0 {
		r.NotForPublication = append(r.NotForPublication, "not all modes did the same work")
	}
	for _, l := range r.Ledgers {
		if l.Missing != "" {
			a.warn("residue", fmt.Sprintf("%s: %.0f %% of the gap is not explained: %s", l.What, l.ResidueShare*100, l.Missing), l.Base, l.Top)
		}
	}
	slices.SortStableFunc(r.Warnings, func(x, y Warning) int { return order(x.Kind) - order(y.Kind) })
}

// order returns the place of a kind of warning: the gravest first.
func order(kind string) int {
	return slices.Index([]string{
		"unequal-work", "failed-sample", "interrupted", "noisy", "throttled", "steal", "too-few-runs", "residue", "missing-mode", "no-python",
	}, kind)
}
