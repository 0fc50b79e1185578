package run

import (
	"runtime"
	"slices"
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

// Quick returns settings for less than a minute. All but the seed is filled in.
func Quick() Settings {
	return Settings{
		Profile: "quick", Modes: []string{Goroutine, Pipe}, Workers: max(2, runtime.NumCPU()), Feeds: 200, Items: 20, Bytes: 1000,
		Invocations: 2, Blocks: 4, Deaths: 3, Resamples: 1000, GOGC: 100,
	}
}

// Standard returns settings for some three minutes.
func Standard() Settings {
	s := Quick()
	s.Profile, s.Modes, s.Feeds, s.Invocations, s.Deaths, s.Resamples = "standard", Modes(), 300, 3, 6, 2000
	return s
}

// Full returns settings for figures that may be published, in some six minutes.
func Full() Settings {
	s := Standard()
	s.Profile, s.Invocations, s.Blocks, s.Deaths = "full", LeastInvocations, LeastBlocks, 12
	return s
}

// LeastInvocations and LeastBlocks are what a run must have to be published.
const LeastInvocations, LeastBlocks = 5, 4

// farAway is the latency of the origin in the cells that have any: that of a
// server on the same continent.
const farAway = 20 * time.Millisecond

// A planner makes the cells of a run.
type planner struct {
	s     *Settings
	cells []Cell
}

// Plan returns the cells of a run: a centre and, from there, one factor at a
// time. All combinations of all factors would take hours. Cells that need a
// program which o does not have are left out.
func Plan(o *Options) []Cell {
	p := &planner{s: &o.Settings}
	if o.Coordinator != "" {
		p.real()
	}
	p.ladder()
	for _, mode := range p.s.Modes {
		p.add(p.s.At(Ship, mode))
	}
	if p.s.Profile != "quick" {
		p.add(p.s.At(Ship, ManyToMany))
	}
	p.parse()
	keys := p.s.At(Ship, Pipe) // whose answers carry no list
	keys.Items = 0
	p.add(keys)
	for i := range o.Pythons {
		p.article(i + 1)
	}
	return p.cells
}

// Few is how many feeds the small rounds have.
func (s *Settings) Few() int { return max(1, s.Feeds/10) }

// At returns the cell of a work and mode at the centre.
func (s *Settings) At(w Work, mode string) Cell {
	c := Cell{Work: w, Mode: mode, Workers: s.Workers, Feeds: s.Feeds, Items: s.Items, Bytes: s.Bytes}
	return c
}

// add plans a cell, unless it is planned already.
func (p *planner) add(cells ...Cell) {
	for _, c := range cells {
		c.Name = c.name()
		if !slices.ContainsFunc(p.cells, func(have Cell) bool { return have.Name == c.Name }) {
			c.ID = len(p.cells)
			p.cells = append(p.cells, c)
		}
	}
}

// twins plans a cell in goroutines and in processes, and the second one again:
// a claim is worth no more than what its own work differs from itself.
func (p *planner) twins(c Cell) {
	c.Mode = Goroutine
	p.add(c)
	c.Mode = Pipe
	p.add(c)
	c.Twin = 1
	p.add(c)
}

// real plans rounds of the real program.
func (p *planner) real() {
	works := []Work{AllNew, TenthNew, NothingNew}
	if p.s.Folder != "" {
		works = append(works, OwnNew, OwnSame)
	}
	for _, w := range works {
		p.twins(p.s.At(w, Pipe))
	}
	// What is paid once for a round is told from what each feed costs by a round
	// of fewer feeds.
	for _, w := range []Work{AllNew, NothingNew} {
		for _, mode := range []string{Goroutine, Pipe} {
			c := p.s.At(w, mode)
			c.Feeds = p.s.Few()
			p.add(c)
		}
	}
	far, one := p.s.At(AllNew, Pipe), p.s.At(AllNew, Pipe)
	far.Latency, one.OneCPU, one.Workers = farAway, true, 1
	p.twins(far)
	p.twins(one)
}

// ladder plans the rungs, and those with clocks.
func (p *planner) ladder() {
	for _, mode := range []string{Goroutine, Codec, LocalPipe, Pipe} {
		c := p.s.At(Ship, mode)
		p.add(c)
		c.Clocked = true
		p.add(c)
	}
	cold := p.s.At(Ship, Pipe)
	cold.Cold = true
	p.add(cold)
	p.twins(p.s.At(Ship, Pipe))
}

// parse plans parsing with the project's reader and with gofeed.
func (p *planner) parse() {
	c := p.s.At(Parse, Pipe)
	p.twins(c)
	c.Gofeed = true
	p.twins(c)
}

// article plans the article's own program in one interpreter.
func (p *planner) article(n int) {
	at := func(w Work, mode string) Cell {
		c := p.s.At(w, mode)
		c.Python = n
		return c
	}
	modes := []string{PythonThreads, PythonPipe}
	if p.s.Profile != "quick" {
		modes = append(modes, "python-pool", "python-queue", "python-manager", "python-shm")
	}
	for _, mode := range modes {
		p.add(at(Ship, mode))
	}
	keys, twin := at(Ship, PythonPipe), at(Ship, PythonPipe)
	keys.Items, twin.Twin = 0, 1
	p.add(keys, twin, at(Parse, PythonThreads), at(Parse, PythonPipe))
	twin = at(Parse, PythonPipe)
	twin.Twin = 1
	p.add(twin)
}

// What things take on a machine of today with nothing else to do, for the time
// that is left. They need not be right: what was done so far corrects them.
const (
	limitTimes     = 7 // that each limit is measured
	limitExpected  = 60 * time.Millisecond
	deathExpected  = 2 * time.Second
	burdenExpected = 3500 * time.Millisecond
	kitExpected    = 3500 * time.Millisecond
	tearExpected   = 200 * time.Millisecond
)

// leastBurdens is how often a burden is laid on at least: with fewer there is no
// interval worth its name, and it is not done at all.
const leastBurdens = 3

// burdens returns how often each burden is laid on.
func (s *Settings) burdens() int {
	if n := s.Deaths / 3; n >= leastBurdens {
		return n
	}
	return 0
}

// expected is what a sample of a cell takes.
func expected(c *Cell) time.Duration {
	per := map[bool]time.Duration{true: 800 * time.Microsecond, false: 150 * time.Microsecond}[c.Work.Real()]
	switch {
	case c.InPython():
		return 350 * time.Millisecond
	case c.Gofeed:
		per = 1500 * time.Microsecond
	}
	return 80*time.Millisecond + c.Latency*time.Duration(c.Feeds)/16 + per*time.Duration(c.Feeds)
}

// Estimate returns about how long an experiment will take.
func Estimate(o *Options) time.Duration {
	s := &o.Settings
	sum := limitExpected*limitTimes*5 + deathExpected*time.Duration(2*(s.Deaths+1)) + burdenExpected*time.Duration(2*(len(Burdens)+1)*s.burdens()) + 2*kitExpected + 6*tearExpected
	for _, c := range Plan(o) {
		sum += expected(&c) * time.Duration(s.Invocations*s.Blocks)
	}
	return sum
}
