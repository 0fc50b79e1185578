//go:build linux

package run

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
)

// The stages that clocks know: those of a Conn, and the collector, which works
// beside them.
const (
	stageGC = ipc.Stages + iota
	stages
)

var stageNames = [stages]string{
	ipc.StageEncode: "encode", ipc.StageWrite: "write", ipc.StageRead: "read", ipc.StageDecode: "decode", stageGC: "gc",
}

// A plant is a cost that a test puts into one stage, to see whether it is found
// there: so much CPU time for each frame.
type plant struct {
	Stage string        `json:"stage"` // empty for none
	CPU   time.Duration `json:"cpu"`
}

// clocks collect the CPU time of each stage in one process. Their probes hold
// a goroutine to its thread while a stage lasts, and the page faults that a
// stage takes are counted too.
type clocks struct {
	off   bool // count nothing, only plant
	plant plant
	gc    collector
	// sending is shared by whoever encodes or writes. A frame has often been read,
	// and its answer handled, before its writer runs again: whoever reads the clocks
	// then would miss all that the frame took.
	sending sync.RWMutex
	spent   [stages]struct{ cpu, count, faults atomic.Int64 }
}

// spent is what a stage has taken: CPU time, how often, and page faults. Of the
// collector the first is the bytes that it marked, which have a price.
type spent struct{ CPU, Count, Faults int64 }

// used is what a process has used, up to one moment, by stage.
type used [stages]spent

// read returns what was used so far, frames that are being sent included: it waits
// for them.
func (c *clocks) read() (u used) {
	c.sending.Lock()
	defer c.sending.Unlock()
	for i := range u {
		s := &c.spent[i]
		u[i] = spent{s.cpu.Load(), s.count.Load(), s.faults.Load()}
	}
	if !c.off {
		u[stageGC].Count, u[stageGC].CPU = c.gc.read()
	}
	return u
}

// A mark is what a process says of itself: what it has used so far and, in the
// last one, because to find that out the collector runs, its price.
type mark struct {
	Used  used
	Price float64 // see gcPrice
}

// since returns the stages that took any time since before.
func (m mark) since(before used, side string) (all []Stage) {
	for i, s := range m.Used {
		if s.Count -= before[i].Count; s.Count == 0 {
			continue
		}
		cpu := float64(s.CPU - before[i].CPU)
		if i == int(stageGC) {
			cpu *= m.Price
		}
		all = append(all, Stage{Name: stageNames[i], Side: side, CPU: time.Duration(cpu), Count: s.Count, Faults: s.Faults - before[i].Faults})
	}
	return all
}

// probe returns a probe for one Conn, nil when there is nothing to do.
func (c *clocks) probe() ipc.Probe {
	if c.off && c.plant.Stage == "" {
		return nil
	}
	return &probe{clocks: c}
}

// A probe puts clocks around the stages of one Conn. A stage begins and ends on
// one goroutine, and stages of the other direction have fields of their own.
type probe struct {
	*clocks
	began  [stages]time.Duration
	faults [stages]int64
}

func (p *probe) Begin(s ipc.Stage, _ int64, _ int) {
	if !p.off {
		if sends(s) {
			p.sending.RLock()
		}
		runtime.LockOSThread()
		p.faults[s] = rusage(unix.RUSAGE_THREAD).minor
		p.began[s] = threadCPU()
	}
	if stageNames[s] == p.plant.Stage {
		spin(p.plant.CPU)
	}
}

func (p *probe) End(s ipc.Stage) {
	if p.off {
		return
	}
	p.spent[s].cpu.Add(int64(threadCPU() - p.began[s]))
	p.spent[s].faults.Add(rusage(unix.RUSAGE_THREAD).minor - p.faults[s])
	p.spent[s].count.Add(1)
	runtime.UnlockOSThread()
	if sends(s) {
		p.sending.RUnlock()
	}
}

// sends tells the stages that end by themselves from those that wait for a peer,
// or whose end the reader of the clocks has seen.
func sends(s ipc.Stage) bool { return s == ipc.StageEncode || s == ipc.StageWrite }

// spin uses so much CPU time of the calling thread.
func spin(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := threadCPU() + d; threadCPU() < end; {
	}
}

// A collector counts what the garbage collector had to mark: how many bytes
// were alive at the end of each of its cycles. Times a price for a byte that is
// the CPU time it took.
//
// Rejected: /cpu/classes/gc of runtime/metrics. It is made of the wall clock,
// and on a machine that others use it was thirty times too much
// (golang.org/issue/59749). A CPU profile, whose hundred samples a second see
// nothing of a window of milliseconds.
type collector struct {
	arm    sync.Once
	cycles atomic.Int64
	marked atomic.Int64
}

// read returns the cycles and the bytes marked so far. The first call begins
// the count.
func (c *collector) read() (cycles, marked int64) {
	c.arm.Do(func() { c.sentinel() })
	return c.cycles.Load(), c.marked.Load()
}

// sentinel makes a piece of garbage that tells when it is collected, and then
// makes another one.
func (c *collector) sentinel() {
	s := new([16]byte)
	runtime.SetFinalizer(s, func(*[16]byte) {
		c.cycles.Add(1)
		c.marked.Add(liveBytes())
		c.sentinel()
	})
}

func liveBytes() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// gcPrice returns what the collector takes for each byte that is alive, in
// nanoseconds of CPU time: that of a cycle of its own, over what it marks. It is
// the cheapest of three, as the first one has others' garbage to sweep.
func gcPrice() float64 {
	best := math.Inf(1)
	for range 3 {
		before := processCPU(0)
		runtime.GC()
		best = min(best, float64(processCPU(0)-before))
	}
	return best / float64(max(liveBytes(), 1))
}
