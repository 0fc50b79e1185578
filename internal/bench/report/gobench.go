package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/bench"
)

// goUnits are what a line of the benchmark format holds, each for one feed but
// the memory, which is of the whole tree at the end of a sample. ns/op is the
// wall clock: benchstat takes it for granted that it is what matters, and so the
// CPU time comes first.
var goUnits = []struct {
	name string
	meta string // of the unit line; ns/op has its own in every reader
	of   func(s bench.Sample, feeds float64) float64
}{
	{"cpu-ns/op", "better=lower", func(s bench.Sample, n float64) float64 { return float64(s.CPU) / n }},
	{"ns/op", "", func(s bench.Sample, n float64) float64 { return float64(s.Wall) / n }},
	{"pss-bytes", "better=lower", func(s bench.Sample, _ float64) float64 { return float64(s.PSS) }},
	{"minor-faults/op", "better=lower", func(s bench.Sample, n float64) float64 { return float64(s.MinorFaults) / n }},
	{"switches/op", "better=lower", func(s bench.Sample, n float64) float64 { return float64(s.Switches) / n }},
	{"wire-B/op", "better=lower", func(s bench.Sample, n float64) float64 { return float64(s.WireBytes) / n }},
}

// GoBench writes the samples in Go's benchmark format
// (https://go.dev/design/14313-benchmark-format), one line each, so that
//
//	benchstat -col /mode bench.txt
//
// compares the modes. One op is one feed.
//
// Goroutines come first, so they are what benchstat compares the others with.
// benchstat makes a table for every set of file-level keys, so only what is the
// same in the whole file is one; seed and date are comments. Clocked cells are
// left out, because they are not to be compared with others.
func GoBench(w io.Writer, run *bench.Run) error {
	b := bufio.NewWriter(w)
	e := run.Environment
	fmt.Fprintf(b, "# feedmill bench, %s, seed %d: one op is one feed\n", run.Started.UTC().Format("2006-01-02"), run.Settings.Seed)
	for _, d := range doubts(run) {
		fmt.Fprintf(b, "# %s\n", oneLine(d))
	}
	fmt.Fprintf(b, "goos: %s\ngoarch: %s\npkg: feedmill/internal/bench\ncpu: %s\nbench-schema: %d\n", oneLine(e.OS), oneLine(e.Arch), oneLine(e.CPU), run.Schema)
	for _, u := range goUnits {
		if u.meta != "" {
			fmt.Fprintf(b, "Unit %s %s\n", u.name, u.meta)
		}
	}
	for _, s := range baseFirst(run) {
		c := run.Cells[s.Cell]
		if s.Failed != "" || c.Clocked || c.Feeds < 1 {
			continue
		}
		fmt.Fprintf(b, "%s-%d %d", goName(c), max(e.CPUs, 1), c.Feeds)
		for _, u := range goUnits {
			fmt.Fprintf(b, " %s %s", strconv.FormatFloat(u.of(s, float64(c.Feeds)), 'f', -1, 64), u.name)
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

// baseFirst is the samples by cell, goroutines first: benchstat compares all
// others with what it sees first.
func baseFirst(run *bench.Run) []bench.Sample {
	place := func(s bench.Sample) int {
		if run.Cells[s.Cell].Mode == bench.Goroutine {
			return s.Cell - len(run.Cells)
		}
		return s.Cell
	}
	sorted := slices.Clone(run.Samples)
	slices.SortStableFunc(sorted, func(a, b bench.Sample) int { return place(a) - place(b) })
	return sorted
}

// goName is the cell as the name of a benchmark, with a key for each factor.
func goName(c bench.Cell) string {
	var b strings.Builder
	fmt.Fprintf(&b, "BenchmarkRefresh/work=%s/mode=%s/workers=%d/feeds=%d/items=%d/bytes=%d/latency=%s",
		c.Work, c.Mode, c.Workers, c.Feeds, c.Items, c.Bytes, c.Latency)
	if c.Cold {
		b.WriteString("/cold=true")
	}
	if c.Heap > 0 {
		fmt.Fprintf(&b, "/heap=%d", c.Heap)
	}
	if c.Shipped {
		b.WriteString("/shipped=true")
	}
	if c.Gofeed {
		b.WriteString("/gofeed=true")
	}
	if c.Twin > 0 {
		fmt.Fprintf(&b, "/twin=%d", c.Twin)
	}
	return b.String()
}

// oneLine keeps what a machine says of itself from beginning a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
