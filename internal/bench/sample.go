package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
	"feedmill/internal/worker"
)

// A task is what a process that takes one sample is told.
type task struct {
	Cell      Cell     `json:"cell"`
	Self      []string `json:"self"`   // how the program is started as one of its children
	Worker    string   `json:"worker"` // the real worker program, for cells that are as shipped
	Origin    string   `json:"origin"` // address
	OriginPID int      `json:"origin_pid"`
	Documents string   `json:"documents"` // folder
	Names     []string `json:"names"`     // of the documents of this cell
	Seed      uint64   `json:"seed"`
	GOGC      int      `json:"gogc"`
	Plant     plant    `json:"plant"`

	manager *ipc.Address // of the mode manager
}

// takeSample is the process that takes one sample: a task on stdin, a Sample
// on stdout.
func takeSample(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var t task
	if err := json.NewDecoder(stdin).Decode(&t); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	s, err := t.run(ctx)
	if err != nil {
		s.Failed = err.Error()
	}
	return json.NewEncoder(stdout).Encode(s)
}

// A stopwatch takes the figures of one window.
type stopwatch struct {
	task   *task
	clocks *clocks
	cold   bool

	strange bool // a process began or ended inside a window that is to have none do so

	began    time.Time
	own      usage
	ended    usage // of children
	others   map[int]usage
	origin   time.Duration
	collects uint32
	alloc    uint64
	used     used

	s Sample
}

func (w *stopwatch) start() {
	runtime.GC()
	resetPeak()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.collects, w.alloc = m.NumGC, m.TotalAlloc
	w.used = w.clocks.read()
	w.others = make(map[int]usage)
	for _, pid := range descendants() {
		w.others[pid] = usageOf(pid)
	}
	w.origin = processCPU(w.task.OriginPID)
	w.ended = endedUsage()
	w.began = time.Now()
	w.own = ownUsage()
}

// stop ends the window. In a cold cell the children are gone by then, and what
// can only be read of living ones is from the pass before.
func (w *stopwatch) stop() {
	own := ownUsage()
	w.s.Wall = time.Since(w.began)
	tree := own.less(w.own)
	w.s.CoordinatorCPU = tree.cpu
	ended := endedUsage().less(w.ended)
	tree = tree.plus(ended)
	w.s.WorkersCPU = ended.cpu
	if !w.cold {
		for _, pid := range descendants() {
			before, there := w.others[pid]
			u := usageOf(pid).less(before)
			tree = tree.plus(u)
			w.s.WorkersCPU += u.cpu
			w.strange = w.strange || !there
			delete(w.others, pid)
		}
		w.strange = w.strange || len(w.others) > 0
		w.look()
	}
	w.s.CPU = w.s.CoordinatorCPU + w.s.WorkersCPU
	if w.task.OriginPID != 0 {
		w.s.OriginCPU = processCPU(w.task.OriginPID) - w.origin
	}
	w.s.MinorFaults, w.s.MajorFaults, w.s.Switches = tree.minor, tree.major, tree.switches
	if w.s.ReadCalls, w.s.WriteCalls = tree.reads, tree.writes; w.cold {
		w.s.ReadCalls, w.s.WriteCalls = -1, -1 // of those that are gone nobody knows
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.s.GCCycles, w.s.Alloc = int64(m.NumGC-w.collects), int64(m.TotalAlloc-w.alloc)
	if !w.clocks.off {
		used := w.clocks.read().less(w.used)
		used.GC = int64(float64(used.Marked) * gcPrice())
		w.s.Stages = append(w.s.Stages, used.list("coordinator")...)
	}
}

// look reads the memory of all processes, while they are there.
func (w *stopwatch) look() {
	own := memoryOf(os.Getpid())
	w.s.CoordinatorHWM = own.hwm
	w.s.PSS, w.s.WorkersPSS, w.s.WorkersHWM = own.pss, 0, 0
	for _, pid := range descendants() {
		m := memoryOf(pid)
		w.s.WorkersPSS += m.pss
		w.s.WorkersHWM = max(w.s.WorkersHWM, m.hwm)
	}
	w.s.PSS += w.s.WorkersPSS
}

// run takes the sample.
func (t *task) run(ctx context.Context) (Sample, error) {
	runtime.GOMAXPROCS(min(t.Cell.Workers, runtime.NumCPU()))
	debug.SetGCPercent(t.GOGC)
	ballast := newBallast(t.Cell.Heap)
	defer runtime.KeepAlive(ballast)
	w := &stopwatch{task: t, clocks: &clocks{off: !t.Cell.Clocked, plant: t.Plant}, cold: t.Cell.Cold}
	var err error
	var stop func()
	if t.manager, stop, err = startManager(t.Cell.Mode, t.Self); err != nil {
		return Sample{}, err
	}
	defer stop()
	jobs := t.jobs()
	d := newDictionary(jobs)
	d.releases = t.Cell.Released
	switch {
	case t.Cell.Mode == Sequential:
		err = t.loop(ctx, w, jobs, d)
	case t.Cell.Cold:
		err = t.cold(ctx, w, jobs, d)
	default:
		err = t.warm(ctx, w, jobs, d)
	}
	if err == nil {
		w.s.Hash, w.s.CopiedBytes, err = d.judge()
	}
	w.s.latencies(d)
	return w.s, err
}

// latencies puts the times after which feeds were there into s.
func (s *Sample) latencies(d *dictionary) {
	var all []float64
	for _, e := range d.byID {
		all = append(all, float64(e.after))
	}
	slices.Sort(all)
	s.P50, s.P99 = time.Duration(quantile(all, 0.5)), time.Duration(quantile(all, 0.99))
}

// judge returns the hash of all results and how many bytes of text they hold,
// and an error if one of them is no success.
func (d *dictionary) judge() (string, int64, error) {
	var all, bytes uint64
	for i, e := range d.byID {
		if e.class != feeds.OK {
			return "", 0, fmt.Errorf("feed %d ended as %q", i+1, e.class)
		}
		hash, n := e.hash, e.bytes
		if !d.releases {
			hash, n = hashResult(e.class, e.items), textBytes(e.items)
		}
		all = all*1_099_511_628_211 + hash
		bytes += uint64(n)
	}
	return strconv.FormatUint(all, 16), int64(bytes), nil
}

// loop does the work in a plain loop, once for nothing and once measured.
func (t *task) loop(ctx context.Context, w *stopwatch, jobs []feeds.Job, d *dictionary) error {
	r, err := t.refresher(w.clocks)(t.options())
	if err != nil {
		return err
	}
	defer r.Close()
	do := func(job *feeds.Job) feeds.Result { return r.(*bare).do(job) }
	if f, ok := r.(*feeds.Refresher); ok {
		do = func(job *feeds.Job) feeds.Result { return f.Refresh(ctx, *job) }
	}
	for i := range jobs {
		d.put(do(&jobs[i]), nil)
	}
	d.drop()
	w.start()
	d.began = w.began
	for i := range jobs {
		d.put(do(&jobs[i]), nil)
	}
	w.stop()
	return nil
}

// warm does the work twice with the same workers, and the second time counts.
func (t *task) warm(ctx context.Context, w *stopwatch, jobs []feeds.Job, d *dictionary) error {
	runner, p, err := t.runner(w.clocks)
	if err != nil {
		return err
	}
	marked := p != nil && t.Cell.Clocked && !t.Cell.Shipped
	var before, after []used
	var sent, received int64
	phases := []phase{{jobs: jobs, answer: d.put, end: d.drop}}
	if marked {
		phases = append(phases, t.mark(&before, ""))
	}
	phases = append(phases, phase{jobs: jobs, answer: d.put,
		begin: func() { d.parse = 0; w.start(); d.began = w.began },
		end:   w.stop,
	})
	var sum used
	if marked {
		phases = append(phases, t.mark(&after, "?priced"))
	}
	s := newScript(t.Cell.Workers, phases...)
	s.advance()
	if err := runner.Run(ctx, s.next, s.emit); err != nil {
		return err
	}
	if !s.ended {
		return errors.New("the run ended before all was answered")
	}
	if p != nil {
		stats := p.Stats()
		// The first pass was the same as the second.
		sent, received = stats.Sent/2, stats.Received/2
		if stats.Deaths > 0 {
			return fmt.Errorf("%d workers died", stats.Deaths)
		}
	}
	if w.strange {
		return errors.New("a process began or ended inside the window")
	}
	if t.Cell.Work == Round && t.Cell.Clocked {
		w.s.Stages = append(w.s.Stages, Stage{Name: stageNames[stageWork], Side: "worker", CPU: d.parse, Count: int64(len(jobs))})
	}
	w.s.SentBytes, w.s.WireBytes = sent, received
	for i := range after {
		u := after[i].less(before[i])
		u.GC = int64(float64(u.Marked) * float64(after[i].GC) / 1e6)
		sum = sum.plus(u)
	}
	w.s.Stages = append(w.s.Stages, sum.list("worker")...)
	return nil
}

// cold does the work twice, each time with workers of its own, and the second
// time counts, from the start of the first worker to the end of the last.
func (t *task) cold(ctx context.Context, w *stopwatch, jobs []feeds.Job, d *dictionary) error {
	for pass := range 2 {
		if pass == 1 {
			d.drop()
			w.start()
			d.began = w.began
		}
		runner, p, err := t.runner(w.clocks)
		if err != nil {
			return err
		}
		ph := phase{jobs: jobs, answer: d.put}
		if pass == 0 {
			ph.end = w.look // it takes a millisecond, so not inside the window
		}
		s := newScript(t.Cell.Workers, ph)
		s.advance()
		if err := runner.Run(ctx, s.next, s.emit); err != nil {
			return err
		}
		if pass == 1 {
			w.stop()
		}
		if p != nil {
			stats := p.Stats()
			w.s.SentBytes, w.s.WireBytes = stats.Sent, stats.Received
			if stats.Deaths > 0 {
				return fmt.Errorf("%d workers died", stats.Deaths)
			}
		}
	}
	return nil
}

// mark returns a phase in which each worker says what it has used.
func (t *task) mark(all *[]used, query string) phase {
	var jobs []feeds.Job
	for n := range t.Cell.Workers {
		jobs = append(jobs, feeds.Job{ID: int64(n + 1), URL: "bench://mark/" + query})
	}
	*all = make([]used, len(jobs))
	return phase{jobs: jobs, answer: func(r feeds.Result, _ func()) {
		// What it cannot read stays zero, and shows as a residue.
		json.Unmarshal([]byte(r.Detail), &(*all)[r.ID-1])
	}}
}

// jobs returns the jobs of the cell.
func (t *task) jobs() []feeds.Job {
	c := &t.Cell
	jobs := make([]feeds.Job, c.Feeds)
	for i := range jobs {
		url := ""
		switch c.Work {
		case Round:
			format := []string{"rss", "atom"}[i/2%2]
			url = fmt.Sprintf("http://%s/feed/%d.%s?items=%d&bytes=%d&latency=%s", host(t.Origin, i), i, format, c.Items, c.Bytes, c.Latency)
		case Parse:
			url = fmt.Sprintf("bench://parse/%d?document=%s", i, t.Names[i%len(t.Names)])
		case Ship:
			url = fmt.Sprintf("bench://ship/%d?items=%d&bytes=%d", i, c.Items, c.Bytes)
		}
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: url}
	}
	return jobs
}

// hosts is how many hosts the feeds are spread on: enough for no worker to wait
// for its turn with one.
const hosts = 100

// host returns the address of the host of feed i, given that of the first one.
func host(first string, i int) string {
	a, err := netip.ParseAddrPort(first)
	if err != nil {
		return first
	}
	ip := a.Addr().As4()
	ip[2], ip[3] = ip[2]+byte(i%hosts/250), ip[3]+byte(i%hosts%250)
	return netip.AddrPortFrom(netip.AddrFrom4(ip), a.Port()).String()
}

// options are those of every refresher of every mode.
func (t *task) options() feeds.Options {
	o := feeds.Options{Ship: feeds.ShipAll, AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if t.Cell.Gofeed {
		o.Parser = feeds.ParserGofeed
	}
	return o
}

// refresher returns what makes the refreshers of the cell's work.
func (t *task) refresher(c *clocks) func(feeds.Options) (worker.Refresher, error) {
	return newRefresher(t.Cell.Work, t.Documents, t.Seed, c)
}

// newRefresher returns what makes the refreshers of a kind of work.
func newRefresher(w Work, documents string, seed uint64, c *clocks) func(feeds.Options) (worker.Refresher, error) {
	return func(o feeds.Options) (worker.Refresher, error) {
		if w == Round {
			r, err := feeds.NewRefresher(o)
			if err != nil || c.off {
				return r, err
			}
			return &fetcher{r, c}, nil
		}
		return &bare{documents: documents, seed: seed, parser: o.Parser, clocks: c, probe: &probe{clocks: c}}, nil
	}
}

// runner returns the runner of the cell's mode, and the pool where there is
// one.
func (t *task) runner(c *clocks) (refresh.Runner, *pool.Pool, error) {
	make := t.refresher(c)
	g := &refresh.Goroutines{Workers: t.Cell.Workers, Options: t.options()}
	hops := map[string]func(ipc.Probe) func(func(feeds.Result)) (hop, error){Codec: openCodec, LocalPipe: openPipe}
	if open := hops[t.Cell.Mode]; open != nil || t.Cell.Mode == Goroutine {
		g.NewRefresher = func(o feeds.Options) (refresh.Refresher, error) {
			r, err := make(o)
			if err != nil || open == nil {
				return r, err
			}
			return &hopping{r, open(c.probe())}, nil
		}
		return g, nil, nil
	}
	o := pool.Options{
		Path: t.Self[0], Args: t.workerArgs(), Env: []string{"GOGC=" + strconv.Itoa(t.GOGC)},
		Mode: ipc.Mode(t.Cell.Mode), Workers: t.Cell.Workers, Refresh: t.options(),
		RecycleAt: -1, Probe: c.probe, Manager: t.manager,
	}
	if t.Cell.Shipped {
		o.Path, o.Args, o.Env = t.Worker, nil, nil
	}
	p, err := pool.New(o)
	return p, p, err
}

// workerArgs returns the arguments with which the program is a worker.
func (t *task) workerArgs() []string {
	plant, _ := json.Marshal(t.Plant)
	args := append(slices.Clone(t.Self[1:]), "worker",
		"--work", string(t.Cell.Work), "--documents", t.Documents, "--seed", strconv.FormatUint(t.Seed, 10), "--plant", string(plant))
	if t.Cell.Clocked {
		args = append(args, "--clocked")
	}
	return args
}

// A ballast is memory full of pointers that stays alive: what a collector has
// to look through beside the work.
type ballast struct {
	next *ballast
	rest [48]byte
}

// newBallast returns about so many bytes of it.
func newBallast(bytes int64) *ballast {
	var b *ballast
	for range bytes / 64 {
		b = &ballast{next: b}
	}
	return b
}
