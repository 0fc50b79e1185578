package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/stats"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed page.css
	pageStyle string
)

// page writes findings as one HTML file that needs no other file, no host and no
// script.
func page(w io.Writer, f *analyse.Findings) error {
	e := f.Environment
	t := template.Must(template.New("page").Parse(pageTemplate)) // here, and not whenever a program starts
	return t.Execute(w, struct {
		document
		Style   template.CSS
		Eyebrow string
		Files   []string
	}{
		build(f), template.CSS(pageStyle),
		fmt.Sprintf("feedmill bench · %s · %s, %s, %s", f.Started.UTC().Format(time.DateOnly), e.CPU, many(e.CPUs, "CPU"), e.Go),
		[]string{RunFile, textFile, goBenchFile},
	})
}

// A chart is rows of one thing each: a name, a value in words, and below them
// marks with intervals. As every value is written out, it has no axis: only the
// line that the rows are compared with. Its one shape, a mark on a whisker, is
// placed in percent, so that it fits every window and text is never scaled.
//
// Marks carry classes and no colours, so that one style sheet makes it readable
// on light and on dark paper, and shapes differ, too.
//
// Rejected: a plotting library. Those there are for Go bring fonts and raster
// formats, or pages that load a script from a host.
type chart []chartRow

type chartRow struct {
	Name, Value string
	Marks       []stats.Interval // of CPU time and of the clock
}

// ratios draws what pairs take over what their bases do.
func ratios(pairs []analyse.Pair, name func(analyse.Pair) string) (c chart) {
	for _, p := range pairs {
		c = append(c, chartRow{name(p), fmt.Sprintf("%s× CPU, %s× clock", figures(p.CPU.Ratio.Estimate), figures(p.Wall.Ratio.Estimate)),
			[]stats.Interval{p.CPU.Ratio, p.Wall.Ratio}})
	}
	return c
}

// At returns where a ratio is drawn, in percent of the width.
func (c chart) At(v float64) string {
	low, high := 1.0, 1.0
	for _, r := range c {
		for _, m := range r.Marks {
			low, high = min(low, m.Low), max(high, m.High)
		}
	}
	return fmt.Sprintf("%.2f%%", 1+98*(v-low)/max(high-low, 1e-9))
}
