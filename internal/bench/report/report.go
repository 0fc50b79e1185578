// Package report writes what was found in a run of the benchmark: Markdown that
// a terminal shows as well, a page and Go's benchmark format. The same
// findings make the same bytes.
//
// It refuses to be kinder than the findings: every warning and every doubt is
// printed, and a row that looks bad stands as large as one that looks good.
package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
)

// RunFile is the name of the run itself, which the page links to beside what is
// made of it.
const (
	RunFile     = "run.json"
	textFile    = "report.md"
	goBenchFile = "bench.txt"
)

// Files are what is made of findings, by name, and who writes it.
var Files = map[string]func(io.Writer, *analyse.Findings) error{textFile: Text, goBenchFile: goBench, "report.html": page}

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
	fmt.Fprint(b, "Unit cpu-ns/op better=lower\nUnit minor-faults/op better=lower\nUnit switches/op better=lower\n")
	for _, first := range []bool{true, false} {
		for _, c := range f.Cells {
			for i := range f.Samples {
				s := &f.Samples[i]
				if s.Cell != c.ID || s.Failed != "" || c.Clocked || c.Feeds < 1 || first != (c.Mode == run.Goroutine) {
					continue
				}
				each := func(total int64) string { return strconv.FormatFloat(float64(total)/float64(c.Feeds), 'f', -1, 64) }
				fmt.Fprintf(b, "%s-%d %d %s cpu-ns/op %s ns/op %s minor-faults/op %s switches/op\n", goName(c), max(e.CPUs, 1), c.Feeds,
					each(int64(s.CPU)), each(int64(s.Wall)), each(s.MinorFaults), each(s.Switches))
			}
		}
	}
	return b.Flush()
}

// goName is the cell as the name of a benchmark, with a key for each factor.
func goName(c run.Cell) string {
	name := "BenchmarkRefresh"
	for i, f := range strings.Split(oneLine(c.Name), "/") {
		switch {
		case i == 0:
			f = "work=" + f
		case i == 1:
			f = "mode=" + f
		case !strings.Contains(f, "="):
			f += "=true"
		}
		name += "/" + f
	}
	return name
}

// oneLine keeps what a machine says of itself from beginning a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
