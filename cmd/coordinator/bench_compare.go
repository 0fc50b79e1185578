package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"feedmill/internal/bench"
	benchreport "feedmill/internal/bench/report"
)

const benchCompareLong = `Compare the CPU and wall time of the cells that two runs have in common.

A cell is beyond the threshold when the whole 95 % interval of its CPU ratio is;
then the exit status is 3. Runs of different machines, kernels or Go versions are
refused: --force compares them all the same, and says so.`

// A percentage is a fraction on the command line: 5% or 0.05.
type percentage float64

func (p *percentage) Type() string { return "PERCENT" }

func (p *percentage) String() string {
	return strconv.FormatFloat(float64(*p)*100, 'g', 6, 64) + "%"
}

func (p *percentage) Set(text string) error {
	number, found := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if found {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 100) {
		return fmt.Errorf("%q is no percentage such as 5%%", text)
	}
	*p = percentage(v)
	return nil
}

// benchCompareCommand is for whoever changes something that costs time, and for
// CI.
func (a *app) benchCompareCommand() *cobra.Command {
	threshold, force := percentage(0.05), false
	c := &cobra.Command{
		Use:     "compare OLD.JSON NEW.JSON",
		Short:   "Compare two runs; exit status 3 when something got dearer",
		Long:    benchCompareLong,
		Example: "  coordinator bench compare old/run.json new/run.json\n  coordinator bench compare --threshold 2% old/run.json new/run.json",
		Args:    cobraArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.benchCompare(args[0], args[1], threshold, force)
		},
	}
	c.Flags().Var(&threshold, "threshold", "how much more CPU time is too much, such as `5%`")
	c.Flags().BoolVar(&force, "force", false, "compare runs of different machines, too")
	return c
}

func (a *app) benchCompare(oldPath, newPath string, threshold percentage, force bool) error {
	old, err := readRun(oldPath)
	if err != nil {
		return err
	}
	new, err := readRun(newPath)
	if err != nil {
		return err
	}
	if err := bench.SameMachine(old, new); err != nil && !force {
		return &problem{exitUsage, fmt.Errorf("compare runs: %w", err), "--force compares them all the same"}
	}
	changes, unmatched := bench.Compare(old, new)
	if len(changes) == 0 {
		return usage("", "compare runs: they have no cell in common")
	}
	c := benchreport.Comparison{Old: old, New: new, Changes: changes, Unmatched: unmatched, Threshold: float64(threshold)}
	if err := benchreport.Compare(a.stdout, c); err != nil {
		return fmt.Errorf("print comparison: %w", err)
	}
	beyond := 0
	for _, change := range changes {
		if change.Beyond(c.Threshold) {
			beyond++
		}
	}
	if beyond > 0 {
		return &problem{exitFeeds, fmt.Errorf("%d of %d cells take over %v more CPU time than they did", beyond, len(changes), &threshold), ""}
	}
	return nil
}
