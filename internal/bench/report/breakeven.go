package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// breakEvenSection says from where on the price does not matter.
func breakEvenSection(run *bench.Run) section {
	s := section{ID: "breakeven", Title: "When the price stops mattering"}
	b := run.BreakEven
	if b == nil {
		return s
	}
	s.say(latencySentence(b))
	s.overheads(b.Latency, overheadFigure{"latency", "the origin's latency", "latency of the origin",
		"Overhead of each mode over goroutines against the latency of the origin."})
	s.overheads(b.Parse, overheadFigure{"parse", "the work done for each byte", "work for each byte",
		"Overhead of each mode over goroutines against how much work is done for each byte of a feed."})
	s.overheads(b.Heap, overheadFigure{"heap", "what else lives in the coordinator", "live heap of the coordinator",
		"Overhead of each mode over goroutines against the live heap of the coordinator, which goroutines have their collector scan."})
	s.say(spawnSentence(b))
	if len(b.COST) > 0 {
		s.say("COST, after McSherry, Isard and Murray: how many workers does a mode need to beat one plain loop, and goroutines with as many workers? “Never” is an answer.")
		s.tabulate(costTable(b.COST))
	}
	if b.Note != "" {
		s.say(stop(upper(b.Note)))
	}
	return s
}

func latencySentence(b *bench.BreakEven) string {
	switch {
	case len(b.Latency) == 0:
		return ""
	case b.LatencyUnder5 < 0:
		return "At none of the latencies measured is the wall-clock overhead surely below 5 %."
	case b.LatencyUnder5 == 0:
		return "Even with an origin that answers at once, the wall-clock overhead is surely below 5 %."
	}
	return fmt.Sprintf("From a latency of %s on, the wall-clock overhead is surely below 5 %%. The CPU time is spent all the same.",
		duration.exact(float64(b.LatencyUnder5)))
}

func spawnSentence(b *bench.BreakEven) string {
	if b.Spawn == (bench.Interval{}) {
		return ""
	}
	s := fmt.Sprintf("Starting and ending one worker takes %s %s of CPU time; one feed takes %s %s with workers that run already.",
		duration.format(b.Spawn.Estimate), duration.bounds(b.Spawn), duration.format(b.Refresh.Estimate), duration.bounds(b.Refresh))
	if b.Amortise > 0 {
		s += fmt.Sprintf(" After %s feeds a worker's start is below 1 %% of what it has used.", figures(b.Amortise, 0))
	}
	return s
}

// overheadFigure is how one of the three factors is spoken of.
type overheadFigure struct {
	id, against, axis, desc string
}

// overheads shows one factor: what comes on top of goroutines, by the wall
// clock and in CPU time.
func (s *section) overheads(all []bench.Overhead, f overheadFigure) {
	if len(all) == 0 {
		return
	}
	p, point, above := overheadAxis(all)
	modes, levels := modesOf(all), levelsOf(all)
	for _, l := range levels {
		p.X.Names = append(p.X.Names, l.Label)
	}
	p.X.Label = f.axis
	for n, mode := range modes {
		aside := 9 * (2*float64(n) - float64(len(modes)) + 0.5)
		wall := plot.Line{Name: mode + ", wall clock", Series: n, Join: true, Aside: aside}
		cpu := plot.Line{Name: mode + ", CPU", Series: n, Join: true, Dashed: true, Aside: aside + 9}
		for _, o := range all {
			if o.Mode != mode {
				continue
			}
			x := float64(slices.IndexFunc(levels, func(l bench.Overhead) bool { return l.At == o.At }))
			wall.Points = append(wall.Points, point(x, o.Wall, mode+" at "+o.Label+", wall clock: "))
			cpu.Points = append(cpu.Points, point(x, o.CPU, mode+" at "+o.Label+", CPU: "))
		}
		p.Lines = append(p.Lines, wall, cpu)
	}
	s.show(figure{
		Info:    plot.Info{ID: f.id, Title: "Overhead against " + f.against, Desc: f.desc + " The table below has the numbers."},
		Caption: upper(above) + " against " + f.against + ". The levels stand evenly spaced, whatever lies between them; bars are 95 % intervals.",
		Chart:   p,
	})
	s.fold("The numbers of this plot", overheadTable(all, f))
}

// overheadAxis is a plot of percentages above goroutines or, where some are so
// large that they would press the others together, of logarithmic multiples.
func overheadAxis(all []bench.Overhead) (p plot.XY, point func(x float64, i bench.Interval, what string) plot.Point, above string) {
	top, low := 0.0, 0.0
	for _, o := range all {
		top, low = max(top, o.Wall.High, o.CPU.High), min(low, o.Wall.Low, o.CPU.Low)
	}
	if top > 5 && low > -0.99 {
		one := 1.0
		p = plot.XY{Y: plot.Axis{Label: "times goroutines, logarithmic", Log: true, Format: tickTimes}, Reference: &one}
		return p, func(x float64, i bench.Interval, what string) plot.Point {
			return plot.Point{X: x, Y: 1 + i.Estimate, Lo: 1 + i.Low, Hi: 1 + i.High, Tip: what + overheadCell(i).String()}
		}, "multiples of goroutines"
	}
	p = plot.XY{Y: plot.Axis{Label: "more than goroutines, %", Zero: true}}
	return p, func(x float64, i bench.Interval, what string) plot.Point {
		return plot.Point{X: x, Y: i.Estimate * 100, Lo: i.Low * 100, Hi: i.High * 100, Tip: what + overheadCell(i).String()}
	}, "overhead over goroutines"
}

// overheadCell writes a fraction on top as a percentage with its interval, and a
// large one as a multiple.
func overheadCell(i bench.Interval) cell {
	if i.Estimate >= 4 {
		return times.measured(bench.Interval{Estimate: 1 + i.Estimate, Low: 1 + i.Low, High: 1 + i.High})
	}
	return percent.difference(scaled(i, 100))
}

func overheadTable(all []bench.Overhead, f overheadFigure) table {
	t := table{
		Caption: "More than goroutines, against " + f.against,
		Columns: []column{{Name: "mode"}, {Name: f.axis}, {Name: "wall clock", Number: true}, {Name: "CPU time", Number: true}},
	}
	for _, o := range all {
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: o.Mode}, {Text: o.Label}, overheadCell(o.Wall), overheadCell(o.CPU)}})
	}
	return t
}

func modesOf(all []bench.Overhead) (modes []string) {
	for _, o := range all {
		if !slices.Contains(modes, o.Mode) {
			modes = append(modes, o.Mode)
		}
	}
	return modes
}

// levelsOf is one entry for each level of the factor, least first.
func levelsOf(all []bench.Overhead) (levels []bench.Overhead) {
	for _, o := range all {
		if !slices.ContainsFunc(levels, func(l bench.Overhead) bool { return l.At == o.At }) {
			levels = append(levels, o)
		}
	}
	slices.SortStableFunc(levels, func(a, b bench.Overhead) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return levels
}

func costTable(all []bench.COST) table {
	t := table{
		Caption: "Workers until a mode is faster by the wall clock",
		Columns: []column{{Name: "mode"}, {Name: "work", Wrap: true}, {Name: "than", Wrap: true}, {Name: "workers", Number: true}, {Name: "tried"}},
	}
	for _, c := range all {
		n := cell{Text: "never"}
		if c.Workers > 0 {
			n = cell{Text: fmt.Sprint(c.Workers)}
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: c.Mode}, {Text: workName(c.Work)}, {Text: people(c.Against)}, n, {Text: list(c.Tried)}}})
	}
	return t
}

// list writes numbers with commas.
func list(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ")
}

// took writes a span of the clock.
func took(d time.Duration) string {
	if d >= 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return duration.format(float64(d))
}
