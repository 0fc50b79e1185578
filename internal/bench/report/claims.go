package report

import (
	"strings"

	"feedmill/internal/bench"
)

// claimsSection is what the article says, and how it fared.
func claimsSection(run *bench.Run) section {
	s := section{ID: "claims", Title: "The article, claim by claim"}
	if len(run.Claims) == 0 {
		return s
	}
	python := "Python was not found, so its column is empty."
	if run.Environment.Python != "" {
		python = "The same lists in " + run.Environment.Python + ", with nothing but its standard library, in the same blocks."
	}
	s.say("“Revisiting Python’s Hardest Problem” refreshes feeds by threads that share a dictionary and by processes that copy. " +
		"What it says, in other words, and the measurement here that bears it out or does not. " + python)
	t := table{
		Caption: "Claims and measurements",
		Columns: []column{{Name: ""}, {Name: "claim", Wrap: true}, {Name: "in Go", Wrap: true}, {Name: "in CPython", Wrap: true}},
	}
	for _, c := range run.Claims {
		t.Rows = append(t.Rows, row{Sum: len(t.Rows) > 0, Cells: []cell{{Text: c.ID}, {Text: stop(upper(c.Says))}, fared(c.Go), fared(c.Python)}})
	}
	s.tabulate(t)
	return s
}

// fared is a verdict in a word and the figure behind it.
func fared(v bench.Verdict) cell {
	c := cell{Text: v.Holds, Aside: v.Figure, Colon: true}
	if strings.HasPrefix(v.Figure, v.Holds) { // "not measured in this run"
		c = cell{Text: v.Figure}
	}
	switch v.Holds {
	case "yes":
		c.Mood = good
	case "no":
		c.Mood = bad
	case "":
		c.Text, c.Mood = "not measured", meh
	default:
		c.Mood = meh
	}
	return c
}
