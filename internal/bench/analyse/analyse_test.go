package analyse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"feedmill/internal/bench/run"
	"feedmill/internal/bench/stats"
)

// simulated returns a run whose samples are drawn around what cost says that a
// feed of a cell takes, in nanoseconds, with what differs between invocations
// and between blocks, which all cells of a block share.
func simulated(seed uint64, cost func(run.Cell) float64) *run.Run {
	o := &run.Options{Settings: run.Full(), Coordinator: "coordinator", Worker: "worker", Pythons: []run.Python{{Name: "CPython 3"}}}
	o.Settings.Seed, o.Settings.Resamples = seed, 200
	o.Settings.Invocations, o.Settings.Blocks = run.LeastInvocations, run.LeastBlocks // what holds for the least holds for more
	r := &run.Run{Schema: 3, Settings: o.Settings, Cells: run.Plan(o), Complete: true}
	r.Environment.CPUs, r.Environment.Pythons = 2, o.Pythons
	rand := rand.New(rand.NewPCG(seed, 1))
	for inv := range r.Settings.Invocations {
		luck := 1 + 0.03*rand.NormFloat64()
		for block := range r.Settings.Blocks {
			drift := luck * (1 + 0.02*rand.NormFloat64())
			for i, c := range r.Cells {
				ns := cost(c) * float64(c.Feeds) * drift
				r.Samples = append(r.Samples, run.Sample{
					Cell: i, Invocation: inv, Block: block, Order: len(r.Samples), Hash: "same", PSS: 1e7,
					CPU: time.Duration(ns * (1 + 0.01*rand.NormFloat64())), Wall: time.Duration(ns / 2 * (1 + 0.02*rand.NormFloat64())),
				})
			}
		}
	}
	return r
}

func flat(run.Cell) float64 { return 1e5 }

// find returns the pair of a cell, by what its name has in it.
func find(t *testing.T, pairs []Pair, parts ...string) Pair {
	t.Helper()
	for _, p := range pairs {
		if !slices.ContainsFunc(parts, func(s string) bool { return !strings.Contains(p.Cell.Name, s) }) {
			return p
		}
	}
	t.Fatalf("no pair of %q", parts)
	return Pair{}
}

// TestTheSameAgainstItselfStaysSilent: of 100 runs of cells that all take the same, with
// the noise of a virtual machine, at most 5 say of anything at all that it differs, or
// even from itself; and at most 5 that more than 5 of 44 verdicts are at the edge.
func TestTheSameAgainstItselfStaysSilent(t *testing.T) {
	loud, edgy, edges, all := 0, 0, 0, 0
	for seed := range uint64(100) {
		r, noise := simulated(seed, flat), rand.New(rand.NewPCG(seed, 2))
		r.Settings.Resamples = 100
		for i := range r.Samples {
			for _, d := range []*time.Duration{&r.Samples[i].CPU, &r.Samples[i].Wall} {
				*d = time.Duration(float64(*d) * math.Exp(0.09*noise.NormFloat64()))
			}
		}
		f := newAnalysis(r) // of which all else, which takes its time, says nothing of this
		f.pairs()
		f.warnings()
		count := make(map[Verdict]int)
		for _, p := range slices.Concat(f.Rounds, f.Lists) {
			count[p.CPU.Verdict]++
			count[p.Wall.Verdict]++
			all += 2
		}
		if count[Higher]+count[Lower] > 0 || slices.ContainsFunc(f.Warnings, func(w run.Warning) bool { return strings.Contains(w.Text, "from itself") }) {
			loud++
		}
		if count[AtTheEdge] > 5 {
			edgy++
		}
		edges += count[AtTheEdge]
	}
	if loud > 5 {
		t.Errorf("%d of 100 runs see a difference where there is none, want at most 5", loud)
	}
	if edgy > 5 || edges*100 > 5*all {
		t.Errorf("%d of %d verdicts are at the edge where there is no difference, and more than 5 of a run in %d of 100 runs, want at most 5 in 100", edges, all, edgy)
	}
}

// TestATenthMoreIsFound in 95 of 100 runs, where nothing else differs: silence
// alone would be cheap.
func TestATenthMoreIsFound(t *testing.T) {
	found := 0
	for seed := range uint64(100) {
		r := simulated(1000+seed, func(c run.Cell) float64 {
			if c.Work == run.AllNew && c.Mode == run.Pipe {
				return 1.1e5
			}
			return 1e5
		})
		r.Settings.Resamples = 100
		r.Samples = slices.DeleteFunc(r.Samples, func(s run.Sample) bool { return !r.Cells[s.Cell].Work.Real() }) // the rest takes its time, and says nothing of this
		if find(t, Run(r).Rounds, "all-new/pipe/workers=", "feeds=300/items=20/bytes=1000").CPU.Verdict == Higher {
			found++
		}
	}
	if found < 95 {
		t.Errorf("a tenth more is found in %d of 100 runs, want 95", found)
	}
}

// TestAVerdictRepeats: of two runs one after the other, with the noise of a virtual
// machine, less than 5 in 100 contradict each other, whatever the true difference
// is: one of them sees it and the other does not.
func TestAVerdictRepeats(t *testing.T) {
	const pairs = 300
	full, r := run.Full(), rand.New(rand.NewPCG(1, 2))
	compared := func(ratio float64) (m Measure, xs, ys []float64) {
		var cell, base []stats.Point
		for inv := range full.Invocations {
			luck := ratio * math.Exp(0.02*r.NormFloat64())
			for block := range full.Blocks {
				xs, ys = append(xs, luck*math.Exp(0.09*r.NormFloat64())), append(ys, math.Exp(0.09*r.NormFloat64()))
				cell = append(cell, stats.Point{Invocation: inv, Block: block, X: xs[len(xs)-1]})
				base = append(base, stats.Point{Invocation: inv, Block: block, X: ys[len(ys)-1]})
			}
		}
		m.Ratio = stats.Bootstrap{Resamples: 100, Seed: r.Uint64()}.Interval(stats.Pair(cell, base), stats.Ratio(0, 1))
		return m, xs, ys
	}
	verdict := func(ratio float64) Verdict {
		twin, _, _ := compared(1)
		m, xs, ys := compared(ratio)
		m.Twin, m.P = twin.Ratio, stats.MannWhitney(xs, ys)*40 // as Holm's correction has it in a full run
		return m.verdict()
	}
	for _, ratio := range []float64{1, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.1, 1.12, 1.15, 1.2, 1.3} {
		count, against := make(map[Verdict]int), 0
		for range pairs {
			one, two := verdict(ratio), verdict(ratio)
			if one != two && one != AtTheEdge && two != AtTheEdge {
				against++
			}
			count[one]++
			count[two]++
		}
		t.Logf("truly %.2f times: %d of %d pairs contradict each other, %v", ratio, against, pairs, count)
		if against*100 > 5*pairs {
			t.Error("want at most 5 in 100")
		}
	}
}

// TestPlantedDifferencesAreSeen, as large as they are, and nowhere else; one that
// is smaller than what the work differs from itself is not.
func TestPlantedDifferencesAreSeen(t *testing.T) {
	f := Run(simulated(4, func(c run.Cell) float64 {
		switch {
		case c.Work == run.AllNew && c.Mode == run.Pipe && c.Latency == 0 && !c.OneCPU:
			return 1.3e5
		case c.Work == run.NothingNew && c.Mode == run.Pipe:
			return 0.8e5
		case c.Work == run.TenthNew && c.Mode == run.Pipe:
			return 1.004e5
		}
		return 1e5
	}))
	for _, tt := range []struct {
		name    string
		ratio   float64
		verdict Verdict
	}{{"all-new/pipe/workers=", 1.3, Higher}, {"nothing-new/", 0.8, Lower}, {"tenth-new", 1.004, NotSeen}, {"latency=100ms", 1, NotSeen}} {
		p := find(t, f.Rounds, tt.name, "feeds=300")
		if p.CPU.Verdict != tt.verdict || math.Abs(p.CPU.Ratio.Estimate-tt.ratio) > 0.02 || !(p.CPU.Ratio.Low-0.005 < tt.ratio && tt.ratio < p.CPU.Ratio.High+0.005) {
			t.Errorf("%s: got %v, %s, want %v, %s", p.Cell.Name, p.CPU.Ratio, p.CPU.Verdict, tt.ratio, tt.verdict)
		}
	}
}

// TestNoVerdictBeyondWhatCouldBeSeen: where the twin of a cell differs from it,
// nothing smaller is called a difference.
func TestNoVerdictBeyondWhatCouldBeSeen(t *testing.T) {
	f := Run(simulated(5, func(c run.Cell) float64 {
		switch {
		case c.Work == run.AllNew && c.Mode == run.Pipe && c.Twin > 0:
			return 1.5e5
		case c.Work == run.AllNew && c.Mode == run.Pipe:
			return 1.2e5
		}
		return 1e5
	}))
	if p := find(t, f.Rounds, "all-new/pipe/workers=", "feeds=300/items=20/bytes=1000"); p.CPU.Verdict != NotSeen || p.CPU.Twin.High < 1.2 {
		t.Errorf("got %s beside a twin of %v, want not seen: it takes 1.25 times as much", p.CPU.Verdict, p.CPU.Twin)
	}
	if !slices.ContainsFunc(f.Warnings, func(w run.Warning) bool { return strings.Contains(w.Text, "differs from itself") }) {
		t.Errorf("no warning that a cell differs from itself in %v", f.Warnings)
	}
}

// TestWhatIsPaidOnceIsToldOnce: rounds of 30 and 300 feeds tell the start of the
// workers from what each feed takes, and 100,000 feeds do not multiply it.
func TestWhatIsPaidOnceIsToldOnce(t *testing.T) {
	const once, each = 8e6, 2e4
	f := Run(simulated(6, func(c run.Cell) float64 {
		if c.Mode == run.Pipe {
			return 1e5 + each + once/float64(c.Feeds)
		}
		return 1e5
	}))
	for _, s := range f.Scales {
		want := once + each*float64(s.Feeds)
		if math.Abs(s.More.Estimate-want) > 0.2*want {
			t.Errorf("%s of %d feeds: got %.4g more, want %.4g within a fifth", s.Work, s.Feeds, s.More.Estimate, want)
		}
	}
	if len(f.Scales) != 8 {
		t.Errorf("got %d scales, want 4 of 2 works", len(f.Scales))
	}
}

// TestTheLedgerAddsUpAndHidesNothing: its steps are the gap, and each row whose
// estimates do not meet says so by itself; they are never set off against each
// other.
func TestTheLedgerAddsUpAndHidesNothing(t *testing.T) {
	costs := map[string]float64{run.Goroutine: 1e4, run.Codec: 3e4, run.LocalPipe: 3.5e4, run.Pipe: 4.5e4}
	r := simulated(7, func(c run.Cell) float64 {
		return max(costs[c.Mode], 1e4)
	})
	exactly := stats.Exactly
	r.Prices = run.Prices{Switch: exactly(1000), Fault: exactly(500), Clock: exactly(200)}
	for i := range r.Samples {
		s, c := &r.Samples[i], r.Cells[r.Samples[i].Cell]
		clocked := map[string]time.Duration{run.Codec: 26e3, run.LocalPipe: 25e3, run.Pipe: 30e3}[c.Mode] // 6 µs too much, then too little
		if c.Clocked && clocked > 0 {                                                                     // each stage has a look at the clock, and faults of its own
			s.Stages = []run.Stage{{Name: "encode", CPU: (clocked + 200) * time.Duration(c.Feeds), Count: int64(c.Feeds), Faults: 7 * int64(c.Feeds)}}
			s.MinorFaults = 7 * int64(c.Feeds)
		}
		switch {
		case c.Mode != run.Pipe: // what is left of the 10 µs of processes are 4 faults and 3 switches
		case c.Clocked:
			s.MinorFaults += 4 * int64(c.Feeds)
			s.Switches = 50 * int64(c.Feeds) // of the clocks
		default:
			s.Switches = 3 * int64(c.Feeds)
		}
	}
	l := Run(r).Ledger
	if l == nil || len(l.Rows) != 3 {
		t.Fatalf("got %+v, want a ledger of 3 rows", l)
	}
	sum := 0.0
	for i, want := range []struct {
		ladder, direct float64
		meets          bool
	}{{2e4, 26e3, false}, {5e3, -1e3, false}, {1e4, 1e4, true}} {
		r := l.Rows[i]
		sum += r.Ladder.Estimate
		if math.Abs(r.Ladder.Estimate-want.ladder) > 1e3 || math.Abs(r.Direct.Estimate-want.direct) > 1 || r.Meets() != want.meets || want.meets != (r.Tried == "") {
			t.Errorf("%s: got %v and %v, apart %v, tried %q, want %v and %v and meets %v", r.Name, r.Ladder, r.Direct, r.Apart, r.Tried, want.ladder, want.direct, want.meets)
		}
	}
	if math.Abs(sum-l.Gap.Estimate) > 1 {
		t.Errorf("the steps come to %v, the gap is %v", sum, l.Gap.Estimate)
	}
}

// TestLossesDoNotDependOnThePlace: they are told as least, median and most of
// many rounds, by killer and mode.
func TestLossesDoNotDependOnThePlace(t *testing.T) {
	r := simulated(8, flat)
	r.Deaths = []run.Death{{Mode: run.Pipe, Wall: time.Second, Survived: true}}
	for i := range 9 {
		lost := (i * 37) % 90
		r.Deaths = append(r.Deaths, run.Death{Killer: "stack", Mode: run.Goroutine, Place: i * 100, Feeds: 1000, Lost: lost},
			run.Death{Killer: "stack", Mode: run.Pipe, Place: i * 100, Feeds: 1000, Deaths: 2, Survived: true, Wall: time.Second + time.Duration(i)*time.Millisecond})
	}
	f := Run(r)
	if len(f.Losses) != 2 {
		t.Fatalf("got %+v, want two", f.Losses)
	}
	g, p := f.Losses[0], f.Losses[1]
	if g.Died != 9 || g.Runs != 9 || !slices.IsSorted(g.Lost) || g.Lost[8] == g.Lost[0] || g.Feeds != 999 {
		t.Errorf("goroutines: got %+v, want 9 dead and what they lost in order", g)
	}
	if p.Died != 0 || p.Lost[8] != 0 || p.Recovery.Estimate != 4e6 || p.Recovery.Low >= p.Recovery.High {
		t.Errorf("processes: got %+v, want none dead, none lost, 4 ms later in the median", p)
	}
}

// TestWhatIsBesideAFatDocumentIsComparedInItsRepeat: a machine that is twice as
// slow in every second repeat hides nothing, and a round that failed is left out.
func TestWhatIsBesideAFatDocumentIsComparedInItsRepeat(t *testing.T) {
	r := simulated(8, flat)
	for i := range 6 {
		slower := time.Duration(1+i%2) * time.Second
		for _, mode := range []string{run.Goroutine, run.Pipe} {
			more := time.Duration(i) * time.Millisecond // 2.5 in the mean
			r.Burdens = append(r.Burdens, run.Death{Mode: mode, Repeat: i, Survived: true, Tail: slower, Kept: 100},
				run.Death{Killer: "large", Mode: mode, Repeat: i, Survived: mode == run.Pipe || i > 0, Tail: slower + more, Kept: 107})
		}
	}
	f := Run(r)
	if len(f.Beside) != 2 {
		t.Fatalf("got %+v, want the large document in two modes", f.Beside)
	}
	g, p := f.Beside[0], f.Beside[1]
	if g.Runs != 5 || g.Later.Estimate != 3e6 || p.Runs != 6 || p.Later.Estimate != 2.5e6 {
		t.Errorf("got %+v and %+v, want 3 ms of 5 and 2.5 ms of 6", g, p)
	}
	if p.Later.Low <= 0 || p.Later.High > 5e6 || math.Abs(p.Kept.Estimate-7) > 1e-9 {
		t.Errorf("got %v and %v, want an interval within 0 and 5 ms, and 7 bytes that stay", p.Later, p.Kept)
	}
}

// TestUnequalWorkGetsNoFigures: a mode whose results differ is named, and
// nothing that it was measured is used.
func TestUnequalWorkGetsNoFigures(t *testing.T) {
	r := simulated(9, flat)
	for i := range r.Samples {
		if c := r.Cells[r.Samples[i].Cell]; c.Work == run.AllNew && c.Mode == run.Pipe && c.Twin == 0 && r.Samples[i].Block == 2 {
			r.Samples[i].Hash = "other"
		}
	}
	f := Run(r)
	for _, p := range slices.Concat(f.Rounds, f.Lists, f.Twins) {
		if p.Base.Work == run.AllNew && p.Cell.Twin == 0 {
			t.Errorf("a figure of %s", p.Cell.Name)
		}
	}
	if len(f.Warnings) == 0 || f.Warnings[0].Kind != "unequal-work" || len(f.NotForPublication) == 0 {
		t.Errorf("got warnings %+v, want unequal-work first", f.Warnings)
	}
}

// TestReadersMayReadInTheirOwnWays: lists by gofeed agree with lists by gofeed.
func TestReadersMayReadInTheirOwnWays(t *testing.T) {
	r := simulated(17, flat)
	for i := range r.Samples {
		if s := &r.Samples[i]; r.Cells[s.Cell].Gofeed {
			s.Hash = "gofeed's"
		}
	}
	if f := Run(r); slices.ContainsFunc(f.Warnings, func(w run.Warning) bool { return w.Kind == "unequal-work" }) {
		t.Errorf("got %v, want no unequal work", f.Warnings)
	}
}

// TestNewsOfABlockMustAgree: which feeds have news is another tenth each time, so
// samples agree with those of their block and not with those of others.
func TestNewsOfABlockMustAgree(t *testing.T) {
	r := simulated(10, flat)
	for i := range r.Samples {
		if s := &r.Samples[i]; r.Cells[s.Cell].Work == run.TenthNew {
			s.Hash = fmt.Sprint("news of block ", s.Block)
		}
	}
	if f := Run(r); slices.ContainsFunc(f.Warnings, func(w run.Warning) bool { return w.Kind == "unequal-work" }) {
		t.Errorf("got %v, want no unequal work", f.Warnings)
	}
}

// TestDoubtsAreNamed: noise, load, stolen time, failures and too few
// runs each have a warning of their own, before what is only missing.
func TestDoubtsAreNamed(t *testing.T) {
	r := &run.Run{Schema: 3, Settings: run.Quick(), Cells: []run.Cell{{Name: "one", Mode: run.Goroutine, Feeds: 1, Workers: 1}}, Samples: []run.Sample{
		{Foreign: 0.2, Steal: 0.1, Hash: "a"}, {Failed: "it did", Hash: "a"},
	}, Warnings: []run.Warning{{Kind: "no-python"}, {Kind: "missing-mode"}}}
	r.Environment.CPUs, r.Environment.LoadAverage, r.Environment.Governor = 2, 2.04, "powersave"
	f := Run(r)
	if last := f.Warnings[len(f.Warnings)-1].Kind; f.Warnings[0].Kind != "failed-sample" || last != "machine" {
		t.Errorf("warnings are from %s to %s, want the gravest first: from failed-sample to machine", f.Warnings[0].Kind, last)
	}
	for _, kind := range []string{"failed-sample", "interrupted", "noisy", "load", "steal", "too-few-runs", "machine"} {
		if !slices.ContainsFunc(f.Warnings, func(w run.Warning) bool { return w.Kind == kind }) {
			t.Errorf("no warning of kind %s in %+v", kind, f.Warnings)
		}
	}
}

// TestAdviceIsOfThisMachine: what is as it should be is not advised on, and what is
// not is, one by one.
func TestAdviceIsOfThisMachine(t *testing.T) {
	steady := run.Environment{CPUs: 4, Governor: "performance"}
	if got := Advice(steady); len(got) > 0 {
		t.Errorf("a steady machine: got %q", got)
	}
	for want, spoil := range map[string]func(*run.Environment){
		"cpupower":        func(e *run.Environment) { e.Governor = "powersave" },
		"turbo":           func(e *run.Environment) { e.Turbo = true },
		"SMT":             func(e *run.Environment) { e.SMT = true },
		"1.5 of 4 CPUs":   func(e *run.Environment) { e.QuotaCPUs = 1.5 },
		"virtual machine": func(e *run.Environment) { e.Virtual = true },
	} {
		e := steady
		spoil(&e)
		if got := Advice(e); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("got %q, want one advice with %q", got, want)
		}
	}
}

// TestClaimsFareAsTheyAreMeasured, in Go and in Python apart.
func TestClaimsFareAsTheyAreMeasured(t *testing.T) {
	r := simulated(11, func(c run.Cell) float64 {
		switch {
		case c.Work == run.Parse && c.Mode == run.PythonThreads:
			return 4e5 // they take turns
		case c.Work == run.Ship && c.Items > 0 && (c.Mode == run.Pipe || c.Mode == run.PythonPipe):
			return 5e5
		case c.Mode == "manager":
			return 9e5
		}
		return 1e5
	})
	r.Tears = []run.Tear{{Language: "go", Frames: 1000, Torn: 353}, {Language: "go", Locked: true, Frames: 1000}, {Language: "go", Readers: 2, Frames: 500}}
	f := Run(r)
	for says, want := range map[string][2]string{
		"take turns":    {"no", "yes"},
		"need no lock":  {"yes", "yes"},
		"keys":          {"yes", "yes"},
		"copies":        {"yes", "yes"},
		"tear":          {"yes", "not measured"},
		"mends":         {"yes", "not measured"},
		"queue":         {"yes", "yes"},
		"whoever":       {"yes", "not measured"},
		"shared memory": {"yes", "yes"},
	} {
		i := slices.IndexFunc(f.Claims, func(c Claim) bool { return strings.Contains(c.Says, says) })
		if i < 0 {
			t.Errorf("no claim that says %q", says)
			continue
		}
		if v := f.Claims[i].Verdicts; len(v) != 2 || v[0].Holds != want[0] || v[1].Holds != want[1] {
			t.Errorf("%q: got %+v, want %v", says, v, want)
		}
	}
}

func TestCompareFindsWhatChangedAndNothingElse(t *testing.T) {
	old := simulated(12, flat)
	new := simulated(13, func(c run.Cell) float64 {
		switch {
		case c.Mode == "queue":
			return 1.2e5
		case c.Mode == "shm":
			return 0.85e5
		}
		return 1e5
	})
	changes, unmatched := Compare(old, new)
	if len(unmatched) != 0 {
		t.Errorf("unmatched: %q", unmatched)
	}
	for _, c := range changes {
		want, ratio := NotSeen, 1.0
		switch {
		case strings.Contains(c.Cell.Name, "/queue/"):
			want, ratio = Higher, 1.2
		case strings.Contains(c.Cell.Name, "/shm/"):
			want, ratio = Lower, 0.85
		}
		if c.CPU.Verdict != want || math.Abs(c.CPU.Ratio.Estimate-ratio) > 0.05 {
			t.Errorf("%s: got %s, %v, p %v; want %s and %v", c.Cell.Name, c.CPU.Verdict, c.CPU.Ratio, c.CPU.P, want, ratio)
		}
		if got := c.CPU.Beyond(0.05); got != (want == Higher) {
			t.Errorf("%s beyond 5 %%: got %v", c.Cell.Name, got)
		}
	}
}

// TestAChangeIsBeyondWhatInvocationsDifferBy, in its estimate: they differ by 1.11, which
// its interval need not be beyond.
func TestAChangeIsBeyondWhatInvocationsDifferBy(t *testing.T) {
	took := func(times, noise float64) *run.Run {
		r := &run.Run{Settings: run.Full(), Cells: []run.Cell{{Name: "one", Feeds: 1}}}
		for i := range 20 {
			x := 1e6 * times * (1 + 0.11*float64(i/4)/4) * (1 + noise*float64(i%2*2-1))
			r.Samples = append(r.Samples, run.Sample{Invocation: i / 4, Block: i % 4, Hash: "same", CPU: time.Duration(x), Wall: time.Duration(x)})
		}
		return r
	}
	for _, tt := range []struct {
		times, noise float64
		want         Verdict
	}{{1.2, 0.13, Higher}, {1 / 1.2, 0.13, Lower}, {1.1, 0, NotSeen}, {1 / 1.1, 0, NotSeen}} {
		changes, _ := Compare(took(1, tt.noise), took(tt.times, tt.noise))
		if c := changes[0]; c.CPU.Verdict != tt.want || c.CPU.Ratio.Contains(1) || away(c.CPU.Ratio.Low) > 1.11 && away(c.CPU.Ratio.High) > 1.11 {
			t.Errorf("%.2f times: got %s, %v, p %v; want %s, with one end between 1 and 1.11", tt.times, c.CPU.Verdict, c.CPU.Ratio, c.CPU.P, tt.want)
		}
	}
}

func TestARunComparedWithItselfIsTheSame(t *testing.T) {
	r := simulated(14, flat)
	changes, _ := Compare(r, r)
	for _, c := range changes {
		if c.CPU.Verdict != NotSeen || c.CPU.Ratio.Estimate != 1 {
			t.Errorf("%s: got %s, %v; want not seen and 1", c.Cell.Name, c.CPU.Verdict, c.CPU.Ratio)
		}
	}
}

// TestOnlyEqualCellsAreCompared: a cell with other factors is another cell, and
// one whose results differ is not compared at all.
func TestOnlyEqualCellsAreCompared(t *testing.T) {
	old, new := simulated(15, flat), simulated(16, flat)
	new.Cells[1].Name += "/other"
	for i := range new.Samples {
		if new.Samples[i].Cell == 4 {
			new.Samples[i].Hash = fmt.Sprint(i)
		}
	}
	changes, unmatched := Compare(old, new)
	for _, c := range changes {
		if c.Cell.Name == new.Cells[1].Name || c.Cell.Name == new.Cells[4].Name {
			t.Errorf("%s is compared", c.Cell.Name)
		}
	}
	for _, want := range []string{new.Cells[1].Name + " (new)", old.Cells[1].Name + " (old)", old.Cells[4].Name + " (old)"} {
		if !slices.Contains(unmatched, want) {
			t.Errorf("unmatched: got %q, want %q among them", unmatched, want)
		}
	}
}
