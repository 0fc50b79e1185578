package bench

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// measured is a run of three modes; factors multiply the CPU time of each.
func measured(seed uint64, factors ...float64) *Run {
	r := rand.New(rand.NewPCG(seed, 1))
	run := &Run{Schema: Schema, Settings: Settings{Resamples: 2000, Seed: seed}, Environment: Environment{OS: "linux", CPU: "x", CPUs: 2}}
	for i, f := range factors {
		mode := []string{Goroutine, Pipe, "shm"}[i]
		run.Cells = append(run.Cells, Cell{ID: i, Name: "ship/" + mode, Work: Ship, Mode: mode, Workers: 2, Feeds: 100, Items: 20, Bytes: 1000})
		for invocation := range 4 {
			luck := 1 + 0.004*r.NormFloat64()
			for block := range 8 {
				ns := 1e7 * f * luck * (1 + 0.01*r.NormFloat64())
				run.Samples = append(run.Samples, Sample{Cell: i, Invocation: invocation, Block: block, Hash: "same", CPU: time.Duration(ns), Wall: time.Duration(ns / 2)})
			}
		}
	}
	return run
}

func TestCompareFindsWhatChangedAndNothingElse(t *testing.T) {
	changes, unmatched := Compare(measured(1, 1, 4, 3), measured(2, 1, 4.4, 2.7))
	if len(changes) != 3 || len(unmatched) != 0 {
		t.Fatalf("got %d changes and %q, want 3 and none", len(changes), unmatched)
	}
	for i, want := range []struct {
		verdict string
		ratio   float64
		beyond  bool
	}{{NoDifference, 1, false}, {Higher, 1.1, true}, {Lower, 0.9, false}} {
		c := changes[i]
		if c.Verdict != want.verdict || math.Abs(c.CPU.Estimate-want.ratio) > 0.01 || math.Abs(c.Wall.Estimate-want.ratio) > 0.01 {
			t.Errorf("%s: got %s, CPU %v, wall %v, p %v; want %s and %v within 0.01", c.Name, c.Verdict, c.CPU, c.Wall, c.Holm, want.verdict, want.ratio)
		}
		if c.CPU.Low >= c.CPU.High {
			t.Errorf("%s: the interval %v is empty", c.Name, c.CPU)
		}
		if got := c.Beyond(0.05); got != want.beyond {
			t.Errorf("%s beyond 5 %%: got %v, want %v", c.Name, got, want.beyond)
		}
		if c.Beyond(0.2) {
			t.Errorf("%s is beyond 20 %%", c.Name)
		}
	}
}

func TestARunComparedWithItselfIsTheSame(t *testing.T) {
	run := measured(3, 1, 4, 3)
	changes, _ := Compare(run, run)
	for _, c := range changes {
		if c.Verdict != NoDifference || c.CPU.Estimate != 1 {
			t.Errorf("%s: got %s, %v; want no difference and 1", c.Name, c.Verdict, c.CPU)
		}
	}
}

// TestOnlyEqualCellsAreCompared: a cell with other factors is another cell,
// whatever its name, and one whose results differ is not compared at all.
func TestOnlyEqualCellsAreCompared(t *testing.T) {
	old, new := measured(4, 1, 4, 3), measured(5, 1, 4, 3)
	new.Cells[1].Feeds = 200
	for i := range new.Samples {
		if new.Samples[i].Cell == 2 {
			new.Samples[i].Hash = "other"
		}
	}
	changes, unmatched := Compare(old, new)
	if len(changes) != 1 || changes[0].Name != "ship/goroutine" {
		t.Errorf("got %v, want ship/goroutine alone", changes)
	}
	if got := strings.Join(unmatched, ", "); got != "ship/pipe (new), ship/pipe (old), ship/shm (old)" {
		t.Errorf("unmatched: got %q", got)
	}
}

func TestOtherMachinesAreNamed(t *testing.T) {
	old, new := measured(6, 1), measured(7, 1)
	if err := SameMachine(old, new); err != nil {
		t.Errorf("one machine: got %v", err)
	}
	new.Environment.CPU = "another"
	err := SameMachine(old, new)
	if _, ok := errors.AsType[*MachineError](err); !ok || !strings.Contains(err.Error(), "another") {
		t.Errorf("two machines: got %v, want a *MachineError that names both", err)
	}
}
