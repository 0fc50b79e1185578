package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
)

// Execute does the experiment that o describes and returns what it found, also
// with an error, which may leave it incomplete: an interrupted run has the
// samples that it took, and their findings.
//
// It starts every process itself and has reaped them when it returns. It needs
// Linux, whose /proc tells what a process uses.
func Execute(ctx context.Context, o Options) (*Run, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("measure processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	run := &Run{
		Schema: Schema, Command: o.Command, Started: time.Now(),
		Settings: o.Settings, Environment: environment(&o), Cells: Plan(&o),
	}
	dir, err := os.MkdirTemp("", "feedmill-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder for documents: %w", err)
	}
	defer os.RemoveAll(dir)
	e := &executor{o: &o, run: run, dir: dir, names: make(map[string][]string), rand: rand.New(rand.NewPCG(o.Settings.Seed, 0x6f72646572))}
	e.missing()
	err = e.all(ctx)
	run.Complete = err == nil
	if saveErr := e.save(); err == nil {
		err = saveErr
	}
	return run, err
}

// all takes everything that is measured.
func (e *executor) all(ctx context.Context) (err error) {
	if e.run.Limits, err = limits(ctx, e.o); err != nil {
		return err
	}
	if err := e.blocks(ctx, e.save); err != nil {
		return err
	}
	// What fails from here on costs its own finding alone.
	for _, m := range []struct {
		what    string
		measure func(context.Context) error
	}{{"what isolation buys", e.buys}, {"two writers to one pipe", e.tears}} {
		if err := m.measure(ctx); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil {
			e.run.Warnings = append(e.run.Warnings, Warning{Kind: "missing-mode", Text: m.what + ": not measured: " + err.Error()})
		}
	}
	return nil
}

// save makes findings of what there is and hands the run on.
func (e *executor) save() error {
	e.run.Elapsed = time.Since(e.run.Started)
	analyse(e.run)
	if e.o.Save == nil {
		return nil
	}
	return e.o.Save(e.run)
}

// missing names what the article has and this run has not.
func (e *executor) missing() {
	warn := func(kind, text string) {
		e.run.Warnings = append(e.run.Warnings, Warning{Kind: kind, Text: text})
	}
	if e.o.Python == "" {
		warn("no-python", "no python3 was found: the article's own program was not run")
	}
	if e.o.Worker == "" {
		warn("missing-mode", "the worker program was not found: nothing was measured as shipped")
	}
}
