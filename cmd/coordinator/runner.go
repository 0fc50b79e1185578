package main

import (
	"bytes"
	"cmp"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
	"feedmill/internal/feeds/subs"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
	"feedmill/internal/version"
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
	// whole round. 0 means what the pool thinks. No flag sets them.
	hangAfter, stallAfter time.Duration
	stalled               func(*pool.StallError) // see pool.Options; may be nil
}

func (r *runnerFlags) register(a *app, c *cobra.Command) {
	r.registerWorkers(a, c)
	r.mode.register(c, "mode", "how workers run and their lists come back: "+strings.Join(modes[:len(modes)-1], ", ")+" or "+modes[len(modes)-1])
}

// registerWorkers registers the flags that do not choose the mode.
func (r *runnerFlags) registerWorkers(a *app, c *cobra.Command) {
	f := c.Flags()
	r.stalled = a.stalled
	r.mode = choice{modes[0], modes}
	r.sandbox = choice{"best-effort", []string{"best-effort", "require", "off"}}
	f.IntVarP(&r.workers, "workers", "n", 0, "use `N` workers [default: CPUs]")
	f.StringVar(&r.worker, "worker", "", "the worker program at `PATH` [default: beside the coordinator, then $PATH]")
	r.sandbox.register(c, "sandbox", "what workers give up: best-effort, require or off")
}

// complete checks the flags and fills in what depends on the machine.
func (r *runnerFlags) complete() error {
	if r.workers < 0 || r.workers > 1000 {
		return usage("", "--workers %d: want 1 to 1000", r.workers)
	}
	if m := carrier.Mode(r.mode.value); m != goroutineMode && !slices.Contains(carrier.Modes(), m) {
		return usage("use --mode pipe, which every system has", "--mode %s is not to be had on %s", m, runtime.GOOS)
	}
	if (r.manager == "") != (r.key == "") || r.manager != "" && r.mode.value != string(carrier.Manager) {
		return usage("", "--manager and --manager-key go together, with --mode manager")
	}
	r.workers = cmp.Or(r.workers, runtime.NumCPU())
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
// over refs.
func (r *runnerFlags) newRunner(refs []feeds.Ref, o feeds.Options, log *slog.Logger) (runner, error) {
	o.Ports = subs.ConnectPorts(refs, o)
	if r.mode.value == goroutineMode {
		return runner{Runner: &refresh.Goroutines{Workers: r.workers, Options: o, NewRefresher: newRefresher}}, nil
	}
	p, err := r.newPool(o, log)
	if err != nil {
		return runner{}, err
	}
	return runner{Runner: p, pool: p}, nil
}

// newPool returns a pool for the mode that the flags name.
func (r *runnerFlags) newPool(o feeds.Options, log *slog.Logger) (*pool.Pool, error) {
	elsewhere, err := r.managerAddress()
	if err != nil {
		return nil, err
	}
	p, err := pool.New(pool.Options{
		Path:    r.worker,
		Args:    r.workerArgs(),
		Mode:    carrier.Mode(r.mode.value),
		Manager: elsewhere,
		Workers: r.workers,
		Refresh: o,
		Build:   version.Build(),
		Logger:  log,

		Patience:   pool.Patience{HangAfter: r.hangAfter, StallAfter: r.stallAfter},
		KeepPoison: r.poison,
		Stalled:    r.stalled,
		Enclose:    r.sandbox.value == "off" && r.mode.value != string(carrier.Manager),
	})
	if err != nil {
		return nil, r.problem(err)
	}
	r.workers = p.Stats().Workers // there may be room for fewer
	return p, nil
}

// managerAddress returns where the manager is that the flags name, nil for one
// of our own.
func (r *runnerFlags) managerAddress() (*manager.Address, error) {
	if r.manager == "" {
		return nil, nil
	}
	if strings.ContainsAny(r.manager, `/\@`) { // a resolver would repeat a part of it
		return nil, usage("", "--manager %q: want HOST:PORT", feeds.RedactURL(r.manager))
	}
	key, err := os.ReadFile(r.key)
	if err != nil {
		return nil, usage("", "read the manager's key: %w", err)
	}
	return &manager.Address{Network: "tcp", Addr: r.manager, Key: bytes.TrimSpace(key)}, nil
}

// bill is what the workers of a round cost.
type bill struct {
	cpu            time.Duration
	sent, received int64
	peak           int64 // of the largest worker
	deaths         int
	sandbox        string
}

// add adds the bill of another round.
func (b *bill) add(o bill) {
	b.cpu += o.cpu
	b.sent += o.sent
	b.received += o.received
	b.deaths += o.deaths
	b.peak = max(b.peak, o.peak)
	b.sandbox = cmp.Or(o.sandbox, b.sandbox)
}

func (r runner) bill() bill {
	if r.pool == nil {
		return bill{sandbox: "none (goroutines share the coordinator)"}
	}
	s := r.pool.Stats()
	b := bill{cpu: s.CPU, sent: s.Sent, received: s.Received, deaths: s.Deaths, sandbox: s.Sandbox}
	for _, n := range s.PeakRSS {
		b.peak = max(b.peak, n)
	}
	return b
}

// problem gives an error of a runner its exit status and hint.
func (r *runnerFlags) problem(err error) error {
	if _, ok := errors.AsType[*pool.StallError](err); ok {
		return &problem{code: exitFeeds, err: err, hint: "what was stored stays; the others are still due"}
	}
	start, ok := errors.AsType[*pool.StartError](err)
	if !ok {
		return err
	}
	code := exitUsage
	if r.sandbox.value == "require" && start.Refused() {
		code = exitSandbox
	}
	return &problem{code: code, err: err, hint: start.Hint}
}

// newRefresher makes what a worker goroutine refreshes with, as a worker process
// does.
func newRefresher(o feeds.Options) (refresh.Refresher, error) { return fetch.New(o, read.Read) }
