package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var one = 1.0

// charts are one of each kind, with what is awkward: nothing at all, a single
// value, values below zero, numbers that are none, names that are too long and
// names that are markup.
var charts = map[string]Chart{
	"bars": Bars{Axis: Axis{Label: "µs"}, Series: []string{"a", "b & <c>", "", strings.Repeat("long ", 20)}, Colours: []int{Quiet, 0, 1, 2}, Rows: []Bar{
		{Name: "one", Value: "3 µs", Parts: []float64{1, 2}, Tips: []string{`"tip"`}, Lo: 2, Hi: 4},
		{Name: strings.Repeat("a name of many words ", 6), Value: "−1 µs", Parts: []float64{2, -3, math.NaN(), 0}},
	}},
	"no bars":   Bars{},
	"intervals": Intervals{Series: []string{"x", "y"}, Reference: &one, Rows: []Row{{Name: "r", Value: "1.2×", Estimates: []Estimate{{Value: 1.2, Lo: 1, Hi: 1.4}, {Missing: true}}}}},
	"log":       Intervals{Axis: Axis{Log: true}, Rows: []Row{{Name: "r", Estimates: []Estimate{{Value: 1000, Lo: 0, Hi: 2000}, {Value: 0.1, Lo: 0.1, Hi: 0.1}}}}},
	"no rows":   Intervals{},
	"xy": XY{X: Axis{Log: true, Label: "bytes"}, Y: Axis{Label: "ns", Zero: true}, Reference: &one, Lines: []Line{
		{Name: "l", Join: true, Dashed: true, Points: []Point{{1, 10, 9, 11, "t"}, {100, 30, 30, 30, ""}}},
		{Name: "band", Series: 1, Band: true, Join: true, Bare: true, Points: []Point{{1, 10, 9, 11, ""}, {100, 30, 20, 31, ""}}}},
		Residuals: &XY{Y: Axis{Label: "left"}, Lines: []Line{{Points: []Point{{1, -1, -2, 0, ""}}}}}},
	"names":    XY{X: Axis{Names: []string{"none", "5 ms"}}, Lines: []Line{{Points: []Point{{0, 1, 0, 0, ""}, {1, 2, 1, 3, ""}}}}},
	"no lines": XY{},
	"strips":   Strips{Lanes: []Lane{{Name: "lane", Value: "5", Median: 5, Lo: 4, Hi: 6, Dots: []Dot{{4, false, ""}, {9, true, "<far>"}}}, {Name: "empty"}}},
}

func TestEveryDrawingIsWellFormedAndSaysWhatItShows(t *testing.T) {
	for name, chart := range charts {
		for _, width := range []float64{316, 720} {
			svg := Draw(Info{ID: "x", Title: "T & t", Desc: "what <is> \x00shown"}, width, chart)
			for _, text := range []string{svg, Standalone(Info{ID: "x"}, width, chart)} {
				if err := wellFormed(text); err != nil {
					t.Errorf("%s at %v: %v in\n%s", name, width, err, text)
				}
			}
			for _, want := range []string{`role="img"`, `aria-labelledby="x-t x-d"`, `<title id="x-t">T &amp; t</title>`, `<desc id="x-d">what &lt;is&gt; shown</desc>`} {
				if !strings.Contains(svg, want) {
					t.Errorf("%s: no %s in\n%.300s", name, want, svg)
				}
			}
			for _, never := range []string{"NaN", "Inf", "<script", "style=", "http://"} {
				if strings.Contains(strings.Replace(svg, `xmlns="http://www.w3.org/2000/svg"`, "", 1), never) {
					t.Errorf("%s: %s in\n%s", name, never, svg)
				}
			}
		}
	}
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestNothingIsDrawnOutsideThePaper reads the coordinates back, of boxes, lines
// and the beginnings of texts and paths.
func TestNothingIsDrawnOutsideThePaper(t *testing.T) {
	for name, chart := range charts {
		svg := Draw(Info{ID: "x"}, 400, chart)
		var height float64
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			at := func(key string) float64 {
				for _, a := range e.Attr {
					if a.Name.Local == key {
						v, err := strconv.ParseFloat(a.Value, 64)
						if err != nil {
							t.Errorf("%s: %s is %q", name, key, a.Value)
						}
						return v
					}
				}
				return 0
			}
			if e.Name.Local == "svg" {
				height = at("height")
				continue
			}
			for _, x := range []float64{at("x"), at("x1"), at("x2"), at("x") + at("width")} {
				if e.Name.Local != "svg" && (x < 0 || x > 400.1) {
					t.Errorf("%s: %s reaches %v of 400", name, e.Name.Local, x)
				}
			}
			for _, y := range []float64{at("y"), at("y1"), at("y2"), at("y") + at("height")} {
				if y < 0 || y > height+0.1 {
					t.Errorf("%s: %s reaches down to %v of %v", name, e.Name.Local, y, height)
				}
			}
		}
	}
}

func TestTicksAreRoundAndHoldTheValues(t *testing.T) {
	for _, tt := range []struct {
		lo, hi float64
		want   int
		ticks  []float64
	}{
		{0, 10, 5, []float64{0, 2, 4, 6, 8, 10}},
		{0.1, 0.32, 4, []float64{0.1, 0.2, 0.3, 0.4}},
		{-3, 7, 4, []float64{-5, 0, 5, 10}},
		{5, 5, 4, []float64{2, 4, 6, 8}},
		{0, 0, 4, []float64{-1, -0.5, 0, 0.5, 1}},
		{1e9, 1.2e9, 4, []float64{1e9, 1.05e9, 1.1e9, 1.15e9, 1.2e9}},
	} {
		from, to, ticks := niceTicks(tt.lo, tt.hi, tt.want)
		if !slices.Equal(ticks, tt.ticks) {
			t.Errorf("ticks for %v to %v: got %v, want %v", tt.lo, tt.hi, ticks, tt.ticks)
		}
		if from > tt.lo || to < tt.hi {
			t.Errorf("ticks for %v to %v reach from %v to %v", tt.lo, tt.hi, from, to)
		}
	}
	for _, tt := range []struct {
		lo, hi float64
		ticks  []float64
	}{
		{3, 90, []float64{2, 5, 10, 20, 50, 100}},
		{1, 1e6, []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6}},
		{7, 7, []float64{5, 10}},
	} {
		from, to, ticks := logTicks(tt.lo, tt.hi)
		if !slices.Equal(ticks, tt.ticks) {
			t.Errorf("logarithmic ticks for %v to %v: got %v, want %v", tt.lo, tt.hi, ticks, tt.ticks)
		}
		if from > math.Log10(tt.lo) || to < math.Log10(tt.hi) || from >= to {
			t.Errorf("logarithmic ticks for %v to %v reach from 1e%v to 1e%v", tt.lo, tt.hi, from, to)
		}
	}
}

func TestAValueStandsWhereItsTickDoes(t *testing.T) {
	linear := newScale(Axis{}, []float64{0, 10}, 100, 300, 5)
	if got := linear.at(5); got != 200 {
		t.Errorf("5 of 0 to 10 between 100 and 300: got %v, want 200", got)
	}
	logarithmic := newScale(Axis{Log: true}, []float64{1, 100}, 0, 200, 5)
	if got := logarithmic.at(10); math.Abs(got-100) > 1e-9 {
		t.Errorf("10 of 1 to 100 between 0 and 200, logarithmic: got %v, want 100", got)
	}
	if got := logarithmic.at(-1); got != 0 {
		t.Errorf("-1 on a logarithmic axis: got %v, want the near end", got)
	}
	up := newScale(Axis{}, []float64{0, 10}, 300, 100, 5) // upwards, as y axes go
	if got := up.at(10); got != 100 {
		t.Errorf("10 of 0 to 10 between 300 and 100: got %v, want 100", got)
	}
}

// TestPartsBelowZeroTakeNothingOff: a step that costs less than nothing goes to
// the left of zero, and the others keep their length.
func TestPartsBelowZeroTakeNothingOff(t *testing.T) {
	low, high := Bar{Parts: []float64{2, -3, 4}}.reach()
	if low != -3 || high != 6 {
		t.Errorf("reach of 2, -3, 4: got %v to %v, want -3 to 6", low, high)
	}
	c := &canvas{width: 200}
	Bars{}.row(c, newScale(Axis{}, []float64{-10, 10}, 0, 200, 4), Bar{Parts: []float64{2, -3, 4}}, 0, 10)
	for _, want := range []string{`class="f1 box" x="100" y="0" width="20"`, `class="f2 box" x="70" y="0" width="30"`, `class="f3 box" x="120" y="0" width="40"`} {
		if !strings.Contains(c.b.String(), want) {
			t.Errorf("no box %s in\n%s", want, c.b.String())
		}
	}
}

func TestSameNumbersAreTheSameBytes(t *testing.T) {
	for name, chart := range charts {
		if a, b := Draw(Info{ID: "x"}, 500, chart), Draw(Info{ID: "x"}, 500, chart); a != b {
			t.Errorf("%s: two drawings differ", name)
		}
	}
}

// TestEveryClassHasAStyle: what the style sheet does not know would be drawn in
// black, on dark paper too.
func TestEveryClassHasAStyle(t *testing.T) {
	for name, chart := range charts {
		for _, part := range strings.Split(Draw(Info{ID: "x"}, 500, chart), `class="`)[2:] {
			classes, _, _ := strings.Cut(part, `"`)
			for class := range strings.FieldsSeq(classes) {
				if !strings.Contains(Style, fmt.Sprintf(".plot .%s {", class)) {
					t.Errorf("%s: no style for class %s", name, class)
				}
			}
		}
	}
}
