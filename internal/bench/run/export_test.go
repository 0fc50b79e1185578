//go:build linux

package run

import (
	"context"
	"slices"
	"time"
)

// SampleCells takes the samples of cells, some with a cost planted in a stage.
func SampleCells(ctx context.Context, o *Options, dir string, cells []Cell, planting func(*Cell) (string, time.Duration)) (*Run, error) {
	for i := range cells {
		cells[i].ID = i
	}
	o.planting = func(c *Cell) plant {
		stage, cost := planting(c)
		return plant{stage, cost}
	}
	r := &Run{Schema: schema, Settings: o.Settings, Cells: cells}
	e := newExecutor(o, r, dir)
	for invocation := range o.Settings.Invocations {
		if err := e.invocation(ctx, invocation); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Ladder returns the cells of a ledger.
func Ladder(s *Settings) []Cell {
	p := &planner{s: s}
	p.ladder()
	var cells []Cell
	for _, c := range p.cells {
		if c.Twin == 0 {
			cells = append(cells, c)
		}
	}
	return cells
}

// Name returns a cell with the name that its factors make.
func (c Cell) Named() Cell {
	c.Name = c.name()
	return c
}

// Endure runs one ordeal.
func Endure(ctx context.Context, o *Options, dir, mode, document string, place int) (Death, error) {
	e := newExecutor(o, &Run{Settings: o.Settings}, dir)
	if err := e.begin(ctx); err != nil {
		return Death{}, err
	}
	defer e.origin.stop()
	burden := slices.ContainsFunc(Burdens, func(k Killer) bool { return k.Name == document })
	err := e.endure(ctx, Death{Killer: document, Mode: mode, Place: place}, burden)
	if err != nil {
		return Death{}, err
	}
	return append(e.run.Deaths, e.run.Burdens...)[0], nil
}
