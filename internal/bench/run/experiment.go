//go:build linux

package run

import (
	"context"
	"fmt"
	"os"
	"time"
)

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
		run.Warnings = append(run.Warnings, Warning{Kind: "no-python", Text: "no Python was found: the article's own program was not run"})
	}
	if o.Coordinator == "" {
		run.Warnings = append(run.Warnings, Warning{Kind: "missing-mode", Text: "the worker program was not found: the real program was not measured"})
	}
	err = e.everything(ctx)
	run.Complete = err == nil
	if saveErr := e.save(); err == nil {
		err = saveErr
	}
	return run, err
}

// everything takes everything that is measured.
func (e *executor) everything(ctx context.Context) (err error) {
	if e.run.Limits, err = limits(ctx, e); err != nil {
		return err
	}
	if err := e.blocks(ctx, e.save); err != nil {
		return err
	}
	if e.origin, err = e.o.serve(ctx); err != nil {
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
			e.run.Warnings = append(e.run.Warnings, Warning{Kind: "missing-mode", Text: m.what + ": not measured: " + err.Error()})
		}
	}
	return nil
}
