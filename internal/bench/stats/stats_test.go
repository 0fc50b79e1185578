package stats

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
		if got := Quantile(xs, q); !near(got, want, 1e-12) {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := Quantile([]float64{9, 1, 4, 2}, 0.5); got != 3 {
		t.Errorf("median: got %v, want 3", got)
	}
}

// TestBlocksArePaired: a block counts only when every cell has a value there,
// and drift that is common to a block's cells cancels.
func TestBlocksArePaired(t *testing.T) {
	a := []Point{{0, 0, 10}, {0, 1, 20}, {1, 0, 90}, {1, 1, 5}}
	b := []Point{{1, 0, 87}, {0, 1, 17}, {0, 0, 7}}
	got := Pair(a, b).Groups
	want := [][][]float64{{{10, 7}, {20, 17}}, {{90, 87}}}
	if len(got) != 2 || !slices.EqualFunc(got[0], want[0], slices.Equal) || !slices.EqualFunc(got[1], want[1], slices.Equal) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if i := (Bootstrap{200, 1}).Interval(Pair(a, b), Difference(0, 1)); !near(i.Low, 3, 1e-9) || !near(i.High, 3, 1e-9) {
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
		var ps, flat []Point
		for inv := range 8 {
			shift := 3 * r.NormFloat64()
			for block := range 5 {
				x := truth + shift + r.NormFloat64()
				ps = append(ps, Point{inv, block, x})
				flat = append(flat, Point{0, inv*5 + block, x})
			}
		}
		if (Bootstrap{400, uint64(n)}).Interval(Pair(ps), Column(0)).Contains(truth) {
			covered++
		}
		if (Bootstrap{400, uint64(n)}).Interval(Pair(flat), Column(0)).Contains(truth) {
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
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	want := []float64{0.03, 0.06, 0.06, 0.02}
	for i := range want {
		if !near(got[i], want[i], 1e-12) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestIndependentErrorsAdd(t *testing.T) {
	a, b := Interval{10, 7, 13}, Interval{4, 0, 8}
	if got := a.Plus(b); !near(got.Estimate, 14, 1e-9) || !near(got.Low, 9, 1e-9) || !near(got.High, 19, 1e-9) {
		t.Errorf("sum: got %v, want 14 [9, 19]", got)
	}
	if got := a.Minus(b); !near(got.Estimate, 6, 1e-9) || !near(got.Low, 1, 1e-9) || !near(got.High, 11, 1e-9) {
		t.Errorf("difference: got %v, want 6 [1, 11]", got)
	}
}
