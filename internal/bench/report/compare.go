package report

import (
	"bufio"
	"fmt"
	"io"

	"feedmill/internal/bench"
)

// A Comparison is two runs and what Compare found between them.
type Comparison struct {
	Old, New  *bench.Run
	Changes   []bench.Change
	Unmatched []string
	// Threshold is the fraction that a cell must be surely above for its line
	// to be marked.
	Threshold float64
}

// Compare writes what changed from one run to another, at most 100 columns
// wide, with every doubt that either run has about itself.
func Compare(w io.Writer, c Comparison) error {
	b := bufio.NewWriter(w)
	t := &text{w: b}
	for _, r := range []struct {
		name string
		run  *bench.Run
	}{{"old", c.Old}, {"new", c.New}} {
		e := r.run.Environment
		t.paragraph(fmt.Sprintf("%s: %s, %s, seed %d, %s", r.name, r.run.Started.UTC().Format("2006-01-02 15:04"), e.Build, r.run.Settings.Seed, machineLine(e)), "     ")
		for _, d := range doubts(r.run) {
			t.paragraph("     ! "+d, "       ")
		}
		if n := len(r.run.Warnings); n > 0 {
			t.paragraph("     ! "+warningKinds(r.run.Warnings), "       ")
		}
	}
	if err := bench.SameMachine(c.Old, c.New); err != nil {
		t.paragraph("! "+upper(stop(err.Error()))+" What follows is about the machines as much as about the code.", "  ")
	}
	t.line("")
	t.table(changesTable(c))
	for _, name := range c.Unmatched {
		t.paragraph("only in one run: "+name, "  ")
	}
	return b.Flush()
}

func changesTable(c Comparison) table {
	t := table{
		Caption: "New over old",
		Columns: []column{{Name: "cell", Wrap: true}, {Name: "CPU ratio", Number: true}, {Name: "wall ratio", Number: true}, {Name: "verdict", Wrap: true}},
		Notes: []string{fmt.Sprintf("[low, high]: 95 %% interval, each run resampled by itself. p: Mann-Whitney, after Holm's correction. "+
			"BEYOND: the whole interval of CPU is above the threshold of %s. The runs are not paired: what differs between days is in no interval.", share(c.Threshold))},
	}
	for _, change := range c.Changes {
		verdict := cell{Text: change.Verdict, Aside: pValue(change.Holm)}
		if change.Beyond(c.Threshold) {
			verdict.Text = "BEYOND"
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: change.Name}, times.measured(change.CPU), times.measured(change.Wall), verdict}})
	}
	return t
}
