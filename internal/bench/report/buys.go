package report

import (
	"fmt"
	"slices"

	"feedmill/internal/bench"
	"feedmill/internal/bench/plot"
)

// buysSection is the other half of the page: what the price is paid for.
func buysSection(run *bench.Run) section {
	s := section{ID: "buys", Title: "What it buys"}
	if len(run.Buys) == 0 {
		return s
	}
	s.say("The same feeds once more, with one among them that overflows the parser's stack, eats all memory or never ends. " +
		"Lost are the others, innocent, that were left without a list; the hostile feed never gets one.")
	buys := byKiller(run.Buys)
	if f, ok := lostFigure(buys); ok {
		s.show(f)
	}
	s.tabulate(buysTable(buys))
	return s
}

// byKiller puts the modes that met the same killer together.
func byKiller(buys []bench.Buy) []bench.Buy {
	var killers []string
	for _, b := range buys {
		if !slices.Contains(killers, b.Killer) {
			killers = append(killers, b.Killer)
		}
	}
	sorted := slices.Clone(buys)
	slices.SortStableFunc(sorted, func(a, b bench.Buy) int {
		return slices.Index(killers, a.Killer) - slices.Index(killers, b.Killer)
	})
	return sorted
}

// killerName says what a killer does.
func killerName(killer string) string {
	switch killer {
	case "none":
		return "no hostile feed"
	case "stack":
		return "overflows the stack"
	case "memory":
		return "eats memory"
	case "endless":
		return "never ends"
	}
	return killer
}

func buysTable(buys []bench.Buy) table {
	t := table{
		Caption: "What became of the feeds",
		Columns: []column{{Name: "one feed", Wrap: true}, {Name: "mode"}, {Name: "lost", Number: true}, {Name: "the hostile one", Wrap: true},
			{Name: "coordinator", Wrap: true}, {Name: "took", Number: true}, {Name: "recovery", Number: true}},
		Notes: []string{"recovery: how much longer the run took than the one without a hostile feed, where it came to its end."},
	}
	last := ""
	for _, b := range buys {
		lost := cell{Text: fmt.Sprintf("%s of %s", figures(float64(b.Lost), 0), figures(float64(innocent(b)), 0)), Mood: good}
		if b.Lost > 0 {
			lost.Mood = bad
		}
		end := cell{Text: "lived"}
		if !b.Survived {
			end = cell{Text: "died", Mood: bad}
		}
		end.Aside = b.Ended
		class := cell{Text: b.Class}
		if b.Deaths > 0 {
			class.Aside = fmt.Sprintf("after %s", many(b.Deaths, "death"))
		}
		if b.Killer == "none" {
			class = cell{Text: "–"}
		} else if b.Class == "" {
			class = cell{Text: "nobody was left to say"}
		}
		recovery := cell{Text: "–"}
		if b.Recovery != 0 {
			recovery = cell{Text: duration.signed(float64(b.Recovery))}
		}
		name := killerName(b.Killer)
		r := row{Sum: last != "" && last != name}
		r.Cells = []cell{{Text: name}, {Text: b.Mode}, lost, class, end, {Text: duration.format(float64(b.Wall))}, recovery}
		last = name
		t.Rows = append(t.Rows, r)
	}
	return t
}

// innocent is how many feeds had nothing to do with it.
func innocent(b bench.Buy) int {
	if b.Killer == "none" {
		return b.Feeds
	}
	return b.Feeds - 1
}

// lostColour is the red of the style sheet.
const lostColour = 6

// lostFigure is, for every killer and mode, what was kept and what was lost.
func lostFigure(buys []bench.Buy) (figure, bool) {
	p := plot.Bars{Axis: plot.Axis{Label: "innocent feeds"}, Series: []string{"kept", "lost"}, Colours: []int{plot.Quiet, lostColour}}
	for _, b := range buys {
		if b.Killer == "none" {
			continue
		}
		p.Rows = append(p.Rows, plot.Bar{Name: b.Mode + ", one feed " + killerName(b.Killer), Value: fmt.Sprintf("%d lost", b.Lost),
			Parts: []float64{float64(innocent(b) - b.Lost), float64(b.Lost)}})
	}
	return figure{
		Info:    plot.Info{ID: "lost", Title: "Feeds kept and lost", Desc: "One bar for each mode and hostile feed. " + barWords(p.Rows)},
		Caption: "All feeds of the run but the hostile one: how many were left with a list, and how many without.",
		Chart:   p,
	}, len(p.Rows) > 0
}
