package plot

import "fmt"

// Strips is one lane for each thing that was measured many times, with a dot
// for every single value. Within a lane the first value is at the top and the
// last at the bottom, so that a drift leans where noise only scatters.
type Strips struct {
	Axis  Axis
	Lanes []Lane
}

// A Lane is all values of one thing.
type Lane struct {
	Name, Value string // written above the lane, at the two ends
	Series      int
	Dots        []Dot
	Median      float64
	Lo, Hi      float64 // interval of the median; none if they are equal
}

// A Dot is one value; a flagged one stands out, and stays in.
type Dot struct {
	Value   float64
	Flagged bool
	Tip     string
}

func (p Strips) draw(c *canvas) {
	var values []float64
	height := 0.0
	for _, l := range p.Lanes {
		for _, d := range l.Dots {
			values = append(values, d.Value)
		}
		values = append(values, l.Median)
		if l.Lo != l.Hi {
			values = append(values, l.Lo, l.Hi)
		}
		height += c.headingHeight(l.Name, l.Value) + l.height() + 12
	}
	s := newScale(p.Axis, values, 6, c.width-6, tickCount(c.width))
	bottom := c.horizontal(s, 0, height, true)
	y := 0.0
	for _, l := range p.Lanes {
		y = c.heading(y, l.Name, l.Value)
		l.draw(c, s, y)
		y += l.height() + 12
	}
	c.reach(bottom)
}

// height grows with the number of dots, within reason.
func (l Lane) height() float64 { return max(18, min(48, 3*float64(len(l.Dots)))) }

func (l Lane) draw(c *canvas, s scale, y float64) {
	h := l.height()
	c.rect("lane", 0, y, c.width, h, "")
	if l.Lo != l.Hi {
		c.rect("band "+fill(l.Series), s.at(l.Lo), y, max(s.at(l.Hi)-s.at(l.Lo), 1), h, fmt.Sprintf("%s, median and interval: %s", l.Name, l.Value))
	}
	for i, d := range l.Dots {
		class := "dot"
		if d.Flagged {
			class = "flag"
		}
		dy := y + 4 + (h-8)*(float64(i)+0.5)/float64(len(l.Dots))
		c.path(fill(l.Series)+" "+class, marks[0](s.at(d.Value), dy, 3.5), d.Tip)
	}
	if len(l.Dots) > 0 {
		c.line("median", s.at(l.Median), y-1, s.at(l.Median), y+h+1)
	}
}
