//go:build linux

package run

import (
	"encoding/json"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/ipc"
)

// The stages that clocks know: those of a Conn, and the work of a refresher.
const (
	stageWork = ipc.Stages
	stages    = ipc.Stages + 1
)

var stageNames = [stages]string{
	ipc.StageEncode: "encode", ipc.StageWrite: "write", ipc.StageRead: "read", ipc.StageDecode: "decode", stageWork: "work",
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
	cpu     [stages]atomic.Int64
	count   [stages]atomic.Int64
	faults  [stages]atomic.Int64
}

// used is what a process has used, up to one moment.
type used struct {
	CPU    [stages]int64 `json:"cpu"` // nanoseconds, by stage
	Count  [stages]int64 `json:"count"`
	Faults [stages]int64 `json:"faults"`
	Cycles int64         `json:"cycles"` // of the collector
	Marked int64         `json:"marked"` // bytes alive at the end of each, all together
	GC     int64         `json:"gc"`     // nanoseconds; see collector
}

// read returns what was used so far, frames that are being sent included: it waits
// for them. c may be nil.
func (c *clocks) read() used {
	var u used
	if c != nil {
		c.sending.Lock()
		defer c.sending.Unlock()
		for i := range stages {
			u.CPU[i], u.Count[i], u.Faults[i] = c.cpu[i].Load(), c.count[i].Load(), c.faults[i].Load()
		}
	}
	if c != nil && !c.off {
		u.Cycles, u.Marked = c.gc.read()
	}
	return u
}

// report returns what was used so far as text for a mark. When priced, its GC
// is what the collector takes for a byte that is alive, in millionths of a
// nanosecond; to find that out the collector runs, so it is for the last mark.
func (c *clocks) report(priced bool) string {
	u := c.read()
	if priced {
		u.GC = int64(gcPrice() * 1e6)
	}
	b, err := json.Marshal(u)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// less returns what was used since before.
func (u used) less(before used) used {
	for i := range stages {
		u.CPU[i] -= before.CPU[i]
		u.Count[i] -= before.Count[i]
		u.Faults[i] -= before.Faults[i]
	}
	u.Cycles -= before.Cycles
	u.Marked -= before.Marked
	u.GC -= before.GC
	return u
}

// plus returns what two processes have used together.
func (u used) plus(o used) used {
	var zero used
	return u.less(zero.less(o))
}

// list returns the stages that took any time.
func (u used) list(side string) []Stage {
	var all []Stage
	for i, name := range stageNames {
		if u.Count[i] > 0 {
			all = append(all, Stage{Name: name, Side: side, CPU: time.Duration(u.CPU[i]), Count: u.Count[i], Faults: u.Faults[i]})
		}
	}
	if u.Cycles > 0 {
		all = append(all, Stage{Name: "gc", Side: side, CPU: time.Duration(u.GC), Count: u.Cycles})
	}
	return all
}

// probe returns a probe for one Conn, nil when there is nothing to do.
func (c *clocks) probe() ipc.Probe {
	if c == nil || c.off && c.plant.Stage == "" {
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
		p.faults[s] = threadFaults()
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
	p.cpu[s].Add(int64(threadCPU() - p.began[s]))
	p.clocks.faults[s].Add(threadFaults() - p.faults[s])
	p.count[s].Add(1)
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
