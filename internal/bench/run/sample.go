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
	"strconv"

	"feedmill/internal/feeds"
)

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
	w := &window{clocks: &clocks{off: !t.Cell.Clocked, plant: t.Plant}}
	jobs := t.jobs()
	d := make(dictionary, len(jobs))
	take := t.warm
	if t.Cell.Cold {
		take = t.cold
	}
	err := take(ctx, w, jobs, d)
	if err == nil {
		w.s.Hash, err = d.judge()
	}
	return w.s, err
}

// judge returns the hash of all results, and an error if one of them is no
// success.
func (d dictionary) judge() (string, error) {
	var all uint64
	for i, e := range d {
		if e.class != feeds.OK {
			return "", fmt.Errorf("feed %d ended as %q", i+1, e.class)
		}
		all = all*1_099_511_628_211 + hashResult(e.class, e.items)
	}
	return strconv.FormatUint(all, 16), nil
}

// warm does the work twice with the same workers, and the second time counts.
func (t *task) warm(ctx context.Context, w *window, jobs []feeds.Job, d dictionary) error {
	runner, p, err := t.runner(w.clocks)
	if err != nil {
		return err
	}
	marked := p != nil && t.Cell.Clocked
	var before, after []used
	var received int64
	phases := []phase{{jobs: jobs, answer: d.put, end: d.drop}}
	if marked {
		phases = append(phases, t.mark(&before, ""))
	}
	phases = append(phases, phase{jobs: jobs, answer: d.put, begin: w.start, end: w.stop})
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
		received = stats.Received / 2
		if stats.Deaths > 0 {
			return fmt.Errorf("%d workers died", stats.Deaths)
		}
	}
	if w.strange {
		return errors.New("a process began or ended inside the window")
	}
	w.s.WireBytes = received
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
func (t *task) cold(ctx context.Context, w *window, jobs []feeds.Job, d dictionary) error {
	for pass := range 2 {
		if pass == 1 {
			d.drop()
			w.start()
		}
		runner, p, err := t.runner(w.clocks)
		if err != nil {
			return err
		}
		s := newScript(t.Cell.Workers, phase{jobs: jobs, answer: d.put})
		s.advance()
		if err := runner.Run(ctx, s.next, s.emit); err != nil {
			return err
		}
		if stats := p.Stats(); stats.Deaths > 0 {
			return fmt.Errorf("%d workers died", stats.Deaths)
		}
	}
	w.stop()
	return nil
}

// mark returns a phase in which each worker says what it has used.
func (t *task) mark(all *[]used, query string) phase {
	var jobs []feeds.Job
	for n := range t.Cell.Workers {
		jobs = append(jobs, feeds.Job{ID: int64(n + 1), URL: "bench://mark/" + query})
	}
	*all = make([]used, len(jobs))
	return phase{jobs: jobs, answer: func(r feeds.Result) {
		// What it cannot read stays zero, and shows as a residue.
		json.Unmarshal([]byte(r.Detail), &(*all)[r.ID-1])
	}}
}
