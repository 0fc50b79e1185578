package pool

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
)

// Default settings; a zero field of Options means the one named for it.
const (
	defaultStopGrace = 2 * time.Second
	defaultHangAfter = 15 * time.Second
	defaultHello     = 10 * time.Second
	defaultRecycleAt = 256 << 20 // bytes
	defaultPatience  = time.Minute
)

// Options configures a Pool. The zero value of each field is valid.
type Options struct {
	// Path is the worker program; empty means what Find finds. Args are its
	// arguments, after which come --connect and the ports of Refresh.Ports.
	// Env is added to the few variables that a worker gets anyway (see
	// environ), each as KEY=VALUE, and wins over them.
	Path string
	Args []string
	Env  []string

	// Mode is how the workers' lists come back; empty means carrier.Pipe.
	// Manager is where the manager is, in the mode that has one; nil means that
	// the pool starts one for each run.
	Mode    carrier.Mode
	Manager *manager.Address

	Workers  int           // processes at a time; 0 means one for each CPU
	Refresh  feeds.Options // what every worker is told
	Build    string        // what the coordinator was built from, for people
	MemLimit int64         // soft heap limit of a worker (GOMEMLIMIT), in bytes; 0 means none

	Patience // with workers, and with the whole

	// Stalled is told of a stall before anything is broken off, since not
	// everything can be; nil means nobody is.
	Stalled func(*StallError)

	// RecycleAt is how much memory of its own, in bytes, makes a worker be
	// replaced once it has finished the feeds that it has begun; 0 means
	// defaultRecycleAt, and a negative number never. It is known on Linux only.
	RecycleAt int64

	// KeepPoison is a folder, made if need be, for the feeds that killed their
	// workers, see the package comment; empty means that none is kept.
	KeepPoison string

	// Enclose makes the workers of a run, and whatever they start, end with it, also
	// what has left its session and its parent: they are in a PID namespace, where
	// one is to be had. It is for workers without a sandbox, and not for the mode
	// manager, in which a run whose workers die then takes many times as long.
	//
	// Rejected: to enclose those that have one, which can start nothing. They see
	// the /proc of outside, whose numbers of threads are others, and in a program
	// with cgo Landlock would then miss threads and not say so.
	Enclose bool

	// NoScoreboard makes workers tell what they do by their messages alone, as
	// they do where there is no memfd.
	NoScoreboard bool

	// Probe makes a probe for the line to each worker, if the mode has lines
	// that can be watched; nil means that nobody watches. It is for measuring.
	Probe func() ipc.Probe

	// Logger gets starts, deaths and stops, and at debug level what workers
	// write to stderr; nil means nowhere.
	Logger *slog.Logger
}

// Patience says how long a pool waits, each 0 meaning the default.
type Patience struct {
	HelloWithin time.Duration // from start to Hello; 10 s

	// HangAfter is how long a worker that owes results may say nothing before it
	// is killed and replaced; it may read one document four times as long. 15 s.
	HangAfter time.Duration

	StopGrace time.Duration // between two rungs of the ladder that stops a worker; 2 s

	// StallAfter is how long the whole run may make no progress before it is
	// broken off with a [StallError]; a minute more than any single worker may
	// take.
	StallAfter time.Duration
}

// withDefaults returns o with every zero field filled in.
func (o Options) withDefaults() (Options, error) {
	if o.Workers < 0 {
		return o, fmt.Errorf("configure pool: %d workers", o.Workers)
	}
	path, err := Find(o.Path)
	if err != nil {
		return o, err
	}
	if o.Path, err = filepath.Abs(path); err != nil {
		return o, fmt.Errorf("find worker program: %w", err)
	}
	o.Mode = cmp.Or(o.Mode, carrier.Pipe)
	if !slices.Contains(carrier.Modes(), o.Mode) {
		return o, fmt.Errorf("configure pool: mode %s: %w on this system", o.Mode, errors.ErrUnsupported)
	}
	o.Workers = cmp.Or(o.Workers, runtime.NumCPU())
	o.HelloWithin = cmp.Or(o.HelloWithin, defaultHello)
	o.HangAfter = cmp.Or(o.HangAfter, defaultHangAfter)
	o.StopGrace = cmp.Or(o.StopGrace, defaultStopGrace)
	o.Refresh.DrainGrace = cmp.Or(o.Refresh.DrainGrace, feeds.DefaultDrainGrace)
	o.Refresh.Timeout = cmp.Or(o.Refresh.Timeout, feeds.DefaultTimeout)
	o.Refresh.MaxBody = cmp.Or(o.Refresh.MaxBody, feeds.DefaultMaxBody)
	o.StallAfter = cmp.Or(o.StallAfter, o.patience()+defaultPatience)
	o.RecycleAt = cmp.Or(o.RecycleAt, defaultRecycleAt)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.KeepPoison != "" {
		if err := os.MkdirAll(o.KeepPoison, 0o700); err != nil {
			return o, fmt.Errorf("make folder for feeds that kill: %w", err)
		}
	}
	return o, nil
}

// patience is the longest time in which a worker that owes results must have
// answered one.
func (o *Options) patience() time.Duration {
	// A request has one clock, which may stand still for as long again while all wait for
	// the uplink; then it may be made once more; and each of its redirects may have to
	// wait for its host.
	return 3*o.Refresh.Timeout + 12*o.Refresh.HostDelay + o.HangAfter
}

// mostOfAJob bounds what a worker may send for one job, in bytes on the wire and
// in memory. What a document says can grow in its items, where bytes that are no
// text become three each and a field fills another one, but not beyond any
// measure.
func (o *Options) mostOfAJob() int64 { return 8*o.Refresh.MaxBody + ipc.DefaultMaxFrame }

// What processes need, in file descriptors. A coordinator has a store and a
// few files open, and for a moment the other ends of a new worker's pipes; for
// each worker it keeps three pipes and a handle of the process. A worker counts
// its own.
const (
	coordinatorFiles = 40
	filesPerWorker   = 4
)

// What processes need, in bytes.
const (
	coordinatorMemory = 64 << 20
	leastMemory       = 80 << 20  // of which a worker can read a feed of usual size
	usualMemory       = 512 << 20 // that a worker keeps to by itself
)

// A capacity is what the system gives this process and those that it starts; a
// zero field means that there is no limit, or that it is not known.
type capacity struct {
	files  uint64 // file descriptors of one process
	memory int64  // bytes, of all together
}

// fit reduces what was asked for to what there is room for, and says so.
func (o *Options) fit(r capacity) {
	workers := o.Workers
	if r.files > 0 {
		perWorker := filesPerWorker
		if o.Mode == carrier.Shm {
			perWorker++ // the socket through which memory comes
		}
		workers = min(workers, shares(int64(r.files), coordinatorFiles, int64(perWorker)))
	}
	if r.memory > 0 {
		workers = min(workers, shares(r.memory, coordinatorMemory, leastMemory))
		hard := max(r.memory-coordinatorMemory, leastMemory) / int64(workers)
		if o.MemLimit == 0 && hard < usualMemory {
			o.MemLimit = hard / 10 * 6
		}
	}
	if o.MemLimit > 0 && o.RecycleAt > 0 {
		o.RecycleAt = min(o.RecycleAt, o.MemLimit)
	}
	if workers < o.Workers {
		o.Logger.Warn("not enough room for all that was asked for",
			"workers", workers, "asked", o.Workers, "files", r.files, "memory", r.memory)
	}
	o.Workers = workers
}

// shares returns how many shares there are in what is left of total, at least
// one: with less, it is better to try than to give up.
func shares(total, reserved, share int64) int {
	return int(max((total-reserved)/share, 1))
}
