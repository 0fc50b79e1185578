package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// The modes that refresh can run in, the default first. Some systems lack some.
var modes = []string{"pipe", "goroutine", "locked-pipe", "queue", "shm", "manager"}

// goroutineMode is the mode without processes.
const goroutineMode = "goroutine"

// runnerFlags say where the jobs of a round are done.
type runnerFlags struct {
	mode    choice
	workers int
	worker  string
	sandbox choice
	poison  string // the folder for feeds that kill; empty for none
	manager string // host:port of one that lives elsewhere; empty for our own
	key     string // file with its key
	// hangAfter is how long a worker may stand still, stallAfter how long the
	// whole round, and lastGrace how long it may then take to end. 0 means what
	// the pool thinks, and defaultGrace. No flag sets them.
	hangAfter, stallAfter, lastGrace time.Duration
	stderr                           func() io.Writer // for a report that is too long for an error
}

func (r *runnerFlags) register(c *cobra.Command) {
	r.registerWorkers(c)
	r.mode.register(c, "mode", "how workers run and their lists come back: "+strings.Join(modes[:len(modes)-1], ", ")+" or "+modes[len(modes)-1])
}

// registerWorkers registers the flags that do not choose the mode.
func (r *runnerFlags) registerWorkers(c *cobra.Command) {
	f := c.Flags()
	r.stderr = c.ErrOrStderr
	r.mode = choice{modes[0], modes}
	r.sandbox = choice{"best-effort", []string{"best-effort", "require", "off"}}
	f.IntVarP(&r.workers, "workers", "n", 0, "use `N` workers [default: CPUs]")
	f.StringVar(&r.worker, "worker", "", "the worker program at `PATH` [default: beside the coordinator, then $PATH]")
	r.sandbox.register(c, "sandbox", "what workers give up: best-effort, require or off")
}

// complete checks the flags and fills in what depends on the machine.
func (r *runnerFlags) complete() error {
	if r.workers < 0 || r.workers > 1000 {
		return usage("", "%d workers: want 1 to 1000", r.workers)
	}
	if m := ipc.Mode(r.mode.value); m != goroutineMode && !slices.Contains(ipc.Modes(), m) {
		return usage("use --mode pipe, which every system has", "--mode %s is not to be had on %s", m, runtime.GOOS)
	}
	if (r.manager == "") != (r.key == "") || r.manager != "" && r.mode.value != string(ipc.ModeManager) {
		return usage("", "--manager and --manager-key go together, with --mode manager")
	}
	if r.workers == 0 {
		r.workers = runtime.NumCPU()
	}
	return nil
}

// workerArgs returns what a worker is started with.
func (r *runnerFlags) workerArgs() []string { return []string{"--sandbox", r.sandbox.value} }

// A runner is a refresh.Runner with the bill that it leaves.
type runner struct {
	refresh.Runner
	pool *pool.Pool // nil in the modes without processes
}

// newRunner returns the runner of the mode that the flags name, for a round
// over refs: ahead, where that is not nil and will do.
func (r *runnerFlags) newRunner(refs []feeds.Ref, o feeds.Options, log *slog.Logger, ahead *headStart) (runner, error) {
	o.Ports = feeds.ConnectPorts(refs, o)
	if r.mode.value == goroutineMode {
		return runner{Runner: &refresh.Goroutines{Workers: r.workers, Options: o}}, nil
	}
	if ahead != nil && ahead.fits(o.Ports) {
		return runner{Runner: ahead, pool: ahead.pool}, nil
	}
	ahead.close() // a feed has moved, or is left alone
	p, err := r.newPool(o, log, 0)
	if err != nil {
		return runner{}, err
	}
	return runner{Runner: p, pool: p}, nil
}

// newPool returns a pool for the mode that the flags name, which starts so many
// workers before there are jobs for them.
func (r *runnerFlags) newPool(o feeds.Options, log *slog.Logger, ahead int) (*pool.Pool, error) {
	elsewhere, err := r.managerAddress()
	if err != nil {
		return nil, err
	}
	p, err := pool.New(pool.Options{
		Path:    r.worker,
		Args:    r.workerArgs(),
		Mode:    ipc.Mode(r.mode.value),
		Manager: elsewhere,
		Workers: r.workers,
		Ahead:   ahead,
		Refresh: o,
		Build:   version(),
		Logger:  log,

		HangAfter:  r.hangAfter,
		StallAfter: r.stallAfter,
		KeepPoison: r.poison,
		Stalled:    r.stalled,
	})
	if err != nil {
		return nil, r.problem(err)
	}
	r.workers = p.Stats().Workers // there may be room for fewer
	return p, nil
}

// managerAddress returns where the manager is that the flags name, nil for one
// of our own.
func (r *runnerFlags) managerAddress() (*ipc.Address, error) {
	if r.manager == "" {
		return nil, nil
	}
	key, err := os.ReadFile(r.key)
	if err != nil {
		return nil, usage("", "read the manager's key: %w", err)
	}
	return &ipc.Address{Network: "tcp", Addr: r.manager, Key: bytes.TrimSpace(key)}, nil
}

// bill is what the workers of a round cost.
type bill struct {
	cpu            time.Duration
	sent, received int64
	peak           int64 // of the largest worker
	deaths         int
	sandbox        string
}

func (r runner) bill() bill {
	if r.pool == nil {
		return bill{sandbox: "none (goroutines share the coordinator)"}
	}
	if h, ok := r.Runner.(*headStart); ok && !h.ran {
		return bill{} // nothing was to be done
	}
	s := r.pool.Stats()
	b := bill{cpu: s.CPU, sent: s.Sent, received: s.Received, deaths: s.Deaths, sandbox: s.Sandbox}
	for _, n := range s.PeakRSS {
		b.peak = max(b.peak, n)
	}
	return b
}

// defaultGrace is how long a round in which nothing moves may take to end,
// after all its workers were killed.
const defaultGrace = 30 * time.Second

// stalled says who waited for whom in a round in which nothing moves any more.
// It ends the program if that does not end by itself: what is stuck may be the
// store, and nobody can end a system call. What was stored stays.
func (r *runnerFlags) stalled(e *pool.StallError) {
	fmt.Fprintf(r.stderr(), "coordinator: %v: who waits for whom:\n%s\n", e, printableLines(e.Report))
	time.AfterFunc(cmp.Or(r.lastGrace, defaultGrace), func() { os.Exit(exitFeeds) })
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// problem gives an error of a runner its exit status and hint.
func (r *runnerFlags) problem(err error) error {
	if _, ok := errors.AsType[*pool.StallError](err); ok {
		return &problem{exitFeeds, err, "what was stored stays; the others are still due"}
	}
	start, ok := errors.AsType[*pool.StartError](err)
	if !ok {
		return err
	}
	code := exitUsage
	if r.sandbox.value == "require" && start.Code == pool.ExitRefused {
		code = exitSandbox
	}
	return &problem{code, err, start.Hint}
}
