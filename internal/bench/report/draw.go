package report

import (
	"fmt"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/stats"
)

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
type chart struct {
	Title     string
	Legend    []string // of the marks of a row
	Reference float64  // where the line is
	Line      string   // what it is
	Rows      []chartRow
}

type chartRow struct {
	Name, Value string
	Marks       []stats.Interval
}

// ratios draws what pairs take, with a mark for CPU time and one for the clock.
func ratios(title string, pairs []analyse.Pair, name func(analyse.Pair) string) *chart {
	c := &chart{Title: title, Legend: []string{"CPU time", "clock"}, Reference: 1, Line: "goroutines"}
	for _, p := range pairs {
		c.Rows = append(c.Rows, chartRow{name(p), fmt.Sprintf("%s× CPU, %s× clock", figures(p.CPU.Ratio.Estimate), figures(p.Wall.Ratio.Estimate)),
			[]stats.Interval{p.CPU.Ratio, p.Wall.Ratio}})
	}
	return c
}

// steps draws the ladder: what each rung adds, estimated twice.
func steps(l *analyse.Ledger) *chart {
	c := &chart{Title: "CPU time that each step adds to sending one list back", Legend: []string{"by difference", "by clocks and counts"}, Line: "nothing"}
	for _, r := range l.Rows {
		c.Rows = append(c.Rows, chartRow{rung(r.Name) + ": " + r.What, duration.signed(r.Ladder.Estimate) + ", " + duration.signed(r.Direct.Estimate),
			[]stats.Interval{r.Ladder, r.Direct}})
	}
	return c
}

// At returns where a value is drawn, in percent of the width.
func (c *chart) At(v float64) string {
	low, high := c.Reference, c.Reference
	for _, r := range c.Rows {
		for _, m := range r.Marks {
			low, high = min(low, m.Low), max(high, m.High)
		}
	}
	return fmt.Sprintf("%.2f%%", 1+98*(v-low)/max(high-low, 1e-9))
}
