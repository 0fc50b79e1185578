package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Confidence is that of every interval.
const Confidence = 0.95

// An Interval is an estimate with the bounds of its 95 % confidence interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Exactly is the interval of what was counted and not estimated.
func Exactly(x float64) Interval { return Interval{x, x, x} }

// Contains reports whether x is within the bounds.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }

// Plus returns the sum of two independent estimates.
func (i Interval) Plus(o Interval) Interval {
	e := i.Estimate + o.Estimate
	return Interval{e, e - math.Hypot(i.Estimate-i.Low, o.Estimate-o.Low), e + math.Hypot(i.High-i.Estimate, o.High-o.Estimate)}
}

// Minus returns the difference of two independent estimates.
func (i Interval) Minus(o Interval) Interval {
	return i.Plus(Interval{-o.Estimate, -o.High, -o.Low})
}

// Times returns the estimate times a number that is not negative.
func (i Interval) Times(x float64) Interval {
	return Interval{i.Estimate * x, i.Low * x, i.High * x}
}

// Product returns a count times a price, each with its interval. Its bounds are
// those of the corners, so it is no less than 95 %.
func (i Interval) Product(o Interval) Interval {
	corners := []float64{i.Low * o.Low, i.Low * o.High, i.High * o.Low, i.High * o.High}
	return Interval{i.Estimate * o.Estimate, slices.Min(corners), slices.Max(corners)}
}

// A Bootstrap makes confidence intervals by resampling invocations and then
// the blocks in them, as Kalibera and Jones do: two blocks of one invocation
// tell less than two of different ones. With a single invocation it can only
// resample blocks, and its intervals are too narrow by what differs between
// invocations.
//
// Intervals are percentiles of the resampled estimates.
type Bootstrap struct {
	Resamples int
	Seed      uint64
}

// Interval returns the estimate that f makes of all rows of t and its interval.
// Without rows it is all zeros.
func (b Bootstrap) Interval(t Table, f func(rows [][]float64) float64) Interval {
	return b.resample(func(rows func(Table) [][]float64) float64 { return f(rows(t)) }, t)
}

// Unpaired returns the ratio of the means of the first columns, new over old,
// with an interval from resampling each by itself.
func (b Bootstrap) Unpaired(old, new Table) Interval {
	return b.resample(func(rows func(Table) [][]float64) float64 { return Means(rows(new))[0] / Means(rows(old))[0] }, old, new)
}

// resample makes an interval of what f makes of drawn rows; of those that there are
// it makes the estimate.
func (b Bootstrap) resample(f func(rows func(Table) [][]float64) float64, tables ...Table) Interval {
	for _, t := range tables {
		if len(t.Groups) == 0 {
			return Interval{}
		}
	}
	estimate := f(Table.Rows)
	r := rand.New(rand.NewPCG(b.Seed, 0x626f6f74))
	xs := make([]float64, 0, b.Resamples)
	for range b.Resamples {
		if x := f(func(t Table) [][]float64 { return t.drawn(r) }); !math.IsNaN(x) && !math.IsInf(x, 0) {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return Exactly(estimate)
	}
	tail := (1 - Confidence) / 2
	return Interval{estimate, Quantile(xs, tail), Quantile(xs, 1-tail)}
}

// drawn returns as many invocations and blocks as there are, drawn anew.
func (t Table) drawn(r *rand.Rand) [][]float64 {
	rows := make([][]float64, 0, len(t.Groups)*len(t.Groups[0]))
	for range t.Groups {
		group := t.Groups[r.IntN(len(t.Groups))]
		for range group {
			rows = append(rows, group[r.IntN(len(group))])
		}
	}
	return rows
}

// Column returns a function for Interval: the mean of column i.
func Column(i int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { return Means(rows)[i] }
}

// Difference returns a function for Interval: the mean of column i less that
// of column j. Means add up along a ladder; medians would not.
func Difference(i, j int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { m := Means(rows); return m[i] - m[j] }
}

// Ratio returns a function for Interval: the mean of column i over that of
// column j.
func Ratio(i, j int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { m := Means(rows); return m[i] / m[j] }
}

// Middle is a function for Interval: the median of the first column.
func Middle(rows [][]float64) float64 { return Quantile(Arm(rows, 0), 0.5) }
