// Package bench measures what it costs to refresh feeds in processes instead
// of goroutines, where that cost goes and what it buys. A [Run] is all that one
// experiment found, and the source of every table and plot.
//
// It refuses to print a number for a mode whose results are not those of the
// other modes.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Schema is the version of run.json. A field that changes its meaning or goes
// away makes a new one; a field that comes does not.
const Schema = 1

// A Run is run.json: one experiment, from its settings to its findings. It is
// written again and again as the experiment goes on, so an interrupted run
// keeps what it has: Samples are then fewer than planned, Complete is false and
// findings whose samples are missing are absent.
//
// Times are nanoseconds, sizes bytes, shares fractions of 1. Findings are about
// one feed unless a unit says otherwise.
type Run struct {
	Schema  int      `json:"schema"`
	Command []string `json:"command"` // what makes the run again, with the seed
	// Started is the wall clock; Elapsed how long it took until this was written.
	Started  time.Time     `json:"started"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	Complete bool          `json:"complete"`
	// NotForPublication says why the figures are no more than a hint, such as
	// too few runs; empty when they may be published.
	NotForPublication []string `json:"not_for_publication,omitempty"`

	Environment Environment `json:"environment"`
	Settings    Settings    `json:"settings"`

	Cells   []Cell   `json:"cells"`   // Cells[i].ID is i
	Samples []Sample `json:"samples"` // in the order in which they ran

	Limits      []Limit      `json:"limits,omitempty"`
	Summaries   []Summary    `json:"summaries,omitempty"`   // one for each cell that has samples
	Comparisons []Comparison `json:"comparisons,omitempty"` // the headline first
	Ledgers     []Ledger     `json:"ledgers,omitempty"`     // the headline first
	Fits        []Fit        `json:"fits,omitempty"`
	Buys        []Buy        `json:"buys,omitempty"`
	BreakEven   *BreakEven   `json:"break_even,omitempty"`
	Claims      []Claim      `json:"claims,omitempty"` // in the article's order
	Tears       []Tear       `json:"tears,omitempty"`
	Warnings    []Warning    `json:"warnings,omitempty"`
}

// Environment is the machine and the build, as they were when the run began.
// Empty strings and zeros stand for what the system does not tell.
type Environment struct {
	OS       string `json:"os"`   // GOOS
	Arch     string `json:"arch"` // GOARCH
	Kernel   string `json:"kernel,omitempty"`
	CPU      string `json:"cpu"`  // model name
	CPUs     int    `json:"cpus"` // that the run may use: affinity and quota
	Memory   int64  `json:"memory_bytes"`
	Virtual  bool   `json:"virtual"` // a hypervisor is underneath
	Go       string `json:"go"`
	Build    string `json:"build"`            // module version and revision
	Python   string `json:"python,omitempty"` // empty when none was found
	PipeSize int64  `json:"pipe_bytes"`       // what a fresh pipe holds

	Governor    string  `json:"governor,omitempty"`
	HugePages   string  `json:"huge_pages,omitempty"` // transparent huge pages: always, madvise or never
	QuotaCPUs   float64 `json:"quota_cpus,omitempty"` // cgroup cpu.max; 0 for none
	LoadAverage float64 `json:"load_average"`         // of one minute
}

// Machine returns what must be equal in two runs that are compared: figures of
// different machines say nothing about a change of code.
func (e Environment) Machine() string {
	return strings.Join([]string{e.OS, e.Arch, e.CPU, fmt.Sprint(e.CPUs), e.Kernel, e.Go}, ", ")
}

// Settings are what the run was asked for, after the defaults were filled in.
type Settings struct {
	Profile string   `json:"profile"` // quick, standard or full
	Work    Work     `json:"work"`    // of the headline
	Modes   []string `json:"modes"`
	Workers []int    `json:"workers"`
	Feeds   int      `json:"feeds"`
	Items   int      `json:"items"` // of a feed, at the centre of the sweeps
	Bytes   int      `json:"bytes"` // of an item, at the centre of the sweeps

	Latency     time.Duration `json:"latency_ns"` // of the origin, at the centre
	Seed        uint64        `json:"seed"`       // of the order and of everything generated
	Invocations int           `json:"invocations"`
	Blocks      int           `json:"blocks"` // of one invocation, the discarded one not counted
	Resamples   int           `json:"resamples"`
	GOGC        int           `json:"gogc"` // of every process of every mode
}

// Work is what is done to each feed.
type Work string

// The kinds of work.
const (
	Round Work = "round" // fetch from a loopback origin, parse, ship
	Parse Work = "parse" // the bytes are there: parse, ship
	Ship  Work = "ship"  // the lists are parsed: ship, which is copying alone
)

// The rungs that are no modes of the coordinator: each adds one mechanism to
// the one before, up to the mode pipe, which adds the process.
const (
	Sequential = "sequential" // a plain loop, no concurrency
	Goroutine  = "goroutine"  // the mode
	Codec      = "codec"      // goroutines that encode and decode every result
	LocalPipe  = "local-pipe" // and send it through a pipe of their own process
	Pipe       = "pipe"       // the mode: worker processes
)

// A Cell is one combination of the factors. Two cells that differ in one
// factor alone may be compared.
type Cell struct {
	ID   int    `json:"id"`
	Name string `json:"name"` // unique and for people: "ship/pipe/workers=2/items=20/bytes=1000"
	Work Work   `json:"work"`
	// Mode is a mode of the coordinator, a rung, or a program of the article
	// (python-threads, python-pool, python-pipe, python-queue, python-manager,
	// python-shm).
	Mode    string `json:"mode"`
	Workers int    `json:"workers"`
	Feeds   int    `json:"feeds"`
	Items   int    `json:"items"`
	Bytes   int    `json:"bytes"`

	Latency time.Duration `json:"latency_ns,omitempty"`
	Cold    bool          `json:"cold,omitempty"`       // workers are started and stopped inside the window
	Heap    int64         `json:"heap_bytes,omitempty"` // kept alive in the coordinator beside the work
	Shipped bool          `json:"shipped,omitempty"`    // the real worker program with its sandbox and its own GOGC
	Gofeed  bool          `json:"gofeed,omitempty"`     // gofeed reads every document, and the fast reader none
	// Released cells look at each list and give its memory back at once, as a
	// round does that stores it; in all others the lists are kept.
	Released bool `json:"released,omitempty"`
	// Clocked cells run with clocks around the stages and so are compared
	// with nothing but each other.
	Clocked bool `json:"clocked,omitempty"`
	// Twin is 1 in the second one of two equal cells, which shows what the
	// smallest visible effect is; else 0.
	Twin int `json:"twin,omitempty"`
	// Sweeps says what the cell is for: ladder, beside, workers, items, bytes,
	// latency, parse, heap, cold, released, shipped, twin, article.
	Sweeps []string `json:"sweeps"`
}

// A Sample is one measurement: the work of a cell, once, in a process of its
// own. The window lasts from the moment when the first job is handed out until
// the last result is merged; with Cell.Cold from the start of the first worker
// until the last one is reaped. Before it the same work is done once and
// thrown away.
type Sample struct {
	Cell       int    `json:"cell"`
	Invocation int    `json:"invocation"` // from 0
	Block      int    `json:"block"`      // from 0 in each invocation; samples of one block are paired
	Order      int    `json:"order"`      // position in the whole run, from 0
	Failed     string `json:"failed,omitempty"`
	// Hash is of all results, in the order of the feeds; equal work has equal
	// hashes.
	Hash string `json:"hash"`

	Wall           time.Duration `json:"wall_ns"`
	CPU            time.Duration `json:"cpu_ns"` // user and system, coordinator and workers
	CoordinatorCPU time.Duration `json:"coordinator_cpu_ns"`
	WorkersCPU     time.Duration `json:"workers_cpu_ns"`
	OriginCPU      time.Duration `json:"origin_cpu_ns,omitempty"` // in no other figure

	MinorFaults int64 `json:"minor_faults"`
	MajorFaults int64 `json:"major_faults"`
	Switches    int64 `json:"switches"`     // context switches, voluntary and not
	ReadCalls   int64 `json:"read_calls"`   // system calls that read, of the tree; -1 when not known
	WriteCalls  int64 `json:"write_calls"`  // and that write
	SentBytes   int64 `json:"sent_bytes"`   // coordinator to workers, headers included
	WireBytes   int64 `json:"wire_bytes"`   // workers to coordinator, headers included
	CopiedBytes int64 `json:"copied_bytes"` // what the lists of all results hold, whether copied or not

	PSS            int64 `json:"pss_bytes"`             // proportional set size of the tree when all was done
	CoordinatorHWM int64 `json:"coordinator_hwm_bytes"` // VmHWM
	WorkersHWM     int64 `json:"workers_hwm_bytes"`     // of the largest worker
	WorkersPSS     int64 `json:"workers_pss_bytes"`     // of all workers

	GCCycles int64         `json:"gc_cycles"` // of the coordinator
	Alloc    int64         `json:"alloc_bytes"`
	P50      time.Duration `json:"p50_ns"` // of a feed, from the moment it was meant to begin
	P99      time.Duration `json:"p99_ns"`

	Foreign   float64 `json:"foreign"` // share of the machine's CPU time that others had, the origin not counted
	Steal     float64 `json:"steal"`   // share that the hypervisor took
	Throttled bool    `json:"throttled,omitempty"`
	// Outlier marks a CPU time more than three interquartile ranges from the
	// quartiles of its cell. It is counted like any other.
	Outlier bool `json:"outlier,omitempty"`

	Stages []Stage `json:"stages,omitempty"` // of clocked cells
}

// A Stage is CPU time that a thread clock measured around one stage, of all
// feeds and processes of the sample together.
type Stage struct {
	Name  string        `json:"name"` // encode, write, read, decode, work, gc
	Side  string        `json:"side"` // worker or coordinator
	CPU   time.Duration `json:"cpu_ns"`
	Count int64         `json:"count"`
	// Faults are the minor page faults within the stage; their time is in CPU.
	Faults int64 `json:"faults,omitempty"`
}

// An Interval is an estimate with the bounds of its 95 % confidence interval,
// by a bootstrap over invocations and the blocks in them.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Contains reports whether x is within the bounds.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }

// WriteTo writes r as indented JSON. It implements io.WriterTo.
func (r *Run) WriteTo(w io.Writer) (int64, error) {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return 0, fmt.Errorf("encode run: %w", err)
	}
	n, err := w.Write(append(b, '\n'))
	return int64(n), err
}

// Read returns the Run that r holds. It refuses a schema that it does not know
// and cells and samples that do not fit each other.
func Read(r io.Reader) (*Run, error) {
	run := new(Run)
	if err := json.NewDecoder(r).Decode(run); err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	if run.Schema != Schema {
		return nil, fmt.Errorf("read run: schema %d, this program knows %d", run.Schema, Schema)
	}
	for i, c := range run.Cells {
		if c.ID != i {
			return nil, fmt.Errorf("read run: cell %d is at place %d", c.ID, i)
		}
	}
	for i, s := range run.Samples {
		if s.Cell < 0 || s.Cell >= len(run.Cells) {
			return nil, fmt.Errorf("read run: sample %d is of cell %d, there are %d", i, s.Cell, len(run.Cells))
		}
	}
	return run, nil
}
