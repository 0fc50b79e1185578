//go:build linux

package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// A task is what a process is told that takes a sample of a cell, or that does
// the cell's jobs with a killer among them.
type task struct {
	Cell    Cell     `json:"cell"`
	Self    []string `json:"self"`    // how the program is started as one of its children
	Names   []string `json:"names"`   // of the documents of this cell
	Recycle int64    `json:"recycle"` // memory with which a worker is replaced, -1 for none
	Errand  errand   `json:"errand"`

	Killer string `json:"killer"`
	Place  int    `json:"place"`  // of the killer; negative: everywhere, each with the number of its feed
	Burden bool   `json:"burden"` // the document kills nobody
}

// An errand is what a worker of the experiment is told beside what every worker
// is: where documents are, which costs are planted, whether there are clocks, and
// what one document may take.
type errand struct {
	Documents string        `json:"documents"` // folder
	Plant     plant         `json:"plant"`
	Clocked   bool          `json:"clocked"`
	ParseCPU  time.Duration `json:"parse_cpu"`
	Memory    int64         `json:"memory"`
}

func (e *executor) task(c Cell, names []string) *task {
	return &task{Cell: c, Self: e.o.Self, Names: names, Recycle: -1, Errand: errand{Documents: e.dir, Clocked: c.Clocked}}
}

// args returns the arguments with which the program is a child on the errand.
func (t *task) args(as, flag string) []string {
	told, _ := json.Marshal(&t.Errand) // of such fields it cannot fail
	return append(slices.Clone(t.Self[1:]), as, flag+string(told))
}

func readTask(stdin io.Reader) (t task, err error) {
	if err = json.NewDecoder(stdin).Decode(&t); err != nil {
		err = fmt.Errorf("read task: %w", err)
	}
	return t, err
}

func (t *task) jobs() []feeds.Job {
	c := &t.Cell
	jobs := make([]feeds.Job, c.Feeds)
	for i := range jobs {
		url := fmt.Sprintf("bench://ship/%d?items=%d&bytes=%d", i, c.Items, c.Bytes)
		switch {
		case t.Place < 0:
			url = fmt.Sprintf("bench://kill/?by=%s,%d", t.Killer, i)
		case t.Killer != "" && i == t.Place:
			url = "bench://kill/?by=" + t.Killer
		case c.Work == Parse:
			url = fmt.Sprintf("bench://parse/%d?document=%s", i, t.Names[i%len(t.Names)])
		}
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: url}
	}
	return jobs
}

// runner returns the runner of the cell's mode, and the pool where there is
// one.
func (t *task) runner(c *clocks) (refresh.Runner, *pool.Pool, error) {
	options := feeds.Options{Ship: feeds.ShipAll} // of every refresher of every mode
	if t.Cell.Gofeed {
		options.Parser = feeds.ParserGofeed
	}
	switch t.Cell.Mode {
	case Goroutine, Codec, LocalPipe:
		return &refresh.Goroutines{Workers: t.Cell.Workers, Options: options, NewRefresher: func(o feeds.Options) (refresh.Refresher, error) {
			return detour(t.Cell.Mode, newBare(t.Errand.Documents, o.Parser, c), c.probe()), nil
		}}, nil, nil
	}
	p, err := pool.New(pool.Options{
		Path: t.Self[0], Args: t.args("worker", "--errand="), Env: []string{"GOGC=100"},
		Mode: carrier.Mode(t.Cell.Mode), Workers: t.Cell.Workers, Refresh: options,
		RecycleAt: t.Recycle, Probe: c.probe,
	})
	return p, p, err
}

// A dictionary is what the article's program keeps: for each feed its list. It
// is made before the first worker starts, with a place for each feed, and each
// place is written once.
type dictionary []feeds.Result // of job i+1

func (d dictionary) put(r feeds.Result) { d[r.ID-1] = r }

// judge returns the hash of all results, and an error if one of them is no
// success.
func (d dictionary) judge() (string, error) {
	var all uint64
	for i, e := range d {
		if e.Class != feeds.OK {
			return "", fmt.Errorf("feed %d ended as %q", i+1, e.Class)
		}
		all = all*1_099_511_628_211 + hashResult(e.Class, e.Items)
	}
	return strconv.FormatUint(all, 16), nil
}

// takeSample is the process that takes one sample: a task on stdin, a Sample
// on stdout.
func takeSample(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	t, err := readTask(stdin)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(min(t.Cell.Workers, runtime.NumCPU()))
	debug.SetGCPercent(100)
	w := &window{clocks: &clocks{off: !t.Cell.Clocked, plant: t.Errand.Plant}}
	d := make(dictionary, t.Cell.Feeds)
	if err = t.warm(ctx, w, d); err == nil {
		w.s.Hash, err = d.judge()
	}
	if err != nil {
		w.s.Failed = err.Error()
	}
	return json.NewEncoder(stdout).Encode(w.s)
}

// warm does the work twice with the same workers, and the second time counts.
func (t *task) warm(ctx context.Context, w *window, d dictionary) error {
	jobs := t.jobs()
	var before, after []mark
	phases := []phase{
		{jobs: jobs, answer: d.put, end: func() { clear(d) }}, t.mark(&before, ""),
		{jobs: jobs, answer: d.put, begin: w.start, end: w.stop}, t.mark(&after, "?priced"),
	}
	if !t.Cell.Clocked || t.Cell.Mode != Pipe {
		phases, after = []phase{phases[0], phases[2]}, nil
	}
	err := t.play(ctx, w.clocks, phases...)
	if err == nil && w.strange {
		err = errors.New("a process began or ended inside the window")
	}
	if err != nil {
		return err
	}
	for i := range after {
		w.s.Stages = append(w.s.Stages, after[i].since(before[i].Used, "worker")...)
	}
	return nil
}

// play has the runner of the cell do phases.
func (t *task) play(ctx context.Context, c *clocks, phases ...phase) error {
	runner, p, err := t.runner(c)
	if err != nil {
		return err
	}
	s := newScript(t.Cell.Workers, phases...)
	err = runner.Run(ctx, s.next, s.emit)
	switch {
	case err != nil:
		return err
	case !s.ended:
		return errors.New("the run ended before all was answered")
	case p != nil && p.Stats().Deaths > 0:
		return fmt.Errorf("%d workers died", p.Stats().Deaths)
	}
	return nil
}

// mark returns a phase in which each worker says what it has used.
func (t *task) mark(all *[]mark, query string) phase {
	var jobs []feeds.Job
	for n := range t.Cell.Workers {
		jobs = append(jobs, feeds.Job{ID: int64(n + 1), URL: "bench://mark/" + query})
	}
	*all = make([]mark, len(jobs))
	return phase{jobs: jobs, answer: func(r feeds.Result) {
		// What it cannot read stays zero, and shows as a residue.
		json.Unmarshal([]byte(r.Detail), &(*all)[r.ID-1])
	}}
}

// A window takes the figures of one sample, between its start and its stop.
type window struct {
	clocks *clocks
	began  time.Time
	pids   []int // of children
	tree   usage // of this process and them
	used   used

	s       Sample
	strange bool // a process began or ended inside
}

// others returns the children, and what they have used.
func others() (pids []int, used usage) {
	pids = slices.Sorted(slices.Values(children()))
	for _, pid := range pids {
		used = used.plus(usageOf(pid))
	}
	return pids, used
}

// start opens the window. To look at other processes takes time, which start does
// before it looks at its own and stop after it: so it is in no sample.
func (w *window) start() {
	runtime.GC()
	w.used = w.clocks.read()
	w.pids, w.tree = others()
	w.began = time.Now()
	w.tree = w.tree.plus(ownUsage())
}

// stop ends the window. Of processes that are there it also takes the memory.
func (w *window) stop() {
	own := ownUsage()
	w.s.Wall = time.Since(w.began)
	pids, tree := others()
	tree = tree.plus(own).less(w.tree)
	w.s.PSS = treePSS()
	w.strange = !slices.Equal(pids, w.pids)
	w.s.CPU, w.s.MinorFaults, w.s.Switches = tree.cpu, tree.minor, tree.switches
	if !w.clocks.off {
		w.s.Stages = mark{w.clocks.read(), gcPrice()}.since(w.used, "coordinator")
	}
}
