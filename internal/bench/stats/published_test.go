package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRanksAsRHasThem, with the example of R's help of wilcox.test (permeability
// of membranes, Hollander and Wolfe 1973): W = 35, one-sided P = 0.1272.
func TestRanksAsRHasThem(t *testing.T) {
	x := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	y := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	for name, tt := range map[string]struct {
		xs, ys []float64
		want   float64
	}{
		"R's example":                {x, y, 0.2544},
		"the other way round":        {y, x, 0.2544},
		"four and four, all apart":   {[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2. / 70},
		"SciPy's example":            {[]float64{19, 22, 16, 29, 24}, []float64{20, 11, 17, 12}, 1. / 9},
		"eight and eight, all apart": {[]float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{11, 12, 13, 14, 15, 16, 17, 18}, 2. / 12870},
		"all the same":               {[]float64{1, 1, 1}, []float64{1, 1, 1}, 1},
		"nothing":                    {nil, []float64{1}, 1},
	} {
		if got := MannWhitney(tt.xs, tt.ys); !near(got, tt.want, 5e-5) {
			t.Errorf("%s: got P = %.5f, want %.5f", name, got, tt.want)
		}
	}
}

// TestHolmAsRHasIt, with what p.adjust(p, "holm") says.
func TestHolmAsRHasIt(t *testing.T) {
	for _, tt := range []struct{ ps, want []float64 }{
		{[]float64{0.01, 0.02, 0.03, 0.04, 0.05}, []float64{0.05, 0.08, 0.09, 0.09, 0.09}},
		{[]float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201}, []float64{0.0005, 0.0016, 0.0057, 0.019, 0.0201}},
		{[]float64{0.9, 0.8}, []float64{1, 1}},
		{nil, nil},
	} {
		if got := Holm(tt.ps); !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return near(a, b, 1e-12) }) {
			t.Errorf("Holm of %v: got %v, want %v", tt.ps, got, tt.want)
		}
	}
}

// TestQuantilesAsRHasThem, with R's default, type 7, of its data set rivers'
// first ten values.
func TestQuantilesAsRHasThem(t *testing.T) {
	xs := slices.Sorted(slices.Values([]float64{735, 320, 325, 392, 524, 450, 1459, 135, 465, 600}))
	for q, want := range map[float64]float64{0: 135, 0.25: 341.75, 0.5: 457.5, 0.75: 581, 0.9: 807.4, 1: 1459} {
		if got := Quantile(xs, q); !near(got, want, 1e-9) {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: got %v, want NaN", got)
	}
}

// TestNoneOfNBoundsTheShare: the rule of three, whose exact form Hanley and
// Lippman-Hand tabulate (JAMA 1983): none of 10 means at most 26 %, none of 100
// at most 3 %.
func TestNoneOfNBoundsTheShare(t *testing.T) {
	for n, want := range map[int]float64{0: 1, 1: 0.95, 10: 0.259, 30: 0.095, 100: 0.0295} {
		if got := AtMost(n); !near(got, want, 5e-4) {
			t.Errorf("none of %d: got at most %.4f, want %.4f", n, got, want)
		}
	}
}

// TestBootstrapOfMiceIsEfrons: of the seven treated mice of Efron and Tibshirani
// (An Introduction to the Bootstrap, tables 2.1 and 2.2) the standard error of the
// mean is 23.36, and the median's percentiles are known exactly: the median of a
// resample is the smallest mouse once in 98, and the second or less once in 10.
func TestBootstrapOfMiceIsEfrons(t *testing.T) {
	var mice []Point
	for i, days := range []float64{94, 197, 16, 38, 99, 141, 23} {
		mice = append(mice, Point{i, 0, days})
	}
	b := Bootstrap{20_000, 1}
	mean := b.Interval(Pair(mice), Column(0))
	if half := (mean.High - mean.Low) / 2; !near(mean.Estimate, 86.86, 0.005) || !near(half, 1.96*23.36, 2) {
		t.Errorf("mean: got %v, want 86.86 ± 45.8", mean)
	}
	if got := b.Interval(Pair(mice), Middle); got != (Interval{94, 23, 141}) {
		t.Errorf("median: got %v, want 94 [23, 141]", got)
	}
}

// TestARatioIsOfMeansAndNotAMeanOfRatios, which would make of two programs, each
// of which is twice as slow at one of two documents, that either is slower.
func TestARatioIsOfMeansAndNotAMeanOfRatios(t *testing.T) {
	a, b := []Point{{0, 0, 10}, {0, 1, 20}}, []Point{{0, 0, 20}, {0, 1, 10}}
	if got := (Bootstrap{100, 1}).Interval(Pair(a, b), Ratio(0, 1)); got.Estimate != 1 {
		t.Errorf("got %v, want 1", got)
	}
}

// TestBootstrapOfAMeanIsThatOfTheory: for many independent values the interval
// of a mean is its standard error, times 1.96.
func TestBootstrapOfAMeanIsThatOfTheory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var ps []Point
	for i := range 400 {
		ps = append(ps, Point{i, 0, 100 + 10*r.NormFloat64()})
	}
	i := (Bootstrap{4000, 3}).Interval(Pair(ps), Column(0))
	if half, want := (i.High-i.Low)/2, 1.96*10/math.Sqrt(400); math.Abs(half-want) > 0.15*want {
		t.Errorf("got ±%.3f, want ±%.3f within 15 %%", half, want)
	}
}

// TestUnpairedRatioCoversTheTruth: two runs of days apart, one 1.2 times the
// other.
func TestUnpairedRatioCoversTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	covered := 0
	const experiments = 200
	for n := range experiments {
		draw := func(mean float64) Table {
			var ps []Point
			for inv := range 6 {
				for block := range 5 {
					ps = append(ps, Point{inv, block, mean * (1 + 0.02*r.NormFloat64())})
				}
			}
			return Pair(ps)
		}
		if (Bootstrap{300, uint64(n)}).Unpaired(draw(50), draw(60)).Contains(1.2) {
			covered++
		}
	}
	if got := float64(covered) / experiments; got < 0.88 || got > 0.99 {
		t.Errorf("covered in %.2f of the experiments, want about 0.95", got)
	}
}

// TestASeedMakesTheSameInterval, and nothing at all an empty one.
func TestASeedMakesTheSameInterval(t *testing.T) {
	ps := []Point{{0, 0, 1}, {0, 1, 4}, {1, 0, 2}, {1, 1, 9}}
	b := Bootstrap{500, 7}
	if x, y := b.Interval(Pair(ps), Middle), b.Interval(Pair(ps), Middle); x != y || x.Low >= x.High {
		t.Errorf("got %v and %v, want the same, and not a point", x, y)
	}
	if x := b.Interval(Pair(ps, nil), Ratio(0, 1)); x != (Interval{}) {
		t.Errorf("of no common block: got %v, want zeros", x)
	}
}

// TestAProductHoldsAllCorners, also where a count may be negative.
func TestAProductHoldsAllCorners(t *testing.T) {
	got := Interval{2, -1, 3}.Product(Interval{10, 8, 12})
	if want := (Interval{20, -12, 36}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
