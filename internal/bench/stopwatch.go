package bench

import (
	"os"
	"runtime"
	"time"
)

// A stopwatch takes the figures of one window.
type stopwatch struct {
	task   *task
	clocks *clocks
	cold   bool

	strange bool // a process began or ended inside a window that is to have none do so

	began    time.Time
	own      usage
	ended    usage // of children
	others   map[int]usage
	origin   time.Duration
	collects uint32
	alloc    uint64
	used     used

	s Sample
}

func (w *stopwatch) start() {
	runtime.GC()
	resetPeak()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.collects, w.alloc = m.NumGC, m.TotalAlloc
	w.used = w.clocks.read()
	w.others = make(map[int]usage)
	for _, pid := range descendants() {
		w.others[pid] = usageOf(pid)
	}
	w.origin = processCPU(w.task.OriginPID)
	w.ended = endedUsage()
	w.began = time.Now()
	w.own = ownUsage()
}

// stop ends the window. In a cold cell the children are gone by then, and what
// can only be read of living ones is from the pass before.
func (w *stopwatch) stop() {
	own := ownUsage()
	w.s.Wall = time.Since(w.began)
	tree := own.less(w.own)
	w.s.CoordinatorCPU = tree.cpu
	ended := endedUsage().less(w.ended)
	tree = tree.plus(ended)
	w.s.WorkersCPU = ended.cpu
	if !w.cold {
		for _, pid := range descendants() {
			before, there := w.others[pid]
			u := usageOf(pid).less(before)
			tree = tree.plus(u)
			w.s.WorkersCPU += u.cpu
			w.strange = w.strange || !there
			delete(w.others, pid)
		}
		w.strange = w.strange || len(w.others) > 0
		w.look()
	}
	w.s.CPU = w.s.CoordinatorCPU + w.s.WorkersCPU
	if w.task.OriginPID != 0 {
		w.s.OriginCPU = processCPU(w.task.OriginPID) - w.origin
	}
	w.s.MinorFaults, w.s.MajorFaults, w.s.Switches = tree.minor, tree.major, tree.switches
	if w.s.ReadCalls, w.s.WriteCalls = tree.reads, tree.writes; w.cold {
		w.s.ReadCalls, w.s.WriteCalls = -1, -1 // of those that are gone nobody knows
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.s.GCCycles, w.s.Alloc = int64(m.NumGC-w.collects), int64(m.TotalAlloc-w.alloc)
	if !w.clocks.off {
		used := w.clocks.read().less(w.used)
		used.GC = int64(float64(used.Marked) * gcPrice())
		w.s.Stages = append(w.s.Stages, used.list("coordinator")...)
	}
}

// look reads the memory of all processes, while they are there.
func (w *stopwatch) look() {
	own := memoryOf(os.Getpid())
	w.s.CoordinatorHWM = own.hwm
	w.s.PSS, w.s.WorkersPSS, w.s.WorkersHWM = own.pss, 0, 0
	for _, pid := range descendants() {
		m := memoryOf(pid)
		w.s.WorkersPSS += m.pss
		w.s.WorkersHWM = max(w.s.WorkersHWM, m.hwm)
	}
	w.s.PSS += w.s.WorkersPSS
}
