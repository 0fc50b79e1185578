package run

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"feedmill/internal/ipc/carrier"
)

// Modes returns what can be measured on this system: goroutine, and the modes
// with processes that package ipc has.
func Modes() []string {
	all := []string{Goroutine}
	for _, m := range carrier.Modes() {
		all = append(all, string(m))
	}
	return all
}

// Quick returns settings for a minute or two. All but the seed is filled in.
func Quick() Settings {
	return Settings{
		Profile: "quick", Modes: []string{Goroutine, Pipe}, Workers: max(2, runtime.NumCPU()), Feeds: 200, Items: 20, Bytes: 1000,
		Invocations: 2, Blocks: 4, Deaths: 3, Resamples: 1000,
	}
}

// Standard returns settings for some three minutes.
func Standard() Settings {
	s := Quick()
	s.Profile, s.Modes, s.Feeds, s.Invocations, s.Deaths, s.Resamples = "standard", Modes(), 300, 3, 6, 2000
	return s
}

// Full returns settings for figures that may be published, in some thirty minutes.
func Full() Settings {
	s := Standard()
	s.Profile, s.Invocations, s.Blocks, s.Deaths = "full", 10, 10, 12
	return s
}

// LeastInvocations and LeastBlocks are what a run must have to be published.
const LeastInvocations, LeastBlocks = 5, 4

// farAway is the latency of the origin in the cells that have any: that of a
// server on another continent.
const farAway = 100 * time.Millisecond

type planner struct {
	s     *Settings
	cells []Cell
}

// A factor is what cells have else than the centre.
type factor func(*Cell)

func centre(*Cell)    {}
func clocked(c *Cell) { c.Clocked = true }
func gofed(c *Cell)   { c.Gofeed, c.Feeds = true, 4*c.Feeds } // its ratio is near 1: that takes more to be told
func keys(c *Cell)    { c.Items = 0 }                         // answers carry no list
func far(c *Cell)     { c.Latency = farAway }
func oneCPU(c *Cell)  { c.OneCPU, c.Workers = true, 1 }

// Plan returns the cells of a run: a centre and, from there, one factor at a
// time. All combinations of all factors would take hours. Cells that need a
// program which o does not have are left out.
func Plan(o *Options) []Cell {
	p := &planner{s: &o.Settings}
	if o.Coordinator != "" {
		p.real()
	}
	p.ladder()
	p.add(Ship, centre, p.s.Modes...)
	article := []string{PythonThreads, PythonPipe}
	if p.s.Profile != "quick" {
		article = append(article, "python-pool", "python-queue", "python-manager", "python-shm")
	}
	p.twins(Parse, centre)
	p.twins(Parse, gofed)
	p.add(Ship, keys, Pipe)
	for i := range o.Pythons {
		in := func(also factor) factor {
			return func(c *Cell) {
				c.Python = i + 1
				also(c)
			}
		}
		p.add(Ship, in(centre), article...)
		p.add(Parse, in(centre), PythonThreads)
		p.twins(Parse, in(centre), PythonPipe)
		p.twins(Ship, in(centre), PythonPipe)
		p.add(Ship, in(keys), PythonPipe)
	}
	return p.cells
}

// Few is how many feeds the small rounds have.
func (s *Settings) Few() int { return max(1, s.Feeds/10) }

// At returns the cell of a work and mode at the centre.
func (s *Settings) At(w Work, mode string) Cell {
	return Cell{Work: w, Mode: mode, Workers: s.Workers, Feeds: s.Feeds, Items: s.Items, Bytes: s.Bytes}
}

// add plans a cell of each mode, unless it is planned already.
func (p *planner) add(w Work, f factor, modes ...string) {
	for _, mode := range modes {
		c := p.s.At(w, mode)
		f(&c)
		c.Name = c.name()
		if !slices.ContainsFunc(p.cells, func(have Cell) bool { return have.Name == c.Name }) {
			c.ID = len(p.cells)
			p.cells = append(p.cells, c)
		}
	}
}

// twins plans a cell of each mode, of goroutines and processes if none is named,
// and the last one again: a claim is worth no more than what its own work differs
// from itself.
func (p *planner) twins(w Work, f factor, modes ...string) {
	if modes == nil {
		modes = []string{Goroutine, Pipe}
	}
	p.add(w, f, modes...)
	p.add(w, func(c *Cell) {
		c.Twin = 1
		f(c)
	}, modes[len(modes)-1])
}

func (p *planner) real() {
	for _, w := range []Work{AllNew, TenthNew, NothingNew, OwnNew, OwnSame} {
		if !w.own() || p.s.Folder != "" {
			p.twins(w, centre)
		}
	}
	// What is paid once for a round is told from what each feed costs by a round
	// of fewer feeds.
	for _, w := range []Work{AllNew, NothingNew} {
		p.add(w, func(c *Cell) { c.Feeds = p.s.Few() }, Goroutine, Pipe)
	}
	p.twins(AllNew, far)
	p.twins(AllNew, oneCPU)
}

func (p *planner) ladder() {
	for _, f := range []factor{centre, clocked} {
		p.add(Ship, f, Goroutine, Codec, LocalPipe, Pipe)
	}
	p.twins(Ship, centre)
}

// What things take on a machine of today with nothing else to do, for the time
// that is left. They need not be right: what was done so far corrects them.
const (
	priceTimes     = 7 // that each price is measured, which is soon done
	deathExpected  = 2 * time.Second
	burdenExpected = 3500 * time.Millisecond
)

// burdens returns how often each burden is laid on: as often as a killer is drawn, and
// not at all where that is seldom, since two runs would not say the same of it.
func (s *Settings) burdens() int {
	if s.Deaths < 10 {
		return 0
	}
	return s.Deaths
}

func (s *Settings) expected() time.Duration {
	return 80*time.Millisecond + time.Duration(s.Feeds)*500*time.Microsecond
}

// Estimate returns about how long an experiment will take.
func Estimate(o *Options) time.Duration {
	s := &o.Settings
	return deathExpected*time.Duration(2*(s.Deaths+1)) + burdenExpected*time.Duration(2*(len(Burdens)+1)*s.burdens()) +
		s.expected()*time.Duration(len(Plan(o))*s.Invocations*s.Blocks)
}

// Work is what is done to each feed.
type Work string

// The kinds of work. The first five are rounds of the real program: coordinator
// refresh with a store on disk, as people run it. The others are the article's
// experiment: lists come back whole, and nothing is stored.
const (
	AllNew     Work = "all-new"     // generated feeds that were never seen
	TenthNew   Work = "tenth-new"   // a tenth of the feeds has one new item
	NothingNew Work = "nothing-new" // every feed answers 304
	OwnNew     Work = "own-new"     // the feeds of Settings.Folder, never seen
	OwnSame    Work = "own-same"    // the same once more

	Parse Work = "parse" // the bytes are there: parse, send the list back
	Ship  Work = "ship"  // the lists are parsed: send them back, which is copying alone
)

// Real reports whether w is a round of the real program.
func (w Work) Real() bool { return w != Parse && w != Ship }

// own reports whether the feeds of w are the user's.
func (w Work) own() bool { return w == OwnNew || w == OwnSame }

// again reports whether the feeds of w were seen before.
func (w Work) again() bool { return w == TenthNew || w == NothingNew || w == OwnSame }

// The rungs that are no modes of the coordinator: each adds one mechanism to
// the one before, up to the mode pipe, which adds the process.
const (
	Goroutine = "goroutine"  // the mode
	Codec     = "codec"      // goroutines that encode and decode every result
	LocalPipe = "local-pipe" // and send it through a pipe of their own process
	Pipe      = "pipe"       // the mode: worker processes
)

// A Cell is one combination of the factors. Two cells that differ in one
// factor alone may be compared.
type Cell struct {
	ID   int    `json:"id"`
	Name string `json:"name"` // unique and for people: "ship/pipe/workers=2/feeds=300/items=20/bytes=1000"
	Work Work   `json:"work"`
	// Mode is a mode of the coordinator, a rung, or a program of the article
	// (python-threads, python-pool, python-pipe, python-queue, python-manager,
	// python-shm).
	Mode    string `json:"mode"`
	Workers int    `json:"workers"`
	Feeds   int    `json:"feeds"`
	Items   int    `json:"items"`
	Bytes   int    `json:"bytes"`

	Latency time.Duration `json:"latency_ns,omitempty"` // of the origin
	OneCPU  bool          `json:"one_cpu,omitempty"`    // all processes are held to one CPU
	Gofeed  bool          `json:"gofeed,omitempty"`     // gofeed reads every document
	// Clocked cells run with clocks around the stages and so are compared
	// with nothing but each other.
	Clocked bool `json:"clocked,omitempty"`
	Python  int  `json:"python,omitempty"` // which of Environment.Pythons, from 1
	// Twin is 1 in the second one of two equal cells, which shows what the
	// smallest visible effect is; else 0.
	Twin int `json:"twin,omitempty"`
}

// The programs of the article, see article.py.
const (
	PythonThreads = "python-threads"
	PythonPipe    = "python-pipe"
)

// InPython reports whether a cell is a program of the article.
func (c *Cell) InPython() bool { return strings.HasPrefix(c.Mode, "python-") }

// name returns the cell's name, which has all of its factors.
func (c *Cell) name() string {
	n := fmt.Sprintf("%s/%s/workers=%d/feeds=%d/items=%d/bytes=%d", c.Work, c.Mode, c.Workers, c.Feeds, c.Items, c.Bytes)
	if c.Latency > 0 {
		n += "/latency=" + c.Latency.String()
	}
	if c.Python > 0 {
		n += fmt.Sprintf("/python=%d", c.Python)
	}
	also := func(set bool, name string) {
		if set {
			n += "/" + name
		}
	}
	also(c.OneCPU, "one-cpu")
	also(c.Gofeed, "gofeed")
	also(c.Clocked, "clocked")
	also(c.Twin > 0, "twin")
	return n
}

// Options are what an experiment needs beside its Settings.
type Options struct {
	Settings Settings
	// Self is how this program is started as one of the experiment's children,
	// see Child: the program and the arguments before the child's own.
	Self []string
	// Coordinator is the real program, and Worker its worker, for rounds as
	// people run them; empty leaves them out.
	Coordinator, Worker string
	// Pythons run the article's own program, see Interpreters.
	Pythons []Python
	// Folder is where stores are kept during the run; empty for a temporary one.
	// It should be on the disk on which stores are kept otherwise.
	Folder  string
	Build   string   // what the program was built from, for people
	Command []string // what makes the run again

	// Save is called with the Run as it goes, at least after each block, from
	// one goroutine. An error of it ends the experiment.
	Save func(*Run) error
	// Progress is told what is going on, a line at a time; nil for nobody.
	Progress func(string)

	// planting returns what is planted in a cell; nil for nothing. Tests set it.
	planting func(*Cell) plant
}

// Interpreters returns those of the named Pythons that there are and that are
// not the same as one before. Without names it looks for the usual one and for
// builds without the global lock.
//
// Rejected: subinterpreters (concurrent.interpreters of 3.14) as a mode of their
// own, until there is one to test it with.
func Interpreters(ctx context.Context, names []string) []Python {
	if len(names) == 0 {
		names = []string{"python3", "python3.13t", "python3.14t", "python3.15t"}
	}
	const ask = `import platform, sys
free = not getattr(sys, "_is_gil_enabled", lambda: True)()
print(platform.python_implementation(), platform.python_version() + ("t" if free else ""), int(free))`
	var found []Python
	seen := make(map[string]bool)
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-c", ask).Output()
		f := strings.Fields(string(out))
		if err != nil || len(f) != 3 || seen[f[0]+f[1]] {
			continue
		}
		seen[f[0]+f[1]] = true
		found = append(found, Python{Path: path, Name: f[0] + " " + f[1], Free: f[2] == "1"})
	}
	return found
}
