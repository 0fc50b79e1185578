package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"feedmill/internal/bench/analyse"
	benchreport "feedmill/internal/bench/report"
	benchrun "feedmill/internal/bench/run"
)

const benchCompareLong = `Compare the CPU and wall time of the cells that two runs have in common: of two
files, or of one that was saved under a NAME and the latest one in --out.

A cell is beyond the threshold when the whole 95 % interval of its CPU ratio is;
then the exit status is 3. Runs of different machines, kernels or Go versions
are refused: --force compares them all the same, and says so.`

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
	threshold, force, out := percentage(0.05), false, ""
	c := &cobra.Command{
		Use:     "compare NAME | OLD.JSON NEW.JSON",
		Short:   "Compare two runs; exit status 3 when something got dearer",
		Long:    benchCompareLong,
		Example: "  coordinator bench compare before\n  coordinator bench compare --threshold 2% old/run.json new/run.json",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage("see "+c.CommandPath()+" --help", "%s, want 1 or 2", count(len(args), "argument"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				args = []string{savedRun(out, args[0]), filepath.Join(out, benchreport.RunFile)}
			}
			return a.benchCompare(args[0], args[1], threshold, force)
		},
	}
	c.Flags().Var(&threshold, "threshold", "how much more CPU time is too much, such as `5%`")
	c.Flags().BoolVar(&force, "force", false, "compare runs of different machines, too")
	c.Flags().StringVarP(&out, "out", "o", "bench", "where runs are, in `DIR`")
	return c
}

// benchSaveCommand keeps a run for comparisons.
func (a *app) benchSaveCommand() *cobra.Command {
	out := ""
	c := &cobra.Command{
		Use:     "save NAME",
		Short:   "Keep the latest run under a name, to compare others with",
		Example: "  coordinator bench save before",
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRun(filepath.Join(out, benchreport.RunFile))
			if err != nil {
				return err
			}
			return replaceBy(savedRun(out, args[0]), r.Write)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "bench", "where runs are, in `DIR`")
	return c
}

// readRun returns the run in a file.
func readRun(path string) (*benchrun.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("", "open run: %w", err)
	}
	defer f.Close()
	r, err := benchrun.Read(f)
	if err != nil {
		return nil, usage("name the run.json of a coordinator bench", "%s: %w", path, err)
	}
	return r, nil
}

// savedRun is where a run of that name is kept. A name that would lie elsewhere
// is one of a file that is not there.
func savedRun(dir, name string) string {
	return filepath.Join(dir, "saved-"+filepath.Base(name)+".json")
}

func (a *app) benchCompare(oldPath, newPath string, threshold percentage, force bool) error {
	var runs [2]*benchrun.Run
	for i, path := range []string{oldPath, newPath} {
		var err error
		if runs[i], err = readRun(path); err != nil {
			return err
		}
	}
	old, new := runs[0], runs[1]
	if x, y := old.Environment.Machine(), new.Environment.Machine(); x != y && !force {
		return &problem{code: exitUsage, err: fmt.Errorf("compare runs: they are of different machines: %s; %s", x, y), hint: "--force compares them all the same"}
	}
	changes, unmatched := analyse.Compare(old, new)
	if len(changes) == 0 {
		return usage("", "compare runs: they have no cell in common")
	}
	if err := benchreport.Compare(a.stdout, analyse.Run(old), analyse.Run(new), changes, unmatched, float64(threshold)); err != nil {
		return fmt.Errorf("print comparison: %w", err)
	}
	beyond := 0
	for _, change := range changes {
		if change.CPU.Beyond(float64(threshold)) {
			beyond++
		}
	}
	if beyond > 0 {
		return &problem{code: exitFeeds, err: fmt.Errorf("%d of %d cells take over %v more CPU time than they did", beyond, len(changes), &threshold)}
	}
	return nil
}
