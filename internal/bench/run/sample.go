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
	"sync"
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
	Names   []string `json:"names"`   // of the documents
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

func (e *executor) task(c Cell) *task {
	return &task{Cell: c, Self: e.o.Self, Names: e.names, Recycle: -1, Errand: errand{Documents: e.dir, Clocked: c.Clocked}}
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
			r := newBare(t.Errand.Documents, o.Parser, c)
			if t.Cell.Mode == Goroutine {
				return r, nil
			}
			return &detoured{r, c.probe(), t.Cell.Mode == LocalPipe}, nil
		}}, nil, nil
	}
	told, _ := json.Marshal(&t.Errand) // of such fields it cannot fail
	p, err := pool.New(pool.Options{
		Path: t.Self[0], Args: append(slices.Clone(t.Self[1:]), "worker", "--errand="+string(told)), Env: []string{"GOGC=100"},
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
	runner, p, err := t.runner(w.clocks)
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
	case w.strange:
		return errors.New("a process began or ended inside the window")
	}
	for i := range after {
		w.s.Stages = append(w.s.Stages, after[i].since(before[i].Used, "worker")...)
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

// batch is how many jobs a worker is handed at a time, in every mode.
const batch = 32

// A script hands out jobs in phases: all of one are answered before the next
// one begins. So one run of a runner can warm up, be measured and say what it
// has used, with the same workers. Feed i always goes to worker i modulo their
// number, or, in a script for one worker, to whoever asks for more.
type script struct {
	workers int
	phases  []phase

	mu    sync.Mutex    // guards the fields below; at is written by one goroutine at a time
	turn  chan struct{} // closed when something below has changed
	at    int           // phase
	queue [][]feeds.Job // of it, by worker
	left  int           // unanswered in it
	ended bool
}

// A phase is one part of a script.
type phase struct {
	jobs []feeds.Job
	// begin is called when all of the phase before is answered and nothing of
	// this one is handed out; end when all of it is answered. answer gets each
	// result. All three are called from one goroutine at a time.
	begin, end func()
	answer     func(feeds.Result)
}

// newScript returns a script whose first phase has begun.
func newScript(workers int, phases ...phase) *script {
	s := &script{workers: workers, phases: phases, at: -1, turn: make(chan struct{})}
	s.advance()
	return s
}

// advance begins the next phase. The caller holds no lock.
func (s *script) advance() {
	next := s.at + 1
	queue := make([][]feeds.Job, s.workers)
	left := 0
	if next < len(s.phases) {
		left = len(s.phases[next].jobs)
		for i, j := range s.phases[next].jobs {
			queue[i%s.workers] = append(queue[i%s.workers], j)
		}
		if begin := s.phases[next].begin; begin != nil {
			begin()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.queue, s.left, s.ended = next, queue, left, next == len(s.phases)
	close(s.turn)
	s.turn = make(chan struct{})
}

// next is a refresh.Next. Also when there is nothing left for a worker it waits
// for the others to be done: a worker that is told that there is no more ends,
// and what it used would be missing when the window is closed.
func (s *script) next(ctx context.Context, worker int) ([]feeds.Job, error) {
	for {
		s.mu.Lock()
		q := &s.queue[worker%s.workers]
		n := min(batch, len(*q))
		jobs, turn, ended := (*q)[:n:n], s.turn, s.ended
		*q = (*q)[n:]
		s.mu.Unlock()
		if n > 0 || ended {
			return jobs, nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// emit is a refresh.Emit.
func (s *script) emit(r feeds.Result) {
	p := &s.phases[s.at]
	p.answer(r)
	s.mu.Lock()
	s.left--
	done := s.left == 0
	s.mu.Unlock()
	if done {
		if p.end != nil {
			p.end()
		}
		s.advance()
	}
}
