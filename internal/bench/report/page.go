package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// The widths of plots on the page, in pixels: each is drawn once for a phone
// and once for a desk, and the style sheet shows the one that fits, so that text
// is never smaller than it was drawn.
const (
	wide   = 720.0
	narrow = 316.0
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"wide":    func(f *figure) template.HTML { return draw(f, wide, "") },
	"narrow":  func(f *figure) template.HTML { return draw(f, narrow, "-n") },
	"command": func() string { return commandBlock },
	"kinds":   warningKinds,
	"empty":   func(c cell) bool { return c.Text == "–" || c.String() == "" },
	"breaks":  breaks,
	"dense":   func(t *table) bool { return len(t.Columns) > 7 },
	"stacks":  func(t *table) bool { return len(t.Columns) > 2 },
}).Parse(pageTemplate))

// draw is one of a figure's two drawings; they need names of their own.
func draw(f *figure, width float64, suffix string) template.HTML {
	info := f.Info
	info.ID += suffix
	return template.HTML(plot.Draw(info, width, f.Chart)) // escaped by plot
}

// Page writes the run as one HTML file that needs no other file, no host and no
// script.
func Page(w io.Writer, run *bench.Run) error {
	d := build(run)
	err := page.Execute(w, struct {
		document
		Style             template.CSS
		When, Machine     string
		Run, Bench, Table string
		CSV               string
	}{
		d, template.CSS(plot.Style + pageStyle),
		run.Started.UTC().Format(time.DateOnly), machineLine(run.Environment),
		RunFile, GoBenchFile, TextFile, CSVFile,
	})
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// breaks escapes s and lets names of cells, which are long, break where their
// factors do.
func breaks(s string) template.HTML {
	if strings.Count(s, "/") < 2 {
		return template.HTML(template.HTMLEscapeString(s))
	}
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(s), "/", "/<wbr>"))
}

// warningKinds says how many warnings there are of which kinds.
func warningKinds(all []bench.Warning) string {
	var kinds []string
	counts := make(map[string]int)
	for _, w := range all {
		if counts[w.Kind]++; counts[w.Kind] == 1 {
			kinds = append(kinds, w.Kind)
		}
	}
	for i, k := range kinds {
		if n := counts[k]; n > 1 {
			kinds[i] = fmt.Sprintf("%s (%d)", k, n)
		}
	}
	return many(len(all), "warning") + ": " + strings.Join(kinds, ", ")
}

// machineLine is the machine in a few words.
func machineLine(e bench.Environment) string {
	virtual := ""
	if e.Virtual {
		virtual = ", virtual"
	}
	return fmt.Sprintf("%s, %s%s, %s/%s, %s", e.CPU, many(e.CPUs, "CPU"), virtual, e.OS, e.Arch, e.Go)
}
