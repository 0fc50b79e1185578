package plot

// Intervals is a row for each thing that was estimated, with one mark and its
// interval for each way it was.
type Intervals struct {
	Axis      Axis
	Series    []string // the ways, in the order of Row.Estimates
	Reference *float64 // a value to compare with, as a dashed line
	Rows      []Row
}

// A Row is one thing that was estimated.
type Row struct {
	Name, Value string // written above the marks, at the two ends
	Estimates   []Estimate
}

// An Estimate is a value and the interval it lies in. One without a value is
// not drawn, nor an interval whose ends are equal.
type Estimate struct {
	Value, Lo, Hi float64
	Missing       bool
	Tip           string
}

func (p Intervals) draw(c *canvas) {
	y := 0.0
	if len(p.Series) > 1 {
		y = c.legend(0, p.Series, func(n int, x, y float64) { c.mark(n, x+7, y+7, 5.5, "") })
	}
	var values []float64
	for _, row := range p.Rows {
		for _, e := range row.Estimates {
			if !e.Missing {
				values = append(values, e.Value, e.Lo, e.Hi)
			}
		}
	}
	if p.Reference != nil {
		values = append(values, *p.Reference)
	}
	const step = 16.0 // from one estimate of a row to the next
	height := 0.0
	for _, row := range p.Rows {
		height += c.headingHeight(row.Name, row.Value) + step*float64(len(row.Estimates)) + 10
	}
	s := newScale(p.Axis, values, 8, c.width-8, tickCount(c.width))
	bottom := c.horizontal(s, y, y+height, true)
	if p.Reference != nil {
		c.line("ref", s.at(*p.Reference), y, s.at(*p.Reference), y+height)
	}
	for _, row := range p.Rows {
		y = c.heading(y, row.Name, row.Value)
		for n, e := range row.Estimates {
			if !e.Missing {
				if e.Lo != e.Hi {
					c.whisker("err "+stroke(n), s.at(e.Lo), s.at(e.Hi), y+step/2, 4)
				}
				c.mark(n, s.at(e.Value), y+step/2, 5.5, e.Tip)
			}
			y += step
		}
		y += 10
	}
	c.reach(bottom)
}
