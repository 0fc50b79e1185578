package run

import (
	"context"
	"os/exec"
	"strings"
)

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
