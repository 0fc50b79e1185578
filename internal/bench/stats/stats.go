// Package stats has the statistics of paired experiments: blocks in which every
// arm was measured once, means and ratios with bootstrapped intervals, and a rank
// test with a correction for many looks. It knows numbers alone, and nothing of
// what they measure.
//
// It refuses to assume that values are normal, or that two of one block tell as
// much as two of different ones.
package stats

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// A Point is one measured value with where it was measured. Values of one
// invocation and block are paired.
type Point struct {
	Invocation, Block int
	X                 float64
}

// A Table has the values of several arms that were measured in the same blocks:
// a row for each block, a column for each arm. Its rows are grouped by
// invocation, because those of one invocation have more in common.
type Table struct {
	Groups [][][]float64 // invocation, block, arm
}

// Pair returns the blocks in which every one of the columns has a value. Where
// a column has several in a block, their mean counts.
func Pair(columns ...[]Point) Table {
	type key struct{ invocation, block int }
	sums := make(map[key][]float64)
	counts := make(map[key][]int)
	for i, column := range columns {
		for _, p := range column {
			k := key{p.Invocation, p.Block}
			if sums[k] == nil {
				sums[k], counts[k] = make([]float64, len(columns)), make([]int, len(columns))
			}
			sums[k][i] += p.X
			counts[k][i]++
		}
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.invocation, b.invocation), cmp.Compare(a.block, b.block))
	})
	var t Table
	last := math.MinInt
	for _, k := range keys {
		if slices.Contains(counts[k], 0) {
			continue
		}
		row := sums[k]
		for i := range row {
			row[i] /= float64(counts[k][i])
		}
		if k.invocation != last {
			last, t.Groups = k.invocation, append(t.Groups, nil)
		}
		group := &t.Groups[len(t.Groups)-1]
		*group = append(*group, row)
	}
	return t
}

// Rows returns all rows, whatever their invocation.
func (t Table) Rows() [][]float64 { return slices.Concat(t.Groups...) }

// Arm returns column i of rows.
func Arm(rows [][]float64, i int) []float64 {
	xs := make([]float64, len(rows))
	for n, row := range rows {
		xs[n] = row[i]
	}
	return xs
}

// Means returns the mean of each column of rows.
func Means(rows [][]float64) []float64 {
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

// Quantile returns the q-quantile of xs, in whatever order they are, between its
// values (R's type 7), and NaN of none.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	xs = slices.Sorted(slices.Values(xs))
	at := q * float64(len(xs)-1)
	i := min(int(at), max(len(xs)-2, 0))
	return xs[i] + (at-float64(i))*(xs[min(i+1, len(xs)-1)]-xs[i])
}

// MannWhitney returns the two-sided P value of two samples: exact for few
// values, by the normal approximation for many, and 1 when there is nothing to
// tell from.
func MannWhitney(xs, ys []float64) float64 {
	r, err := stats.MannWhitneyUTest(xs, ys, stats.LocationDiffers)
	if err != nil {
		return 1
	}
	return min(r.P, 1)
}

// Holm returns ps after Holm's correction for having looked at all of them.
func Holm(ps []float64) []float64 {
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

// AtMost returns the upper bound, with 95 % confidence, of the share of what was
// seen in none of n trials: the exact form of the rule of three.
func AtMost(n int) float64 {
	if n < 1 {
		return 1
	}
	return 1 - math.Pow(1-Confidence, 1/float64(n))
}
