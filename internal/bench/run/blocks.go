//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

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
	defer e.drop()
	padding := "BENCH_PADDING=" + strings.Repeat("x", e.rand.IntN(4096))
	// The first block of an invocation fills caches, the origin's among them.
	// One sample of each work is enough for that; one of every cell of the real
	// program, whose stores it fills.
	for _, c := range e.firsts() {
		if _, err := e.sample(ctx, c, padding); err != nil {
			return err
		}
		e.step(expected(c))
	}
	for block := range e.run.Settings.Blocks {
		e.progress(fmt.Sprintf("block %d of %d, invocation %d of %d", block+1, e.run.Settings.Blocks, invocation+1, e.run.Settings.Invocations))
		if err := e.block(ctx, invocation, block, padding); err != nil {
			return err
		}
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}

// firsts returns a cell of each work and size, goroutines where there are, and
// those of the real program that need a store with feeds.
func (e *executor) firsts() []*Cell {
	var firsts []*Cell
	seen := make(map[string]bool)
	for i := range e.run.Cells {
		c := &e.run.Cells[i]
		key := fmt.Sprint(c.Work, c.Items, c.Bytes)
		if c.Work == TenthNew || c.Work == NothingNew || c.Work == OwnSame || c.Mode == Goroutine && !seen[key] {
			seen[key] = true
			firsts = append(firsts, c)
		}
	}
	return firsts
}

// block takes a sample of each cell.
func (e *executor) block(ctx context.Context, invocation, block int, padding string) error {
	first := len(e.run.Samples)
	before, own := machineTime(), e.ourCPU()
	for _, i := range e.rand.Perm(len(e.run.Cells)) {
		s, err := e.sample(ctx, &e.run.Cells[i], padding)
		if err != nil {
			return err
		}
		e.step(expected(&e.run.Cells[i]))
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
	sum := ownUsage().cpu + endedUsage().cpu + processCPU(e.origin.cmd.Process.Pid)
	for _, l := range e.lots {
		if l.origin != e.origin {
			sum += processCPU(l.origin.cmd.Process.Pid)
		}
	}
	return sum
}

// sample takes one sample. An error means that the experiment cannot go on; a
// sample that failed says so itself.
func (e *executor) sample(ctx context.Context, c *Cell, padding string) (Sample, error) {
	switch {
	case c.Work.Real():
		return e.round(ctx, c)
	case c.InPython():
		return e.pythonSample(ctx, c)
	}
	t := task{
		Cell: *c, Self: e.o.Self, Documents: e.dir, GOGC: e.run.Settings.GOGC,
	}
	if e.o.planting != nil {
		t.Plant = e.o.planting(c)
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
