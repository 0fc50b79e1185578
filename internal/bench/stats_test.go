package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(a, b, by float64) bool { return math.Abs(a-b) <= by }

func TestQuantilesOfKnownSamples(t *testing.T) {
	xs := []float64{1, 2, 3, 4, 10}
	for q, want := range map[float64]float64{0: 1, 0.25: 2, 0.5: 3, 0.75: 4, 0.875: 7, 1: 10} {
		if got := quantile(xs, q); !near(got, want, 1e-12) {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := median([]float64{9, 1, 4, 2}); got != 3 {
		t.Errorf("median: got %v, want 3", got)
	}
}

// TestBlocksArePaired: a block counts only when every cell has a value there,
// and drift that is common to a block's cells cancels.
func TestBlocksArePaired(t *testing.T) {
	a := []point{{0, 0, 10}, {0, 1, 20}, {1, 0, 90}, {1, 1, 5}}
	b := []point{{1, 0, 87}, {0, 1, 17}, {0, 0, 7}}
	got := pair(a, b).groups
	want := [][][]float64{{{10, 7}, {20, 17}}, {{90, 87}}}
	if len(got) != 2 || !slices.EqualFunc(got[0], want[0], slices.Equal) || !slices.EqualFunc(got[1], want[1], slices.Equal) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if i := (bootstrap{200, 1}).interval(pair(a, b), difference(0, 1)); !near(i.Low, 3, 1e-9) || !near(i.High, 3, 1e-9) {
		t.Errorf("a constant difference under drift: got %v, want 3 and nothing else", i)
	}
}

// TestIntervalsCoverTheTruth draws experiments whose truth is known, with a
// variance between invocations that blocks alone would not see.
func TestIntervalsCoverTheTruth(t *testing.T) {
	const experiments, truth = 300, 50.0
	r := rand.New(rand.NewPCG(11, 12))
	covered, blocksAlone := 0, 0
	for n := range experiments {
		var ps, flat []point
		for inv := range 8 {
			shift := 3 * r.NormFloat64()
			for block := range 5 {
				x := truth + shift + r.NormFloat64()
				ps = append(ps, point{inv, block, x})
				flat = append(flat, point{0, inv*5 + block, x})
			}
		}
		if (bootstrap{400, uint64(n)}).interval(pair(ps), column(0)).Contains(truth) {
			covered++
		}
		if (bootstrap{400, uint64(n)}).interval(pair(flat), column(0)).Contains(truth) {
			blocksAlone++
		}
	}
	// Percentiles of eight invocations cover a little less than they say.
	if got := float64(covered) / experiments; got < 0.84 || got > 0.99 {
		t.Errorf("intervals cover the truth in %.2f of the experiments, want about 0.9", got)
	}
	if blocksAlone >= covered {
		t.Errorf("blocks alone cover it in %d, invocations too in %d: resampling invocations is of no use", blocksAlone, covered)
	}
}

func TestHolmOfTheTextbook(t *testing.T) {
	got := holm([]float64{0.01, 0.04, 0.03, 0.005})
	want := []float64{0.03, 0.06, 0.06, 0.02}
	for i := range want {
		if !near(got[i], want[i], 1e-12) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestOutliersAreMarkedAndStay(t *testing.T) {
	xs := []float64{10, 11, 10, 12, 11, 10, 11, 12, 90}
	got := outliers(xs)
	if slices.Index(got, true) != 8 || len(got) != len(xs) {
		t.Errorf("got %v, want only the last one marked", got)
	}
}

// TestLineIsFound in data that are one, with weights that do not matter then.
func TestLineIsFound(t *testing.T) {
	var x [][]float64
	var y, w []float64
	for _, at := range [][2]float64{{20, 20_000}, {80, 16_000}, {20, 80_000}, {5, 5000}, {5, 20_000}} {
		x = append(x, []float64{1, at[0], at[1]})
		y = append(y, 8000+150*at[0]+1.5*at[1])
		w = append(w, 1/at[1])
	}
	b, err := leastSquares(x, y, w)
	if err != nil || !near(b[0], 8000, 1e-3) || !near(b[1], 150, 1e-5) || !near(b[2], 1.5, 1e-7) {
		t.Errorf("got %v, %v, want 8000, 150, 1.5", b, err)
	}
}

func TestItemsAndBytesThatMoveTogetherAreRefused(t *testing.T) {
	var x [][]float64
	for _, n := range []float64{1, 2, 3, 4} {
		x = append(x, []float64{1, n, 1000 * n})
	}
	if b, err := leastSquares(x, []float64{1, 2, 3, 4}, []float64{1, 1, 1, 1}); err == nil {
		t.Errorf("got %v, want an error: the terms cannot be told apart", b)
	}
}

// TestLackOfFitTellsALineFromACurve, with P values of a table of F.
func TestLackOfFitTellsALineFromACurve(t *testing.T) {
	// F(3, 10) has 5 % of its mass above 3.708, F(1, 5) 1 % above 16.26.
	for _, tt := range []struct {
		f        float64
		df1, df2 int
		want     float64
	}{{3.708, 3, 10, 0.05}, {16.26, 1, 5, 0.01}, {1, 4, 4, 0.5}} {
		if got := fTail(tt.f, tt.df1, tt.df2); !near(got, tt.want, 2e-4) {
			t.Errorf("P(F(%d, %d) > %v): got %.4f, want %.4f", tt.df1, tt.df2, tt.f, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	p := func(curve float64) float64 {
		var obs []observation
		var x [][]float64
		var y, w []float64
		for n, at := range []float64{1, 2, 4, 8} {
			for range 10 {
				o := observation{n, []float64{1, at}, 5 + 2*at + curve*at*at + 0.3*r.NormFloat64()}
				obs = append(obs, o)
				x, y, w = append(x, o.x), append(y, o.y), append(w, 1)
			}
		}
		b, err := leastSquares(x, y, w)
		if err != nil {
			t.Fatal(err)
		}
		return lackOfFit(obs, b).P
	}
	if line, curve := p(0), p(0.2); line < 0.01 || curve > 1e-6 {
		t.Errorf("P of a line %.3g, of a curve %.3g, want a large one and a small one", line, curve)
	}
}

func TestIndependentErrorsAdd(t *testing.T) {
	a, b := Interval{10, 7, 13}, Interval{4, 0, 8}
	if got := a.plus(b); !near(got.Estimate, 14, 1e-9) || !near(got.Low, 9, 1e-9) || !near(got.High, 19, 1e-9) {
		t.Errorf("sum: got %v, want 14 [9, 19]", got)
	}
	if got := a.minus(b); !near(got.Estimate, 6, 1e-9) || !near(got.Low, 1, 1e-9) || !near(got.High, 11, 1e-9) {
		t.Errorf("difference: got %v, want 6 [1, 11]", got)
	}
}
