// Package report writes what was found in a run of the benchmark: Markdown that
// a terminal shows as well, a page and Go's benchmark format. The same
// findings make the same bytes.
//
// It refuses to be kinder than the findings: every warning and every doubt is
// printed, and a row that looks bad stands as large as one that looks good.
package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"feedmill/internal/bench/analyse"
)

// The files that Write makes. RunFile is not among them: it is what they are
// made from, and the page links to it by this name.
const (
	RunFile     = "run.json"
	textFile    = "report.md"
	pageFile    = "report.html"
	goBenchFile = "bench.txt"
)

// Write makes all files of a run in dir, which must exist.
func Write(dir string, f *analyse.Findings) error {
	made := func(name string, write func(io.Writer, *analyse.Findings) error) error {
		return Replace(filepath.Join(dir, name), func(w io.Writer) error { return write(w, f) })
	}
	return errors.Join(made(textFile, Text), made(pageFile, writePage), made(goBenchFile, goBench))
}

// Replace writes a file beside its name and then renames it, so that no reader
// sees half of it.
func Replace(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already when all is well
	if err = errors.Join(write(f), f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
