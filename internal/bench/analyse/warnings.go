package analyse

import (
	"fmt"
	"slices"

	"feedmill/internal/bench/run"
)

// From which share of the machine's CPU time on others disturb, and from which
// load for each CPU on the machine was not idle when the run began.
const (
	noisy = 0.05
	busy  = 0.25
)

// warnings names what makes figures doubtful, and says whether they may be
// published.
func (a *analysis) warnings() {
	var foreign, steal float64
	disturbed := 0
	n := float64(len(a.Samples))
	for _, s := range a.Samples {
		foreign += s.Foreign / n
		steal += s.Steal / n
		if s.Foreign > noisy {
			disturbed++
		}
		if s.Failed != "" {
			a.warn("failed-sample", fmt.Sprintf("%s, block %d of invocation %d: %s", a.Cells[s.Cell].Name, s.Block, s.Invocation, s.Failed))
		}
	}
	doubt := func(is bool, kind, format string, args ...any) {
		if is {
			text := fmt.Sprintf(format, args...)
			a.warn(kind, text)
			a.NotForPublication = append(a.NotForPublication, text)
		}
	}
	e, s := a.Environment, a.Settings
	doubt(disturbed > 0, "noisy", "other programs used %.0f %% of the CPUs on average, and more than %.0f %% in %d of %d samples", foreign*100, noisy*100, disturbed, len(a.Samples))
	doubt(e.LoadAverage > busy*float64(e.CPUs), "load", "the load was %.2f when the run began, on %d CPUs", e.LoadAverage, e.CPUs)
	doubt(steal > 0.01, "steal", "the hypervisor took %.0f %% of the CPUs", steal*100)
	doubt(s.Invocations < run.LeastInvocations || s.Blocks < run.LeastBlocks, "too-few-runs", "%d invocations of %d blocks; %d of %d are needed (--full)",
		s.Invocations, s.Blocks, run.LeastInvocations, run.LeastBlocks)
	doubt(!a.Complete, "interrupted", "the run was interrupted after %d of %d samples", len(a.Samples), s.Invocations*s.Blocks*len(a.Cells))
	if len(a.unfit) > 0 {
		a.NotForPublication = append(a.NotForPublication, "not all modes did the same work")
	}
	for _, t := range a.Twins {
		if v := t.CPU.Verdict; v == Higher || v == Lower {
			a.warn("noisy", fmt.Sprintf("%s differs from itself: %.3f times the CPU time", t.Base.Name, t.CPU.Ratio.Estimate))
		}
	}
	for _, advice := range Advice(e) {
		a.warn("machine", advice)
	}
	slices.SortStableFunc(a.Warnings, func(x, y run.Warning) int { return gravity(x.Kind) - gravity(y.Kind) })
}

// gravity returns the place of a kind of warning: the gravest first.
func gravity(kind string) int {
	return slices.Index([]string{
		"unequal-work", "failed-sample", "interrupted", "noisy", "load", "steal", "too-few-runs", "missing-mode", "no-python", "machine",
	}, kind)
}

// Advice says what would make figures of a machine steadier.
func Advice(e run.Environment) (all []string) {
	for _, a := range []struct {
		is   bool
		text string
	}{
		{e.Governor != "" && e.Governor != "performance", "the governor " + e.Governor + " changes the clock of the CPUs as they are used: cpupower frequency-set -g performance"},
		{e.Turbo, "turbo lets the clock depend on heat and on how many CPUs work: switch it off in the firmware or in /sys/devices/system/cpu"},
		{e.SMT, "CPUs share cores (SMT), so what runs beside slows both: echo off > /sys/devices/system/cpu/smt/control"},
		{e.QuotaCPUs > 0 && e.QuotaCPUs < float64(e.CPUs), fmt.Sprintf("the cgroup may use %.1f of %d CPUs, and is stopped when it used more: a quota of whole CPUs, or a cpuset, does not", e.QuotaCPUs, e.CPUs)},
		{e.Virtual, "this is a virtual machine: its neighbours are not seen, but for what the hypervisor tells as stolen time"},
	} {
		if a.is {
			all = append(all, a.text)
		}
	}
	return all
}
