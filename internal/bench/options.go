package bench

import (
	"fmt"
)

// Options are what an experiment needs beside its Settings.
type Options struct {
	Settings Settings
	// Self is how this program is started as one of the experiment's children,
	// see Child: the program and the arguments before the child's own.
	Self []string
	// Worker is the real worker program, for cells that are as shipped; empty
	// leaves them out.
	Worker string
	// Python is the interpreter for the article's own program; empty leaves it
	// out.
	Python  string
	Build   string   // what the program was built from, for people
	Command []string // what makes the run again

	// Save is called with the Run as it goes, at least after each block, from
	// one goroutine. An error of it ends the experiment.
	Save func(*Run) error
	// Progress is told what is going on, a line at a time; nil for nobody.
	Progress func(string)

	// plant returns what is planted in a cell; nil for nothing. Tests set it.
	planting func(*Cell) plant
}

func (o *Options) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

func (o *Options) plant(c *Cell) plant {
	if o.planting == nil {
		return plant{}
	}
	return o.planting(c)
}
