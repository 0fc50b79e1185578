//go:build linux

package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"feedmill/internal/bench/stats"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// What an ordeal allows: memory of the process that reads the feeds, as a small
// container has it; CPU time of one document; and the time after which a round
// is killed. In goroutines nothing ends a document that takes minutes: there it
// is the impatience of whoever looks on that does.
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

// An ordeal is a round with a killer, in a process of its own: documents that
// gofeed reads, handed out as a round does, to whoever asks for more.
type ordeal struct {
	Mode      string   `json:"mode"`
	Killer    string   `json:"killer"`
	Place     int      `json:"place"`
	Feeds     int      `json:"feeds"`
	Burden    bool     `json:"burden"` // the document kills nobody
	Self      []string `json:"self"`
	GOGC      int      `json:"gogc"`
	Documents string   `json:"documents"`
	Names     []string `json:"names"`
}

// A fate is a line that the process of an ordeal writes: what became of a feed,
// or, last, of the workers.
type fate struct {
	ID     int64         `json:"id,omitempty"`
	Class  feeds.Class   `json:"class,omitempty"`
	Took   time.Duration `json:"took,omitempty"` // since it was handed out
	Deaths int           `json:"deaths,omitempty"`
	Kept   int64         `json:"kept,omitempty"` // bytes, see Death
}

// jobs returns the jobs of an ordeal.
func (o *ordeal) jobs() []feeds.Job {
	jobs := make([]feeds.Job, o.Feeds)
	for i := range jobs {
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("bench://parse/%d?document=%s", i, o.Names[i%len(o.Names)])}
	}
	if o.Killer != "" {
		jobs[o.Place].URL = "bench://kill/?by=" + o.Killer
	}
	return jobs
}

// lull returns jobs for which every worker does nothing for a time: what one
// window cannot hold goes to the others.
func lull(d time.Duration) phase {
	window := feeds.Options{}.Window()
	jobs := make([]feeds.Job, window*ordealWorkers)
	for i := range jobs {
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("bench://rest/?for=%v", d/time.Duration(window))}
	}
	return phase{jobs: jobs, answer: func(feeds.Result) {}}
}

// suffer is the process of an ordeal: it does the jobs and writes the fate of
// each feed when it is known.
func suffer(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var o ordeal
	if err := json.NewDecoder(stdin).Decode(&o); err != nil {
		return fmt.Errorf("read ordeal: %w", err)
	}
	runner, p, err := o.runner()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(stdout)
	var last fate
	var handed sync.Map // when each feed was handed out
	phases := []phase{{jobs: o.jobs(), answer: func(r feeds.Result) {
		at, _ := handed.Load(r.ID)
		enc.Encode(fate{ID: r.ID, Class: r.Class, Took: time.Since(at.(time.Time))})
	}}}
	if o.Burden {
		// A worker is measured each second, and replaced after what it has begun.
		phases = append(phases, lull(1200*time.Millisecond), lull(300*time.Millisecond))
		phases[2].end = func() { last.Kept = treePSS() }
	}
	s := newScript(1, phases...)
	s.advance()
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

// runner returns the runner of the ordeal's mode. The memory limit is that of
// the process in which the feeds are read.
func (o *ordeal) runner() (refresh.Runner, *pool.Pool, error) {
	options := feeds.Options{Parser: feeds.ParserGofeed, Ship: feeds.ShipAll}
	if o.Mode == Goroutine {
		return &refresh.Goroutines{Workers: ordealWorkers, Options: options, NewRefresher: func(fo feeds.Options) (refresh.Refresher, error) {
			return newBare(o.Documents, fo.Parser, &clocks{off: true}), nil
		}}, nil, limitMemory(ordealMemory)
	}
	e := errand{Documents: o.Documents, ParseCPU: ordealCPU, Memory: ordealMemory}
	recycle := int64(-1)
	if o.Burden {
		e.ParseCPU, recycle = burdenCPU, burdenRecycle
	}
	p, err := pool.New(pool.Options{
		Path: o.Self[0], Args: e.args(o.Self), Mode: carrier.Mode(o.Mode), Workers: ordealWorkers, Env: []string{"GOGC=" + strconv.Itoa(o.GOGC)},
		Refresh: options, RecycleAt: recycle,
	})
	return p, p, err
}

// deaths draws killers and their places, and has goroutines and processes suffer
// each of them. Every killer comes equally often, as far as that goes.
func (e *executor) deaths(ctx context.Context) error {
	e.run.Deaths = nil
	names, err := e.documents(ctx, e.o.Settings.Items, e.o.Settings.Bytes)
	if err != nil {
		return err
	}
	order := e.rand.Perm(len(Killers))
	for n := range 1 + e.o.Settings.Deaths {
		or := ordeal{Self: e.o.Self, GOGC: e.o.Settings.GOGC, Documents: e.dir, Names: names, Feeds: ordealFeeds}
		if n > 0 { // the first run is the one that the others are compared with
			or.Killer, or.Place = Killers[order[n%len(order)]].Name, e.rand.IntN(ordealFeeds)
		}
		for _, or.Mode = range []string{Goroutine, Pipe} {
			e.progress(fmt.Sprintf("killer %d of %d, %s", n, e.o.Settings.Deaths, or.Mode))
			d, err := endure(ctx, e.o, or)
			if err != nil {
				return err
			}
			e.run.Deaths = append(e.run.Deaths, d)
			e.step(deathExpected)
		}
	}
	return nil
}

// burdens has goroutines and processes read documents that are slow or large
// among others, and none of them, in random order.
func (e *executor) burdens(ctx context.Context) error {
	e.run.Burdens = nil
	names, err := e.documents(ctx, e.o.Settings.Items, e.o.Settings.Bytes)
	if err != nil {
		return err
	}
	var all []ordeal
	for _, mode := range []string{Goroutine, Pipe} {
		for _, b := range append([]killer{{}}, Burdens...) {
			all = append(all, ordeal{Mode: mode, Killer: b.Name, Burden: true, Self: e.o.Self, GOGC: e.o.Settings.GOGC, Documents: e.dir, Names: names, Feeds: burdenFeeds})
		}
	}
	for n := range e.o.Settings.burdens() {
		place := e.rand.IntN(burdenFeeds / 2) // what comes after it has time to show
		for _, i := range e.rand.Perm(len(all)) {
			e.progress(fmt.Sprintf("burden %d of %d", n+1, e.o.Settings.burdens()))
			or := all[i]
			or.Place = place
			d, err := endure(ctx, e.o, or)
			if err != nil {
				return err
			}
			d.Repeat = n
			e.run.Burdens = append(e.run.Burdens, d)
			e.step(burdenExpected)
		}
	}
	return nil
}

// endure runs one ordeal and returns what was left.
func endure(ctx context.Context, o *Options, or ordeal) (Death, error) {
	in, err := json.Marshal(or)
	if err != nil {
		return Death{}, fmt.Errorf("write ordeal: %w", err)
	}
	patience := ordealPatience
	if or.Mode == Goroutine && or.Killer == "time" {
		patience = ordealImpatience
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := o.command(short, "rounds")
	c.Stderr = nil // how it dies is long, and known from its exit status
	c.Stdin = bytes.NewReader(in)
	stdout, err := c.StdoutPipe()
	if err != nil {
		return Death{}, fmt.Errorf("start ordeal: %w", err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return Death{}, fmt.Errorf("start ordeal: %w", err)
	}
	d := Death{Killer: or.Killer, Mode: or.Mode, Place: or.Place, Feeds: or.Feeds, Lost: or.Feeds}
	if or.Killer != "" {
		d.Lost--
	}
	d.read(stdout, start)
	err = c.Wait()
	if ctx.Err() != nil {
		return Death{}, context.Cause(ctx)
	}
	d.Wall = time.Since(start)
	d.Survived = err == nil
	d.Ended = strings.TrimSpace(c.ProcessState.String())
	if short.Err() != nil {
		d.Ended = fmt.Sprintf("did not end, killed after %v", d.Wall.Round(time.Second))
	}
	return d, nil
}

// read takes the fates.
func (d *Death) read(r io.Reader, start time.Time) {
	var took []float64
	defer func() {
		if len(took) > 0 {
			d.Tail = time.Duration(stats.Quantile(took, 0.99))
		}
	}()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var f fate
		if json.Unmarshal(lines.Bytes(), &f) != nil {
			continue
		}
		d.Deaths, d.Kept = d.Deaths+f.Deaths, d.Kept+f.Kept
		switch {
		case f.ID == 0:
		case d.Killer != "" && f.ID == int64(d.Place)+1:
			d.Class = string(f.Class)
		case f.Class == feeds.OK:
			d.Lost--
			d.Last = time.Since(start)
			took = append(took, float64(f.Took))
		}
	}
}
