package report

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"feedmill/internal/bench"
)

// An answer is what the run says to those who read no further.
type answer struct {
	Headline string
	Lines    []string
	Figures  []keyFigure
	Doubts   []string // why it is not to be relied on; none is hidden
}

// A keyFigure is a number with its interval and what it is.
type keyFigure struct {
	Value, Aside, Label string
	Mood                mood
}

func makeAnswer(run *bench.Run) answer {
	a := answer{Doubts: doubts(run)}
	c, ok := headline(run)
	if !ok {
		a.Headline = "No answer: the samples that it needs are missing."
		return a
	}
	mode, base := run.Cells[c.Cell], run.Cells[c.Base]
	a.Headline = headlineSentence(c, mode, base)
	a.Lines = append(a.Lines, setting(mode), ratioSentence(c, mode, base))
	a.Figures = []keyFigure{{duration.signed(c.CPUDiff.Estimate), duration.bounds(c.CPUDiff), "CPU time a feed, " + workWord(mode.Work), ""}}
	all := works(run, c)
	for _, w := range all {
		cell := run.Cells[w.Cell]
		if w != c {
			a.add(ratioSentence(w, cell, run.Cells[w.Base]))
		}
		if cell.Work == bench.Ship && len(all) > 1 {
			continue // of a number near zero: not for large print
		}
		a.Figures = append(a.Figures, keyFigure{times.format(w.CPURatio.Estimate), times.bounds(w.CPURatio),
			fmt.Sprintf("the CPU time of %s, %s", people(base.Mode), workWord(cell.Work)), ""})
	}
	a.add(whereItGoes(run))
	lost, figure := whatItBuys(run, mode.Mode, base.Mode)
	a.add(lost)
	if figure != nil {
		a.Figures = append(a.Figures, *figure)
	}
	return a
}

// works are the headline's comparison and the same one with the other kinds of
// work, where all else is equal: what copying costs says little without what it
// is a part of.
func works(run *bench.Run, headline bench.Comparison) []bench.Comparison {
	all := []bench.Comparison{headline}
	same := func(a, b bench.Cell) bool {
		a.ID, a.Name, a.Work, a.Sweeps = b.ID, b.Name, b.Work, nil
		b.Sweeps = nil
		return reflect.DeepEqual(a, b)
	}
	for _, work := range []bench.Work{bench.Ship, bench.Parse, bench.Round} {
		for _, c := range run.Comparisons {
			cell := run.Cells[c.Cell]
			if cell.Work == work && same(cell, run.Cells[headline.Cell]) && same(run.Cells[c.Base], run.Cells[headline.Base]) &&
				!slices.ContainsFunc(all, func(o bench.Comparison) bool { return run.Cells[o.Cell].Work == work }) {
				all = append(all, c)
			}
		}
	}
	return all
}

// workWord is a kind of work in few words.
func workWord(w bench.Work) string {
	return cmp.Or(map[bench.Work]string{bench.Round: "whole refresh", bench.Parse: "parsing and copying", bench.Ship: "copying alone"}[w], string(w))
}

func (a *answer) add(line string) {
	if line != "" {
		a.Lines = append(a.Lines, line)
	}
}

// headline is the comparison that the run was made for.
func headline(run *bench.Run) (bench.Comparison, bool) {
	i := slices.IndexFunc(run.Comparisons, func(c bench.Comparison) bool { return c.Sweep == "headline" })
	if i < 0 {
		return bench.Comparison{}, false
	}
	return run.Comparisons[i], true
}

// doubts says first of all why figures must not be relied on.
func doubts(run *bench.Run) []string {
	var all []string
	if !run.Complete {
		all = append(all, "The run was interrupted: what follows is about the samples that it had.")
	}
	for _, why := range run.NotForPublication {
		all = append(all, "Not for publication: "+why+".")
	}
	return all
}

// headlineSentence is the answer in one line. Where nothing but copying is done
// a ratio says little, because goroutines copy nothing: there it is the
// difference.
func headlineSentence(c bench.Comparison, mode, base bench.Cell) string {
	if mode.Work == bench.Ship && c.Verdict == bench.Higher && mode.Mode == bench.Pipe && base.Mode == bench.Goroutine {
		return fmt.Sprintf("A process costs %s of CPU time more than a goroutine, for each feed.", duration.format(c.CPUDiff.Estimate))
	}
	return ratioSentence(c, mode, base)
}

// ratioSentence says how two cells compare, and what they did.
func ratioSentence(c bench.Comparison, mode, base bench.Cell) string {
	s := fmt.Sprintf("%s: %s ", upper(workWord(mode.Work)), people(mode.Mode))
	switch r := c.CPURatio.Estimate; {
	case c.Verdict == bench.NoDifference:
		s += fmt.Sprintf("cannot be told from %s by their CPU time, %s %s", people(base.Mode), times.format(r), times.bounds(c.CPURatio))
	case r >= 2:
		s += fmt.Sprintf("take %s times the CPU time of %s", figures(r, max(times.decimals(r)-1, 0)), people(base.Mode))
	default:
		s += fmt.Sprintf("take %s CPU time than %s", more(r), people(base.Mode))
	}
	if c.Verdict == bench.NoDifference && c.Visible > 1 {
		s += fmt.Sprintf("; a difference below %s would not have shown", share(c.Visible-1))
	}
	if w := c.WallRatio; w != (bench.Interval{}) {
		s += fmt.Sprintf(". By the wall clock: %s %s", times.format(w.Estimate), times.bounds(w))
	}
	return s + "."
}

// people is what people call what runs in a mode.
func people(mode string) string {
	switch mode {
	case bench.Pipe:
		return "processes"
	case bench.Goroutine:
		return "goroutines"
	case bench.Sequential:
		return "one plain loop"
	}
	return mode
}

// setting says what was done, in one sentence without figures of time.
func setting(c bench.Cell) string {
	s := fmt.Sprintf("%s %s feeds of %s items of %s with %s", doing(c.Work), figures(float64(c.Feeds), 0),
		figures(float64(c.Items), 0), size.exact(float64(c.Bytes)), many(c.Workers, "worker"))
	if c.Latency > 0 {
		s += fmt.Sprintf(", the origin answers after %s", duration.exact(float64(c.Latency)))
	}
	if c.Cold {
		s += ", workers started inside the window"
	}
	return s + "."
}

// whereItGoes names the steps of the first ledger, largest first.
func whereItGoes(run *bench.Run) string {
	if len(run.Ledgers) == 0 || run.Ledgers[0].Gap.Estimate <= 0 {
		return ""
	}
	l := run.Ledgers[0]
	rows := slices.Clone(l.Rows)
	slices.SortStableFunc(rows, func(a, b bench.LedgerRow) int {
		return int(math.Copysign(1, b.Ladder.Estimate-a.Ladder.Estimate))
	})
	var parts []string
	for _, r := range rows {
		if of := r.Ladder.Estimate / l.Gap.Estimate; of >= 0.03 && len(parts) < 4 {
			parts = append(parts, share(of)+" "+rungName(r.Name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Where the %s go (%s): %s.", durationFeed.format(l.Gap.Estimate), l.What, strings.Join(parts, ", "))
}

// whatItBuys compares how many innocent feeds the two modes lost, over all
// killers.
func whatItBuys(run *bench.Run, mode, base string) (string, *keyFigure) {
	var with, without bench.Buy
	killers := 0
	for _, b := range run.Buys {
		if b.Killer == "none" {
			continue
		}
		switch b.Mode {
		case mode:
			with.Lost, with.Feeds = with.Lost+b.Lost, with.Feeds+b.Feeds-1
			killers++
		case base:
			without.Lost, without.Feeds = without.Lost+b.Lost, without.Feeds+b.Feeds-1
		}
	}
	if with.Feeds == 0 || without.Feeds == 0 {
		return "", nil
	}
	line := fmt.Sprintf("What it buys: of %s that shared a run with a hostile one, %s lost %s and %s lost %s.",
		many(without.Feeds, "feed"), people(base), figures(float64(without.Lost), 0), people(mode), figures(float64(with.Lost), 0))
	m := good
	if with.Lost > 0 {
		m = bad
	}
	return line, &keyFigure{
		Value: figures(float64(with.Lost), 0) + " : " + figures(float64(without.Lost), 0),
		Label: fmt.Sprintf("feeds lost to %s, %s : %s", many(killers, "killer"), people(mode), people(base)), Mood: m}
}

// many counts things.
func many(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return figures(float64(n), 0) + "\u00a0" + what
}
