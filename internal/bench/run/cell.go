package run

import (
	"fmt"
	"strings"
	"time"
)

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
