package bench

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
	"feedmill/internal/ipc"
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
