// Package plot draws measurements as SVG: bars that stack, estimates with their
// intervals, points over an axis with lines and a strip of residuals, and every
// single value in the order it was measured.
//
// A drawing is text that a browser shows at its own size, with a title and a
// description for those who do not see it, and the same bytes for the same
// numbers. Every mark carries a class and no colour, so that one style sheet
// (Style) makes it readable on light and on dark paper. The package refuses
// scripts, and fonts or images from anywhere else.
//
// Rejected: a plotting library. The ones there are for Go bring fonts, raster
// formats and PDF with them, or pages that load a script from a host.
package plot

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Style is the style sheet that the classes of a drawing belong to. It defines
// colours as custom properties on :root, once for light and once for dark.
//
//go:embed style.css
var Style string

// Info is what a drawing says to those who do not see it. ID must be unique in
// the page and a valid XML name.
type Info struct {
	ID, Title, Desc string
}

// A Chart is one of Bars, Intervals, XY and Strips.
type Chart interface {
	draw(c *canvas)
}

// The size of text and of what is measured by it, in pixels. Drawings are shown
// at their own size or larger, never smaller.
const (
	textSize  = 13.0
	lineStep  = 18.0
	charWidth = 7.0 // an average of sans-serif faces at textSize, a little generous
)

// Draw returns the chart as an svg element that is width pixels wide.
func Draw(info Info, width float64, chart Chart) string {
	c := &canvas{width: width}
	chart.draw(c)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" id="%s" role="img" aria-labelledby="%[1]s-t %[1]s-d" viewBox="0 0 %[2]s %[3]s" width="%[2]s" height="%[3]s">`,
		escape(info.ID), num(width), num(c.height))
	fmt.Fprintf(&b, "\n<title id=\"%s-t\">%s</title>\n<desc id=\"%[1]s-d\">%[3]s</desc>\n", escape(info.ID), escape(info.Title), escape(info.Desc))
	b.WriteString(c.b.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// margin is what Standalone leaves around a drawing, in pixels.
const margin = 16

// Standalone draws the chart as a file of its own, with the style sheet inside
// and paper behind and around it.
func Standalone(info Info, width float64, chart Chart) string {
	c := &canvas{width: width}
	chart.draw(c) // for its height
	w, h := num(width+2*margin), num(c.height+2*margin)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s">`, w, h) +
		"\n<style>\n" + Style + "</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n" +
		fmt.Sprintf(`<g transform="translate(%d %[1]d)">`, margin) + "\n" + Draw(info, width, chart) + "</g>\n</svg>\n"
}

// canvas collects elements and how far down they reach.
type canvas struct {
	b             strings.Builder
	width, height float64
}

// reach makes the drawing at least y high.
func (c *canvas) reach(y float64) { c.height = max(c.height, y) }

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, num(x1), num(y1), num(x2), num(y2))
}

// rect draws a box whose tip, if any, shows when it is pointed at.
func (c *canvas) rect(class string, x, y, w, h float64, tip string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, num(x), num(y), num(w), num(h))
	c.close("rect", tip)
}

func (c *canvas) path(class, d, tip string) {
	fmt.Fprintf(&c.b, `<path class="%s" d="%s"`, class, d)
	c.close("path", tip)
}

func (c *canvas) close(element, tip string) {
	if tip == "" {
		c.b.WriteString("/>\n")
		return
	}
	fmt.Fprintf(&c.b, "><title>%s</title></%s>\n", escape(tip), element)
}

// text writes s with its baseline at y. anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	if anchor != "start" {
		class += " " + anchor
	}
	fmt.Fprintf(&c.b, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, num(x), num(y), escape(s))
	c.reach(y + 5)
}

// marks are drawn by shape as well as by colour, for those who cannot tell the
// colours apart. Series number n has mark n%len(marks).
var marks = []func(x, y, r float64) string{
	func(x, y, r float64) string { // disc
		return fmt.Sprintf("M%s,%sa%s,%[3]s 0 1,0 %[4]s,0a%[3]s,%[3]s 0 1,0 -%[4]s,0Z", num(x-r), num(y), num(r), num(2*r))
	},
	func(x, y, r float64) string { // square
		r *= 0.89
		return fmt.Sprintf("M%s,%sh%sv%[3]sh-%[3]sZ", num(x-r), num(y-r), num(2*r))
	},
	func(x, y, r float64) string { // triangle
		r *= 1.15
		return fmt.Sprintf("M%s,%sL%s,%sL%s,%[4]sZ", num(x), num(y-r), num(x+r), num(y+r*0.75), num(x-r))
	},
	func(x, y, r float64) string { // diamond
		r *= 1.2
		return fmt.Sprintf("M%s,%sL%s,%sL%[1]s,%[5]sL%[6]s,%[4]sZ", num(x), num(y-r), num(x+r), num(y), num(y+r), num(x-r))
	},
	func(x, y, r float64) string { // triangle on its head
		r *= 1.15
		return fmt.Sprintf("M%s,%sL%s,%sL%s,%[4]sZ", num(x), num(y+r), num(x+r), num(y-r*0.75), num(x-r))
	},
}

// mark draws the mark of series n.
func (c *canvas) mark(n int, x, y, r float64, tip string) {
	c.path(fill(n)+" mark", marks[n%len(marks)](x, y, r), tip)
}

// fill and stroke are the classes of series n; the style sheet has colours for
// eight, and the ninth is the first again.
func fill(n int) string   { return "f" + strconv.Itoa(n%8+1) }
func stroke(n int) string { return "l" + strconv.Itoa(n%8+1) }

// heading writes the name of a row and, at the other end, its value, on as many
// lines as they need, and returns the y below them.
func (c *canvas) heading(y float64, name, value string) float64 {
	lines := wrap(name, c.width)
	for i, l := range lines {
		if i > 0 {
			y += lineStep
		}
		c.text("b", "start", 0, y+13, l)
	}
	if value != "" && boldWidth(lines[len(lines)-1])+12+textWidth(value) > c.width {
		y += lineStep
	}
	if value != "" {
		c.text("t", "end", c.width, y+13, value)
	}
	return y + lineStep
}

// headingHeight is how much heading takes.
func (c *canvas) headingHeight(name, value string) float64 {
	return (&canvas{width: c.width}).heading(0, name, value)
}

// wrap breaks a name of a row at spaces into lines that fit.
func wrap(s string, width float64) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && boldWidth(line+" "+word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// legend writes the names of the series from (0, y) on, in as many lines as
// they need, and returns the y below them.
func (c *canvas) legend(y float64, names []string, swatch func(n int, x, y float64)) float64 {
	x, used := 0.0, false
	for n, name := range names {
		if name == "" {
			continue
		}
		w := 20 + textWidth(name) + 16
		if x > 0 && x+w-16 > c.width {
			x, y = 0, y+lineStep+2
		}
		swatch(n, x, y)
		c.text("t", "start", x+20, y+12, name)
		x, used = x+w, true
	}
	if !used {
		return y
	}
	return y + lineStep + 10
}

// textWidth is about how wide s will be.
func textWidth(s string) float64 { return float64(utf8.RuneCountInString(s)) * charWidth }

// boldWidth is about how wide s will be in bold.
func boldWidth(s string) float64 { return textWidth(s) * 1.1 }

// num writes a coordinate: to a tenth of a pixel, without what means nothing.
func num(v float64) string {
	v = math.Round(v*10) / 10
	if v == 0 { // not -0
		return "0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// escape makes s safe between tags and in an attribute, and drops what XML
// cannot hold.
func escape(s string) string {
	return escaper.Replace(strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s))
}
