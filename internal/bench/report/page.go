package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"feedmill/internal/bench/analyse"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed page.css
	pageStyle string
)

// writePage writes findings as one HTML file that needs no other file, no host and no
// script.
func writePage(w io.Writer, f *analyse.Findings) error {
	e := f.Environment
	page := template.Must(template.New("page").Parse(pageTemplate)) // here, and not whenever a program starts
	err := page.Execute(w, struct {
		document
		Style   template.CSS
		Eyebrow string
		Files   []string
	}{
		build(f), template.CSS(pageStyle),
		fmt.Sprintf("feedmill bench · %s · %s, %s, %s", f.Started.UTC().Format(time.DateOnly), e.CPU, many(e.CPUs, "CPU"), e.Go),
		[]string{RunFile, textFile, goBenchFile},
	})
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
