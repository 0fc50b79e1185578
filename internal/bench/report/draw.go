package report

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/stats"
)

// The style sheets of charts: colours once for light and once for dark, and what
// is made of them.
var (
	//go:embed colours.css
	colours string
	//go:embed chart.css
	chartStyle string
)

// A chart is rows of one thing each: a name, a value in words, and below them
// either parts that stack or marks with intervals. As every value is written
// out, it has no axis: only the line that the rows are compared with.
//
// Marks carry classes and no colours, so that one style sheet makes it readable
// on light and on dark paper, and shapes differ, too.
//
// Rejected: a plotting library. Those there are for Go bring fonts and raster
// formats, or pages that load a script from a host.
type chart struct {
	ID, Title string
	Legend    []string
	Reference float64 // where the line is
	Line      string  // what it is
	Bars      bool    // parts that stack, from the line on
	Rows      []chartRow
}

type chartRow struct {
	name, value string
	parts       []float64
	marks       []stats.Interval
}

// ratios draws what pairs take, with a mark for CPU time and one for the clock.
func ratios(id, title string, pairs []analyse.Pair, name func(analyse.Pair) string) *chart {
	c := &chart{ID: id, Title: title, Legend: []string{"CPU time", "clock"}, Reference: 1, Line: "goroutines"}
	for _, p := range pairs {
		c.Rows = append(c.Rows, chartRow{name: name(p), value: fmt.Sprintf("%s× CPU, %s× clock", figures(p.CPU.Ratio.Estimate), figures(p.Wall.Ratio.Estimate)),
			marks: []stats.Interval{p.CPU.Ratio, p.Wall.Ratio}})
	}
	return c
}

// steps draws the ladder: each rung is the one below and one part more.
func steps(l *analyse.Ledger) *chart {
	c := &chart{ID: "ledger-chart", Title: "CPU time of sending one list back, from goroutines to processes", Bars: true, Legend: []string{"goroutines"}}
	parts, sum := []float64{l.Foot.Estimate}, l.Foot.Estimate
	c.Rows = append(c.Rows, chartRow{name: "goroutines hand over a pointer", value: duration.format(sum), parts: parts})
	for _, r := range l.Rows {
		sum += r.Ladder.Estimate
		parts = append(parts[:len(parts):len(parts)], r.Ladder.Estimate)
		c.Legend = append(c.Legend, rung(r.Name))
		c.Rows = append(c.Rows, chartRow{name: "+ " + rung(r.Name) + ": " + r.What, value: duration.format(sum), parts: parts})
	}
	return c
}

// The size of text, in pixels: charts are shown at their own size.
const (
	lineStep  = 19.0
	charWidth = 7.4 // an average of sans-serif faces at 13 px, a little generous
)

// Draw returns the chart as an svg element that is width pixels wide. suffix
// keeps the ids of two drawings apart.
func (c *chart) Draw(width float64, suffix string) string {
	var b strings.Builder
	text := func(class string, x, y float64, s string) {
		fmt.Fprintf(&b, "<text class=\"%s\" x=\"%s\" y=\"%s\">%s</text>\n", class, num(x), num(y), html.EscapeString(s))
	}
	at := c.scale(width)
	y, x := 13.0, 0.0
	for i, name := range c.Legend {
		w := 24 + charWidth*float64(utf8.RuneCountInString(name))
		if x > 0 && x+w > width {
			x, y = 0, y+lineStep
		}
		c.mark(&b, i, x+6, y-5)
		text("t", x+18, y, name)
		x += w
	}
	top := y + 8
	y += lineStep
	for _, r := range c.Rows {
		for _, line := range lines(r.name, r.value, width) {
			y += lineStep
			text("b", 0, y, line)
		}
		text("t end", width, y, r.value)
		y += 8
		from := c.Reference
		for i, p := range r.parts {
			left, right := at(min(from, from+p)), at(max(from, from+p))
			fmt.Fprintf(&b, "<rect class=\"f%d\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"18\"/>\n", i, num(left), num(y), num(max(right-left, 1)))
			from += p
		}
		for i, m := range r.marks {
			fmt.Fprintf(&b, "<path class=\"l%d\" d=\"M%s,%sH%sm0,-4v8M%[2]s,%[3]sm0,-4v8\"/>\n", i, num(at(m.Low)), num(y+6), num(at(m.High)))
			c.mark(&b, i, at(m.Estimate), y+6)
			y += 14
		}
		if c.Bars {
			y += 18
		}
		y += 6
	}
	ref := num(at(c.Reference))
	line := fmt.Sprintf("<path class=\"ref\" d=\"M%s,%sV%s\"/>\n", ref, num(top), num(y))
	if c.Line != "" {
		y += lineStep
		anchor := "t middle"
		if at(c.Reference) < 60 {
			anchor = "t"
		}
		text(anchor, at(c.Reference), y, c.Line)
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" id=\"%s\" role=\"img\" aria-labelledby=\"%[1]s-t\" viewBox=\"0 0 %[2]s %[3]s\" width=\"%[2]s\" height=\"%[3]s\">\n<title id=\"%[1]s-t\">%[4]s</title>\n%[5]s%[6]s</svg>\n",
		c.ID+suffix, num(width), num(y+8), html.EscapeString(c.Title), line, b.String())
}

// scale returns where a value is drawn.
func (c *chart) scale(width float64) func(float64) float64 {
	low, high := c.Reference, c.Reference
	for _, r := range c.Rows {
		sum := c.Reference
		for _, p := range r.parts {
			sum += p
			low, high = min(low, sum), max(high, sum)
		}
		for _, m := range r.marks {
			low, high = min(low, m.Low), max(high, m.High)
		}
	}
	return func(v float64) float64 { return 7 + (v-low)/max(high-low, 1e-9)*(width-14) }
}

// mark draws the mark of series i: a square for parts, else a disc or a diamond.
func (c *chart) mark(b *strings.Builder, i int, x, y float64) {
	d := "m-5,-5h10v10h-10z"
	switch {
	case !c.Bars && i == 0:
		d = "m-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z"
	case !c.Bars:
		d = "m0,-6l6,6l-6,6l-6,-6z"
	}
	fmt.Fprintf(b, "<path class=\"f%d\" d=\"M%s,%s%s\"/>\n", i, num(x), num(y), d)
}

// lines breaks a name so that it fits, and its last line beside the value.
func lines(name, value string, width float64) (all []string) {
	fits := func(s string) bool { return float64(utf8.RuneCountInString(s))*charWidth*1.06 <= width }
	line := ""
	for word := range strings.FieldsSeq(name) {
		if line != "" && !fits(line+" "+word) {
			all, line = append(all, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if all = append(all, line); !fits(line + "   " + value) {
		all = append(all, "")
	}
	return all
}

// num writes a coordinate, to a tenth of a pixel.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// writePlot writes the ledger's chart as an SVG file of its own, which a README can
// show.
func writePlot(w io.Writer, f *analyse.Findings) error {
	drawn := steps(f.Ledger).Draw(720, "")
	_, err := io.WriteString(w, strings.Replace(drawn, "<title", "<style>\n"+colours+chartStyle+"svg { background: var(--paper); }\n</style>\n<title", 1))
	return err
}
