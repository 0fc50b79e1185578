package bench

import (
	"errors"
	"math"

	"github.com/aclements/go-moremath/mathx"
)

// errSingular says that the columns of a design do not tell the terms apart,
// as when items and bytes were never varied apart.
var errSingular = errors.New("fit line: the terms cannot be told apart")

// leastSquares returns the coefficients b that minimise the weighted squares
// of y - X b. It solves the normal equations, which is exact enough for the
// three or four terms of a cost model once its columns are scaled.
func leastSquares(x [][]float64, y, weight []float64) ([]float64, error) {
	if len(x) == 0 {
		return nil, errSingular
	}
	k := len(x[0])
	scale := make([]float64, k)
	for _, row := range x {
		for j, v := range row {
			scale[j] = max(scale[j], math.Abs(v))
		}
	}
	a := make([][]float64, k) // the normal equations, with the right side as last column
	for i := range a {
		a[i] = make([]float64, k+1)
		if scale[i] == 0 {
			return nil, errSingular
		}
	}
	for n, row := range x {
		for i := range k {
			for j := range k {
				a[i][j] += weight[n] * row[i] / scale[i] * row[j] / scale[j]
			}
			a[i][k] += weight[n] * row[i] / scale[i] * y[n]
		}
	}
	b, err := solve(a)
	for i := range b {
		b[i] /= scale[i]
	}
	return b, err
}

// solve solves the linear equations in a by elimination with row exchange. It
// destroys a.
func solve(a [][]float64) ([]float64, error) {
	k := len(a)
	for i := range k {
		best := i
		for r := i + 1; r < k; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[best][i]) {
				best = r
			}
		}
		a[i], a[best] = a[best], a[i]
		if math.Abs(a[i][i]) < 1e-12*float64(k) {
			return nil, errSingular
		}
		for r := range k {
			if r == i {
				continue
			}
			f := a[r][i] / a[i][i]
			for c := i; c <= k; c++ {
				a[r][c] -= f * a[i][c]
			}
		}
	}
	b := make([]float64, k)
	for i := range k {
		b[i] = a[i][k] / a[i][i]
	}
	return b, nil
}

// An observation is one paired difference at one point of a design.
type observation struct {
	point int // which point
	x     []float64
	y     float64
}

// lackOfFit compares what a line leaves between the points with what the
// observations of one point differ by: the usual F test. It returns zeros when
// there are too few points or observations for it.
func lackOfFit(obs []observation, b []float64) FTest {
	sum, count := make(map[int]float64), make(map[int]float64)
	for _, o := range obs {
		sum[o.point] += o.y
		count[o.point]++
	}
	var pure, lack float64
	for _, o := range obs {
		d := o.y - sum[o.point]/count[o.point]
		pure += d * d
		l := sum[o.point]/count[o.point] - dot(o.x, b)
		lack += l * l
	}
	f := FTest{DF1: len(count) - len(b), DF2: len(obs) - len(count)}
	if f.DF1 < 1 || f.DF2 < 1 || pure == 0 {
		return FTest{}
	}
	f.F = (lack / float64(f.DF1)) / (pure / float64(f.DF2))
	f.P = fTail(f.F, f.DF1, f.DF2)
	return f
}

// fTail returns the chance of an F statistic of at least f.
func fTail(f float64, df1, df2 int) float64 {
	d1, d2 := float64(df1), float64(df2)
	return mathx.BetaInc(d2/(d2+d1*f), d2/2, d1/2)
}

// adjustedR2 returns the share of the variance of y that the line explains,
// corrected for the number of its terms.
func adjustedR2(obs []observation, b []float64) float64 {
	mean := 0.0
	for _, o := range obs {
		mean += o.y / float64(len(obs))
	}
	var res, tot float64
	for _, o := range obs {
		r, t := o.y-dot(o.x, b), o.y-mean
		res += r * r
		tot += t * t
	}
	n, k := float64(len(obs)), float64(len(b))
	if tot == 0 || n <= k {
		return 0
	}
	return 1 - (res/(n-k))/(tot/(n-1))
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}
