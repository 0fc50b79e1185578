package bench

import "fmt"

// A claimant is a claim with the way to judge it in each language: the modes
// of Go have other names than the programs of the article.
type claimant struct {
	id, says   string
	inGo, inPy func(*analysis) Verdict
}

// The answers of a Verdict.
const (
	holds       = "yes"
	fails       = "no"
	partly      = "partly"
	notMeasured = "not measured"
)

// claims judges what the article says, in its order.
func (a *analysis) claims() {
	a.run.Claims = nil
	for _, c := range []claimant{
		{"C1", "threads that fill lists of their own need no lock", a.same(Goroutine), a.same("python-threads")},
		{"C2", "sending keys to processes is cheap", a.keys(Pipe), a.keys("python-pipe")},
		{"C3", "sending the lists back is not: messages are copies", a.dearer(Pipe, Goroutine), a.dearer("python-pipe", "python-threads")},
		{"C4", "two writers tear a pipe", a.torn("go"), a.torn("python")},
		{"C5", "a lock mends it", a.mended("go"), a.mended("python")},
		{"C6", "a queue may have several writers and needs no lock of one's own", a.same("queue"), a.same("python-queue")},
		{"C7", "shared memory spares the copy", a.spared("shm", Pipe), a.cheaper("python-shm", "python-pipe")},
		{"C8", "a manager is slower than shared memory", a.slower("manager", "shm"), a.slower("python-manager", "python-shm")},
	} {
		a.run.Claims = append(a.run.Claims, Claim{ID: c.id, Says: c.says, Go: c.inGo(a), Python: c.inPy(a)})
	}
}

var unmeasured = Verdict{Holds: notMeasured, Figure: "not measured in this run"}

// centre returns the cell of a mode in work ship, and whether it has samples
// that count.
func (a *analysis) centre(mode string) (Cell, bool) {
	c, ok := find(a.run.Cells, (&planner{s: &a.run.Settings}).at(Ship, mode))
	return c, ok && a.use(c.ID)
}

// same judges whether a mode gives all results, as the others do.
func (a *analysis) same(mode string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		c, ok := find(a.run.Cells, (&planner{s: &a.run.Settings}).at(Ship, mode))
		if !ok || len(a.good[c.ID]) == 0 {
			return unmeasured
		}
		v := Verdict{Holds: holds, Cells: []int{c.ID}, Figure: fmt.Sprintf("%d samples of %d feeds with %d workers: every list whole, without a lock of the program's", len(a.good[c.ID]), c.Feeds, c.Workers)}
		if a.unfit[c.ID] {
			v.Holds, v.Figure = fails, "its results differ from those of the others"
		}
		return v
	}
}

// keys judges what part of the cost is there when no list comes back.
func (a *analysis) keys(mode string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		whole, ok := a.centre(mode)
		keys := whole
		keys.Items = 0
		keys, ok2 := find(a.run.Cells, keys)
		if !ok || !ok2 || !a.use(keys.ID) {
			return unmeasured
		}
		t := a.table(cpuOf, keys.ID, whole.ID)
		if len(t.groups) == 0 {
			return unmeasured
		}
		share := a.boot.interval(t, ratio(0, 1))
		each := a.boot.interval(t, column(0))
		v := Verdict{Holds: partly, Value: share, Unit: "of the CPU time with lists", Cells: []int{keys.ID, whole.ID}}
		v.Figure = fmt.Sprintf("a feed whose list does not come back takes %.1f µs of CPU time, %.0f %% of one whose list of %d kB does", each.Estimate/1e3, share.Estimate*100, whole.Items*whole.Bytes/1000)
		if share.High < 0.5 {
			v.Holds = holds
		} else if share.Low > 0.5 {
			v.Holds = fails
		}
		return v
	}
}

// against compares two modes by the CPU time of a feed.
func (a *analysis) against(mode, base string, figure string) (Verdict, bool) {
	c, ok := a.centre(mode)
	b, ok2 := a.centre(base)
	t := a.table(cpuOf, c.ID, b.ID)
	if !ok || !ok2 || len(t.groups) == 0 {
		return unmeasured, false
	}
	r := a.boot.interval(t, ratio(0, 1))
	d := a.boot.interval(t, difference(0, 1))
	return Verdict{
		Value: r, Unit: "times the CPU time", Cells: []int{c.ID, b.ID},
		Figure: fmt.Sprintf(figure, r.Estimate, d.Estimate/1e3),
	}, true
}

// dearer judges whether a mode costs more than another one: at least twice as
// much for yes.
func (a *analysis) dearer(mode, base string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		v, ok := a.against(mode, base, mode+" takes %.2g times the CPU time of "+base+", %+.1f µs a feed")
		if ok {
			v.Holds = answer(v.Value, 2, 1)
		}
		return v
	}
}

// slower is dearer, but any difference will do.
func (a *analysis) slower(mode, base string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		v, ok := a.against(mode, base, mode+" takes %.2f times the CPU time of "+base+", %+.1f µs a feed")
		if ok {
			v.Holds = answer(v.Value, 1, 1)
		}
		return v
	}
}

// cheaper judges whether a mode costs less than another one.
func (a *analysis) cheaper(mode, base string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		v, ok := a.against(mode, base, mode+" takes %.2f times the CPU time of "+base+", %+.1f µs a feed")
		if ok {
			v.Holds = answer(Interval{1 / v.Value.Estimate, 1 / v.Value.High, 1 / v.Value.Low}, 1, 1)
		}
		return v
	}
}

// spared is cheaper, for lists that are looked at and let go, where that was
// measured: in memory that is never used again, shared memory is paid by the
// page.
func (a *analysis) spared(mode, base string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		kept := a.cheaper(mode, base)(a)
		at := func(m string) Cell {
			c := (&planner{s: &a.run.Settings}).at(Ship, m)
			c.Released = true
			c, _ = find(a.run.Cells, c)
			return c
		}
		c, b := at(mode), at(base)
		t := a.table(cpuOf, c.ID, b.ID)
		if c.Name == "" || b.Name == "" || len(t.groups) == 0 {
			return kept
		}
		v := Verdict{Value: a.boot.interval(t, ratio(0, 1)), Unit: "times the CPU time", Cells: []int{c.ID, b.ID}}
		v.Holds = answer(Interval{1 / v.Value.Estimate, 1 / v.Value.High, 1 / v.Value.Low}, 1, 1)
		v.Figure = fmt.Sprintf("where lists are let go and memory is used again, %s takes %.2f times the CPU time of %s; where they are kept, %.2f times", mode, v.Value.Estimate, base, kept.Value.Estimate)
		return v
	}
}

// answer says yes where the whole interval is above one bound, no where it is
// below another one.
func answer(i Interval, yes, no float64) string {
	switch {
	case i.Low > yes:
		return holds
	case i.High < no:
		return fails
	}
	return partly
}

// tear returns what was counted of frames of a size.
func (a *analysis) tear(language string, size int, locked bool) (Tear, bool) {
	for _, t := range a.run.Tears {
		if t.Language == language && t.Size == size && t.Locked == locked && t.Frames > 0 {
			return t, true
		}
	}
	return Tear{}, false
}

func (a *analysis) torn(language string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		long, ok := a.tear(language, tornSize, false)
		short, ok2 := a.tear(language, wholeSize, false)
		if !ok || !ok2 {
			return unmeasured
		}
		v := Verdict{Holds: holds, Value: exactly(float64(long.Torn) / float64(long.Frames)), Unit: "of the frames"}
		v.Figure = fmt.Sprintf("%d of %d frames of %d bytes torn; %d of %d of %d bytes, which the system keeps whole", long.Torn, long.Frames, long.Size, short.Torn, short.Frames, short.Size)
		if long.Torn == 0 {
			v.Holds = fails
		}
		return v
	}
}

func (a *analysis) mended(language string) func(*analysis) Verdict {
	return func(a *analysis) Verdict {
		with, ok := a.tear(language, tornSize, true)
		without, ok2 := a.tear(language, tornSize, false)
		if !ok || !ok2 {
			return unmeasured
		}
		v := Verdict{Holds: holds, Value: exactly(float64(with.Torn) / float64(with.Frames)), Unit: "of the frames"}
		v.Figure = fmt.Sprintf("%d of %d frames torn; the writers take %.1f µs of CPU time a frame with the lock, %.1f without", with.Torn, with.Frames, with.CPU/1e3, without.CPU/1e3)
		if with.Torn > 0 {
			v.Holds = fails
		}
		return v
	}
}

// exactly is the interval of what was counted and not estimated.
func exactly(x float64) Interval { return Interval{x, x, x} }
