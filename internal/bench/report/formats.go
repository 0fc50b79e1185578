package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
)

// measurements are what a sample holds and Go's benchmark format has a unit for, of
// the whole sample.
var measurements = []struct {
	unit string
	of   func(*run.Sample) float64
}{
	{"cpu-ns/op", func(s *run.Sample) float64 { return float64(s.CPU) }},
	{"ns/op", func(s *run.Sample) float64 { return float64(s.Wall) }},
	{"minor-faults/op", func(s *run.Sample) float64 { return float64(s.MinorFaults) }},
	{"switches/op", func(s *run.Sample) float64 { return float64(s.Switches) }},
	{"wire-B/op", func(s *run.Sample) float64 { return float64(s.WireBytes) }},
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// goBench writes the samples in Go's benchmark format
// (https://go.dev/design/14313-benchmark-format), one line each, so that
//
//	benchstat -col /mode bench.txt
//
// compares the modes. One op is one feed. Goroutines come first, so they are what
// the others are compared with. benchstat makes a table for every set of
// file-level keys, so only what is the same in the whole file is one. Clocked
// cells are left out, because they are not to be compared with others.
func goBench(w io.Writer, f *analyse.Findings) error {
	b := bufio.NewWriter(w)
	e := f.Environment
	fmt.Fprintf(b, "# feedmill bench, %s, seed %d: one op is one feed\n", f.Started.UTC().Format("2006-01-02"), f.Settings.Seed)
	for _, why := range f.NotForPublication {
		fmt.Fprintf(b, "# not for publication: %s\n", oneLine(why))
	}
	fmt.Fprintf(b, "goos: %s\ngoarch: %s\npkg: feedmill/internal/bench/run\ncpu: %s\n", oneLine(e.OS), oneLine(e.Arch), oneLine(e.CPU))
	for _, m := range measurements {
		if m.unit != "ns/op" { // which every reader knows
			fmt.Fprintf(b, "Unit %s better=lower\n", m.unit)
		}
	}
	samples := slices.Clone(f.Samples)
	slices.SortStableFunc(samples, func(x, y run.Sample) int {
		place := func(s run.Sample) int {
			if f.Cells[s.Cell].Mode == run.Goroutine {
				return s.Cell - len(f.Cells)
			}
			return s.Cell
		}
		return place(x) - place(y)
	})
	for i := range samples {
		s, c := &samples[i], f.Cells[samples[i].Cell]
		if s.Failed != "" || c.Clocked || c.Feeds < 1 {
			continue
		}
		fmt.Fprintf(b, "%s-%d %d", goName(c), max(e.CPUs, 1), c.Feeds)
		for _, m := range measurements {
			fmt.Fprintf(b, " %s %s", number(m.of(s)/float64(c.Feeds)), m.unit)
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

// goName is the cell as the name of a benchmark, with a key for each factor.
func goName(c run.Cell) string {
	factors := strings.SplitN(oneLine(c.Name), "/", 3)
	if len(factors) < 3 {
		return "BenchmarkRefresh/cell=" + strings.Join(factors, "/")
	}
	rest := strings.Split(factors[2], "/")
	for i, f := range rest {
		if !strings.Contains(f, "=") {
			rest[i] = f + "=true"
		}
	}
	return fmt.Sprintf("BenchmarkRefresh/work=%s/mode=%s/%s", factors[0], factors[1], strings.Join(rest, "/"))
}

// oneLine keeps what a machine says of itself from beginning a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
