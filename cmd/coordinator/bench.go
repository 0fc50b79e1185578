package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"feedmill/internal/bench"
	benchreport "feedmill/internal/bench/report"
	"feedmill/internal/pool"
)

const benchLong = `Measure what it costs to refresh feeds in processes instead of goroutines,
where that cost goes, and what it buys.

The same work is done in every mode, each time in a process of its own, in
blocks of random order with a seed that is printed; the results of all modes
must hash the same, or a mode gets no figures. CPU time of the whole process
tree comes first, the wall clock second.

  --work ship    the lists are parsed already: copying alone
  --work parse   the bytes are there
  --work round   fetched from a loopback origin, whose CPU time is left out

Into --out go run.json, which has every measurement, and what is made of it:
table.txt, which is printed too, report.html, bench.txt (for benchstat -col
/mode) and samples.csv. An interrupted run keeps what it has.`

const benchExample = `  coordinator bench --quick
  coordinator bench --full --work round --out docs/bench
  coordinator bench --dry-run`

// benchFlags are what the flags of bench were set to.
type benchFlags struct {
	quick, full  bool
	work         choice
	modes        []string
	workers      []int
	feeds, items int
	bytes        int
	latency      time.Duration
	seed         uint64
	out          string
	worker       string
	python       string
	dryRun       bool
	quiet        bool
}

func (a *app) benchCommand() *cobra.Command {
	b := &benchFlags{work: choice{string(bench.Ship), []string{string(bench.Round), string(bench.Ship), string(bench.Parse)}}}
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Measure what a process costs against a goroutine, where, and what it buys",
		Long:    benchLong,
		Example: benchExample,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.bench(c, b) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&b.quick, "quick", false, "less than a minute, not for publication")
	f.BoolVar(&b.full, "full", false, "some ten minutes, for publication")
	c.MarkFlagsMutuallyExclusive("quick", "full")
	f.StringSliceVar(&b.modes, "modes", nil, "only these `MODES` beside goroutine [default: all there are]")
	f.IntSliceVar(&b.workers, "workers", nil, "these numbers of workers, such as `1,2,4`")
	f.IntVar(&b.feeds, "feeds", 0, "`N` feeds")
	f.IntVar(&b.items, "items", 0, "`N` items of a feed, from which sizes are varied")
	f.IntVar(&b.bytes, "bytes", 0, "`N` bytes of an item, from which sizes are varied")
	f.DurationVar(&b.latency, "latency", 0, "wait of the origin before each answer, beside those of the sweep")
	b.work.register(c, "work", "of the headline and the ledger: round, ship or parse")
	f.Uint64Var(&b.seed, "seed", 0, "of the order and of everything generated [default: drawn, and printed]")
	f.StringVar(&b.out, "out", "bench", "write the results into `DIR`")
	f.StringVar(&b.worker, "worker", "", "the worker program at `PATH` [default: beside the coordinator, then $PATH]")
	f.StringVar(&b.python, "python", "python3", "the Python that runs the article's program; empty for none")
	f.BoolVar(&b.dryRun, "dry-run", false, "say what would be measured, and measure nothing")
	f.BoolVarP(&b.quiet, "quiet", "q", false, "no progress")
	c.AddCommand(a.benchReportCommand(), a.benchCompareCommand())
	return c
}

// benchChildCommand is what an experiment starts.
func (a *app) benchChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "bench-child",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if code := bench.Child(c.Context(), args, os.Stdin, os.Stdout, os.Stderr); code != 0 {
				os.Exit(code)
			}
			return nil
		},
	}
}

// settings returns what the flags say.
func (b *benchFlags) settings() (bench.Settings, error) {
	s := bench.Standard()
	if b.quick {
		s = bench.Quick()
	}
	if b.full {
		s = bench.Full()
	}
	s.Work = bench.Work(b.work.value)
	if len(b.modes) > 0 {
		s.Modes = []string{bench.Goroutine}
		for _, m := range b.modes {
			if !slices.Contains(bench.Modes(), m) {
				return s, usage("have "+strings.Join(bench.Modes(), ", "), "no mode %q on this system", m)
			}
			if !slices.Contains(s.Modes, m) {
				s.Modes = append(s.Modes, m)
			}
		}
	}
	if len(b.workers) > 0 {
		s.Workers = b.workers
	}
	for _, n := range []struct {
		flag string
		from int
		to   *int
		most int
	}{
		{"feeds", b.feeds, &s.Feeds, bench.MaxFeeds}, {"items", b.items, &s.Items, 10_000}, {"bytes", b.bytes, &s.Bytes, 100_000},
	} {
		if n.from < 0 || n.from > n.most {
			return s, usage("", "--%s %d: want 1 to %d", n.flag, n.from, n.most)
		}
		if n.from > 0 {
			*n.to = n.from
		}
	}
	for _, w := range s.Workers {
		if w < 1 || w > 100 {
			return s, usage("", "--workers %d: want 1 to 100", w)
		}
	}
	if b.latency < 0 || b.latency > 10*time.Second {
		return s, usage("", "--latency %v: want 0 to 10s", b.latency)
	}
	s.Latency, s.Seed = b.latency, b.seed
	if s.Seed == 0 {
		s.Seed = uint64(rand.Uint32()) + 1
	}
	return s, nil
}

// bench does the experiment and prints what it found.
func (a *app) bench(c *cobra.Command, b *benchFlags) error {
	s, err := b.settings()
	if err != nil {
		return err
	}
	o := bench.Options{Settings: s, Build: version(), Command: commandLine(c, s.Seed)}
	b.find(&o)
	if b.dryRun {
		return a.benchPlan(&o)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(b.out, 0o777); err != nil {
		return usage("", "make folder for results: %w", err)
	}
	o.Self = []string{self, "bench-child"}
	o.Save = func(r *bench.Run) error { return writeRun(filepath.Join(b.out, benchreport.RunFile), r) }
	if !b.quiet {
		o.Progress = func(line string) { fmt.Fprintln(a.stderr, line) }
	}
	run, err := bench.Execute(c.Context(), o)
	if run == nil {
		return err
	}
	return errors.Join(err, a.benchReport(b.out, run))
}

// find looks for the programs that the experiment can use. Without them there
// is less to tell, and the run says so.
func (b *benchFlags) find(o *bench.Options) {
	if b.python != "" {
		o.Python, _ = exec.LookPath(b.python)
	}
	o.Worker, _ = pool.Find(b.worker)
}

// benchPlan prints what would be measured.
func (a *app) benchPlan(o *bench.Options) error {
	cells := bench.Plan(o)
	s := &o.Settings
	fmt.Fprintf(a.stdout, "%d cells, %d invocations of %d blocks: %d samples, seed %d\n",
		len(cells), s.Invocations, s.Blocks, len(cells)*s.Invocations*s.Blocks, s.Seed)
	for _, c := range cells {
		if _, err := fmt.Fprintf(a.stdout, "%s (%s)\n", c.Name, strings.Join(c.Sweeps, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// commandLine returns the command that make a run again: what was typed, and
// the seed.
func commandLine(c *cobra.Command, seed uint64) []string {
	line := []string{"coordinator", "bench"}
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "seed" {
			line = append(line, "--"+f.Name+"="+strings.Trim(f.Value.String(), "[]"))
		}
	})
	return append(line, "--seed="+strconv.FormatUint(seed, 10))
}

// writeRun writes run.json. It replaces the file as a whole, so that whatever
// happens there is always one that can be read.
func writeRun(path string, r *bench.Run) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".run-*.json")
	if err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = r.WriteTo(f)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return nil
}

// benchReport writes what is made of a run into dir and prints the table.
func (a *app) benchReport(dir string, run *bench.Run) error {
	if err := benchreport.Write(dir, run); err != nil {
		return fmt.Errorf("report benchmark: %w", err)
	}
	return benchreport.Text(a.stdout, run)
}

func (a *app) benchReportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report RUN.JSON",
		Short:   "Make the table, the page and the other files of a run again",
		Long:    "Make every file that is made of a run.json again, beside it, and print the table.",
		Example: "  coordinator bench report bench/run.json",
		Args:    cobraArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := readRun(args[0])
			if err != nil {
				return err
			}
			return a.benchReport(filepath.Dir(args[0]), run)
		},
	}
}

// readRun returns the run in a file.
func readRun(path string) (*bench.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("", "open run: %w", err)
	}
	defer f.Close()
	run, err := bench.Read(f)
	if err != nil {
		return nil, usage("name the run.json of a coordinator bench", "%s: %w", path, err)
	}
	return run, nil
}
