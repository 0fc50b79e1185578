// Package report writes what a run of the benchmark found: a table for people,
// a page with plots, Go's benchmark format and CSV. All of it is made from the
// run alone, and the same run makes the same bytes.
//
// It refuses to be kinder than the run: every warning and every doubt is printed,
// in the text and on the page, and nothing is left out because it is ugly.
package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// The files that Write makes. RunFile is not among them: it is what they are
// made from, and the page links to it by this name.
const (
	RunFile     = "run.json"
	TextFile    = "table.txt"
	PageFile    = "report.html"
	GoBenchFile = "bench.txt"
	CSVFile     = "samples.csv"
	PlotFile    = "ledger.svg" // the first plot of the ledger, by itself
)

// Write makes all files of a run in dir, which must exist. Each is written
// beside its name and then renamed, so that no reader sees half of one.
func Write(dir string, run *bench.Run) error {
	for _, f := range []struct {
		name  string
		write func(io.Writer, *bench.Run) error
	}{
		{TextFile, Text}, {PageFile, Page}, {GoBenchFile, GoBench}, {CSVFile, CSV}, {PlotFile, Plot},
	} {
		if f.name == PlotFile && len(run.Ledgers) == 0 {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), func(w io.Writer) error { return f.write(w, run) }); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all is well
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Plot writes the first ledger's bars as an SVG file of its own, which a README
// can show.
func Plot(w io.Writer, run *bench.Run) error {
	if len(run.Ledgers) == 0 {
		return fmt.Errorf("plot ledger: the run has none")
	}
	f := barsFigure(run, run.Ledgers[0], "ledger")
	_, err := io.WriteString(w, plot.Standalone(f.Info, wide, f.Chart))
	return err
}
