package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// ledgerSection says where the gap goes, twice over.
func ledgerSection(run *bench.Run) section {
	s := section{ID: "ledger", Title: "Where it goes: the ledger"}
	if len(run.Ledgers) == 0 {
		return s
	}
	s.say("Each rung of the ladder adds one mechanism to the one before. Their differences, taken in the same blocks, " +
		"add up to the whole gap exactly. Beside each stands what was measured on its own, another way: thread clocks " +
		"around the stages, page faults and switches at calibrated prices. The two need not agree; by how much they do not is printed, " +
		"and so is what nothing explains.")
	for i, l := range run.Ledgers {
		id := fmt.Sprintf("ledger%d", i+1)
		s.say(gapSentence(l))
		s.show(barsFigure(run, l, id))
		s.tabulate(ledgerTable(l))
		s.say(residueSentence(l))
		s.show(twiceFigure(l, id))
		s.fold("What the direct estimates are made of: "+l.What, partsTable(l))
	}
	return s
}

func gapSentence(l bench.Ledger) string {
	return fmt.Sprintf("%s: %s %s on top of %s.", upper(l.What), durationFeed.signed(l.Gap.Estimate),
		durationFeed.bounds(l.Gap), durationFeed.format(l.Foot.Estimate))
}

func residueSentence(l bench.Ledger) string {
	s := fmt.Sprintf("Residue: %s of the gap has no direct estimate.", share(l.ResidueShare))
	if l.Residue.Estimate < 0 {
		s = fmt.Sprintf("Residue: the direct estimates exceed the gap by %s of it.", share(l.ResidueShare))
	}
	if l.Missing != "" {
		s += " " + stop(upper(l.Missing))
	}
	if p := l.Perturbation; p != (bench.Interval{}) {
		s += fmt.Sprintf(" The clocks themselves make the head of the ladder take %s %s the CPU time; the ladder is measured without them.",
			times.format(p.Estimate), times.bounds(p))
	}
	return s
}

func ledgerTable(l bench.Ledger) table {
	t := table{
		Caption: upper(l.What) + ", one feed",
		Columns: []column{{Name: "step", Wrap: true, Bare: true}, {Name: "ladder", Number: true}, {Name: "of gap", Number: true},
			{Name: "direct", Number: true}, {Name: "disagree", Number: true, Bare: true}, {Name: "of floor", Number: true}},
		Notes: []string{"disagree: ladder less direct. of floor: the ladder's figure over what the machine takes for the bare mechanism (see Limits). " +
			"A negative step is one that costs less than the rung before it."},
	}
	add := func(name string, r bench.LedgerRow, gap float64) {
		floor := cell{Text: "–"}
		if r.Times > 0 { // what costs less than nothing is no multiple
			floor = cell{Text: times.format(r.Times), Aside: r.Limit}
		}
		of := "–"
		if gap > 0 {
			of = share(r.Ladder.Estimate / gap)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: name, Aside: r.What}, durationFeed.difference(r.Ladder).perFeed(),
			{Text: of}, durationFeed.pointer(r.Direct).perFeed(), durationFeed.pointer(r.Disagreement).perFeed(), floor}})
	}
	for _, r := range l.Rows {
		add("+ "+rungName(r.Name), r, l.Gap.Estimate)
	}
	t.Rows = append(t.Rows,
		row{Sum: true, Cells: []cell{{Text: "whole gap"}, durationFeed.difference(l.Gap).perFeed(), {Text: "100\u00a0%"},
			durationFeed.difference(l.Direct).perFeed(), {Text: "–"}, {Text: "–"}}},
		row{Cells: []cell{{Text: "residue", Aside: "gap less direct"}, {Text: "–"}, {Text: share(l.ResidueShare), Mood: residueMood(l)},
			{Text: "–"}, durationFeed.difference(l.Residue).perFeed(), {Text: "–"}}})
	for i, r := range l.Beside {
		add(r.Name, r, l.Gap.Estimate)
		t.Rows[len(t.Rows)-1].Sum = i == 0
	}
	return t
}

// residueMood is bad above what the method promises.
func residueMood(l bench.Ledger) mood {
	if l.ResidueShare > 0.15 {
		return bad
	}
	return ""
}

func partsTable(l bench.Ledger) table {
	t := table{
		Caption: "Direct estimates: CPU time, one feed",
		Columns: []column{{Name: "step, part"}, {Name: "CPU time", Number: true}, {Name: "how it was measured", Wrap: true}},
	}
	for _, r := range l.Rows {
		for i, p := range r.Parts {
			t.Rows = append(t.Rows, row{Sum: i == 0 && len(t.Rows) > 0,
				Cells: []cell{{Text: "+ " + rungName(r.Name) + ", " + p.Name}, durationFeed.measured(p.Value).perFeed(), {Text: p.Method}}})
		}
	}
	return t
}

// barsFigure stacks the steps: each rung is the one below and one part more.
// The other modes follow on the same axis.
func barsFigure(run *bench.Run, l bench.Ledger, id string) figure {
	p := plot.Bars{Series: []string{modeOf(run, l.Base)}, Colours: []int{plot.Quiet}}
	parts, tips := []float64{l.Foot.Estimate}, []string{p.Series[0] + ": " + durationFeed.measured(l.Foot).String()}
	total, top := l.Foot.Estimate, 0.0
	bar := func(name string, total float64, parts []float64, tips []string) {
		top = max(top, total)
		p.Rows = append(p.Rows, plot.Bar{Name: name, Value: duration.format(total), Parts: slices.Clone(parts), Tips: slices.Clone(tips)})
	}
	bar(p.Series[0], total, parts, tips)
	for i, r := range l.Rows {
		p.Series, p.Colours = append(p.Series, rungName(r.Name)), append(p.Colours, i)
		parts, tips = append(parts, r.Ladder.Estimate), append(tips, rungName(r.Name)+": "+durationFeed.difference(r.Ladder).String())
		total += r.Ladder.Estimate
		bar("+ "+rungName(r.Name), total, parts, tips)
	}
	if len(l.Beside) > 0 {
		p.Series, p.Colours = append(p.Series, "another mode, as a whole"), append(p.Colours, len(l.Rows))
	}
	for _, r := range l.Beside {
		if r.From != l.Base {
			continue // a step from elsewhere, such as that from a plain loop to goroutines
		}
		steps, words := make([]float64, len(p.Series)), make([]string, len(p.Series))
		steps[0], steps[len(steps)-1] = l.Foot.Estimate, r.Ladder.Estimate
		words[len(words)-1] = r.Name + ": " + durationFeed.difference(r.Ladder).String()
		bar(r.Name, l.Foot.Estimate+r.Ladder.Estimate, steps, words)
	}
	format, name := duration.axis(top)
	p.Axis = plot.Axis{Label: "CPU time of a feed, " + name, Format: format}
	return figure{
		Info: plot.Info{ID: id + "-bars", Title: "The ledger as bars: " + l.What,
			Desc: "One bar for each rung of the ladder, made of the CPU time of the foot and of each step so far. " + barWords(p.Rows)},
		Caption: upper(l.What) + ". From top to bottom each rung adds one mechanism; the last one is the whole price.",
		Chart:   p,
	}
}

// barWords reads the bars out.
func barWords(rows []plot.Bar) string {
	var words []string
	for _, r := range rows {
		words = append(words, r.Name+" "+r.Value)
	}
	return strings.Join(words, "; ") + "."
}

// twiceFigure sets the two estimates of each step side by side.
func twiceFigure(l bench.Ledger, id string) figure {
	top := 0.0
	for _, r := range l.Rows {
		top = max(top, r.Ladder.High)
	}
	format, name := duration.axis(top)
	zero := 0.0
	p := plot.Intervals{Axis: plot.Axis{Label: "CPU time of a feed, " + name, Format: format, Zero: true}, Reference: &zero,
		Series: []string{"ladder: difference between rungs", "direct: clocks and counts"}}
	for _, r := range l.Rows {
		direct := plot.Estimate{Missing: true}
		if r.Direct != nil {
			direct = estimate(*r.Direct, durationFeed, "direct: ")
		}
		value := durationFeed.difference(r.Ladder).perFeed().Text + " | " + durationFeed.pointer(r.Direct).perFeed().Text
		p.Rows = append(p.Rows, plot.Row{Name: "+ " + rungName(r.Name), Value: value,
			Estimates: []plot.Estimate{estimate(r.Ladder, durationFeed, "ladder: "), direct}})
	}
	return figure{
		Info: plot.Info{ID: id + "-twice", Title: "Every step measured twice: " + l.What,
			Desc: "For each step the ladder's difference and the direct estimate with their 95 % intervals. The table above has the numbers."},
		Caption: "Every step measured twice: " + l.What + ". Where the two intervals do not meet, at least one of them is wrong about what it measures.",
		Chart:   p,
	}
}

// rungName is what people call a step.
func rungName(name string) string {
	return cmp.Or(map[string]string{bench.LocalPipe: "pipe", bench.Pipe: "process"}[name], name)
}

// modeOf is the mode of the cell with that number.
func modeOf(run *bench.Run, id int) string {
	if id < 0 || id >= len(run.Cells) {
		return "?"
	}
	return run.Cells[id].Mode
}

// upper begins s with a capital.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// stop ends s with a full stop.
func stop(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// trimPer cuts what comes after the slash of a unit.
func trimPer(s string) string {
	before, _, _ := strings.Cut(s, "/")
	return before
}
