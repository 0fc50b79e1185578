// Package report writes what was found in a run of the benchmark: Markdown that
// a terminal shows as well, a page and Go's benchmark format. The same
// findings make the same bytes.
//
// It refuses to be kinder than the findings: every warning and every doubt is
// printed, and a row that looks bad stands as large as one that looks good.
package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"feedmill/internal/bench/analyse"
)

// Write makes all files of a run in dir, which must exist.
func Write(dir string, f *analyse.Findings) error {
	for _, file := range []struct {
		name  string
		write func(io.Writer, *analyse.Findings) error
	}{
		{textFile, Text}, {pageFile, writePage}, {goBenchFile, goBench}, {plotFile, writePlot},
	} {
		if file.name == plotFile && f.Ledger == nil {
			continue
		}
		if err := Replace(filepath.Join(dir, file.name), func(w io.Writer) error { return file.write(w, f) }); err != nil {
			return err
		}
	}
	return nil
}

// Replace writes a file beside its name and then renames it, so that no reader
// sees half of it.
func Replace(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already when all is well
	err = write(f)
	for _, do := range []func() error{func() error { return f.Chmod(0o644) }, f.Close, func() error { return os.Rename(f.Name(), name) }} {
		if err == nil {
			err = do()
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
