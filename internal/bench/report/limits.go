package report

import (
	"fmt"
	"strings"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// limitsSection is what the machine takes for the bare mechanisms.
func limitsSection(run *bench.Run) section {
	s := section{ID: "limits", Title: "Limits of this machine"}
	if len(run.Limits) == 0 {
		return s
	}
	s.say("Measured in the same run: what the bare mechanism takes here. A price well above its floor has room; one near it has none.")
	t := table{
		Caption: "Floors",
		Columns: []column{{Name: "limit"}, {Name: "what", Wrap: true}, {Name: "takes", Number: true}, {Name: "of", Wrap: true}},
	}
	for _, l := range run.Limits {
		what := "count"
		switch {
		case l.CPU:
			what = "CPU time"
		case l.Unit == "B":
			what = "memory"
		case strings.HasPrefix(l.Unit, "ns"):
			what = "wall clock"
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: l.Name}, {Text: l.What}, inUnit(l.Unit).measured(l.Value), {Text: what}}})
	}
	s.tabulate(t)
	if f, multiples, ok := floorFigure(run); ok {
		s.show(f)
		s.tabulate(multiples)
	}
	return s
}

// floorFigure is every figure that has a floor as a multiple of it. Marks and not
// bars, because on logarithmic paper a length means nothing.
func floorFigure(run *bench.Run) (figure, table, bool) {
	one := 1.0
	p := plot.Intervals{Axis: plot.Axis{Label: "times the floor, logarithmic", Format: tickTimes, Log: true}, Reference: &one}
	var words []string
	t := table{
		Caption: "Multiples of a floor",
		Columns: []column{{Name: "figure", Wrap: true}, {Name: "is", Number: true}, {Name: "floor"}, {Name: "takes", Number: true}, {Name: "times", Number: true}},
	}
	add := func(name, limit string, value cell, floor string, by float64) {
		if !(by > 0) || limit == "" {
			return
		}
		words = append(words, fmt.Sprintf("%s %s %s", name, times.format(by), limit))
		p.Rows = append(p.Rows, plot.Row{Name: name, Value: times.format(by) + " " + limit, Estimates: []plot.Estimate{{Value: by, Tip: name + ": " + value.String()}}})
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: name}, value, {Text: limit}, {Text: floor}, {Text: times.format(by)}}})
	}
	of := func(what string, all int) string {
		if all < 2 {
			return ""
		}
		return " (" + what + ")"
	}
	for _, l := range run.Ledgers {
		for _, r := range l.Rows {
			add("+ "+rungName(r.Name)+of(l.What, len(run.Ledgers)), r.Limit, durationFeed.difference(r.Ladder), durationFeed.format(r.LimitNS), r.Times)
		}
		for _, r := range l.Beside {
			add(r.Name+of(l.What, len(run.Ledgers)), r.Limit, durationFeed.difference(r.Ladder), durationFeed.format(r.LimitNS), r.Times)
		}
	}
	for _, f := range run.Fits {
		for _, term := range f.Terms {
			u := inUnit(term.Unit)
			add(term.What+of(f.What, len(run.Fits)), term.Limit, u.difference(term.Value), u.format(term.Value.Estimate/term.Times), term.Times)
		}
	}
	return figure{
		Info:    plot.Info{ID: "floors", Title: "Multiples of the floor", Desc: "One mark for each figure that has a floor. " + strings.Join(words, "; ") + "."},
		Caption: "How many times what the machine takes for the bare mechanism; the dashed line is the floor.",
		Chart:   p,
	}, t, len(t.Rows) > 0
}

// inUnit is the unit that run.json calls so: ns, ns/B, ns/item, B and such.
func inUnit(name string) unit {
	base, per, found := strings.Cut(name, "/")
	if found {
		per = "/" + per
	}
	switch base {
	case "ns":
		return unit{per, nanoseconds}
	case "B", "bytes":
		return unit{per, decimalBytes}
	}
	return unit{per, []prefix{{1, base}}}
}

// tick writes the tick of an axis to a size.
func (u unit) tick(v float64) string {
	p := u.pick(v)
	return minus(fmt.Sprintf("%g", v/p.factor)) + "\u00a0" + p.name + u.per
}

// label adds a unit to what an axis measures.
func label(what, unit string) string {
	if unit == "" {
		return what
	}
	return what + ", " + unit
}
