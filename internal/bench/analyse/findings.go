// Package analyse makes findings of a run: what differs and by how much, where
// the time goes, what was lost to documents that kill, and which of the
// article's claims hold. Of the same run it makes the same findings.
//
// It refuses a figure for a mode whose results are not those of the others, and
// a verdict that a run against itself would give as well.
package analyse

import (
	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// Findings are what the samples of a run bear out, beside the run itself. What
// lacks its samples is absent. Times are nanoseconds, of one feed unless it says
// otherwise.
type Findings struct {
	*run.Run
	// NotForPublication says why the figures are no more than a hint, such as
	// too few runs; empty when they may be published.
	NotForPublication []string
	Warnings          []run.Warning // the gravest first

	Rounds []Pair // of the real program, processes over goroutines
	Lists  []Pair // of the article's experiment
	Twins  []Pair // equal cells
	Scales []Scale
	Ledger *Ledger
	Losses []Loss   // for each killer and mode
	Beside []Beside // for each slow or large document and mode
	Claims []Claim
}

// A Pair is a cell against another one in the same blocks.
type Pair struct {
	Cell, Base run.Cell
	CPU, Wall  Measure
	Memory     stats.Interval // of Cell less that of Base, bytes; peaks of rounds, else PSS
}

// A Measure is how one figure of two cells compares.
type Measure struct {
	Ratio      stats.Interval // of the means
	More       stats.Interval // the difference of the means
	Mean, Base float64        // the means themselves
	// P is the chance of such a difference between equal cells (Mann-Whitney)
	// after Holm's correction for everything that the run compares.
	P float64
	// Twin is the ratio of this work to itself: no less can be told from 1.
	Twin    stats.Interval
	Verdict Verdict
}

// A Verdict says what a run has seen of a difference.
type Verdict string

// The verdicts. NotSeen is no proof of equality. AtTheEdge is what another run may
// see or not: so that of two runs hardly ever one has seen what the other has not.
const (
	Higher    Verdict = "higher"
	Lower     Verdict = "lower"
	AtTheEdge Verdict = "at the edge"
	NotSeen   Verdict = "not seen"
)

// A Scale is what a round of so many feeds costs, calculated from rounds of two
// sizes: what is paid once, and what each feed takes.
type Scale struct {
	Work                  run.Work
	Feeds                 int            // 0 for what is paid once
	Goroutines, Processes stats.Interval // CPU time of the round
	More                  stats.Interval // the difference
}

// A Ledger says where the CPU time of processes over goroutines goes, when lists
// are copied and nothing else is done. The ladder's rows add up to the gap
// exactly; the direct ones need not, and each row says by how much.
type Ledger struct {
	Foot stats.Interval // of goroutines
	Gap  stats.Interval // of processes that run already, over them
	Rows []Row
}

// A Row is one step of a ladder, estimated twice.
type Row struct {
	Name   string // bytes, pipe or process
	What   string // for people: what this step adds
	Ladder stats.Interval
	Direct stats.Interval // sum of Parts
	Apart  stats.Interval // Ladder less Direct
	Parts  []Part
	// Tried says what was done to find out, where the two do not meet.
	Tried string
}

// Meets reports whether the two estimates are the same within their intervals.
func (r *Row) Meets() bool { return r.Apart.Contains(0) }

// A Part is one direct estimate.
type Part struct {
	Name   string // encode, decode, write, read, gc, faults or switches
	Method string
	Value  stats.Interval
}

// A Loss is what killers of one kind did to rounds in one mode, wherever they
// stood.
type Loss struct {
	Killer string
	Mode   string
	Runs   int
	Died   int   // rounds whose program died with it or had to be killed
	Lost   []int // innocent feeds without a list, in order
	Feeds  int   // innocent ones of each round
	// Recovery is by how much later rounds ended that survived, in the median.
	Recovery stats.Interval
}

// Beside is what a document that is slow or large, and kills nobody, did to the
// feeds beside it.
type Beside struct {
	Document string
	Mode     string
	Runs     int
	Tail     stats.Interval // within what time 99 of 100 others were there, from their being handed out
	Later    stats.Interval // by how much that is more than without the document
	Kept     stats.Interval // memory of all processes when all was done, more than without it
}

// A Claim is something that the article says, and how it fared in Go and, in the
// order of Environment.Pythons, in CPython.
type Claim struct {
	Says     string
	Verdicts []Fared
}

// Fared is how a claim did in one language.
type Fared struct {
	Holds  string // yes, no, partly or "not measured"
	Figure string // for people: the measurement, in a line
}
