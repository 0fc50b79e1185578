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

// Full returns settings for figures that may be published, in some nine minutes.
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

type planner struct {
	s     *Settings
	cells []Cell
}

// A factor is what cells have else than the centre.
type factor func(*Cell)

func centre(*Cell)    {}
func clocked(c *Cell) { c.Clocked = true }
func gofed(c *Cell)   { c.Gofeed = true }
func keys(c *Cell)    { c.Items = 0 } // answers carry no list
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

func (s *Settings) expected() time.Duration {
	return 80*time.Millisecond + time.Duration(s.Feeds)*500*time.Microsecond
}

// Estimate returns about how long an experiment will take.
func Estimate(o *Options) time.Duration {
	s := &o.Settings
	return deathExpected*time.Duration(2*(s.Deaths+1)) + burdenExpected*time.Duration(2*(len(Burdens)+1)*s.burdens()) +
		s.expected()*time.Duration(len(Plan(o))*s.Invocations*s.Blocks)
}
