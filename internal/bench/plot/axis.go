package plot

import (
	"math"
	"strconv"
	"strings"
)

// An Axis is a scale and how its numbers are written. Its zero value is linear,
// as long as the data ask for, and writes plain numbers.
type Axis struct {
	Label  string               // what is measured, and its unit
	Log    bool                 // powers of ten; values of 0 and below have no place on it
	Zero   bool                 // 0 is on it, even if no value is near
	Names  []string             // with names, the values are 0, 1, 2 … and stand evenly spaced
	Format func(float64) string // of a tick; nil: the shortest number
}

// format writes the value of a tick.
func (a Axis) format(v float64) string {
	if a.Format != nil {
		return a.Format(v)
	}
	return strings.Replace(strconv.FormatFloat(v, 'g', 6, 64), "-", "−", 1)
}

// A scale takes values to pixels.
type scale struct {
	axis     Axis
	min, max float64 // of the values; of their logarithms on a log axis
	from, to float64 // in pixels
	ticks    []float64
}

// newScale returns a scale from pixel from to pixel to on which all values and
// about want ticks have their place.
func newScale(a Axis, values []float64, from, to float64, want int) scale {
	s := scale{axis: a, from: from, to: to}
	if len(a.Names) > 0 {
		s.min, s.max = -0.5, float64(len(a.Names))-0.5
		for i := range a.Names {
			s.ticks = append(s.ticks, float64(i))
		}
		return s
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || a.Log && v <= 0 {
			continue
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo > hi {
		lo, hi = 1, 1 // nothing to show: any scale will do
	}
	if a.Log {
		s.min, s.max, s.ticks = logTicks(lo, hi)
		return s
	}
	if a.Zero {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	s.min, s.max, s.ticks = niceTicks(lo, hi, want)
	return s
}

// at is the pixel of v. On a log axis, what is not above 0 is at the near end.
func (s scale) at(v float64) float64 {
	if s.axis.Log {
		v = math.Log10(max(v, math.Pow(10, s.min)))
	}
	return s.from + (v-s.min)/(s.max-s.min)*(s.to-s.from)
}

// tick writes the tick at v.
func (s scale) tick(v float64) string {
	if i := int(v); len(s.axis.Names) > 0 {
		return s.axis.Names[i]
	}
	return s.axis.format(v)
}

// niceTicks returns ticks at 1, 2 or 5 times a power of ten, about want of
// them, and the range that they and lo and hi take.
func niceTicks(lo, hi float64, want int) (from, to float64, ticks []float64) {
	if hi <= lo {
		d := math.Abs(lo) / 2
		if d == 0 {
			d = 1
		}
		lo, hi = lo-d, hi+d
	}
	step := niceStep((hi - lo) / float64(max(want, 2)))
	// Counted in whole steps, so that no tick is at 0.30000000000000004.
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	for i := first; i <= last; i++ {
		ticks = append(ticks, cleanMultiple(i, step))
	}
	return first * step, last * step, ticks
}

// niceStep is the smallest of 1, 2 and 5 times a power of ten that is at least
// raw.
func niceStep(raw float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// cleanMultiple is i*step as the decimal number that it stands for.
func cleanMultiple(i, step float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(i*step, 'g', 12, 64), 64)
	if err != nil || v == 0 {
		return 0
	}
	return v
}

// logTicks returns the range in logarithms, and ticks at powers of ten, with 2
// and 5 times of them where there are few.
func logTicks(lo, hi float64) (from, to float64, ticks []float64) {
	steps := []float64{1}
	if math.Log10(hi/lo) < 2.5 {
		steps = []float64{1, 2, 5}
	}
	var all []float64
	for e := math.Floor(math.Log10(lo)) - 1; e <= math.Ceil(math.Log10(hi))+1; e++ {
		for _, m := range steps {
			v, _ := strconv.ParseFloat(strconv.FormatFloat(m*math.Pow(10, e), 'g', 3, 64), 64)
			all = append(all, v)
		}
	}
	first, last := 0, len(all)-1
	for first+1 < len(all) && all[first+1] <= lo*(1+1e-9) {
		first++
	}
	for last-1 > first && all[last-1] >= hi*(1-1e-9) {
		last--
	}
	return math.Log10(all[first]), math.Log10(all[last]), all[first : last+1]
}

// horizontal draws the ticks of s as vertical grid lines from top to bottom,
// their numbers and the label below, and returns the y below it all.
func (c *canvas) horizontal(s scale, top, bottom float64, grid bool) float64 {
	end := math.Inf(-1) // of the number before
	for _, v := range s.ticks {
		x := s.at(v)
		if grid {
			c.line(gridClass(s, v), x, top, x, bottom)
		}
		label := s.tick(v)
		half := textWidth(label) / 2
		anchor, left := "middle", x-half
		switch {
		case x+half > c.width:
			anchor, left = "end", x-2*half
		case x-half < 0:
			anchor, left = "start", x
		}
		if left < end+6 {
			continue // it would touch the one before
		}
		end = left + 2*half
		c.text("m", anchor, x, bottom+17, label)
	}
	y := bottom + 17
	if s.axis.Label != "" {
		y += lineStep
		c.text("m", "middle", (s.from+s.to)/2, y, s.axis.Label)
	}
	c.reach(y + 6)
	return y + 6
}

// vertical draws the ticks of s as horizontal grid lines from left to right,
// with their numbers at the left and the label above.
func (c *canvas) vertical(s scale, left, right float64) {
	for _, v := range s.ticks {
		y := s.at(v)
		c.line(gridClass(s, v), left, y, right, y)
		c.text("m", "end", left-6, y+4.5, s.tick(v))
	}
	if s.axis.Label != "" {
		c.text("m", "start", 0, s.to-12, s.axis.Label)
	}
}

// gridClass makes the line at zero stronger than the others.
func gridClass(s scale, v float64) string {
	if v == 0 && !s.axis.Log && len(s.axis.Names) == 0 {
		return "zero"
	}
	return "grid"
}

// gutter is how much room the numbers of a vertical axis take.
func gutter(s scale) float64 {
	w := 0.0
	for _, v := range s.ticks {
		w = max(w, textWidth(s.tick(v)))
	}
	return w + 14 // a minus and a times sign are wider than most
}
