package plot

import "math"

// Bars is one horizontal bar a row, made of the parts that add up to it. What is
// below zero is drawn to the left of it, and never taken off another part.
type Bars struct {
	Axis    Axis
	Series  []string // what part n of every row is called
	Colours []int    // of the parts, as in Line.Series; nil: 0, 1, 2 …
	Rows    []Bar
}

// Quiet is the colour of what a row is compared with, or of what is as it
// should be.
const Quiet = -1

// A Bar is one row.
type Bar struct {
	Name, Value string    // written above the bar, at its two ends
	Parts       []float64 // in the order of Bars.Series
	Tips        []string  // of the parts; may be shorter
	Lo, Hi      float64   // interval of the sum; none if both are 0
}

func (b Bars) draw(c *canvas) {
	y := c.legend(0, b.Series, func(n int, x, y float64) { c.rect(b.class(n), x, y, 14, 14, "") })
	const bar = 20.0
	var ends []float64
	for _, row := range b.Rows {
		low, high := row.reach()
		ends = append(ends, low, high, row.Lo, row.Hi)
	}
	axis := b.Axis
	axis.Zero = true
	s := newScale(axis, ends, 1, c.width-1, tickCount(c.width))
	top := y
	height := 0.0
	for _, row := range b.Rows {
		height += c.headingHeight(row.Name, row.Value) + bar + 12
	}
	bottom := c.horizontal(s, top, top+height, true)
	for _, row := range b.Rows {
		y = c.heading(y, row.Name, row.Value)
		b.row(c, s, row, y, bar)
		y += bar + 12
	}
	c.reach(bottom)
}

// reach is how far the parts go to either side of zero.
func (b Bar) reach() (low, high float64) {
	for _, p := range b.Parts {
		if p < 0 {
			low += p
		} else {
			high += p
		}
	}
	return low, high
}

// class is that of part n.
func (b Bars) class(n int) string {
	if n < len(b.Colours) {
		n = b.Colours[n]
	}
	if n == Quiet {
		return "f0 box"
	}
	return fill(n) + " box"
}

func (b Bars) row(c *canvas, s scale, row Bar, y, height float64) {
	left, right := 0.0, 0.0
	for n, p := range row.Parts {
		if p == 0 || math.IsNaN(p) {
			continue
		}
		from := right
		if p < 0 {
			left += p
			from = left
		} else {
			right += p
		}
		tip := ""
		if n < len(row.Tips) {
			tip = row.Tips[n]
		}
		x := s.at(from)
		c.rect(b.class(n), x, y, max(s.at(from+math.Abs(p))-x, 0.5), height, tip)
	}
	if row.Lo != 0 || row.Hi != 0 {
		c.whisker("whisker", s.at(row.Lo), s.at(row.Hi), y+height/2, height/4)
	}
}

// whisker draws an interval from x1 to x2 with ends of the given half height.
func (c *canvas) whisker(class string, x1, x2, y, end float64) {
	c.path(class, "M"+num(x1)+","+num(y-end)+"v"+num(2*end)+"M"+num(x1)+","+num(y)+"H"+num(x2)+"M"+num(x2)+","+num(y-end)+"v"+num(2*end), "")
}

// tickCount is how many ticks have room side by side.
func tickCount(width float64) int { return max(3, min(8, int(width/75))) }
