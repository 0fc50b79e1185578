package bench

import "slices"

// A directly is the estimates of a ladder's rungs that are no differences of
// whole CPU times: clocks around the stages, and counts at prices that were
// calibrated in the same run.
type directly struct {
	a     *analysis
	plain []int // the rungs, by cell
	clock []int // the same with clocks; -1 where there is none
}

// direct returns the direct estimates for the rungs of a ladder.
func (a *analysis) direct(rungs []int) directly {
	d := directly{a: a, plain: rungs}
	for _, id := range rungs {
		c := a.run.Cells[id]
		c.Clocked = true
		found, ok := find(a.run.Cells, c)
		if !ok || !a.use(found.ID) {
			found.ID = -1
		}
		d.clock = append(d.clock, found.ID)
	}
	return d
}

// The stages of a rung that are added up, by how they are told.
var clockedStages = []string{"work", "encode", "write", "read", "decode"}

// stage returns the figure that one stage of both sides is, a feed.
func stage(name string) figure {
	return perFeed(func(s *Sample) float64 {
		sum := 0.0
		for _, st := range s.Stages {
			if st.Name == name {
				sum += float64(st.CPU)
			}
		}
		return sum
	})
}

// outside returns the page faults of a sample that no stage's clock has seen.
func outside(s *Sample) float64 {
	n := float64(s.MinorFaults)
	for _, st := range s.Stages {
		n -= float64(st.Faults)
	}
	return max(0, n)
}

// row returns the direct estimates of step i, from rung i to the next one.
func (d directly) row(i int) ([]Part, bool) {
	from, to := d.clock[i], d.clock[i+1]
	if from < 0 {
		return nil, false
	}
	if to < 0 {
		return d.spawned(i)
	}
	var parts []Part
	diff := func(name, method string, f figure, price Interval) {
		t := d.a.table(f, to, from)
		if len(t.groups) == 0 {
			return
		}
		v := d.a.boot.interval(t, difference(0, 1))
		if v.Estimate != 0 || v.Low != 0 || v.High != 0 {
			parts = append(parts, Part{name, method, v.scaled(price)})
		}
	}
	one := Interval{1, 1, 1}
	for _, name := range clockedStages {
		diff(name, "thread clock", stage(name), one)
	}
	diff("gc", "bytes marked, at a calibrated price", stage("gc"), one)
	if l, ok := d.a.run.limit("page-fault"); ok {
		diff("faults", "count outside the stages, at a calibrated price", perFeed(outside), l.Value)
	}
	if l, ok := d.a.run.limit("switch"); ok {
		// The clocks hold goroutines to threads and so make switches of their
		// own: the count is from the cells without.
		t := d.a.table(perFeed(func(s *Sample) float64 { return float64(s.Switches) }), d.plain[i+1], d.plain[i])
		if len(t.groups) > 0 {
			parts = append(parts, Part{"switches", "count, at a calibrated price", d.a.boot.interval(t, difference(0, 1)).scaled(l.Value)})
		}
	}
	return parts, true
}

// spawned returns the direct estimate of starting and ending the workers: what
// those take that are given nothing to do, and the faults beyond that of those
// that are.
func (d directly) spawned(i int) ([]Part, bool) {
	worker, ok := d.a.run.limit("spawn-worker")
	fault, ok2 := d.a.run.limit("page-fault")
	if !ok || !ok2 || !d.a.run.Cells[d.plain[i+1]].Cold {
		return nil, false
	}
	c := d.a.run.Cells[d.plain[i+1]]
	share := float64(c.Workers) / float64(c.Feeds)
	parts := []Part{{"spawn", "getrusage of workers that are given nothing", worker.Value.times(share)}}
	t := d.a.table(perFeed(func(s *Sample) float64 { return float64(s.MinorFaults) }), d.plain[i+1], d.plain[i])
	if idle, ok := d.a.run.limit("spawn-worker-faults"); ok && len(t.groups) > 0 {
		more := d.a.boot.interval(t, difference(0, 1)).minus(idle.Value.times(share))
		parts = append(parts, Part{"faults", "first touch beyond an idle worker's, at a calibrated price", more.scaled(fault.Value)})
	}
	return parts, true
}

// scaled returns a count times a price, each with its interval.
func (i Interval) scaled(price Interval) Interval {
	var all []float64
	for _, x := range []float64{i.Low, i.High} {
		for _, p := range []float64{price.Low, price.High} {
			all = append(all, x*p)
		}
	}
	return Interval{i.Estimate * price.Estimate, slices.Min(all), slices.Max(all)}
}

// perturbation returns what clocks do to the last rung that has them.
func (d directly) perturbation() Interval {
	for i := len(d.clock) - 1; i >= 0; i-- {
		if d.clock[i] >= 0 {
			return d.a.boot.interval(d.a.table(cpuOf, d.clock[i], d.plain[i]), ratio(0, 1))
		}
	}
	return Interval{}
}
