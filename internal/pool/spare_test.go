package pool

import (
	"log/slog"
	"testing"
)

// slots returns a run with as many slots as there are changes, each of which is made
// to one of them.
func slots(change ...func(*slot)) *run {
	r := &run{o: &Options{Logger: slog.New(slog.DiscardHandler)}}
	for n, do := range change {
		s := newSlot(r, n)
		do(s)
		r.slots = append(r.slots, s)
	}
	return r
}

// TestARunIsHopelessWhenNobodyIsReached: by no slot that has jobs, each often enough,
// and oftener where a worker was reached before.
func TestARunIsHopelessWhenNobodyIsReached(t *testing.T) {
	away := func(n int) func(*slot) { return func(s *slot) { s.away = n } }
	for name, tt := range map[string]struct {
		run     *run
		reached bool
		want    bool
	}{
		"as often as it must be":      {slots(away(maxStartFailures), away(maxStartFailures)), false, true},
		"one not as often":            {slots(away(maxStartFailures), away(maxStartFailures-1)), false, false},
		"links that were lost":        {slots(away(maxLost)), true, true},
		"not as often":                {slots(away(maxLost - 1)), true, false},
		"one has a worker":            {slots(away(maxLost), func(s *slot) { s.away, s.current = maxLost, new(process) }), true, false},
		"one is done":                 {slots(away(maxLost), func(s *slot) { s.done = true }), true, true},
		"one has not been away, ever": {slots(away(maxLost), func(*slot) {}), true, false},
	} {
		tt.run.reached.Store(tt.reached)
		if got := tt.run.hopeless(); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// TestASpareWorkerIsKeptForWhoMayNeedIt: another slot whose own worker is elsewhere,
// as long as that has jobs or may get some.
func TestASpareWorkerIsKeptForWhoMayNeedIt(t *testing.T) {
	one := func(s *slot) { s.elsewhere = true }
	for name, tt := range map[string]struct {
		other func(*slot)
		want  bool
	}{
		"more may come":            {one, true},
		"it has jobs":              {func(s *slot) { one(s); s.dry = true; s.ledger.adopt(someJobs(1, 1)) }, true},
		"no more will come":        {func(s *slot) { one(s); s.dry = true }, false},
		"it is done":               {func(s *slot) { one(s); s.done = true }, false},
		"it is on this machine":    {func(*slot) {}, false},
		"only itself, nobody else": {nil, false},
	} {
		change := []func(*slot){func(s *slot) { one(s); s.dry = true }}
		if tt.other != nil {
			change = append(change, tt.other)
		}
		if r := slots(change...); r.wanted() != tt.want {
			t.Errorf("%s: got %v, want %v", name, !tt.want, tt.want)
		}
	}
}
