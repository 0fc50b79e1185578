package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/pool"
	"feedmill/internal/refresh"
)

// Killers are what one of the feeds does, none first: that is the run which the
// others are compared with.
var killers = []string{"none", "stack", "memory", "endless"}

// What an ordeal allows: memory of the process that a feed eats, CPU time of a
// document that never ends, and the time after which a round is killed. In
// goroutines nothing ends an endless document, so there it is the impatience of
// whoever looks on that does.
const (
	ordealMemory     = 1 << 30
	ordealCPU        = time.Second
	ordealPatience   = time.Minute
	ordealImpatience = 4 * time.Second
	ordealFeeds      = 200
	ordealWorkers    = 2
)

// An ordeal is a round with a killer, in a process of its own.
type ordeal struct {
	Mode   string   `json:"mode"`
	Killer string   `json:"killer"`
	Self   []string `json:"self"`
	GOGC   int      `json:"gogc"`
}

// A fate is a line that the process of an ordeal writes: what became of a feed,
// or, last, of the workers.
type fate struct {
	ID     int64       `json:"id,omitempty"`
	Class  feeds.Class `json:"class,omitempty"`
	Deaths int         `json:"deaths,omitempty"`
}

// jobs returns the jobs of an ordeal: lists that are there, and in the middle
// the killer, if there is one.
func (o *ordeal) jobs() []feeds.Job {
	jobs := make([]feeds.Job, ordealFeeds)
	for i := range jobs {
		jobs[i] = feeds.Job{ID: int64(i + 1), URL: fmt.Sprintf("bench://ship/%d?items=20&bytes=1000", i)}
	}
	if o.Killer != "none" {
		jobs[ordealFeeds/2].URL = "bench://kill/?by=" + o.Killer
	}
	return jobs
}

// suffer is the process of an ordeal: it does the jobs and writes the fate of
// each feed when it is known.
func suffer(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var o ordeal
	if err := json.NewDecoder(stdin).Decode(&o); err != nil {
		return fmt.Errorf("read ordeal: %w", err)
	}
	var limit int64
	if o.Killer == "memory" {
		limit = ordealMemory
	}
	manager, stop, err := startManager(o.Mode, o.Self)
	if err != nil {
		return err
	}
	defer stop()
	runner, p, err := o.runner(limit, manager)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(stdout)
	s := newScript(ordealWorkers, phase{jobs: o.jobs(), answer: func(r feeds.Result, _ func()) {
		enc.Encode(fate{ID: r.ID, Class: r.Class})
	}})
	s.advance()
	err = runner.Run(ctx, s.next, s.emit)
	if p != nil {
		enc.Encode(fate{Deaths: p.Stats().Deaths})
	}
	return err
}

// runner returns the runner of the ordeal's mode. The memory limit is that of
// the process in which the feeds are read.
func (o *ordeal) runner(limit int64, manager *ipc.Address) (refresh.Runner, *pool.Pool, error) {
	if o.Mode == Goroutine {
		g := &refresh.Goroutines{Workers: ordealWorkers, NewRefresher: func(o feeds.Options) (refresh.Refresher, error) {
			return newRefresher(Ship, "", 0, &clocks{off: true})(o)
		}}
		return g, nil, limitMemory(limit)
	}
	p, err := pool.New(pool.Options{
		Path: o.Self[0], Mode: ipc.Mode(o.Mode), Workers: ordealWorkers, Manager: manager, Env: []string{"GOGC=" + strconv.Itoa(o.GOGC)},
		Args: append(slices.Clone(o.Self[1:]), "worker", "--parse-cpu", ordealCPU.String(), "--memory", strconv.FormatInt(limit, 10)),
	})
	return p, p, err
}

// buys has every mode suffer every killer.
func (e *executor) buys(ctx context.Context) error {
	o := e.o
	e.run.Buys = nil
	for _, mode := range o.Settings.Modes {
		if o.Settings.Profile == "quick" && mode != Goroutine && mode != Pipe {
			continue // one mode with processes is like the other in this
		}
		var calm time.Duration
		for _, killer := range killers {
			o.progress("what it buys: %s, %s", mode, killer)
			b, err := endure(ctx, o, ordeal{mode, killer, o.Self, o.Settings.GOGC})
			if err != nil {
				return err
			}
			if killer == "none" {
				calm = b.Wall
			} else if b.Survived {
				b.Recovery = max(0, b.Wall-calm)
			}
			e.run.Buys = append(e.run.Buys, b)
		}
	}
	return nil
}

// endure runs one ordeal and returns what was left.
func endure(ctx context.Context, o *Options, or ordeal) (Buy, error) {
	in, err := json.Marshal(or)
	if err != nil {
		return Buy{}, fmt.Errorf("write ordeal: %w", err)
	}
	patience := ordealPatience
	if or.Mode == Goroutine && or.Killer == "endless" {
		patience = ordealImpatience
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := o.command(short, "rounds")
	c.Stderr = nil // how it dies is long, and known from its exit status
	c.Stdin = bytes.NewReader(in)
	stdout, err := c.StdoutPipe()
	if err != nil {
		return Buy{}, fmt.Errorf("start ordeal: %w", err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return Buy{}, fmt.Errorf("start ordeal: %w", err)
	}
	b := Buy{Killer: or.Killer, Mode: or.Mode, Feeds: ordealFeeds}
	b.read(stdout)
	err = c.Wait()
	if ctx.Err() != nil {
		return Buy{}, context.Cause(ctx)
	}
	b.Wall = time.Since(start)
	b.end(c, err, short.Err() != nil)
	return b, nil
}

// read takes the fates.
func (b *Buy) read(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var f fate
		if json.Unmarshal(lines.Bytes(), &f) != nil {
			continue
		}
		b.Deaths += f.Deaths
		switch {
		case f.ID == 0:
		case b.Killer != "none" && f.ID == ordealFeeds/2+1:
			b.Class = string(f.Class)
		case f.Class == feeds.OK:
			b.Answered++
		}
	}
}

// end says how the process ended.
func (b *Buy) end(c *exec.Cmd, err error, late bool) {
	innocent := b.Feeds
	if b.Killer != "none" {
		innocent--
	}
	b.Lost = innocent - b.Answered
	b.Survived = err == nil
	b.Ended = strings.TrimSpace(c.ProcessState.String())
	if late {
		b.Ended = fmt.Sprintf("did not end, killed after %v", b.Wall.Round(time.Second))
	}
}
