//go:build linux

package run

import (
	"runtime"
	"time"
)

// A window takes the figures of one sample, between its start and its stop.
type window struct {
	clocks  *clocks
	strange bool // a process that was there at the start was gone at the end, or the other way round

	began  time.Time
	own    usage
	ended  usage // of children
	others map[int]usage
	used   used

	s Sample
}

func (w *window) start() {
	runtime.GC()
	w.used = w.clocks.read()
	w.others = make(map[int]usage)
	for _, pid := range children() {
		w.others[pid] = usageOf(pid)
	}
	w.ended = endedUsage()
	w.began = time.Now()
	w.own = ownUsage()
}

// stop ends the window. Of processes that are there it also takes the memory.
func (w *window) stop() {
	tree := ownUsage().less(w.own)
	w.s.Wall = time.Since(w.began)
	tree = tree.plus(endedUsage().less(w.ended))
	w.s.PSS = treePSS()
	for _, pid := range children() {
		before, there := w.others[pid]
		tree = tree.plus(usageOf(pid).less(before))
		w.strange = w.strange || !there
		delete(w.others, pid)
	}
	w.strange = w.strange || len(w.others) > 0
	w.s.CPU, w.s.MinorFaults, w.s.Switches = tree.cpu, tree.minor, tree.switches
	if !w.clocks.off {
		used := w.clocks.read().less(w.used)
		used.GC = int64(float64(used.Marked) * gcPrice())
		w.s.Stages = append(w.s.Stages, used.list("coordinator")...)
	}
}
