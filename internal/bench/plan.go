package bench

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"feedmill/internal/ipc"
)

// Modes returns what can be measured on this system: goroutine, and the modes
// with processes that package ipc has.
func Modes() []string {
	all := []string{Goroutine}
	for _, m := range ipc.Modes() {
		all = append(all, string(m))
	}
	return all
}

// Quick returns settings for less than a minute. All but the seed is filled in.
func Quick() Settings {
	return Settings{
		Profile: "quick", Work: Ship, Modes: Modes(), Workers: []int{1, cpus()},
		Feeds: 200, Items: 20, Bytes: 1000, Invocations: 2, Blocks: 2, Resamples: 1000, GOGC: 100,
	}
}

// Standard returns settings for a few minutes.
func Standard() Settings {
	s := Quick()
	s.Profile, s.Feeds, s.Workers = "standard", 300, []int{1, cpus(), 2 * cpus()}
	s.Invocations, s.Blocks, s.Resamples = 3, 4, 2000
	return s
}

// Full returns settings for figures that may be published.
func Full() Settings {
	s := Standard()
	s.Profile, s.Invocations, s.Blocks = "full", 5, 7
	return s
}

func cpus() int { return runtime.GOMAXPROCS(0) }

// least is how many invocations and blocks a run must have to be published.
const leastInvocations, leastBlocks = 5, 5

// centre is the number of workers at which everything but their number is
// varied: the most that the CPUs can run at a time.
func (s *Settings) centre() int {
	best := slices.Min(s.Workers)
	for _, w := range s.Workers {
		if w > best && w <= cpus() {
			best = w
		}
	}
	return best
}

// A planner makes the cells of a run.
type planner struct {
	s     *Settings
	cells []Cell
}

// Plan returns the cells of a run: a centre and, from there, one factor at a
// time. All combinations of all factors would take hours.
func Plan(o *Options) []Cell {
	p := &planner{s: &o.Settings}
	p.ladder(o.Settings.Work)
	p.beside()
	p.sizes()
	p.workers()
	p.latency()
	p.parse()
	p.heap()
	p.released()
	p.programs(o)
	return p.cells
}

// at returns the cell of a work and mode at the centre.
func (p *planner) at(w Work, mode string) Cell {
	s := p.s
	c := Cell{Work: w, Mode: mode, Workers: s.centre(), Feeds: s.Feeds, Items: s.Items, Bytes: s.Bytes}
	if w == Round {
		c.Latency = s.Latency
	}
	return c
}

// add plans a cell for a sweep. One that is planned already serves both.
func (p *planner) add(sweep string, c Cell) {
	if slices.Contains(Modes(), c.Mode) && !slices.Contains(p.s.Modes, c.Mode) && c.Mode != Goroutine {
		return
	}
	c.Name = c.name()
	for i := range p.cells {
		if have := &p.cells[i]; have.Name == c.Name {
			if !slices.Contains(have.Sweeps, sweep) {
				have.Sweeps = append(have.Sweeps, sweep)
			}
			return
		}
	}
	c.ID, c.Sweeps = len(p.cells), []string{sweep}
	p.cells = append(p.cells, c)
}

// name returns the cell's name, which has all of its factors.
func (c *Cell) name() string {
	n := fmt.Sprintf("%s/%s/workers=%d/feeds=%d/items=%d/bytes=%d", c.Work, c.Mode, c.Workers, c.Feeds, c.Items, c.Bytes)
	if c.Latency > 0 {
		n += "/latency=" + c.Latency.String()
	}
	if c.Heap > 0 {
		n += fmt.Sprintf("/heap=%dMiB", c.Heap>>20)
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{c.Cold, "cold"}, {c.Shipped, "shipped"}, {c.Gofeed, "gofeed"}, {c.Released, "released"}, {c.Clocked, "clocked"}, {c.Twin > 0, "twin"}} {
		if f.set {
			n += "/" + f.name
		}
	}
	return n
}

// ladder plans the rungs of one work, those with clocks, and equal twins.
func (p *planner) ladder(w Work) {
	for _, mode := range []string{Sequential, Goroutine, Codec, LocalPipe, Pipe} {
		c := p.at(w, mode)
		if mode == Sequential {
			c.Workers = 1
		}
		p.add("ladder", c)
		if mode != Sequential {
			c.Clocked = true
			p.add("ladder", c)
		}
	}
	cold := p.at(w, Pipe)
	cold.Cold = true
	p.add("ladder", cold)
	for _, mode := range []string{Goroutine, Pipe} {
		twin := p.at(w, mode)
		twin.Twin = 1
		p.add("twin", twin)
	}
}

func (p *planner) beside() {
	for _, mode := range p.s.Modes {
		p.add("beside", p.at(p.s.Work, mode))
	}
}

// sizes varies items and bytes apart: varied together, the cost of an item
// hides in that of a byte.
func (p *planner) sizes() {
	s := p.s
	points := [][2]int{{s.Items, s.Bytes}, {s.Items * 4, s.Bytes / 5}, {s.Items, s.Bytes * 4}, {max(1, s.Items/4), s.Bytes}}
	if s.Profile != "quick" {
		points = append(points, [2]int{s.Items, s.Bytes / 5}, [2]int{max(1, s.Items/4), s.Bytes * 4}, [2]int{s.Items * 2, s.Bytes})
	}
	for _, at := range points {
		for _, mode := range []string{Goroutine, Pipe} {
			c := p.at(Ship, mode)
			c.Items, c.Bytes = at[0], max(1, at[1])
			p.add("items", c)
		}
	}
}

func (p *planner) workers() {
	for _, w := range []Work{Ship, Parse} {
		loop := p.at(w, Sequential)
		loop.Workers = 1
		p.add("workers", loop)
		for _, n := range p.s.Workers {
			for _, mode := range []string{Goroutine, Pipe} {
				c := p.at(w, mode)
				c.Workers = n
				p.add("workers", c)
			}
		}
	}
}

func (p *planner) latency() {
	levels := []time.Duration{0, 10 * time.Millisecond}
	if p.s.Profile != "quick" {
		levels = []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond}
	}
	if p.s.Latency > 0 {
		levels = append(levels, p.s.Latency)
	}
	for _, l := range levels {
		for _, mode := range []string{Goroutine, Pipe} {
			c := p.at(Round, mode)
			c.Latency = l
			p.add("latency", c)
		}
	}
	twin := p.at(Round, Goroutine)
	twin.Latency, twin.Twin = 0, 1
	p.add("twin", twin)
}

// parse varies the work that is done for each byte: none, the fast reader's,
// gofeed's.
func (p *planner) parse() {
	for _, mode := range []string{Goroutine, Pipe} {
		p.add("parse", p.at(Ship, mode))
		c := p.at(Parse, mode)
		p.add("parse", c)
		c.Gofeed = true
		p.add("parse", c)
	}
}

// heapBytes is what else lives in the coordinator in the cells of that sweep.
const heapBytes = 128 << 20

func (p *planner) heap() {
	if p.s.Profile == "quick" {
		return
	}
	for _, mode := range []string{Goroutine, Pipe} {
		c := p.at(Parse, mode)
		p.add("heap", c)
		c.Heap = heapBytes
		p.add("heap", c)
	}
}

// released plans rounds that let go of their lists, and so use memory again.
func (p *planner) released() {
	for _, mode := range p.s.Modes {
		if p.s.Profile == "quick" && !slices.Contains([]string{Goroutine, Pipe, string(ipc.ModeShm)}, mode) {
			continue
		}
		c := p.at(Ship, mode)
		c.Released = true
		p.add("released", c)
	}
}

// programs plans what needs another program: the real worker, and Python.
func (p *planner) programs(o *Options) {
	if o.Worker != "" && slices.Contains(p.s.Modes, Pipe) {
		c := p.at(Round, Pipe)
		c.Latency, c.Shipped = 0, true
		p.add("shipped", c)
	}
	// The article's own program, and, for both languages, keys alone: jobs
	// whose answers carry no list.
	keys := p.at(Ship, Pipe)
	keys.Items = 0
	p.add("article", keys)
	if o.Python != "" {
		for _, mode := range pythonModes {
			p.add("article", p.at(Ship, mode))
		}
		keys.Mode = "python-pipe"
		p.add("article", keys)
	}
}

// find returns the cell that has the factors of c, if it is planned.
func find(cells []Cell, c Cell) (Cell, bool) {
	name := c.name()
	for _, have := range cells {
		if have.Name == name {
			return have, true
		}
	}
	return Cell{}, false
}
