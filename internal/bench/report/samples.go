package report

import (
	"fmt"
	"math"
	"slices"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// samplesSection shows every single run of the cells that the answer is from,
// and the medians of all cells.
func samplesSection(run *bench.Run) section {
	s := section{ID: "samples", Title: "Every single run"}
	if len(run.Samples) == 0 {
		return s
	}
	s.say("Each dot is one measurement in a process of its own, the first at the top of its lane and the last at the bottom: what leans " +
		"is drift, what scatters is noise. The band is the 95 % interval of the median. Ringed dots are outliers; they are flagged and counted, never dropped.")
	if f, ok := blocksFigure(run); ok {
		s.show(f)
	}
	s.fold(fmt.Sprintf("Medians of all %d cells", len(run.Summaries)), summaryTable(run))
	return s
}

// blocksFigure has a lane for each cell of the ladder and beside it.
func blocksFigure(run *bench.Run) (figure, bool) {
	var cells []int
	for _, c := range run.Cells {
		if slices.ContainsFunc(c.Sweeps, func(s string) bool { return s == "ladder" || s == "beside" || s == "twin" }) && !c.Clocked {
			cells = append(cells, c.ID)
		}
	}
	top, low := 0.0, math.Inf(1)
	p := plot.Strips{}
	for _, id := range cells {
		lane := laneOf(run, id)
		for _, d := range lane.Dots {
			top, low = max(top, d.Value), min(low, d.Value)
		}
		if len(lane.Dots) > 0 {
			p.Lanes = append(p.Lanes, lane)
		}
	}
	format, name := duration.axis(top)
	p.Axis = plot.Axis{Label: "CPU time of a feed, " + name, Format: format}
	if low > 0 && top/low > 6 { // so that one that is far off does not press the others together
		p.Axis = plot.Axis{Label: "CPU time of a feed, logarithmic", Format: duration.tick, Log: true}
	}
	return figure{
		Info: plot.Info{ID: "blocks", Title: "CPU time of every single run",
			Desc: "One lane for each mode with a dot for each block and a line at the median. The folded table has the medians."},
		Caption: "CPU time of the process tree for one feed, block after block.",
		Chart:   p,
	}, len(p.Lanes) > 0
}

// laneOf is the samples of a cell in the order in which they ran.
func laneOf(run *bench.Run, id int) plot.Lane {
	c := run.Cells[id]
	lane := plot.Lane{Name: laneName(c)}
	var all []float64
	for _, s := range run.Samples {
		if s.Cell != id || s.Failed != "" || c.Feeds == 0 {
			continue
		}
		v := float64(s.CPU) / float64(c.Feeds)
		all = append(all, v)
		lane.Dots = append(lane.Dots, plot.Dot{Value: v, Flagged: s.Outlier,
			Tip: fmt.Sprintf("%s: %s, invocation %d, block %d", lane.Name, durationFeed.format(v), s.Invocation+1, s.Block+1)})
	}
	lane.Median = middle(all)
	lane.Value = duration.format(lane.Median)
	if i := slices.IndexFunc(run.Summaries, func(s bench.Summary) bool { return s.Cell == id }); i >= 0 {
		m := run.Summaries[i].CPU.Median
		lane.Median, lane.Lo, lane.Hi, lane.Value = m.Estimate, m.Low, m.High, duration.measured(m).String()
	}
	return lane
}

// laneName tells cells of one figure apart.
func laneName(c bench.Cell) string {
	name := c.Mode
	if c.Cold {
		name += ", workers started in the window"
	}
	if c.Shipped {
		name += ", as shipped"
	}
	if c.Gofeed {
		name += ", read by gofeed"
	}
	if c.Twin > 0 {
		name += ", once more"
	}
	return fmt.Sprintf("%s (%s)", name, c.Work)
}

// middle is the median, for runs that were interrupted before their summaries.
func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func summaryTable(run *bench.Run) table {
	t := table{
		Caption: "Medians of all cells, one feed",
		Columns: []column{{Name: "cell", Wrap: true}, {Name: "n", Number: true}, {Name: "CPU", Number: true}, {Name: "wall", Number: true},
			{Name: "PSS", Number: true}, {Name: "faults", Number: true}, {Name: "switches", Number: true, Page: true},
			{Name: "calls", Number: true}, {Name: "wire", Number: true}},
		Notes: []string{"n: samples, of them outliers after the comma. PSS: proportional set size of the whole tree, not of one feed. " +
			"faults: minor page faults. calls: system calls that read and write. wire: bytes that came back from workers."},
	}
	for _, s := range run.Summaries {
		n := fmt.Sprint(s.Samples)
		if s.Outliers > 0 {
			n += fmt.Sprintf(", %d", s.Outliers)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: run.Cells[s.Cell].Name}, {Text: n},
			{Text: duration.format(s.CPU.Median.Estimate), Aside: duration.bounds(s.CPU.Median)},
			{Text: duration.format(s.Wall.Median.Estimate)}, {Text: size.format(s.PSS.Median.Estimate)},
			{Text: count.format(s.Faults.Median.Estimate)}, {Text: count.format(s.Switches.Median.Estimate)},
			{Text: count.format(s.Calls.Median.Estimate)}, {Text: size.format(s.Wire)}}})
	}
	return t
}
