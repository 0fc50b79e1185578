package bench

import (
	"fmt"
	"math"
)

// enough is the share of a gap that may stay unexplained.
const enough = 0.15

// A step is one row of a ladder, before it is measured.
type step struct {
	name, what string
	from, to   Cell
	limit      string // its floor
}

// ledgers makes the ledger of the run's work.
func (a *analysis) ledgers() {
	a.run.Ledgers = nil
	p := &planner{s: &a.run.Settings}
	w := a.run.Settings.Work
	cell := func(mode string) Cell {
		c := p.at(w, mode)
		if mode == Sequential {
			c.Workers = 1
		}
		c, _ = find(a.run.Cells, c)
		return c
	}
	cold := p.at(w, Pipe)
	cold.Cold = true
	cold, ok := find(a.run.Cells, cold)
	if !ok {
		return
	}
	steps := []step{
		{Codec, "every result is encoded and decoded", cell(Goroutine), cell(Codec), "memcpy"},
		{LocalPipe, "and written to a pipe, and read by another goroutine", cell(Codec), cell(LocalPipe), "raw-pipe"},
		{"process", "and written by a process with a heap of its own", cell(LocalPipe), cell(Pipe), "switch"},
		{"spawn", "which is started and ended for this alone", cell(Pipe), cold, "spawn"},
	}
	for _, s := range steps {
		if !a.use(s.from.ID) || !a.use(s.to.ID) || s.from.Name == "" || s.to.Name == "" {
			return
		}
	}
	if l, ok := a.ledger(w, steps); ok {
		for _, m := range a.run.Settings.Modes {
			if c := cell(m); c.Name != "" && a.use(c.ID) && m != Goroutine {
				a.besides(&l, step{m, "the mode " + m + ", workers warm", steps[0].from, c, ""})
			}
		}
		if c := cell(Sequential); c.Name != "" && a.use(c.ID) {
			a.besides(&l, step{"concurrency", "goroutines instead of a plain loop", c, steps[0].from, "goroutine"})
		}
		a.run.Ledgers = append(a.run.Ledgers, l)
	}
}

// besides adds a row beside the ladder.
func (a *analysis) besides(l *Ledger, s step) {
	t := a.table(cpuOf, s.to.ID, s.from.ID)
	if len(t.groups) == 0 {
		return
	}
	row := LedgerRow{Name: s.name, What: s.what, From: s.from.ID, To: s.to.ID, Ladder: a.boot.interval(t, difference(0, 1))}
	row.floor(a.run, s)
	l.Beside = append(l.Beside, row)
}

// ledger measures steps that follow each other. All cells are taken from the
// same blocks, so the rows add up to the gap exactly.
func (a *analysis) ledger(w Work, steps []step) (Ledger, bool) {
	cells := []int{steps[0].from.ID}
	for _, s := range steps {
		cells = append(cells, s.to.ID)
	}
	t := a.table(cpuOf, cells...)
	if len(t.groups) == 0 {
		return Ledger{}, false
	}
	top := len(cells) - 1
	l := Ledger{
		What: fmt.Sprintf("CPU time of pipe with spawn over goroutine, %s", w), Work: w, Base: cells[0], Top: cells[top],
		Gap: a.boot.interval(t, difference(top, 0)), Foot: a.boot.interval(t, column(0)),
	}
	d := a.direct(cells)
	for i, s := range steps {
		row := LedgerRow{Name: s.name, What: s.what, From: s.from.ID, To: s.to.ID, Ladder: a.boot.interval(t, difference(i+1, i))}
		if parts, ok := d.row(i); ok {
			sum := Interval{}
			for _, p := range parts {
				sum = sum.plus(p.Value)
			}
			apart := row.Ladder.minus(sum)
			row.Parts, row.Direct, row.Disagreement = parts, &sum, &apart
			l.Direct = l.Direct.plus(sum)
		}
		row.floor(a.run, s)
		l.Rows = append(l.Rows, row)
	}
	l.Residue = l.Gap.minus(l.Direct)
	l.Perturbation = d.perturbation()
	l.explain()
	return l, true
}

// explain says what is missing when the direct estimates leave too much.
func (l *Ledger) explain() {
	if l.Gap.Estimate == 0 {
		return
	}
	l.ResidueShare = math.Abs(l.Residue.Estimate / l.Gap.Estimate)
	if l.ResidueShare <= enough {
		return
	}
	worst := -1
	for i, r := range l.Rows {
		if r.Disagreement == nil {
			l.Missing = "the row " + r.Name + " has no direct estimate: its clocked cells have no samples"
			return
		}
		if worst < 0 || math.Abs(r.Disagreement.Estimate) > math.Abs(l.Rows[worst].Disagreement.Estimate) {
			worst = i
		}
	}
	l.Missing = map[string]string{
		Codec:     "what the collector takes of the CPU while it runs beside the stages is priced by a cycle on an idle heap; hardware counters, which would tell, are not to be had from a Go program without privileges",
		LocalPipe: "the price of a switch is that of two processes that do nothing else; what a switch does to caches would need hardware counters",
		"process": "the cold caches and translation buffers of a second address space would need hardware counters, which this system does not give to a program without privileges",
		"spawn":   "what the kernel does for a process after it was waited for is charged to nobody, and a worker's first pass through its code is not timed apart from its work",
	}[l.Rows[worst].Name]
	if l.Work == Round && worst > 0 {
		l.Missing = "what fetching takes is in no stage, nor that a worker which is started anew opens its connections anew: net/http works on goroutines of its own, and Go has no clock for a goroutine; reading the documents, encoding and the pipe are clocked"
	}
	if l.Residue.Contains(0) {
		l.Missing = "the residue's interval has 0 in it: more blocks, or a quieter machine, are needed to tell it from none; if it stays, " + l.Missing
	}
}

// plus returns the sum of two independent estimates.
func (i Interval) plus(o Interval) Interval {
	e := i.Estimate + o.Estimate
	return Interval{e, e - math.Hypot(i.Estimate-i.Low, o.Estimate-o.Low), e + math.Hypot(i.High-i.Estimate, o.High-o.Estimate)}
}

// minus returns the difference of two independent estimates.
func (i Interval) minus(o Interval) Interval {
	return i.plus(Interval{-o.Estimate, -o.High, -o.Low})
}

// times returns the estimate times a number that is not negative.
func (i Interval) times(x float64) Interval {
	return Interval{i.Estimate * x, i.Low * x, i.High * x}
}

// floor puts the floor of a row beside it: what the bare mechanism takes for as
// much, on this machine and in this run.
func (r *LedgerRow) floor(run *Run, s step) {
	limit, ok := run.limit(s.limit)
	if !ok {
		return
	}
	c := run.Cells[r.To]
	bytes := float64(c.Items * c.Bytes)
	ns := map[string]float64{
		"memcpy":    2 * bytes * limit.Value.Estimate, // out of the list, into another
		"raw-pipe":  bytes * limit.Value.Estimate,
		"switch":    2 * limit.Value.Estimate, // to the reader and back
		"spawn":     limit.Value.Estimate * float64(c.Workers) / float64(c.Feeds),
		"goroutine": 2 * limit.Value.Estimate, // a job and its result are handed over
	}[s.limit]
	if ns > 0 {
		r.Limit, r.LimitNS, r.Times = s.limit, ns, r.Ladder.Estimate/ns
	}
}

// limit returns a limit by name.
func (r *Run) limit(name string) (Limit, bool) {
	for _, l := range r.Limits {
		if l.Name == name {
			return l, true
		}
	}
	return Limit{}, false
}
