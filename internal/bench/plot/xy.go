package plot

import (
	"slices"
	"strings"
)

// XY is points over an axis, with lines, bands and, below, what is left over
// when the line is taken off the points.
type XY struct {
	X, Y      Axis
	Lines     []Line
	Reference *float64 // a value of Y to compare with, as a dashed line
	Height    float64  // of the plotting area; 0 is a good one for the width
	Residuals *XY      // drawn below over the same X, lower, without a legend of its own
}

// A Line is one series: a mark for each point, joined or not.
type Line struct {
	Name   string
	Series int     // its colour and mark
	Join   bool    // the points by a line
	Bare   bool    // no marks: a curve
	Dashed bool    // and the marks hollow
	Aside  float64 // how many pixels to the right of its place, so that intervals do not cover each other
	Band   bool    // Lo and Hi as an area, instead of a bar at each point
	Points []Point
}

// A Point has an interval of Y unless Lo and Hi are equal.
type Point struct {
	X, Y, Lo, Hi float64
	Tip          string
}

func (p XY) draw(c *canvas) {
	var named []Line
	for _, l := range p.Lines {
		if l.Name != "" && !slices.ContainsFunc(named, func(o Line) bool { return o.Name == l.Name }) {
			named = append(named, l)
		}
	}
	names := make([]string, len(named))
	for i, l := range named {
		names[i] = l.Name
	}
	top := c.legend(0, names, func(n int, x, y float64) { named[n].swatch(c, x, y) })
	height := p.Height
	if height == 0 {
		height = max(200, min(300, c.width*0.5))
	}
	xs := p.values(func(pt Point) []float64 { return []float64{pt.X} })
	y := p.scaleY(top, height)
	left := gutter(y)
	if p.Residuals != nil {
		left = max(left, gutter(p.Residuals.scaleY(0, height/3)))
	}
	x := newScale(p.X, xs, left+8, c.width-10, tickCount(c.width-left))
	p.area(c, x, y, left)
	bottom := y.from
	if p.Residuals != nil {
		strip := p.Residuals.scaleY(bottom+20, max(70, height/3))
		p.Residuals.area(c, x, strip, left)
		bottom = strip.from
	}
	c.reach(c.horizontal(x, y.to, bottom, false))
}

// scaleY is the vertical scale of an area that begins, with its label, at top.
func (p XY) scaleY(top, height float64) scale {
	ys := p.values(func(pt Point) []float64 { return []float64{pt.Y, pt.Lo, pt.Hi} })
	if p.Reference != nil {
		ys = append(ys, *p.Reference)
	}
	if p.Y.Label != "" {
		top += lineStep + 8
	}
	return newScale(p.Y, ys, top+height, top, max(2, int(height/45)))
}

func (p XY) values(of func(Point) []float64) (all []float64) {
	for _, l := range p.Lines {
		for _, pt := range l.Points {
			if pt.Lo == pt.Hi { // no interval: its ends say nothing
				pt.Lo, pt.Hi = pt.Y, pt.Y
			}
			all = append(all, of(pt)...)
		}
	}
	return all
}

func (p XY) area(c *canvas, x, y scale, left float64) {
	c.vertical(y, left, c.width)
	if p.Reference != nil {
		c.line("ref", left, y.at(*p.Reference), c.width, y.at(*p.Reference))
	}
	for _, l := range p.Lines {
		l.draw(c, x, y)
	}
	c.reach(y.from)
}

func (l Line) draw(c *canvas, x, y scale) {
	if l.Band && len(l.Points) > 1 {
		var d strings.Builder
		for i, pt := range l.Points {
			d.WriteString(step(i) + num(x.at(pt.X)) + "," + num(y.at(pt.Hi)))
		}
		for _, pt := range slices.Backward(l.Points) {
			d.WriteString("L" + num(x.at(pt.X)) + "," + num(y.at(pt.Lo)))
		}
		c.path("band "+fill(l.Series), d.String()+"Z", "")
	}
	if l.Join && len(l.Points) > 1 {
		var d strings.Builder
		for i, pt := range l.Points {
			d.WriteString(step(i) + num(x.at(pt.X)+l.Aside) + "," + num(y.at(pt.Y)))
		}
		c.path(l.lineClass(), d.String(), "")
	}
	for _, pt := range l.Points {
		if !l.Band && pt.Lo != pt.Hi {
			px := x.at(pt.X) + l.Aside
			c.path("err "+stroke(l.Series), "M"+num(px)+","+num(y.at(pt.Lo))+"V"+num(y.at(pt.Hi)), "")
		}
		if !l.Bare {
			l.mark(c, x.at(pt.X)+l.Aside, y.at(pt.Y), pt.Tip)
		}
	}
}

// step is the command that takes a path to its point number i.
func step(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

func (l Line) lineClass() string {
	class := "line " + stroke(l.Series)
	if l.Dashed {
		class += " dash"
	}
	return class
}

func (l Line) swatch(c *canvas, x, y float64) {
	if l.Join {
		c.path(l.lineClass(), "M"+num(x)+","+num(y+7)+"h14", "")
	}
	if !l.Bare {
		l.mark(c, x+7, y+7, "")
	}
}

func (l Line) mark(c *canvas, x, y float64, tip string) {
	if l.Dashed {
		c.path(stroke(l.Series)+" hollow", marks[l.Series%len(marks)](x, y, 4.5), tip)
		return
	}
	c.mark(l.Series, x, y, 5, tip)
}
