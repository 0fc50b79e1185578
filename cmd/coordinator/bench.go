package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"feedmill/internal/bench/analyse"
	benchreport "feedmill/internal/bench/report"
	benchrun "feedmill/internal/bench/run"
	"feedmill/internal/feeds"
	"feedmill/internal/pool"
	"feedmill/internal/version"
)

const benchLong = `Measure what it costs to refresh feeds in processes instead of goroutines, and
what it buys, about this machine.

First comes the real program: refresh with a store on disk, all feeds new, news
in a tenth of them, nothing new; with --dir also your own feeds. Then documents
that kill the parser which reads them, where in a round they stand being drawn.
Then an experiment of the article that began it: lists copied whole and nothing
stored, in every mode, in Go and Python, with a ledger of where the time goes.

Everything is done in blocks of random order, each time in a process of its own;
the results of all modes must hash the same, or a mode gets no figures. CPU time
of the whole process tree stands beside the clock.

Into --out go run.json, which has every measurement, and what is made of it:
report.md, which is printed too, report.html and bench.txt (for benchstat -col
/mode). An interrupted run keeps what it has.`

const benchExample = `  coordinator bench --quick
  coordinator bench --full --out docs/bench
  coordinator bench --dir feeds/ --python python3.14t
  coordinator bench --dry-run`

// benchFlags are what the flags of bench were set to.
type benchFlags struct {
	quick, full    bool
	modes, pythons []string
	numbers        [4]int // of benchNumbers
	dir, out       string
	worker         string
	seed           uint64
	dryRun, quiet  bool
}

// benchNumbers are the flags that set a number of the settings, and their most.
var benchNumbers = [4]struct {
	name, usage string
	most        int
	of          func(*benchrun.Settings) *int
}{
	{"workers", "`N` workers, or goroutines [default: CPUs, at least 2]", 100, func(s *benchrun.Settings) *int { return &s.Workers }},
	{"feeds", "`N` feeds", 10_000, func(s *benchrun.Settings) *int { return &s.Feeds }},
	{"items", "`N` items of a feed", 10_000, func(s *benchrun.Settings) *int { return &s.Items }},
	{"bytes", "`N` bytes of an item", 100_000, func(s *benchrun.Settings) *int { return &s.Bytes }},
}

func (a *app) benchCommand() *cobra.Command {
	b := &benchFlags{}
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Measure what a process costs against a goroutine, and buys",
		Long:    benchLong,
		Example: benchExample,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.bench(c, b) },
	}
	f := c.Flags()
	f.BoolVar(&b.quick, "quick", false, "a minute or two, not for publication")
	f.BoolVar(&b.full, "full", false, "some thirty minutes, for publication")
	c.MarkFlagsMutuallyExclusive("quick", "full")
	f.StringVar(&b.dir, "dir", "", "measure the feeds of this `FOLDER`, too: one document a file")
	f.StringSliceVar(&b.modes, "modes", nil, "only these `MODES` beside goroutine and pipe [default: all there are]")
	for i, n := range benchNumbers {
		f.IntVar(&b.numbers[i], n.name, 0, n.usage)
	}
	f.StringSliceVar(&b.pythons, "python", nil, "the Python `PROGRAMS` that run the article's own, or none [default: those found]")
	f.Uint64Var(&b.seed, "seed", 0, "of the order and of everything generated [default: drawn, and printed]")
	f.StringVarP(&b.out, "out", "o", "bench", "write the results into `DIR`")
	f.StringVar(&b.worker, "worker", "", "the worker program at `PATH` [default: beside the coordinator, then $PATH]")
	f.BoolVar(&b.dryRun, "dry-run", false, "say what would be measured and how long it would take, and measure nothing")
	f.BoolVarP(&b.quiet, "quiet", "q", false, "no progress")
	c.AddCommand(a.benchReportCommand(), a.benchSaveCommand(), a.benchCompareCommand())
	return c
}

// benchChildCommand is what an experiment starts.
func (a *app) benchChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "bench-child",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if code := benchrun.Child(c.Context(), args, os.Stdin, os.Stdout, os.Stderr); code != 0 {
				os.Exit(code)
			}
			return nil
		},
	}
}

// settings returns what the flags say.
func (b *benchFlags) settings(flags *pflag.FlagSet) (benchrun.Settings, error) {
	s := benchrun.Standard()
	if b.quick {
		s = benchrun.Quick()
	}
	if b.full {
		s = benchrun.Full()
	}
	if len(b.modes) > 0 {
		s.Modes = []string{benchrun.Goroutine, benchrun.Pipe}
		for _, m := range b.modes {
			if !slices.Contains(benchrun.Modes(), m) {
				return s, usage("have "+strings.Join(benchrun.Modes(), ", "), "no mode %q on this system", m)
			}
			if !slices.Contains(s.Modes, m) {
				s.Modes = append(s.Modes, m)
			}
		}
	}
	for i, n := range benchNumbers {
		if !flags.Changed(n.name) {
			continue
		}
		if b.numbers[i] < 1 || b.numbers[i] > n.most {
			return s, usage("", "--%s %d: want 1 to %d", n.name, b.numbers[i], n.most)
		}
		*n.of(&s) = b.numbers[i]
	}
	s.Seed = cmp.Or(b.seed, uint64(rand.Uint32())+1)
	if b.dir != "" {
		folder, err := filepath.Abs(b.dir)
		if err != nil {
			return s, usage("", "--dir: %w", err)
		}
		if files, err := os.ReadDir(folder); err != nil || len(files) == 0 {
			return s, usage("name a folder with a document in each file", "--dir %s: no feeds there", b.dir)
		}
		s.Folder = folder
	}
	return s, nil
}

// bench does the experiment and prints what it found.
func (a *app) bench(c *cobra.Command, b *benchFlags) error {
	s, err := b.settings(c.Flags())
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o := benchrun.Options{Settings: s, Build: version.Build(), Command: commandLine(c, s.Seed), Self: []string{self, "bench-child"}, Folder: b.out}
	if !slices.Equal(b.pythons, []string{"none"}) {
		o.Pythons = benchrun.Interpreters(c.Context(), b.pythons)
	}
	if o.Worker, err = pool.Find(b.worker); err == nil {
		o.Coordinator = self
	}
	if b.dryRun {
		return a.benchPlan(&o)
	}
	if err := os.MkdirAll(b.out, 0o777); err != nil {
		return usage("", "make folder for results: %w", err)
	}
	o.Save = func(r *benchrun.Run) error {
		return replaceBy(filepath.Join(b.out, benchreport.RunFile), r.Write)
	}
	if !b.quiet {
		o.Progress = func(line string) { fmt.Fprintln(a.stderr, line) }
	}
	r, err := benchrun.Execute(c.Context(), o)
	if r == nil {
		return err
	}
	return errors.Join(err, a.benchReport(b.out, r))
}

// benchPlan prints what would be measured, for how long, and what would make the
// machine steadier.
func (a *app) benchPlan(o *benchrun.Options) error {
	cells := benchrun.Plan(o)
	s := &o.Settings
	fmt.Fprintf(a.stdout, "about %v: %d cells, %d invocations of %d blocks, %d samples, seed %d\n",
		benchrun.Estimate(o).Round(time.Second), len(cells), s.Invocations, s.Blocks, len(cells)*s.Invocations*s.Blocks, s.Seed)
	for _, advice := range analyse.Advice(benchrun.Here(o)) {
		fmt.Fprintln(a.stdout, "advice:", advice)
	}
	for _, c := range cells {
		if _, err := fmt.Fprintln(a.stdout, c.Name); err != nil {
			return err
		}
	}
	return nil
}

// commandLine returns the command that makes a run again: what was typed, and
// the seed.
func commandLine(c *cobra.Command, seed uint64) []string {
	line := []string{"coordinator", "bench"}
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "seed" && f.Name != "quiet" {
			line = append(line, strings.TrimSuffix("--"+f.Name+"="+strings.Trim(feeds.RedactText(f.Value.String()), "[]"), "=true"))
		}
	})
	return append(line, "--seed="+strconv.FormatUint(seed, 10))
}

// benchReport writes what is made of a run into dir and prints it.
func (a *app) benchReport(dir string, r *benchrun.Run) error {
	f := analyse.Run(r)
	for name, write := range benchreport.Files {
		if err := replaceBy(filepath.Join(dir, name), func(w io.Writer) error { return write(w, f) }); err != nil {
			return fmt.Errorf("report benchmark: %w", err)
		}
	}
	return benchreport.Text(a.stdout, f)
}

func (a *app) benchReportCommand() *cobra.Command {
	var into []string
	c := &cobra.Command{
		Use:   "report RUN.JSON",
		Short: "Make the text, the page and the other files of a run again",
		Long: `Make every file that is made of a run.json again, beside it, and print the text.

In the documents of --into, what stands between <!-- bench NAME --> and
<!-- /bench --> is replaced by the answer or by the table of that section.`,
		Example: "  coordinator bench report bench/run.json",
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRun(args[0])
			if err != nil {
				return err
			}
			for _, name := range into {
				if err := benchInto(name, r); err != nil {
					return err
				}
			}
			return a.benchReport(filepath.Dir(args[0]), r)
		},
	}
	c.Flags().StringSliceVar(&into, "into", nil, "put tables into the Markdown `FILES`, too")
	return c
}

// benchInto puts tables of a run into a document.
func benchInto(name string, r *benchrun.Run) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return usage("", "put tables: %w", err)
	}
	made, err := benchreport.Into(string(text), analyse.Run(r))
	if err != nil {
		return fmt.Errorf("put tables into %s: %w", name, err)
	}
	return replaceFile(name, []byte(made))
}
