package bench

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
)

// An executor takes samples: each in a process of its own, one at a time.
type executor struct {
	o      *Options
	run    *Run
	rand   *rand.Rand
	dir    string // for documents and the article's program
	origin *served
	names  map[string][]string // documents by size
}

// served is an origin in a process of its own, from start to stop.
type served struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// command returns the program as one of the experiment's children.
func (o *Options) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(o.Self[1:len(o.Self):len(o.Self)], args...)
	c := exec.CommandContext(ctx, o.Self[0], args...)
	c.Stderr = os.Stderr
	return c
}

// serve starts an origin.
func (o *Options) serve(ctx context.Context) (*served, error) {
	c := o.command(ctx, "origin")
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start origin: %w", err)
	}
	if err := c.Start(); err != nil {
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

// stop ends the origin and waits for it.
func (s *served) stop() {
	s.stdin.Close()
	s.cmd.Wait()
}

// documentsOfSize is how many different documents one size of feed has.
const documentsOfSize = 8

// documents returns the names of the documents of a size in the executor's
// folder, where they are put when they are asked for first.
func (e *executor) documents(ctx context.Context, items, size int) ([]string, error) {
	key := fmt.Sprintf("%d-%d", items, size)
	if names := e.names[key]; names != nil {
		return names, nil
	}
	var names []string
	for i := range documentsOfSize {
		ext := []string{"rss", "atom"}[i%2]
		url := fmt.Sprintf("http://%s/feed/%d.%s?items=%d&bytes=%d&enc=identity", e.origin.addr, i, ext, items, size)
		body, err := get(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("fetch document: %w", err)
		}
		name := fmt.Sprintf("%s-%d.%s", key, i, ext)
		if err := os.WriteFile(filepath.Join(e.dir, name), body, 0o600); err != nil {
			return nil, fmt.Errorf("keep document: %w", err)
		}
		names = append(names, name)
	}
	e.names[key] = names
	return names, nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// blocks takes all samples: for each invocation a discarded block and then
// blocks of every cell once, in an order of its own. An invocation has its own
// origin and its own size of environment, which moves the stacks of its
// processes (Mytkowicz 2009).
//
// After each block save is called.
func (e *executor) blocks(ctx context.Context, save func() error) error {
	for invocation := range e.run.Settings.Invocations {
		if err := e.invocation(ctx, invocation, save); err != nil {
			return err
		}
	}
	return nil
}

func (e *executor) invocation(ctx context.Context, invocation int, save func() error) error {
	var err error
	if e.origin, err = e.o.serve(ctx); err != nil {
		return err
	}
	defer e.origin.stop()
	padding := "BENCH_PADDING=" + strings.Repeat("x", e.rand.IntN(4096))
	// The first block of an invocation fills caches, the origin's among them.
	// One sample of each work is enough for that.
	for _, c := range e.firsts() {
		if _, err := e.sample(ctx, c, padding); err != nil {
			return err
		}
	}
	for block := range e.run.Settings.Blocks {
		e.o.progress("block %d of %d, invocation %d of %d", block+1, e.run.Settings.Blocks, invocation+1, e.run.Settings.Invocations)
		if err := e.block(ctx, invocation, block, padding); err != nil {
			return err
		}
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}

// firsts returns a cell of each work and size, goroutines where there are.
func (e *executor) firsts() []*Cell {
	var firsts []*Cell
	seen := make(map[string]bool)
	for i := range e.run.Cells {
		c := &e.run.Cells[i]
		if key := fmt.Sprint(c.Work, c.Items, c.Bytes); c.Mode == Goroutine && !seen[key] {
			seen[key] = true
			firsts = append(firsts, c)
		}
	}
	return firsts
}

// block takes a sample of each cell.
func (e *executor) block(ctx context.Context, invocation, block int, padding string) error {
	first := len(e.run.Samples)
	before, own := machineTime(), ownUsage().cpu+endedUsage().cpu+processCPU(e.origin.cmd.Process.Pid)
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
	after, own2 := machineTime(), ownUsage().cpu+endedUsage().cpu+processCPU(e.origin.cmd.Process.Pid)
	if total := float64(after.total - before.total); total > 0 {
		foreign := (float64(after.busy-before.busy) - float64(own2-own)/float64(tick)) / total
		for i := first; i < len(e.run.Samples); i++ {
			s := &e.run.Samples[i]
			s.Foreign, s.Steal = max(0, foreign), float64(after.steal-before.steal)/total
			s.Throttled = after.throttled > before.throttled
		}
	}
	return nil
}

// sampleTime is how long one sample may take. Past it the process is killed and
// the sample has failed.
const sampleTime = time.Minute

// sample takes one sample. An error means that the experiment cannot go on; a
// sample that failed says so itself.
func (e *executor) sample(ctx context.Context, c *Cell, padding string) (Sample, error) {
	if isPython(c.Mode) {
		return e.pythonSample(ctx, c)
	}
	t := task{
		Cell: *c, Self: e.o.Self, Worker: e.o.Worker, Origin: e.origin.addr, OriginPID: e.origin.cmd.Process.Pid,
		Documents: e.dir, Seed: e.run.Settings.Seed, GOGC: e.run.Settings.GOGC, Plant: e.o.plant(c),
	}
	if c.Work == Parse {
		var err error
		if t.Names, err = e.documents(ctx, c.Items, c.Bytes); err != nil {
			return Sample{}, err
		}
	}
	in, err := json.Marshal(t)
	if err != nil {
		return Sample{}, fmt.Errorf("write task: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cmd := e.o.command(short, "sample")
	cmd.Env = append(cmd.Environ(), padding)
	cmd.Stdin = bytes.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout = &out
	err = cmd.Run()
	if ctx.Err() != nil {
		return Sample{}, context.Cause(ctx)
	}
	var s Sample
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &s)
	}
	if err != nil {
		s.Failed = err.Error()
	}
	return s, nil
}
