package analyse

import (
	"fmt"
	"strings"

	"feedmill/internal/bench/run"
)

// A claim is something that the article says, as data: a mode whose results are
// whole, a ratio that is above a bound, or frames that are torn.
type claim struct {
	says string
	kind kind
	// mode and base are those of Go; CPython's have its prefix, with threads for
	// goroutine.
	mode, base string
	work       run.Work
	wall       bool    // the ratio is of the wall clock, and not of CPU time
	yes        float64 // the ratio from which on it holds; below 1 it does not
}

type kind int

const (
	whole  kind = iota
	ratio       // of mode over base
	keys        // of mode over the same without lists
	torn        // without a lock
	mended      // with one
	dealt       // jobs of which each is taken once
)

var claims = []claim{
	{says: "threads that parse take turns; processes do it side by side", kind: ratio, mode: run.Goroutine, base: run.Pipe, work: run.Parse, wall: true, yes: 1.1},
	{says: "threads that fill lists of their own need no lock", kind: whole, mode: run.Goroutine, work: run.Ship},
	{says: "sending keys to processes is cheap beside the lists", kind: keys, mode: run.Pipe, work: run.Ship, yes: 2},
	{says: "sending the lists back is not: messages are copies", kind: ratio, mode: run.Pipe, base: run.Goroutine, work: run.Ship, yes: 2},
	{says: "two writers tear a pipe", kind: torn},
	{says: "a lock mends it", kind: mended},
	{says: "a queue may have several writers and needs no lock of one's own", kind: whole, mode: "queue", work: run.Ship},
	{says: "and several readers: whoever is free takes the next job", kind: dealt},
	{says: "shared memory spares the copy", kind: ratio, mode: run.Pipe, base: "shm", work: run.Ship, yes: 1.1},
	{says: "a manager is slower than shared memory", kind: ratio, mode: "manager", base: "shm", work: run.Ship, yes: 1.1},
}

var notMeasured = Fared{Holds: "not measured"}

// claims judges what the article says, in its order.
func (a *analysis) claims() {
	for _, c := range claims {
		judged := Claim{Says: c.says}
		for python := range len(a.Environment.Pythons) + 1 {
			mode, base := a.cell(c.mode, c.work, python), a.cell(c.base, c.work, python)
			f := notMeasured
			switch c.kind {
			case whole:
				f = a.whole(mode)
			case ratio:
				f = a.above(c, mode, base)
			case keys:
				base = mode
				base.Items = 0
				f = a.above(c, mode, base)
			case torn, mended, dealt:
				f = a.torn(c.kind, python)
			}
			judged.Verdicts = append(judged.Verdicts, f)
		}
		a.Claims = append(a.Claims, judged)
	}
}

// cell returns the cell of a mode in Go or, from 1 on, in a Python.
func (a *analysis) cell(mode string, w run.Work, python int) run.Cell {
	if python > 0 {
		mode = "python-" + strings.Replace(mode, run.Goroutine, "threads", 1)
	}
	c := a.Settings.At(w, mode)
	c.Python = python
	return c
}

// whole judges whether a mode gives all results, as the others do.
func (a *analysis) whole(c run.Cell) Fared {
	c, ok := a.Find(c)
	switch {
	case !ok || len(a.good[c.ID]) == 0:
		return notMeasured
	case a.unfit[c.ID]:
		return Fared{"no", "its results differ from those of the others"}
	}
	return Fared{"yes", fmt.Sprintf("every list whole in %d runs of %d feeds", len(a.good[c.ID]), c.Feeds)}
}

// above judges a ratio: yes where its whole interval is above the bound, no
// where it is below 1 or, with a bound beyond, below that.
func (a *analysis) above(c claim, mode, base run.Cell) Fared {
	mode, ok := a.Find(mode)
	p, ok2 := a.pair(mode, base)
	if !ok || !ok2 {
		return notMeasured
	}
	m, of := p.CPU, "CPU time"
	if c.wall {
		m, of = p.Wall, "time"
	}
	name := func(c run.Cell) string {
		if c.Items == 0 {
			return "keys"
		}
		return strings.TrimPrefix(c.Mode, "python-")
	}
	f := Fared{"partly", fmt.Sprintf("%s takes %.3g times the %s of %s [%.3g, %.3g], %.1f against %.1f µs a feed", name(mode), m.Ratio.Estimate, of, name(p.Base), m.Ratio.Low, m.Ratio.High, m.Mean/1e3, m.Base/1e3)}
	switch {
	case m.Ratio.Low > c.yes:
		f.Holds = "yes"
	case m.Ratio.High < c.yes:
		f.Holds = "no"
	}
	return f
}

// torn judges what several writers or readers of one pipe or queue made of frames.
func (a *analysis) torn(k kind, python int) Fared {
	language := map[bool]string{false: "go", true: "python"}[python > 0]
	for _, t := range a.Tears {
		if t.Language != language || t.Locked != (k == mended) || (t.Readers > 0) != (k == dealt) || python > 1 {
			continue
		}
		f := Fared{"no", fmt.Sprintf("%d of %d frames of %d bytes torn", t.Torn, t.Frames, run.TornSize)}
		if k == dealt {
			f.Figure = fmt.Sprintf("%d readers took %d of %d jobs once", t.Readers, t.Frames-t.Torn, t.Frames)
		}
		if (t.Torn > 0) == (k == torn) {
			f.Holds = "yes"
		}
		return f
	}
	return notMeasured
}
