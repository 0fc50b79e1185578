//go:build linux

package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sampleTime is how long one sample may take. Past it the process is killed and
// the sample has failed.
const sampleTime = time.Minute

// An executor takes samples: each in a process of its own, one at a time.
type executor struct {
	o      *Options
	run    *Run
	rand   *rand.Rand
	dir    string // for documents and the article's program
	origin *served
	names  []string     // of documents, in dir
	lots   map[int]*lot // of rounds of the real program, by cell

	done, all time.Duration // what was expected of what is done, and of everything
}

func newExecutor(o *Options, run *Run, dir string) *executor {
	return &executor{
		o: o, run: run, dir: dir, lots: make(map[int]*lot), all: Estimate(o),
		rand: rand.New(rand.NewPCG(o.Settings.Seed, 0x6f72646572)),
	}
}

// Execute does the experiment that o describes and returns what it measured,
// also with an error, which may leave it incomplete: an interrupted run has the
// samples that it took.
//
// It starts every process itself and has reaped them when it returns. It needs
// Linux, whose /proc tells what a process uses.
func Execute(ctx context.Context, o Options) (*Run, error) {
	run := &Run{
		Schema: schema, Command: o.Command, Started: time.Now(),
		Settings: o.Settings, Environment: Here(&o), Cells: Plan(&o),
	}
	dir, err := os.MkdirTemp(o.Folder, ".bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder for documents: %w", err)
	}
	defer os.RemoveAll(dir)
	e := newExecutor(&o, run, dir)
	if len(o.Pythons) == 0 {
		e.warn("no-python", "no Python was found: the article's own program was not run")
	}
	if o.Coordinator == "" {
		e.warn("missing-mode", "the worker program was not found: the real program was not measured")
	}
	err = e.everything(ctx)
	run.Complete = err == nil
	return run, errors.Join(err, e.save())
}

func (e *executor) everything(ctx context.Context) error {
	if err := e.prices(ctx); err != nil {
		return err
	}
	for invocation := range e.run.Settings.Invocations {
		if err := e.invocation(ctx, invocation); err != nil {
			return err
		}
	}
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.origin.stop()
	// What fails from here on costs its own finding alone.
	for _, m := range []struct {
		what    string
		measure func(context.Context) error
	}{{"what isolation buys", e.deaths}, {"what slow and large documents cost", e.burdens}, {"hostile documents", e.kits}, {"two writers to one pipe", e.tears}} {
		if err := m.measure(ctx); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil {
			e.warn("missing-mode", m.what+": not measured: "+err.Error())
		}
	}
	return nil
}

func (e *executor) warn(kind, text string) {
	e.run.Warnings = append(e.run.Warnings, Warning{Kind: kind, Text: text})
}

// save hands the run on as far as it is.
func (e *executor) save() error {
	e.run.Elapsed = time.Since(e.run.Started)
	if e.o.Save == nil {
		return nil
	}
	return e.o.Save(e.run)
}

// progress says what is going on and how long it will take, as far as the past
// tells.
func (e *executor) progress(what string, args ...any) {
	left := e.all
	if e.done > 0 {
		left = time.Duration(float64(time.Since(e.run.Started)) * max(0, float64(e.all-e.done)) / float64(e.done))
	}
	if e.o.Progress != nil {
		e.o.Progress(fmt.Sprintf(what, args...) + fmt.Sprintf("; about %v left", left.Round(time.Second)))
	}
}

// invocation takes samples: those of a discarded block and then blocks of every cell
// once, in an order of its own, after each of which the run is saved. It has its own
// origin and its own size of environment, which moves the stacks of its processes
// (Mytkowicz 2009).
func (e *executor) invocation(ctx context.Context, invocation int) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.origin.stop()
	defer e.drop()
	padding := "BENCH_PADDING=" + strings.Repeat("x", e.rand.IntN(4096))
	// The first block of an invocation fills caches, the origin's among them. One
	// sample of each work is enough for that, and one of every cell that has a store:
	// each of them moves its origin on.
	for i := range e.run.Cells {
		if c := &e.run.Cells[i]; c.Work.again() || c.Mode == Goroutine && !c.Clocked {
			if _, err := e.sample(ctx, c, padding); err != nil {
				return err
			}
		}
	}
	for block := range e.run.Settings.Blocks {
		e.progress("block %d of %d, invocation %d of %d", block+1, e.run.Settings.Blocks, invocation+1, e.run.Settings.Invocations)
		if err := e.block(ctx, invocation, block, padding); err != nil {
			return err
		}
		if err := e.save(); err != nil {
			return err
		}
	}
	return nil
}

func (e *executor) block(ctx context.Context, invocation, block int, padding string) error {
	first := len(e.run.Samples)
	before, own := machineTime(), e.ourCPU()
	for _, i := range e.rand.Perm(len(e.run.Cells)) {
		s, err := e.sample(ctx, &e.run.Cells[i], padding)
		if err != nil {
			return err
		}
		s.Cell, s.Invocation, s.Block, s.Order = i, invocation, block, len(e.run.Samples)
		e.run.Samples = append(e.run.Samples, s)
	}
	// The kernel counts the machine's time in ticks, so a single sample is
	// too short to tell who else was there.
	after, own2 := machineTime(), e.ourCPU()
	if total := float64(after.total - before.total); total > 0 {
		foreign := (float64(after.busy-before.busy) - float64(own2-own)/float64(tick)) / total
		for i := first; i < len(e.run.Samples); i++ {
			s := &e.run.Samples[i]
			s.Foreign, s.Steal = max(0, foreign), float64(after.steal-before.steal)/total
		}
	}
	return nil
}

// ourCPU returns the CPU time of everything that the experiment has started.
func (e *executor) ourCPU() time.Duration {
	sum := processCPU(0) + rusage(unix.RUSAGE_CHILDREN).cpu + processCPU(e.origin.cmd.Process.Pid)
	for _, l := range e.lots {
		if l.origin != e.origin {
			sum += processCPU(l.origin.cmd.Process.Pid)
		}
	}
	return sum
}

// sample takes one sample. An error means that the experiment cannot go on; a
// sample that failed says so itself.
func (e *executor) sample(ctx context.Context, c *Cell, padding string) (s Sample, err error) {
	switch {
	case c.Work.Real():
		s, err = e.round(ctx, c)
	case c.InPython():
		s, err = e.inPython(ctx, c)
	default:
		s, err = e.ours(ctx, c, padding)
	}
	if ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	if err != nil {
		s.Failed = err.Error()
	}
	e.done += e.o.Settings.expected()
	return s, nil
}

func (e *executor) ours(ctx context.Context, c *Cell, padding string) (s Sample, err error) {
	t := e.task(*c)
	if e.o.planting != nil {
		t.Errand.Plant = e.o.planting(c)
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cmd := e.o.telling(ctx, "sample", t)
	cmd.Env = append(cmd.Environ(), padding)
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

// command returns the program as one of the experiment's children.
func (o *Options) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(o.Self[1:len(o.Self):len(o.Self)], args...)
	c := exec.CommandContext(ctx, o.Self[0], args...)
	c.Stderr = os.Stderr
	return c
}

// telling returns the program as a child that is told a task.
func (o *Options) telling(ctx context.Context, as string, t *task) *exec.Cmd {
	in, _ := json.Marshal(t) // of such fields it cannot fail
	c := o.command(ctx, as)
	c.Stdin = bytes.NewReader(in)
	return c
}

// served is an origin in a process of its own, from start to stop.
type served struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func (o *Options) serve(ctx context.Context, args ...string) (*served, error) {
	c := o.command(ctx, append([]string{"origin", "--folder", o.Settings.Folder}, args...)...)
	stdin, err := c.StdinPipe()
	stdout, err2 := c.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	s := &served{addr: strings.TrimSpace(line), cmd: c, stdin: stdin}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start origin: %w", err)
	}
	return s, nil
}

func (s *served) stop() {
	s.stdin.Close()
	s.cmd.Wait()
}

// differentDocuments is how many documents the feeds take turns with.
const differentDocuments = 8

// begin starts the origin of what follows, and the first time has its documents put
// into the executor's folder.
func (e *executor) begin(ctx context.Context) (err error) {
	if e.origin, err = e.o.serve(ctx); err != nil {
		return err
	}
	for i := len(e.names); i < differentDocuments; i++ {
		name := fmt.Sprintf("%d.%s", i, []string{"rss", "atom"}[i%2])
		body, err := ask(ctx, http.MethodGet, fmt.Sprintf("http://%s/feed/%s?items=%d&bytes=%d&enc=identity", e.origin.addr, name, e.o.Settings.Items, e.o.Settings.Bytes))
		if err == nil {
			err = os.WriteFile(filepath.Join(e.dir, name), body, 0o600)
		}
		if err != nil {
			e.origin.stop()
			return fmt.Errorf("fetch document: %w", err)
		}
		e.names = append(e.names, name)
	}
	return nil
}

func ask(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}
