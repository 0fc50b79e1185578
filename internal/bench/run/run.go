// Package run does the experiment of coordinator bench: it takes the same work
// through goroutines and through processes, in blocks of random order, and keeps
// every single measurement in a [Run], which is the source of all that is said
// of it.
//
// It refuses to draw a conclusion: a Run is what was measured and nothing else.
package run

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"feedmill/internal/bench/stats"
)

// schema is the version of run.json. A field that changes its meaning or goes
// away makes a new one; a field that comes does not. Version 1 held findings,
// which Read leaves.
const schema = 3

// A Run is run.json: one experiment. It is written again and again as the
// experiment goes on, so an interrupted run keeps what it has: Samples are then
// fewer than planned and Complete is false.
//
// Times are nanoseconds, sizes bytes, shares fractions of 1.
type Run struct {
	Schema  int      `json:"schema"`
	Command []string `json:"command"` // what makes the run again, with the seed
	// Started is the wall clock; Elapsed how long it took until this was written.
	Started  time.Time     `json:"started"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	Complete bool          `json:"complete"`

	Environment Environment `json:"environment"`
	Settings    Settings    `json:"settings"`

	Cells   []Cell   `json:"cells"`   // Cells[i].ID is i
	Samples []Sample `json:"samples"` // in the order in which they ran

	Prices Prices  `json:"prices"`
	Deaths []Death `json:"deaths,omitempty"`
	// Burdens are the same with documents of Burdens, which kill nobody. The runs
	// of one Repeat are paired.
	Burdens  []Death   `json:"burdens,omitempty"`
	Kits     []Kit     `json:"kits,omitempty"`
	Tears    []Tear    `json:"tears,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"` // of what could not be measured
}

// Environment is the machine and the build, as they were when the run began.
// Empty strings and zeros stand for what the system does not tell.
type Environment struct {
	OS      string `json:"os"`   // GOOS
	Arch    string `json:"arch"` // GOARCH
	Kernel  string `json:"kernel,omitempty"`
	CPU     string `json:"cpu"`  // model name
	CPUs    int    `json:"cpus"` // that the run may use
	Memory  int64  `json:"memory_bytes"`
	Virtual bool   `json:"virtual"` // a hypervisor is underneath
	Go      string `json:"go"`
	Build   string `json:"build"` // module version and revision

	Governor    string  `json:"governor,omitempty"`
	Turbo       bool    `json:"turbo,omitempty"`      // the clock may rise above its nominal rate
	SMT         bool    `json:"smt,omitempty"`        // several CPUs share a core
	QuotaCPUs   float64 `json:"quota_cpus,omitempty"` // cgroup cpu.max; 0 for none
	LoadAverage float64 `json:"load_average"`         // of one minute
	// Pythons are the interpreters that ran the article's program; Cell.Python
	// is a place in it, from 1.
	Pythons []Python `json:"pythons,omitempty"`
}

// A Python is one interpreter.
type Python struct {
	Path string `json:"path"` // in a Run the last part of it
	Name string `json:"name"` // "CPython 3.13.0", "CPython 3.14.0t"
	Free bool   `json:"free"` // it runs without the global lock
}

// Machine returns what must be equal in two runs that are compared: figures of
// different machines say nothing about a change of code.
func (e Environment) Machine() string {
	return strings.Join([]string{e.OS, e.Arch, e.CPU, fmt.Sprint(e.CPUs), e.Kernel, e.Go}, ", ")
}

// Settings are what the run was asked for, after the defaults were filled in.
type Settings struct {
	Profile string   `json:"profile"` // quick, standard or full
	Modes   []string `json:"modes"`
	Workers int      `json:"parallel"` // workers, or goroutines, of every cell
	Feeds   int      `json:"feeds"`
	Items   int      `json:"items"`            // of a feed
	Bytes   int      `json:"bytes"`            // of an item
	Folder  string   `json:"folder,omitempty"` // of feeds of the user's own

	Seed        uint64 `json:"seed"` // of the order and of everything generated
	Invocations int    `json:"invocations"`
	Blocks      int    `json:"blocks"` // of one invocation, the discarded one not counted
	Deaths      int    `json:"deaths"` // how often a killer is drawn
	Resamples   int    `json:"resamples"`
}

// A Sample is one measurement: the work of a cell, once, in a process of its
// own. The window lasts from the moment when the first job is handed out until
// the last result is merged, and in a round of the real program from its start to
// its end.
type Sample struct {
	Cell       int    `json:"cell"`
	Invocation int    `json:"invocation"` // from 0
	Block      int    `json:"block"`      // from 0 in each invocation; samples of one block are paired
	Order      int    `json:"order"`      // position in the whole run, from 0
	Failed     string `json:"failed,omitempty"`
	// Hash is of all results, in the order of the feeds; equal work has equal
	// hashes.
	Hash string `json:"hash"`

	Wall time.Duration `json:"wall_ns"`
	CPU  time.Duration `json:"cpu_ns"` // user and system, coordinator and workers

	MinorFaults int64 `json:"minor_faults"`
	Switches    int64 `json:"switches"`     // context switches, voluntary and not
	CopiedBytes int64 `json:"copied_bytes"` // of the article's program: the text of all lists

	PSS  int64 `json:"pss_bytes"`  // proportional set size of the tree when all was done; 0 when not known
	Peak int64 `json:"peak_bytes"` // of the real program: peaks of the coordinator and of all workers

	Foreign float64 `json:"foreign"` // share of the machine's CPU time that others had, the origin not counted
	Steal   float64 `json:"steal"`   // share that the hypervisor took

	Stages []Stage `json:"stages,omitempty"` // of clocked cells
}

// A Stage is CPU time that a thread clock measured around one stage, of all
// feeds and processes of the sample together.
type Stage struct {
	Name  string        `json:"name"` // encode, write, read, decode or gc; before version 3 work, too
	Side  string        `json:"side"` // worker or coordinator
	CPU   time.Duration `json:"cpu_ns"`
	Count int64         `json:"count"`
	// Faults are the minor page faults within the stage; their time is in CPU.
	Faults int64 `json:"faults,omitempty"`
}

// Prices are what the machine itself takes for what the ledger counts, measured in
// the same run.
type Prices struct {
	Switch stats.Interval `json:"switch"` // one way of a byte between two processes
	Fault  stats.Interval `json:"fault"`  // the first touch of a page
	Clock  stats.Interval `json:"clock"`  // a look at the clock of a thread
}

// A Death is what became of the same feeds with one among them that kills the
// parser which reads it.
type Death struct {
	Killer   string        `json:"killer"` // a name of Killers; empty for none
	Mode     string        `json:"mode"`
	Place    int           `json:"place"` // of the killer among the feeds, from 0; drawn
	Feeds    int           `json:"feeds"`
	Lost     int           `json:"lost"`     // innocent feeds without a list
	Class    string        `json:"class"`    // how the killer itself ended; empty when nobody lived to say so
	Deaths   int           `json:"deaths"`   // of workers
	Survived bool          `json:"survived"` // the program
	Wall     time.Duration `json:"wall_ns"`
	Last     time.Duration `json:"last_ns"` // until the last innocent feed was there

	Repeat int `json:"repeat,omitempty"` // of a burden, from 0
	// Tail is within what time 99 of 100 innocent feeds were there, from the moment
	// when each was handed out.
	Tail time.Duration `json:"tail_ns,omitempty"`
	// Kept is the memory (PSS) of all processes of the program one and a half seconds after all
	// was done; of burdens only.
	Kept int64 `json:"kept_bytes,omitempty"`
}

// A Kit is what became of the project's own hostile documents in the real
// program, whose readers have their guard.
type Kit struct {
	Mode     string `json:"mode"`
	Cases    int    `json:"cases"`
	Answered int    `json:"answered"` // that ended with a class
	Deaths   int    `json:"deaths"`   // of workers
	Survived bool   `json:"survived"` // the program
}

// TornSize is the size of frames for several writers of one pipe, more than it holds.
const TornSize = 70_000

// A Tear is what came of several writers of frames to one pipe, or of several
// readers of one queue.
type Tear struct {
	Language string `json:"language"` // go or python
	Locked   bool   `json:"locked"`   // a lock was held around each frame
	Readers  int    `json:"readers"`  // of a queue; 0 for writers
	Frames   int    `json:"frames"`   // that were written
	Torn     int    `json:"torn"`     // that had another one's bytes in them, or that not exactly one reader had
}

// A Warning names something that makes figures doubtful. None is hidden.
type Warning struct {
	// Kind is unequal-work, failed-sample, interrupted, noisy, load,
	// steal, too-few-runs, machine, missing-mode or no-python.
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Find returns the cell that has the factors of c, if it is planned.
func (r *Run) Find(c Cell) (found Cell, ok bool) {
	name := c.name()
	for _, have := range r.Cells {
		if have.Name == name {
			return have, true
		}
	}
	return found, false
}

// Write writes r as indented JSON.
func (r *Run) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(r)
}

// Read returns the Run that r holds, in the words of today's version. It refuses a
// schema that it does not know and cells and samples that do not fit each other.
func Read(r io.Reader) (*Run, error) {
	run := new(Run)
	text, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(text, run)
	}
	if err == nil && (run.Schema < 1 || run.Schema > schema) {
		err = fmt.Errorf("schema %d, this program knows 1 to %d", run.Schema, schema)
	}
	if err == nil && run.Schema < schema {
		err = run.translate(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	for i, c := range run.Cells {
		if c.ID != i || c.Python < 0 || c.Python > len(run.Environment.Pythons) || c.InPython() != (c.Python > 0) {
			return nil, fmt.Errorf("read run: cell %d is at place %d, in Python %d of %d", c.ID, i, c.Python, len(run.Environment.Pythons))
		}
	}
	for i, s := range run.Samples {
		if s.Cell < 0 || s.Cell >= len(run.Cells) {
			return nil, fmt.Errorf("read run: sample %d is of cell %d, there are %d", i, s.Cell, len(run.Cells))
		}
	}
	return run, nil
}

// translate makes of what versions 1 and 2 measured what it is called today: prices
// were in a list, some frames were of sizes that a pipe keeps whole, and what has a
// queue of several readers was a mode.
func (r *Run) translate(text []byte) error {
	var old struct {
		Limits []struct {
			Name  string
			Value stats.Interval
		}
		Tears []struct{ Size int }
	}
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	prices := map[string]*stats.Interval{"switch": &r.Prices.Switch, "page-fault": &r.Prices.Fault, "clock": &r.Prices.Clock}
	for _, l := range old.Limits {
		if p := prices[l.Name]; p != nil {
			*p = l.Value
		}
	}
	tears := r.Tears
	r.Tears = nil
	for i, t := range tears {
		if old.Tears[i].Size == TornSize {
			r.Tears = append(r.Tears, t)
		}
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.InPython() && r.Schema == 1 { // it knew one interpreter
			c.Python, r.Environment.Pythons = 1, []Python{{Name: "CPython"}}
		}
		if strings.HasSuffix(c.Name, "/cold") { // no other cell starts its workers
			c.Mode += " and its start"
		}
		if c.Mode != "many-to-many" {
			continue
		}
		// A sample of one queue from which all workers took their jobs has failed
		// unless each of its feeds had one answer.
		dealt := Tear{Language: "go", Readers: c.Workers}
		for _, s := range r.Samples {
			if s.Cell == c.ID && s.Failed == "" {
				dealt.Frames += c.Feeds
			}
		}
		if dealt.Frames > 0 {
			r.Tears = append(r.Tears, dealt)
		}
	}
	r.Schema = schema // what is written again is not translated again
	return nil
}
