package report

import (
	"math"

	"feedmill/internal/bench"
)

// bounds writes the ends of i in the unit that its estimate is written in.
func (u unit) bounds(i bench.Interval) string { return u.measured(i).Aside }

// measured writes an estimate with its unit and, aside, its 95 % interval, with
// as many figures as the larger of the estimate and half the interval asks for.
func (u unit) measured(i bench.Interval) cell {
	if i == (bench.Interval{}) {
		return cell{Text: "–"}
	}
	size := max(math.Abs(i.Estimate), (i.High-i.Low)/2)
	p := u.pick(size)
	n := u.decimals(size / p.factor)
	return cell{Text: u.join(figures(i.Estimate/p.factor, n), p),
		Aside: "[" + figures(i.Low/p.factor, n) + ",\u00a0" + figures(i.High/p.factor, n) + "]"}
}

// difference is measured with a sign before the estimate.
func (u unit) difference(i bench.Interval) cell {
	c := u.measured(i)
	if i.Estimate > 0 {
		c.Text = "+" + c.Text
	}
	return c
}

// pointer is difference of what may not have been measured.
func (u unit) pointer(i *bench.Interval) cell {
	if i == nil {
		return cell{Text: "–"}
	}
	return u.difference(*i)
}

// more writes a ratio as what comes on top, the way people say it: 1.38 is
// "38 % more", 0.9 is "10 % less".
func more(ratio float64) string {
	p := (ratio - 1) * 100
	word := "more"
	if p < 0 {
		word = "less"
	}
	n := 0
	if math.Abs(p) < 9.95 {
		n = 1
	}
	return figures(math.Abs(p), n) + " % " + word
}

// share writes a fraction of 1 as a percentage.
func share(v float64) string {
	n := 0
	if math.Abs(v) < 0.0995 {
		n = 1
	}
	return figures(v*100, n) + "\u00a0%"
}

// scaled is i with its three numbers multiplied.
func scaled(i bench.Interval, by float64) bench.Interval {
	return bench.Interval{Estimate: i.Estimate * by, Low: i.Low * by, High: i.High * by}
}
