package report

import (
	"fmt"
	"math"
	"slices"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// modelSection is the fitted cost and what it leaves.
func modelSection(run *bench.Run) section {
	s := section{ID: "model", Title: "What each item and each byte costs"}
	if len(run.Fits) == 0 {
		return s
	}
	s.say("The gap, fitted to differences that are paired in blocks: so much for a feed, for each item and for each byte. " +
		"Items and bytes were varied apart. The lines end where the measurements do: nothing here says what lies beyond.")
	for i, f := range run.Fits {
		s.show(fitFigure(f, fmt.Sprintf("fit%d", i+1)))
		s.tabulate(termsTable(f))
		s.say(lackSentence(f))
		s.fold("Every point of the fit: "+f.What, pointsTable(f))
	}
	return s
}

func lackSentence(f bench.Fit) string {
	verdict := "the line and the points agree within the noise"
	if f.LackOfFit.P < 0.05 {
		verdict = "the line is not the whole truth, so read the residuals before the coefficients"
	}
	return fmt.Sprintf("Lack of fit: F(%d, %d) = %s, %s: %s. Adjusted R² is %s, which never proves a line.",
		f.LackOfFit.DF1, f.LackOfFit.DF2, figures(f.LackOfFit.F, 2), pValue(f.LackOfFit.P), verdict, figures(f.AdjustedR2, 3))
}

func termsTable(f bench.Fit) table {
	t := table{
		Caption: upper(f.What) + ": the terms",
		Columns: []column{{Name: "term"}, {Name: "for", Wrap: true}, {Name: "costs", Number: true}, {Name: "of floor", Number: true}},
	}
	for _, term := range f.Terms {
		floor := cell{Text: "–"}
		if term.Times != 0 {
			floor = cell{Text: times.format(term.Times), Aside: term.Limit}
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: term.Name}, {Text: term.What}, inUnit(term.Unit).difference(term.Value), floor}})
	}
	t.Notes = []string{fmt.Sprintf("Holds for %s to %s items and %s to %s in a feed.", figures(float64(f.Items[0]), 0), figures(float64(f.Items[1]), 0),
		size.format(float64(f.Bytes[0])), size.format(float64(f.Bytes[1])))}
	return t
}

func pointsTable(f bench.Fit) table {
	t := table{
		Caption: "Measured, fitted and left over, one feed",
		Columns: []column{{Name: "items", Number: true}, {Name: "bytes", Number: true}, {Name: "measured", Number: true},
			{Name: "fitted", Number: true}, {Name: "residual", Number: true}},
	}
	for _, p := range f.Cells {
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: figures(float64(p.Items), 0)}, {Text: size.format(float64(p.Bytes))},
			duration.difference(p.Gap), {Text: duration.signed(p.Fitted)},
			{Text: duration.signed(p.Residual), Aside: "(" + share(p.Residual/p.Gap.Estimate) + ")"}}})
	}
	return t
}

// fitFigure draws the points, for each number of items the line of the model
// through the bytes that were measured with it, and below what is left.
func fitFigure(f bench.Fit, id string) figure {
	top, low, high := 0.0, math.Inf(1), 0.0
	positive := true
	for _, p := range f.Cells {
		top = max(top, p.Gap.High)
		low, high = min(low, float64(p.Bytes)), max(high, float64(p.Bytes))
		positive = positive && p.Gap.Low > 0 && p.Fitted > 0
	}
	logarithmic := positive && high > 20*low && low > 0
	format, name := duration.axis(top)
	if logarithmic {
		format, name = duration.tick, ""
	}
	p := plot.XY{
		X:         plot.Axis{Label: "bytes of a feed's list", Log: logarithmic, Format: size.tick},
		Y:         plot.Axis{Label: label("CPU gap for a feed", name), Log: logarithmic, Format: format, Zero: true},
		Residuals: &plot.XY{Y: plot.Axis{Label: "residual, % of the gap", Zero: true, Format: func(v float64) string { return minus(fmt.Sprintf("%g", v)) }}},
	}
	for n, items := range itemLevels(f) {
		points := plot.Line{Name: many(items, "item"), Series: n}
		rest := plot.Line{Series: n}
		for _, pt := range f.Cells {
			if pt.Items != items {
				continue
			}
			tip := fmt.Sprintf("%s, %s: %s", many(items, "item"), size.format(float64(pt.Bytes)), duration.measured(pt.Gap))
			points.Points = append(points.Points, plot.Point{X: float64(pt.Bytes), Y: pt.Gap.Estimate, Lo: pt.Gap.Low, Hi: pt.Gap.High, Tip: tip})
			rest.Points = append(rest.Points, residualPoint(pt))
		}
		p.Lines = append(p.Lines, curve(f, items, n, logarithmic), points)
		p.Residuals.Lines = append(p.Residuals.Lines, rest)
	}
	return figure{
		Info: plot.Info{ID: id, Title: "Gap against bytes: " + f.What,
			Desc: "Measured gaps with 95 % intervals, one line of the fitted model for each number of items, and below the residuals. The folded table has the numbers."},
		Caption: upper(f.What) + ": the gap against the bytes of a feed’s list, with the model and, below, what it leaves.",
		Chart:   p,
	}
}

func residualPoint(p bench.FitPoint) plot.Point {
	of := func(v float64) float64 { return v / math.Abs(p.Gap.Estimate) * 100 }
	return plot.Point{X: float64(p.Bytes), Y: of(p.Residual), Lo: of(p.Gap.Low - p.Fitted), Hi: of(p.Gap.High - p.Fitted),
		Tip: "residual " + duration.signed(p.Residual)}
}

func itemLevels(f bench.Fit) (levels []int) {
	for _, p := range f.Cells {
		if !slices.Contains(levels, p.Items) {
			levels = append(levels, p.Items)
		}
	}
	slices.Sort(levels)
	return levels
}

// curve is the model for one number of items, from the least to the most bytes
// that were measured with it. Between two of its points it is straight, as the
// model is; on logarithmic paper that takes points in between to show.
func curve(f bench.Fit, items, series int, logarithmic bool) plot.Line {
	line := plot.Line{Series: series, Join: true, Bare: true}
	var at []bench.FitPoint
	for _, p := range f.Cells {
		if p.Items == items {
			at = append(at, p)
		}
	}
	slices.SortStableFunc(at, func(a, b bench.FitPoint) int { return a.Bytes - b.Bytes })
	for i := 1; i < len(at); i++ {
		a, b := at[i-1], at[i]
		const steps = 16
		for n := range steps + 1 {
			t := float64(n) / steps
			x := float64(a.Bytes) + t*float64(b.Bytes-a.Bytes)
			if logarithmic {
				x = float64(a.Bytes) * math.Pow(float64(b.Bytes)/float64(a.Bytes), t)
				t = (x - float64(a.Bytes)) / math.Max(float64(b.Bytes-a.Bytes), 1)
			}
			line.Points = append(line.Points, plot.Point{X: x, Y: a.Fitted + t*(b.Fitted-a.Fitted)})
		}
	}
	return line
}
