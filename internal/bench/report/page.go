package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"feedmill/internal/bench/analyse"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

// The files that Write makes. RunFile is not among them: it is what they are
// made from, and the page links to it by this name.
const (
	RunFile     = "run.json"
	textFile    = "report.md"
	pageFile    = "report.html"
	goBenchFile = "bench.txt"
	plotFile    = "ledger.svg"
)

// Each chart is drawn once for a phone and once for a desk, and the style sheet
// shows the one that fits, so that text is never smaller than it was drawn.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"wide":   func(c *chart) template.HTML { return template.HTML(c.Draw(880, "")) }, // escaped by Draw
	"narrow": func(c *chart) template.HTML { return template.HTML(c.Draw(320, "-n")) },
}).Parse(pageTemplate))

// writePage writes findings as one HTML file that needs no other file, no host and no
// script.
func writePage(w io.Writer, f *analyse.Findings) error {
	e := f.Environment
	err := page.Execute(w, struct {
		document
		Style   template.CSS
		Eyebrow string
		Files   []string
	}{
		build(f), template.CSS(colours + chartStyle + pageStyle),
		fmt.Sprintf("feedmill bench · %s · %s, %s, %s", f.Started.UTC().Format(time.DateOnly), e.CPU, many(e.CPUs, "CPU"), e.Go),
		[]string{RunFile, textFile, goBenchFile},
	})
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
