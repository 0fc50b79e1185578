//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"feedmill/internal/bench/stats"
	"feedmill/internal/feeds"
)

// What an ordeal allows, a round with a killer in a process of its own: memory of
// the process that reads the feeds, as a small container has it; CPU time of one
// document; and the time after which a round is killed. In goroutines nothing
// ends a document that takes minutes: there it is the impatience of whoever looks
// on that does.
const (
	ordealMemory     = 512 << 20
	ordealCPU        = time.Second
	ordealPatience   = time.Minute
	ordealImpatience = 4 * time.Second
	ordealFeeds      = 1000
	ordealWorkers    = 2

	burdenFeeds   = 400
	burdenCPU     = ordealPatience
	burdenRecycle = 64 << 20 // memory with which a worker is replaced, well below what the large document takes
)

// A fate is a line that the process of an ordeal writes: what became of a feed,
// or, last, of the workers.
type fate struct {
	ID     int64         `json:"id,omitempty"`
	Class  feeds.Class   `json:"class,omitempty"`
	Took   time.Duration `json:"took,omitempty"` // since it was handed out
	At     time.Duration `json:"at,omitempty"`   // since the process began
	Deaths int           `json:"deaths,omitempty"`
	Kept   int64         `json:"kept,omitempty"` // bytes, see Death
}

// lull returns a phase in which every worker does nothing for a time: what one
// window cannot hold goes to the others.
func lull(d time.Duration) phase {
	window := feeds.Options{}.Window()
	jobs := make([]feeds.Job, window*ordealWorkers)
	for i := range jobs {
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("bench://rest/?for=%v", d/time.Duration(window))}
	}
	return phase{jobs: jobs, answer: func(feeds.Result) {}}
}

// suffer is the process of an ordeal: it does the jobs, handed out as a round
// does, to whoever asks for more, and writes the fate of each feed when it is
// known.
func suffer(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	began := time.Now()
	t, err := readTask(stdin)
	if err != nil {
		return err
	}
	runner, p, err := t.runner(&clocks{off: true})
	if err == nil && p == nil {
		err = limitMemory(t.Errand.Memory)
	}
	if err != nil {
		return err
	}
	enc := json.NewEncoder(stdout)
	var last fate
	var handed sync.Map // when each feed was handed out
	phases := []phase{{jobs: t.jobs(), answer: func(r feeds.Result) {
		at, _ := handed.Load(r.ID)
		enc.Encode(fate{ID: r.ID, Class: r.Class, Took: time.Since(at.(time.Time)), At: time.Since(began)})
	}}}
	if t.Burden {
		// A worker is measured each second, and replaced after what it has begun.
		phases = append(phases, lull(1200*time.Millisecond), lull(300*time.Millisecond))
		phases[2].end = func() { last.Kept = treePSS() }
	}
	s := newScript(1, phases...)
	err = runner.Run(ctx, func(ctx context.Context, worker int) ([]feeds.Job, error) {
		jobs, err := s.next(ctx, worker)
		for _, j := range jobs {
			handed.Store(j.ID, time.Now())
		}
		return jobs, err
	}, s.emit)
	if p != nil {
		last.Deaths = p.Stats().Deaths
	}
	enc.Encode(last)
	return err
}

// deaths draws killers and their places, and has goroutines and processes suffer
// each of them. Every killer comes equally often, as far as that goes.
func (e *executor) deaths(ctx context.Context) error {
	order := e.rand.Perm(len(Killers))
	for n := range 1 + e.o.Settings.Deaths {
		var d Death // the first run is the one that the others are compared with
		if n > 0 {
			d.Killer, d.Place = Killers[order[n%len(order)]].Name, e.rand.IntN(ordealFeeds)
		}
		for _, d.Mode = range []string{Goroutine, Pipe} {
			e.progress("killer %d of %d, %s", n, e.o.Settings.Deaths, d.Mode)
			if err := e.endure(ctx, d, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// burdens has goroutines and processes read documents that are slow or large
// among others, and none of them, in random order.
func (e *executor) burdens(ctx context.Context) error {
	documents := append([]Killer{{}}, Burdens...)
	for n := range e.o.Settings.burdens() {
		place := e.rand.IntN(burdenFeeds / 2) // what comes after it has time to show
		for _, i := range e.rand.Perm(2 * len(documents)) {
			e.progress("burden %d of %d", n+1, e.o.Settings.burdens())
			d := Death{Killer: documents[i/2].Name, Mode: []string{Goroutine, Pipe}[i%2], Place: place, Repeat: n}
			if err := e.endure(ctx, d, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// endure runs one ordeal, on documents that gofeed reads, and keeps what was left.
func (e *executor) endure(ctx context.Context, d Death, burden bool) error {
	t := e.task(Cell{Work: Parse, Mode: d.Mode, Workers: ordealWorkers, Feeds: ordealFeeds, Gofeed: true})
	t.Killer, t.Place, t.Burden, t.Errand.ParseCPU, t.Errand.Memory = d.Killer, d.Place, burden, ordealCPU, ordealMemory
	to, expected := &e.run.Deaths, deathExpected
	if burden {
		t.Cell.Feeds, t.Errand.ParseCPU, t.Recycle = burdenFeeds, burdenCPU, burdenRecycle
		to, expected = &e.run.Burdens, burdenExpected
	}
	patience := ordealPatience
	if d.Mode == Goroutine && d.Killer == "time" {
		patience = ordealImpatience
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := e.o.telling(short, "rounds", t)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, nil // how it dies is long, and known from its exit status
	start := time.Now()
	err := c.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	} else if c.ProcessState == nil {
		return fmt.Errorf("start ordeal: %w", err)
	}
	d.Wall, d.Survived, d.Feeds, d.Lost = time.Since(start), err == nil, t.Cell.Feeds, t.Cell.Feeds
	if d.Killer != "" {
		d.Lost--
	}
	d.read(out.Bytes())
	*to = append(*to, d)
	e.done += expected
	return nil
}

func (d *Death) read(said []byte) {
	var took []float64
	for line := range bytes.Lines(said) {
		var f fate
		if json.Unmarshal(line, &f) != nil {
			continue
		}
		d.Deaths, d.Kept = d.Deaths+f.Deaths, d.Kept+f.Kept
		switch {
		case f.ID == 0:
		case d.Killer != "" && f.ID == int64(d.Place)+1:
			d.Class = string(f.Class)
		case f.Class == feeds.OK:
			d.Lost--
			d.Last = f.At
			took = append(took, float64(f.Took))
		}
	}
	if len(took) > 0 {
		d.Tail = time.Duration(stats.Quantile(took, 0.99))
	}
}
