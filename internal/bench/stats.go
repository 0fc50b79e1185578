package bench

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// A point is one measured value with where it was measured. Values of one
// invocation and block are paired.
type point struct {
	invocation, block int
	x                 float64
}

// A table has the values of several cells that were measured in the same
// blocks: rows[i] has one value for each cell. Its rows are grouped by
// invocation, because those of one invocation have more in common.
type table struct {
	groups [][][]float64 // invocation, block, cell
}

// pair returns the blocks in which every one of the columns has a value. Where
// a column has several in a block, their mean counts.
func pair(columns ...[]point) table {
	type key struct{ invocation, block int }
	sums := make(map[key][]float64)
	counts := make(map[key][]int)
	for i, column := range columns {
		for _, p := range column {
			k := key{p.invocation, p.block}
			if sums[k] == nil {
				sums[k], counts[k] = make([]float64, len(columns)), make([]int, len(columns))
			}
			sums[k][i] += p.x
			counts[k][i]++
		}
	}
	groups := make(map[int][]key)
	for k, n := range counts {
		if !slices.Contains(n, 0) {
			groups[k.invocation] = append(groups[k.invocation], k)
		}
	}
	var t table
	for _, invocation := range sorted(groups) {
		keys := groups[invocation]
		slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.block, b.block) })
		var rows [][]float64
		for _, k := range keys {
			row := sums[k]
			for i := range row {
				row[i] /= float64(counts[k][i])
			}
			rows = append(rows, row)
		}
		t.groups = append(t.groups, rows)
	}
	return t
}

// sorted returns the keys of m in order.
func sorted[V any](m map[int]V) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// rows returns all rows, whatever their invocation.
func (t table) rows() [][]float64 { return slices.Concat(t.groups...) }

// means returns the mean of each column of rows.
func means(rows [][]float64) []float64 {
	if len(rows) == 0 {
		return nil
	}
	m := make([]float64, len(rows[0]))
	for _, row := range rows {
		for i, x := range row {
			m[i] += x / float64(len(rows))
		}
	}
	return m
}

// A bootstrap makes confidence intervals by resampling invocations and then
// the blocks in them, as Kalibera and Jones do: two blocks of one invocation
// tell less than two of different ones. With a single invocation it can only
// resample blocks, and its intervals are too narrow by what differs between
// invocations.
//
// Intervals are percentiles of the resampled estimates.
type bootstrap struct {
	resamples int
	seed      uint64
}

// confidence is that of every interval.
const confidence = 0.95

// interval returns the estimate that f makes of all rows of t and its interval.
// Without rows it returns zeros, and with fewer than two NaN is avoided by
// bounds that equal the estimate.
func (b bootstrap) interval(t table, f func(rows [][]float64) float64) Interval {
	rows := t.rows()
	if len(rows) == 0 {
		return Interval{}
	}
	estimate := f(rows)
	r := rand.New(rand.NewPCG(b.seed, 0x626f6f74))
	xs := make([]float64, 0, b.resamples)
	sample := make([][]float64, 0, len(rows))
	for range b.resamples {
		sample = sample[:0]
		for range t.groups {
			group := t.groups[r.IntN(len(t.groups))]
			for range group {
				sample = append(sample, group[r.IntN(len(group))])
			}
		}
		if x := f(sample); !math.IsNaN(x) && !math.IsInf(x, 0) {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return Interval{estimate, estimate, estimate}
	}
	slices.Sort(xs)
	tail := (1 - confidence) / 2
	return Interval{estimate, quantile(xs, tail), quantile(xs, 1-tail)}
}

// quantile returns the q-quantile of xs, which is sorted, between its values
// (R's type 7).
func quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	at := q * float64(len(xs)-1)
	i := int(at)
	if i+1 >= len(xs) {
		return xs[len(xs)-1]
	}
	return xs[i] + (at-float64(i))*(xs[i+1]-xs[i])
}

// median returns the median of xs, in whatever order they are.
func median(xs []float64) float64 {
	return quantile(slices.Sorted(slices.Values(xs)), 0.5)
}

// column returns a function for interval: the mean of column i.
func column(i int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { return means(rows)[i] }
}

// difference returns a function for interval: the mean of column i less that
// of column j. Means add up along a ladder; medians would not.
func difference(i, j int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { m := means(rows); return m[i] - m[j] }
}

// ratio returns a function for interval: the mean of column i over that of
// column j.
func ratio(i, j int) func([][]float64) float64 {
	return func(rows [][]float64) float64 { m := means(rows); return m[i] / m[j] }
}

// summed returns the figures of one column.
func (b bootstrap) summed(t table) Summed {
	rows := t.rows()
	if len(rows) == 0 {
		return Summed{}
	}
	var xs []float64
	for _, row := range rows {
		xs = append(xs, row[0])
	}
	first := func(rows [][]float64) float64 {
		xs := make([]float64, len(rows))
		for i, row := range rows {
			xs[i] = row[0]
		}
		return median(xs)
	}
	return Summed{Median: b.interval(t, first), Mean: stats.Mean(xs), Min: slices.Min(xs), Max: slices.Max(xs)}
}

// outliers reports which of xs are more than three interquartile ranges from
// the quartiles (Tukey's outer fences). Below eight values nothing is one.
func outliers(xs []float64) []bool {
	out := make([]bool, len(xs))
	if len(xs) < 8 {
		return out
	}
	s := slices.Sorted(slices.Values(xs))
	lo, hi := quantile(s, 0.25), quantile(s, 0.75)
	for i, x := range xs {
		out[i] = x < lo-3*(hi-lo) || x > hi+3*(hi-lo)
	}
	return out
}

// mannWhitney returns the two-sided P value of two samples, 1 when there is
// nothing to tell from.
func mannWhitney(xs, ys []float64) float64 {
	r, err := stats.MannWhitneyUTest(xs, ys, stats.LocationDiffers)
	if err != nil {
		return 1
	}
	return min(r.P, 1)
}

// holm returns ps after Holm's correction for having looked at all of them.
func holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	adjusted := make([]float64, len(ps))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, ps[i]*float64(len(ps)-rank)))
		adjusted[i] = highest
	}
	return adjusted
}
