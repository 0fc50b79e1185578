package analyse

import (
	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// A step is one row of the ladder, before it is measured.
type step struct{ name, what, tried string }

// steps are those from goroutines to processes, each from the rung of the one
// before.
var steps = []step{
	{"bytes", "every result is spelt as bytes and read back (encoded and decoded)",
		"The collector's share is priced by a cycle of its own on an idle heap, which is cheaper than one beside the work: " +
			"with GOGC=400 the two come closer. What is left would need hardware counters."},
	{"pipe", "the bytes go through a pipe to another goroutine",
		"The clocks hold each goroutine to a thread while a stage lasts, so the reader is woken through the kernel where it is not without them: " +
			"the direct estimate is too high by that, and the next row's too low."},
	{"process", "the writer is a process with a heap of its own",
		"Cold caches and translation buffers of a second address space have no clock; they would need hardware counters, which a virtual machine does not give."},
}

// ledger makes the ledger, of cells in the same blocks, so the rows add up.
func (a *analysis) ledger() {
	cells := make([]int, 0, len(steps)+1)
	clocked := make([]int, 0, len(steps)+1)
	for _, mode := range []string{run.Goroutine, run.Codec, run.LocalPipe, run.Pipe} {
		c := a.Settings.At(run.Ship, mode)
		plain, ok := a.Find(c)
		c.Clocked = true
		with, ok2 := a.Find(c)
		if !ok || !ok2 || !a.use(plain.ID) || !a.use(with.ID) {
			return
		}
		cells, clocked = append(cells, plain.ID), append(clocked, with.ID)
	}
	t := a.table(cpuOf, cells...)
	if len(t.Groups) == 0 {
		return
	}
	top := len(cells) - 1
	l := &Ledger{
		Gap: a.boot.Interval(t, stats.Difference(top, 0)), Foot: a.boot.Interval(t, stats.Column(0)),
	}
	for i, s := range steps {
		r := Row{Name: s.name, What: s.what, Ladder: a.boot.Interval(t, stats.Difference(i+1, i))}
		r.sum(a.parts(cells[i], cells[i+1], clocked[i], clocked[i+1]), s.tried)
		l.Rows = append(l.Rows, r)
	}
	a.Findings.Ledger = l
}

// sum takes the direct estimates of a row and sets the two against each other.
func (r *Row) sum(parts []Part, tried string) {
	r.Parts = parts
	for _, p := range parts {
		r.Direct = r.Direct.Plus(p.Value)
	}
	if r.Apart = r.Ladder.Minus(r.Direct); !r.Meets() {
		r.Tried = tried
	}
}

// stage returns the figure that one stage of both sides is, a feed, without what
// reading the clock takes inside it.
func stage(name string, clock float64) figure {
	return perFeed(func(s *run.Sample) float64 {
		sum := 0.0
		for _, st := range s.Stages {
			if st.Name == name {
				sum += float64(st.CPU) - clock*float64(st.Count)
			}
		}
		return sum
	})
}

// outside returns the page faults of a sample that no stage's clock has seen.
func outside(s *run.Sample) float64 {
	n := float64(s.MinorFaults)
	for _, st := range s.Stages {
		n -= float64(st.Faults)
	}
	return max(0, n)
}

// parts returns the direct estimates of the step between two rungs: clocks
// around the stages, and counts at prices that were calibrated in the same run.
func (a *analysis) parts(from, to, fromClocked, toClocked int) (parts []Part) {
	add := func(name, method string, f figure, from, to int, price stats.Interval) {
		v := a.boot.Interval(a.table(f, to, from), stats.Difference(0, 1))
		if v != (stats.Interval{}) {
			parts = append(parts, Part{name, method, v.Product(price)})
		}
	}
	for _, name := range []string{"work", "encode", "write", "read", "decode"} {
		add(name, "clock of the thread, less what reading it takes", stage(name, a.Prices.Clock.Estimate), fromClocked, toClocked, stats.Exactly(1))
	}
	add("gc", "bytes that the collector marked, at a calibrated price", stage("gc", 0), fromClocked, toClocked, stats.Exactly(1))
	add("faults", "count outside the stages, at a calibrated price", perFeed(outside), fromClocked, toClocked, a.Prices.Fault)
	// The clocks hold goroutines to threads and so make switches of their own: the
	// count is from the cells without.
	add("switches", "count, at a calibrated price", perFeed(func(s *run.Sample) float64 { return float64(s.Switches) }), from, to, a.Prices.Switch)
	return parts
}
