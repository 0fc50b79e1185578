package report

import (
	"fmt"
	"slices"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// modesSection is every mode against its base: the ratio first.
func modesSection(run *bench.Run) section {
	s := section{ID: "modes", Title: "Every mode beside goroutines"}
	main := func(c bench.Comparison) bool {
		return slices.Contains([]string{"headline", "ladder", "beside", "twin"}, c.Sweep)
	}
	var rows []bench.Comparison
	for _, c := range run.Comparisons {
		if main(c) && !slices.ContainsFunc(rows, func(o bench.Comparison) bool { return o.Cell == c.Cell && o.Base == c.Base }) {
			rows = append(rows, c)
		}
	}
	if len(rows) > 0 {
		s.say("CPU time of the whole process tree, over that of the base in the same blocks, with 95 % intervals. " +
			"Wall-clock time is beside it, because waiting hides what work costs. " + smallestEffect(run))
		s.show(ratioFigure(run, rows))
		s.tabulate(comparisonTable("Modes compared in pairs, one feed", rows, func(c bench.Comparison) cell { return cell{Text: comparedName(run, c)} }))
	}
	var rest []bench.Comparison
	for _, c := range run.Comparisons {
		if !main(c) {
			rest = append(rest, c)
		}
	}
	s.fold(fmt.Sprintf("The other comparisons (%d)", len(rest)), comparisonTable("The sweeps, compared in pairs, one feed", rest, func(c bench.Comparison) cell {
		return cell{Text: run.Cells[c.Cell].Name, Aside: "against " + modeOf(run, c.Base)}
	}))
	return s
}

// smallestEffect says what the run could not have seen.
func smallestEffect(run *bench.Run) string {
	for _, c := range run.Comparisons {
		if c.Sweep == "twin" {
			return fmt.Sprintf("Two equal cells came to %s %s, so a difference below %s would not have shown.",
				times.format(c.CPURatio.Estimate), times.bounds(c.CPURatio), share(max(c.Visible-1, 0)))
		}
	}
	return "No pair of equal cells was run, so how small an effect could have been seen is not known."
}

// comparedName tells the pairs of equal cells apart.
func comparedName(run *bench.Run, c bench.Comparison) string {
	if c.Sweep == "twin" {
		return fmt.Sprintf("%s against itself, %s", modeOf(run, c.Cell), run.Cells[c.Cell].Work)
	}
	return c.What
}

func comparisonTable(caption string, rows []bench.Comparison, name func(bench.Comparison) cell) table {
	t := table{
		Caption: caption,
		Columns: []column{{Name: "what", Wrap: true}, {Name: "CPU ratio", Number: true}, {Name: "CPU more", Number: true},
			{Name: "wall ratio", Number: true}, {Name: "verdict", Wrap: true}},
		Notes: []string{"[low, high]: 95 % interval, bootstrap over invocations and the blocks in them. " +
			"p: Mann-Whitney, after Holm's correction for all comparisons of the run."},
	}
	for _, c := range rows {
		verdict := cell{Text: c.Verdict, Aside: pValue(c.Holm)}
		if c.Verdict == bench.NoDifference {
			verdict.Mood = meh
		}
		t.Rows = append(t.Rows, row{Cells: []cell{name(c), times.measured(c.CPURatio), durationFeed.difference(c.CPUDiff).perFeed(),
			times.measured(c.WallRatio), verdict}})
	}
	return t
}

// perFeed drops the unit's tail in tables whose caption has it.
func (c cell) perFeed() cell {
	c.Text = trimPer(c.Text)
	return c
}

func pValue(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.3f", p)
}

func ratioFigure(run *bench.Run, rows []bench.Comparison) figure {
	one := 1.0
	p := plot.Intervals{
		Axis:      plot.Axis{Label: "times the base", Format: tickTimes},
		Series:    []string{"CPU time", "wall-clock time"},
		Reference: &one,
	}
	low, high := 1.0, 1.0
	for _, c := range rows {
		what := comparedName(run, c)
		p.Rows = append(p.Rows, plot.Row{Name: what, Value: times.measured(c.CPURatio).String(), Estimates: []plot.Estimate{
			estimate(c.CPURatio, times, what+", CPU time: "), estimate(c.WallRatio, times, what+", wall-clock time: ")}})
		low, high = min(low, c.CPURatio.Low, c.WallRatio.Low), max(high, c.CPURatio.High, c.WallRatio.High)
	}
	if low > 0 && high/low > 8 { // else a large ratio presses the others together
		p.Axis.Log = true
		p.Axis.Label += ", logarithmic"
	}
	return figure{
		Info: plot.Info{ID: "ratios", Title: "Ratio of each mode to its base",
			Desc: "A mark and a 95 % interval for CPU time and for wall-clock time of each comparison; the dashed line is 1, no difference. The table below has the numbers."},
		Caption: "Left of the dashed line is cheaper than the base, right of it dearer. An interval that crosses it says nothing either way.",
		Chart:   p,
	}
}

// estimate is an interval as a chart takes it.
func estimate(i bench.Interval, u unit, what string) plot.Estimate {
	if i == (bench.Interval{}) {
		return plot.Estimate{Missing: true}
	}
	return plot.Estimate{Value: i.Estimate, Lo: i.Low, Hi: i.High, Tip: what + u.measured(i).String()}
}

func tickTimes(v float64) string { return fmt.Sprintf("%g×", v) }
