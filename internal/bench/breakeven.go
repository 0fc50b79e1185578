package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// unnoticed is the overhead on the wall clock below which a mode is taken to
// cost nothing.
const unnoticed = 0.05

// breakEven says from where on the price of a process does not matter.
func (a *analysis) breakEven() {
	b := &BreakEven{LatencyUnder5: -1}
	for _, c := range a.run.Cells {
		if c.Mode != Pipe || c.Cold || c.Clocked || c.Shipped || c.Twin > 0 {
			continue
		}
		if slices.Contains(c.Sweeps, "latency") {
			b.Latency = append(b.Latency, a.overhead(c, float64(c.Latency), "ns", c.Latency.String())...)
		}
		if slices.Contains(c.Sweeps, "parse") {
			b.Parse = append(b.Parse, a.overhead(c, a.workPerByte(c), "ns/B", readerName(c))...)
		}
		if slices.Contains(c.Sweeps, "heap") {
			b.Heap = append(b.Heap, a.overhead(c, float64(c.Heap), "B", fmt.Sprintf("%d MiB", c.Heap>>20))...)
		}
	}
	for _, list := range [][]Overhead{b.Latency, b.Parse, b.Heap} {
		slices.SortFunc(list, func(x, y Overhead) int { return cmp.Compare(x.At, y.At) })
	}
	for _, o := range slices.Backward(b.Latency) {
		if o.Wall.High > unnoticed {
			break
		}
		b.LatencyUnder5 = time.Duration(o.At)
	}
	b.Spawn, _ = a.spawn()
	b.amortise(a)
	a.cost(b)
	b.note()
	a.run.BreakEven = b
}

// note says whether processes were faster anywhere.
func (b *BreakEven) note() {
	b.Note = "in Go goroutines already use every CPU, and nowhere in this run were processes surely faster; what they buy is isolation"
	for _, list := range [][]Overhead{b.Latency, b.Parse, b.Heap} {
		for _, o := range list {
			if o.Wall.High < 0 {
				b.Note = fmt.Sprintf("processes were faster by the wall clock at %s, %.0f %% with %+.0f %% CPU time: where that is not less, they did not work less but had more of the CPUs, as several programs have on a machine that others use, or collected their garbage apart", o.Label, -o.Wall.Estimate*100, o.CPU.Estimate*100)
				return
			}
		}
	}
}

// readerName says who reads the documents of a cell.
func readerName(c Cell) string {
	switch {
	case c.Work == Ship:
		return "nobody (ship)"
	case c.Gofeed:
		return "gofeed"
	}
	return "the fast reader"
}

// overhead returns what a cell takes over the goroutines that do the same.
func (a *analysis) overhead(c Cell, at float64, unit, label string) []Overhead {
	base := c
	base.Mode = Goroutine
	base, ok := find(a.run.Cells, base)
	t := a.table(cpuOf, c.ID, base.ID)
	if !ok || len(t.groups) == 0 {
		return nil
	}
	over := func(t table) Interval {
		return a.boot.interval(t, func(rows [][]float64) float64 { return ratio(0, 1)(rows) - 1 })
	}
	return []Overhead{{
		Mode: c.Mode, At: at, Unit: unit, Label: label, Cell: c.ID, Base: base.ID,
		CPU: over(t), Wall: over(a.table(wallOf, c.ID, base.ID)),
	}}
}

// workPerByte returns what goroutines do for each byte of a list, in
// nanoseconds.
func (a *analysis) workPerByte(c Cell) float64 {
	c.Mode = Goroutine
	base, ok := find(a.run.Cells, c)
	if !ok || !a.use(base.ID) {
		return 0
	}
	m := means(a.table(cpuOf, base.ID).rows())
	return m[0] / (float64(a.good[base.ID][0].CopiedBytes) / float64(base.Feeds))
}

// amortise finds how many feeds a worker must refresh for its start to be one
// per cent of what it costs, by the round, which is the work that is real.
func (b *BreakEven) amortise(a *analysis) {
	c := (&planner{s: &a.run.Settings}).at(Round, Pipe)
	c, ok := find(a.run.Cells, c)
	if !ok || !a.use(c.ID) {
		return
	}
	b.Refresh = a.boot.interval(a.table(cpuOf, c.ID), column(0))
	b.Amortise = b.Spawn.Estimate / (0.01 * b.Refresh.Estimate)
}

// cost answers McSherry's question: with how many workers is a mode faster than
// one plain loop, and than goroutines with as many?
func (a *analysis) cost(b *BreakEven) {
	for _, w := range []Work{Ship, Parse} {
		for _, mode := range []string{Goroutine, Pipe} {
			loop := (&planner{s: &a.run.Settings}).at(w, Sequential)
			loop.Workers = 1
			b.cost(a, w, mode, "sequential", func(int) Cell { return loop })
		}
		b.cost(a, w, Pipe, Goroutine, func(n int) Cell {
			c := (&planner{s: &a.run.Settings}).at(w, Goroutine)
			c.Workers = n
			return c
		})
	}
}

// cost adds one answer: the least number of workers at which the whole interval
// of the ratio of walls is below 1.
func (b *BreakEven) cost(a *analysis, w Work, mode, against string, base func(int) Cell) {
	answer := COST{Mode: mode, Against: against, Work: w}
	for _, n := range slices.Sorted(slices.Values(a.run.Settings.Workers)) {
		c := (&planner{s: &a.run.Settings}).at(w, mode)
		c.Workers = n
		c, ok := find(a.run.Cells, c)
		than, ok2 := find(a.run.Cells, base(n))
		t := a.table(wallOf, c.ID, than.ID)
		if !ok || !ok2 || len(t.groups) == 0 {
			continue
		}
		answer.Tried = append(answer.Tried, n)
		if answer.Workers == 0 && a.boot.interval(t, ratio(0, 1)).High < 1 {
			answer.Workers = n
		}
	}
	if len(answer.Tried) > 0 {
		b.COST = append(b.COST, answer)
	}
}
