package run

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/bench/stats"
)

// TestReadRefusesWhatDoesNotFit: a run.json that somebody edited, or of another
// program, is no run.
func TestReadRefusesWhatDoesNotFit(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "unexpected end",
		`{"schema": 3} {}`:                    "after top-level value",
		`{}`:                                  "schema 0",
		`{"schema": 4}`:                       "schema 4",
		`{"schema": 2, "cells": [{"id": 1}]}`: "cell 1",
		`{"schema": 2, "cells": [{"id": 0}], "samples": [{"cell": 1}]}`:                "sample 0",
		`{"schema": 2, "cells": [{"id": 0, "mode": "python-pipe"}]}`:                   "Python 0",
		`{"schema": 2, "cells": [{"id": 0, "mode": "pipe", "python": 1}]}`:             "Python 1",
		`{"schema": 2, "cells": [{"id": 0}], "samples": [{"cell": 0, "wall_ns": ""}]}`: "wall_ns",
	} {
		if r, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want an error with %q", text, r, err, want)
		}
	}
}

// TestRunsOfVersion1CanStillBeRead: they can be compared with, without their
// findings.
func TestRunsOfVersion1CanStillBeRead(t *testing.T) {
	r, err := Read(strings.NewReader(`{"schema": 1, "environment": {"python": "CPython 3.11.7"}, "settings": {"workers": [1, 2], "work": "ship"},
		"cells": [{"id": 0, "mode": "python-pipe", "work": "ship"}], "samples": [{"cell": 0, "cpu_ns": 5, "p50_ns": 3}], "fits": [{"what": "x"}]}`))
	if err != nil || r.Cells[0].Python != 1 || len(r.Environment.Pythons) != 1 || r.Samples[0].CPU != 5 {
		t.Errorf("got %+v, %v, want its cell and its sample", r, err)
	}
}

// TestRunsOfVersion2SayWhatTheyMeasured, in the words of today: prices, torn frames of
// one size, and jobs from one queue. What is measured no more has a name of its own.
func TestRunsOfVersion2SayWhatTheyMeasured(t *testing.T) {
	r, err := Read(strings.NewReader(`{"schema": 2,
		"limits": [{"name": "switch", "value": {"estimate": 10, "low": 9, "high": 12}}, {"name": "page-fault", "value": {"estimate": 2, "low": 1, "high": 3}},
			{"name": "clock", "value": {"estimate": 5, "low": 4, "high": 6}}, {"name": "spawn-worker", "value": {"estimate": 7, "low": 7, "high": 7}}],
		"tears": [{"language": "go", "size": 4096, "frames": 1000}, {"language": "go", "size": 70000, "frames": 1000, "torn": 798},
			{"language": "go", "size": 70000, "locked": true, "frames": 1000}],
		"cells": [{"id": 0, "name": "ship/pipe", "mode": "pipe"}, {"id": 1, "name": "ship/pipe/cold", "mode": "pipe", "cold": true},
			{"id": 2, "mode": "many-to-many", "workers": 2, "feeds": 30}],
		"samples": [{"cell": 2}, {"cell": 2, "failed": "it did"}, {"cell": 1}, {"cell": 2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Prices{stats.Interval{Estimate: 10, Low: 9, High: 12}, stats.Interval{Estimate: 2, Low: 1, High: 3}, stats.Interval{Estimate: 5, Low: 4, High: 6}}); r.Prices != want {
		t.Errorf("prices: got %+v, want %+v", r.Prices, want)
	}
	if want := []Tear{{"go", false, 0, 1000, 798}, {"go", true, 0, 1000, 0}, {"go", false, 2, 60, 0}}; !slices.Equal(r.Tears, want) {
		t.Errorf("torn: got %+v, want %+v", r.Tears, want)
	}
	if r.Cells[0].Mode != Pipe || r.Cells[1].Mode == Pipe {
		t.Errorf("modes: got %q and %q, want pipe and another", r.Cells[0].Mode, r.Cells[1].Mode)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	if again, err := Read(&b); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("kept and read again: got %+v, %v, want %+v", again, err, r)
	}
}

// TestEveryClaimHasATwinOfItsWork, so that what could have been seen is known of
// it, and every cell a base to be compared with, in all profiles.
func TestEveryClaimHasATwinOfItsWork(t *testing.T) {
	for _, s := range []Settings{Quick(), Standard(), Full()} {
		s.Folder = "feeds"
		o := &Options{Settings: s, Coordinator: "coordinator", Worker: "worker", Pythons: []Python{{Name: "one"}, {Name: "two"}}}
		r := &Run{Cells: Plan(o)}
		names := make(map[string]bool)
		for _, c := range r.Cells {
			if names[c.Name] {
				t.Errorf("%s: two cells are %s", s.Profile, c.Name)
			}
			names[c.Name] = true
			base := c
			if base.Mode = Goroutine; c.InPython() {
				base.Mode = PythonThreads
			}
			base.Twin = 0
			if _, ok := r.Find(base); !ok && c.Items > 0 {
				t.Errorf("%s: %s has no base", s.Profile, c.Name)
			}
			if !slices.ContainsFunc(r.Cells, func(o Cell) bool {
				return o.Twin > 0 && o.Work == c.Work && o.Latency == c.Latency && o.OneCPU == c.OneCPU && o.Gofeed == c.Gofeed && o.Python == c.Python
			}) {
				t.Errorf("%s: nothing like %s is measured against itself", s.Profile, c.Name)
			}
		}
		if len(r.Cells) < 30 {
			t.Errorf("%s: %d cells", s.Profile, len(r.Cells))
		}
	}
}

// TestAFullRunEndsInTime: figures that may be published are to be had in less
// than 25 minutes, and those of --quick in two, by what things are expected to
// take.
func TestAFullRunEndsInTime(t *testing.T) {
	for _, s := range []Settings{Quick(), Standard(), Full()} {
		o := &Options{Settings: s, Coordinator: "coordinator", Worker: "worker", Pythons: []Python{{Name: "one"}}}
		if got := Estimate(o).Minutes(); got < 0.2 || got > map[string]float64{"quick": 2, "standard": 5, "full": 25}[s.Profile] {
			t.Errorf("%s: about %.1f minutes", s.Profile, got)
		}
	}
}
