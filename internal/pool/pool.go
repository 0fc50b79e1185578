// Package pool runs jobs in worker processes: it starts them, feeds them over
// pipes, watches them, replaces those that die and stops them all. A [Pool] is
// a runner of a round like the one that uses goroutines.
//
// It believes no worker: a frame that breaks the protocol costs the worker its
// life and nothing of that frame is passed on. It parses no feed, and it never
// gives a job to two processes at a time.
//
// # Who closes what
//
// A process has three pipes. The child's ends are closed in the coordinator
// as soon as the child has started or failed to. The coordinator's end of
// stdin belongs to the slot that runs the process: it alone writes, and it
// closes that end when it stops the process. The coordinator's ends of stdout
// and stderr are read by one goroutine each, until they end, whatever the
// frames were worth; they are closed once, by the slot, after both goroutines
// are done, or before that to get them out of a read when a stranger still
// holds the other end.
//
// # How a worker is stopped
//
// Drain is sent and Bye awaited. Then comes a ladder: stdin is closed, after
// StopGrace its group gets SIGTERM, after another one SIGKILL, and after a
// last one the pipes are closed. Whoever has left the pipes before then is
// through. Only now is the group killed once more, for what the worker may
// have left behind, and the worker waited for, so that a number never is
// signalled that could belong to someone else. A worker that hangs gets SIGQUIT
// first, for the stacks of its goroutines.
//
// # Who is to blame
//
// A worker says on a scoreboard, in memory that outlives it, which document it
// reads and which answer it sends. When it dies, these jobs are tried: each is
// done once more, alone and first, in a fresh process with the same limits.
// One that kills that too is answered with a class that says how; one that does
// not has its result. Whoever else was under way is done again and not charged,
// unless all that were tried are innocent. Where there is no scoreboard, or the
// process died of something else than what it did last, all are charged, and a
// job that has outlived three processes was alone in the third.
//
// # Who has which job
//
// What next hands out for a slot is done by the slot's processes, one after the
// other. Where the carrier has a queue of jobs, it is done by the slot whose
// process takes it there; dealer.go says how. Either way a job, and all other
// jobs of its domain, are with one process at a time.
//
// # What is kept
//
// Results carry the number of a job and never a URL, so no worker can answer
// for a feed that it was not given. (Where workers share a pipe without names, or
// a manager, one that means harm can speak for another one: see docs/modes.md.) The document of a feed that killed twice is
// kept in Options.KeepPoison as ID-HASH.body, at most 20 MiB of it, and beside
// it ID-HASH.txt with what is known of the death.
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// Default settings; a zero field of Options means the one named for it.
const (
	DefaultBatch     = 32
	DefaultWindow    = 128
	DefaultStopGrace = 2 * time.Second
	DefaultHangAfter = 15 * time.Second
	DefaultHello     = 10 * time.Second
	DefaultRecycleAt = 256 << 20 // bytes
	DefaultPatience  = time.Minute
)

// maxStartFailures is how many processes in a row may fail before their Hello.
// Then the program is taken to be unable to start at all.
const maxStartFailures = 3

// Options configures a Pool. The zero value of each field is valid.
type Options struct {
	// Path is the worker program; empty means what Find finds. Args are its
	// arguments, after which come --connect and the ports of Refresh.Ports.
	// Env is added to the few variables that a worker gets anyway (see
	// environ), each as KEY=VALUE, and wins over them.
	Path string
	Args []string
	Env  []string

	// Mode is how the workers' lists come back; empty means ipc.ModePipe.
	// Manager is where the manager is, in the mode that has one; nil means that
	// the pool starts one for each run.
	Mode    ipc.Mode
	Manager *ipc.Address

	Workers  int           // processes at a time; 0 means one for each CPU
	Ahead    int           // workers, from 0 on, that are started before there are jobs for them
	Refresh  feeds.Options // what every worker is told
	Build    string        // what the coordinator was built from, for people
	MaxFrame uint32        // longest payload accepted from a worker, in bytes; 0 means ipc.DefaultMaxFrame
	MemLimit int64         // soft heap limit of a worker (GOMEMLIMIT), in bytes; 0 means none

	Batch  int // jobs in one message at most; 0 means DefaultBatch
	Window int // jobs that one worker has at most; 0 means DefaultWindow

	// HelloWithin bounds the time from start to Hello. HangAfter is how long
	// a worker that owes results may say nothing before it is killed and
	// replaced; it may parse one document four times as long. StopGrace is the time between two
	// rungs of the ladder that stops a worker. 0 means the default of each.
	HelloWithin time.Duration
	HangAfter   time.Duration
	StopGrace   time.Duration

	// StallAfter is how long the whole run may make no progress before it is
	// broken off with a [StallError]; 0 means DefaultPatience more than any
	// single worker may take.
	StallAfter time.Duration
	// Stalled is told of a stall before anything is broken off, since not
	// everything can be; nil means nobody is.
	Stalled func(*StallError)

	// RecycleAt is how much memory of its own, in bytes, makes a worker be
	// replaced once it has finished the feeds that it has begun; 0 means
	// DefaultRecycleAt, and a negative number never. It is known on Linux only.
	RecycleAt int64

	// KeepPoison is a folder, made if need be, for the feeds that killed their
	// workers, see the package comment; empty means that none is kept.
	KeepPoison string

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

// withDefaults returns o with every zero field filled in.
func (o Options) withDefaults() (Options, error) {
	if o.Workers < 0 || o.Batch < 0 || o.Window < 0 {
		return o, fmt.Errorf("configure pool: workers %d, batch %d, window %d: negative", o.Workers, o.Batch, o.Window)
	}
	path, err := Find(o.Path)
	if err != nil {
		return o, err
	}
	if o.Path, err = filepath.Abs(path); err != nil {
		return o, fmt.Errorf("find worker program: %w", err)
	}
	orDefault(&o.Mode, ipc.ModePipe)
	if !slices.Contains(ipc.Modes(), o.Mode) {
		return o, fmt.Errorf("configure pool: mode %s: %w on this system", o.Mode, errors.ErrUnsupported)
	}
	orDefault(&o.Workers, runtime.NumCPU())
	orDefault(&o.Batch, DefaultBatch)
	orDefault(&o.Window, DefaultWindow)
	orDefault(&o.HelloWithin, DefaultHello)
	orDefault(&o.HangAfter, DefaultHangAfter)
	orDefault(&o.StopGrace, DefaultStopGrace)
	orDefault(&o.Refresh.DrainGrace, feeds.DefaultDrainGrace)
	orDefault(&o.Refresh.Timeout, feeds.DefaultTimeout)
	orDefault(&o.Refresh.MaxBody, feeds.DefaultMaxBody)
	orDefault(&o.StallAfter, o.patience()+DefaultPatience)
	orDefault(&o.RecycleAt, DefaultRecycleAt)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.KeepPoison != "" {
		if err := os.MkdirAll(o.KeepPoison, 0o700); err != nil {
			return o, fmt.Errorf("make folder for feeds that kill: %w", err)
		}
	}
	o.fit(resources())
	return o, nil
}

// patience is the longest time in which a worker that owes results must have
// answered one.
func (o *Options) patience() time.Duration {
	// A request may be tried twice, and each of its redirects may have to
	// wait for its host.
	return 2*o.Refresh.Timeout + 12*o.Refresh.HostDelay + o.HangAfter
}

// orDefault sets *v to d when it is zero.
func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// A Pool runs jobs in worker processes. It holds nothing between two calls of
// Run, so it needs no closing.
type Pool struct {
	o Options

	spawns   atomic.Uint32 // processes that were to be started
	progress atomic.Int64  // how often anything moved

	mu    sync.Mutex // guards the fields below
	stats Stats
	early int   // processes in a row that failed before Hello
	ooms  int64 // processes of this one's group that died for want of memory
	kept  int   // feeds written to KeepPoison
}

// New returns a Pool. It starts nothing, but it looks for the worker program
// and fails with a [StartError] when there is none.
func New(o Options) (*Pool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Pool{o: o, stats: Stats{Workers: o.Workers, PeakRSS: make([]int64, o.Workers)}, ooms: oomKills()}, nil
}

// Stats is what a Pool's workers have cost, over all calls of Run.
type Stats struct {
	Sent     int64         // bytes written to workers
	Received int64         // bytes read from workers, frames and their headers
	CPU      time.Duration // user and system time of all workers that ended
	PeakRSS  []int64       // most memory resident, in bytes, by worker number; 0 where it is not known
	Workers  int           // processes at a time; fewer than asked for where the system has no room
	Spawns   int           // processes started
	Recycled int           // processes replaced because they had grown
	Deaths   int           // processes that ended before they had answered all
	Sandbox  string        // the level that the last worker to start reached
}

// Stats returns what the workers have cost so far. It is complete once Run has
// returned.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.PeakRSS = append([]int64(nil), s.PeakRSS...)
	return s
}

// Run does jobs in worker processes until next has none left for any worker,
// or ctx is done. It calls next from one goroutine for each worker and emit
// from one goroutine at a time, exactly once for each job.
//
// A worker that dies is replaced, and what it had not answered is done again;
// Attempts counts that. A job that is found to kill its workers is answered
// with one of the classes feeds.WorkerMemory, WorkerStack, WorkerCPU,
// WorkerSignal and WorkerProtocol. When ctx is done, jobs under way may finish
// within Refresh.DrainGrace, and all others are answered as feeds.Cancelled.
//
// Run returns when every worker is reaped and every goroutine gone. The error
// is nil, also when ctx ended it, unless workers cannot be started (a
// [StartError]), next failed, or nothing moved any more (a [StallError]); then
// too every job that next returned has been emitted, those that were not done
// as feeds.Cancelled. There is one exception, which a StallError tells of.
func (p *Pool) Run(ctx context.Context, next func(ctx context.Context, worker int) ([]feeds.Job, error), emit func(r feeds.Result, release func())) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := p.newRun(emit)
	if err != nil {
		return err
	}
	failed := make([]error, p.o.Workers)
	for n := range p.o.Workers {
		r.slots = append(r.slots, newSlot(p, r, n))
	}
	r.dealer = newDealer(r)
	doneC := make(chan struct{})
	var wg sync.WaitGroup
	for n, s := range r.slots {
		wg.Go(func() { failed[n] = s.run(ctx, cancel, next) })
	}
	go func() {
		wg.Wait()
		r.rest()
		r.close()
		close(doneC)
	}()
	if stalled := r.watch(cancel, doneC); stalled != nil {
		return stalled
	}
	// The first failure makes the others stop, and they may then fail on
	// the way: the cause is the one to tell.
	if err := errors.Join(failed...); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// A run is what the slots of one call of Run share.
type run struct {
	pool    *Pool
	out     *output
	starter *starter
	carrier ipc.Carrier
	manager *manager
	slots   []*slot
	dealer  *dealer // nil where each slot gets its jobs in person

	begun atomic.Bool // next has returned, for whichever slot
}

// newRun opens what the slots of a run share. It must be closed when they are
// done.
func (p *Pool) newRun(emit func(r feeds.Result, release func())) (*run, error) {
	r := &run{pool: p, out: &output{emit: emit}, starter: newStarter()}
	r.manager = &manager{run: r, log: p.o.Logger}
	var err error
	r.carrier, err = ipc.NewCarrier(p.o.Mode, ipc.CarrierOptions{MaxFrame: p.o.MaxFrame, Manager: r.manager.find})
	if err != nil {
		r.starter.close()
		return nil, err
	}
	return r, nil
}

// rest answers what the slots, which are gone, have left.
func (r *run) rest() {
	if r.dealer != nil {
		r.dealer.close()
		for _, id := range r.dealer.rest() {
			r.out.put(feeds.Result{ID: id, Class: feeds.Cancelled}, nil)
		}
	}
	for _, s := range r.slots {
		s.running.set("answers what is left")
		s.mu.Lock() // the report of a stall may be looking
		left := s.ledger.rest()
		s.mu.Unlock()
		for _, e := range left {
			r.out.put(feeds.Result{ID: e.job.ID, Class: feeds.Cancelled, Attempts: e.deaths}, nil)
		}
	}
}

// close gives back what the slots, which are gone, shared.
func (r *run) close() {
	if err := r.carrier.Close(); err != nil {
		r.pool.o.Logger.Warn("close carrier", "mode", r.pool.o.Mode, "err", err)
	}
	r.manager.close()
	r.starter.close()
}

// An output passes results on, one at a time.
type output struct {
	mu    sync.Mutex // held while emit runs; never together with a slot's
	emit  func(r feeds.Result, release func())
	doing activity
}

// put passes on a result. release gives back the memory of its items; it may be
// nil.
func (o *output) put(r feeds.Result, release func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doing.set("passes on a result")
	o.emit(r, release)
	o.doing.set("waits for results")
}

// busy reports whether a result is being passed on.
func (o *output) busy() bool {
	if !o.mu.TryLock() {
		return true
	}
	o.mu.Unlock()
	return false
}

// incarnation returns the number of the process that is about to be started.
func (p *Pool) incarnation() uint32 { return p.spawns.Add(1) }

// moved notes that something went on.
func (p *Pool) moved() { p.progress.Add(1) }

// recycled counts a process that was replaced because it had grown.
func (p *Pool) recycled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Recycled++
}

// outOfMemory reports whether the system has killed somebody for want of
// memory since it was asked last.
func (p *Pool) outOfMemory() bool {
	now := oomKills()
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.ooms
	p.ooms = now
	return now > before
}

// spawned counts a process that was started.
func (p *Pool) spawned() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Spawns++
}

// ready notes that a process said Hello.
func (p *Pool) ready(sandbox string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.early = 0
	p.stats.Sandbox = sandbox
}

// stillborn notes that a process failed before its Hello and returns how many
// did in a row.
func (p *Pool) stillborn() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.early++
	return p.early
}

// died counts a process that ended too soon.
func (p *Pool) died() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Deaths++
}

// weigh notes how much memory process pid, of worker n, has, and returns how
// much of that is its own, in bytes; 0 when that is not known.
func (p *Pool) weigh(n, pid int) (own int64) {
	peak, own := memoryOf(pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.PeakRSS[n] = max(p.stats.PeakRSS[n], peak)
	return own
}

// bill adds what a process that is gone has cost.
func (p *Pool) bill(sent, received int64, cpu time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Sent += sent
	p.stats.Received += received
	p.stats.CPU += cpu
}
