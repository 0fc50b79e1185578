package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"feedmill/internal/bench"
)

// madeUp returns a run in which everything occurs that a run can hold. Its
// numbers are made up, the same for the same counts, and fit each other well
// enough to look at: findings are of the samples, intervals are of their spread.
func madeUp(invocations, blocks int) *bench.Run {
	m := &maker{rand: rand.New(rand.NewPCG(7, 7)), run: &bench.Run{
		Schema:  bench.Schema,
		Command: []string{"coordinator", "bench", "--work", "ship", "--seed", "7", "--out", "a folder/out"},
		Started: time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC), Elapsed: 19*time.Minute + 3*time.Second, Complete: true,
		NotForPublication: []string{"its numbers are made up"},
		Environment: bench.Environment{OS: "linux", Arch: "amd64", Kernel: "6.18.44", CPU: "AMD EPYC 9R14", CPUs: 2, Memory: 25_000_000_000,
			Virtual: true, Go: "go1.26.8", Build: "v0.0.0-20261125 (modified)", Python: "CPython 3.11.7", PipeSize: 65536, HugePages: "madvise", LoadAverage: 0.31},
		Settings: bench.Settings{Profile: "standard", Work: bench.Ship, Modes: []string{"goroutine", "pipe", "locked-pipe", "queue", "shm", "manager"},
			Workers: []int{1, 2, 4}, Feeds: 300, Items: 20, Bytes: 1500, Seed: 7, Invocations: invocations, Blocks: blocks, Resamples: 10000, GOGC: 100},
	}}
	m.cells()
	m.samples()
	m.findings()
	m.fit()
	m.breakEven()
	m.buys()
	m.words()
	return m.run
}

type maker struct {
	rand *rand.Rand
	run  *bench.Run
	cost []float64 // true CPU of a feed in each cell, ns
}

func (m *maker) cell(c bench.Cell, ns float64) int {
	c.ID = len(m.run.Cells)
	if c.Work == "" {
		c.Work = bench.Ship
	}
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Items == 0 {
		c.Items = 20
	}
	if c.Bytes == 0 {
		c.Bytes = 1500
	}
	c.Feeds = 300
	c.Name = fmt.Sprintf("%s/%s/workers=%d/items=%d/bytes=%d", c.Work, c.Mode, c.Workers, c.Items, c.Bytes)
	if c.Latency > 0 {
		c.Name += "/latency=" + c.Latency.String()
	}
	if c.Cold {
		c.Name += "/cold"
	}
	if c.Clocked {
		c.Name += "/clocked"
	}
	if c.Twin > 0 {
		c.Name += "/twin"
	}
	m.run.Cells, m.cost = append(m.run.Cells, c), append(m.cost, ns)
	return c.ID
}

// cells are, in this order: the ladder (0 to 5), beside it (6 to 9), the twin
// (10), the clocked head (11), the sweeps of bytes and items in pairs (12 to
// 19), that of latency (20 to 27) and Python (28 to 30).
func (m *maker) cells() {
	ladder := func(mode string, cold bool, ns float64) {
		m.cell(bench.Cell{Mode: mode, Cold: cold, Sweeps: []string{"ladder"}}, ns)
	}
	ladder(bench.Sequential, false, 17_000)
	ladder(bench.Goroutine, false, 18_500)
	ladder(bench.Codec, false, 53_000)
	ladder(bench.LocalPipe, false, 64_000)
	ladder(bench.Pipe, false, 70_500)
	ladder(bench.Pipe, true, 82_000)
	for i, mode := range []string{"locked-pipe", "queue", "shm", "manager"} {
		m.cell(bench.Cell{Mode: mode, Sweeps: []string{"beside"}}, []float64{73_000, 76_000, 61_000, 240_000}[i])
	}
	m.cell(bench.Cell{Mode: bench.Goroutine, Twin: 1, Sweeps: []string{"twin"}}, 18_500)
	m.cell(bench.Cell{Mode: bench.Pipe, Cold: true, Clocked: true, Sweeps: []string{"ladder"}}, 88_000)
	for _, f := range [][2]int{{20, 100}, {20, 10_000}, {1, 1500}, {100, 1500}} {
		base := 2_000 + 400*float64(f[0]) + 0.3*float64(f[0]*f[1])
		m.cell(bench.Cell{Mode: bench.Goroutine, Items: f[0], Bytes: f[1], Sweeps: []string{"bytes", "items"}}, base)
		m.cell(bench.Cell{Mode: bench.Pipe, Items: f[0], Bytes: f[1], Sweeps: []string{"bytes", "items"}}, base+trueGap(f[0], f[0]*f[1]))
	}
	for _, l := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		m.cell(bench.Cell{Work: bench.Round, Mode: bench.Goroutine, Latency: l, Sweeps: []string{"latency"}}, 310_000)
		m.cell(bench.Cell{Work: bench.Round, Mode: bench.Pipe, Latency: l, Sweeps: []string{"latency"}}, 365_000)
	}
	for i, mode := range []string{"python-threads", "python-pool", "python-manager"} {
		m.cell(bench.Cell{Mode: mode, Sweeps: []string{"article"}}, []float64{40_000, 610_000, 2_900_000}[i])
	}
}

// trueGap is what a process adds for a feed of so many items and bytes.
func trueGap(items, bytes int) float64 {
	knee := 0.0
	if bytes > 65536 {
		knee = 0.35 * float64(bytes-65536)
	}
	return 9_000 + 310*float64(items) + 1.1*float64(bytes) + knee
}

func (m *maker) samples() {
	order := 0
	for inv := range m.run.Settings.Invocations {
		luck := 1 + 0.015*m.rand.NormFloat64()
		for block := range m.run.Settings.Blocks {
			drift := luck * (1 + 0.01*m.rand.NormFloat64())
			ids := m.rand.Perm(len(m.run.Cells))
			for _, id := range ids {
				m.run.Samples = append(m.run.Samples, m.sample(id, inv, block, order, drift))
				order++
			}
		}
	}
}

func (m *maker) sample(id, inv, block, order int, drift float64) bench.Sample {
	c := m.run.Cells[id]
	ns := m.cost[id] * drift * (1 + 0.02*m.rand.NormFloat64())
	outlier := id == 4 && inv == 1 && block == 0
	if outlier {
		ns *= 1.3
	}
	cpu := time.Duration(ns * float64(c.Feeds))
	s := bench.Sample{Cell: id, Invocation: inv, Block: block, Order: order, Hash: "9f86d081884c7d65", CPU: cpu, Outlier: outlier,
		Wall: cpu*6/10 + c.Latency*150/8, CoordinatorCPU: cpu, Switches: 300, MinorFaults: 900, ReadCalls: 60, WriteCalls: 60,
		CopiedBytes: int64(c.Feeds * c.Items * c.Bytes), PSS: 24_000_000, CoordinatorHWM: 31_000_000, GCCycles: 3, Alloc: 18_000_000,
		P50: 21 * time.Microsecond, P99: 210 * time.Microsecond, Foreign: 0.012}
	if c.Work == bench.Round {
		s.OriginCPU = 30 * time.Millisecond
	}
	if c.Mode == bench.Pipe || slices.Contains(c.Sweeps, "beside") {
		s.CoordinatorCPU, s.WorkersCPU = cpu*4/10, cpu*6/10
		s.SentBytes, s.WireBytes = 31_000, s.CopiedBytes+int64(c.Feeds*120)
		s.MinorFaults, s.Switches, s.ReadCalls, s.WriteCalls = 4100, 2300, 1400, 700
		s.WorkersHWM, s.WorkersPSS, s.PSS = 14_000_000, 21_000_000, 41_000_000
	}
	if c.Clocked {
		for i, name := range []string{"encode", "write", "read", "decode", "gc"} {
			side := []string{"worker", "worker", "coordinator", "coordinator", "coordinator"}[i]
			s.Stages = append(s.Stages, bench.Stage{Name: name, Side: side, CPU: cpu / time.Duration(5+i), Count: int64(c.Feeds)})
		}
	}
	if c.Mode == "python-manager" {
		s.ReadCalls, s.WriteCalls = -1, -1
	}
	return s
}

// around is an interval of a plausible width, to a hundredth.
func around(v, spread float64) bench.Interval {
	round := func(x float64) float64 { return math.Round(x*100) / 100 }
	return bench.Interval{Estimate: round(v), Low: round(v - math.Abs(spread)), High: round(v + math.Abs(spread))}
}

func (m *maker) findings() {
	r := m.run
	for id := range r.Cells {
		r.Summaries = append(r.Summaries, m.summary(id))
	}
	compare := func(what, sweep string, cell, base int) {
		ratio, diff := m.cost[cell]/m.cost[base], m.cost[cell]-m.cost[base]
		c := bench.Comparison{What: what, Sweep: sweep, Cell: cell, Base: base, CPURatio: around(ratio, 0.02*ratio+0.01), CPUDiff: around(diff, 600),
			WallRatio: around(1+(ratio-1)*0.8, 0.05*ratio), WallDiff: around(diff*0.5, 900), P: 0.0004, Holm: 0.0068, Visible: 1.013, Verdict: bench.Higher}
		switch {
		case c.CPURatio.Contains(1):
			c.Verdict, c.P, c.Holm = bench.NoDifference, 0.61, 1
		case ratio < 1:
			c.Verdict = bench.Lower
		}
		r.Comparisons = append(r.Comparisons, c)
	}
	compare("pipe against goroutine", "headline", 4, 1)
	compare("sequential against goroutine", "ladder", 0, 1)
	compare("pipe, workers started in the window, against goroutine", "ladder", 5, 1)
	for id := 6; id < 10; id++ {
		compare(r.Cells[id].Mode+" against goroutine", "beside", id, 1)
	}
	compare("goroutine against itself", "twin", 10, 1)
	for id := 12; id < 28; id += 2 {
		compare(r.Cells[id+1].Name+" against goroutine", r.Cells[id].Sweeps[0], id+1, id)
	}
	m.ledger()
	r.Limits = []bench.Limit{
		{Name: "memcpy", What: "copy of 256 kB, bytes counted once", Unit: "ns/B", Value: around(0.07, 0.01), CPU: true},
		{Name: "raw-pipe", What: "both ends of a pipe, 64 KiB writes", Unit: "ns/B", Value: around(0.43, 0.03), CPU: true},
		{Name: "spawn", What: "start, exit and wait for the smallest process", Unit: "ns", Value: around(820_000, 60_000), CPU: true},
		{Name: "spawn-worker", What: "the same with the worker program", Unit: "ns", Value: around(1_520_000, 90_000), CPU: true},
		{Name: "goroutine", What: "start one and wait for it", Unit: "ns", Value: around(860, 40), CPU: true},
		{Name: "process-memory", What: "proportional set size of one more idle worker", Unit: "B", Value: around(1_050_000, 20_000)},
		{Name: "page-fault", What: "first touch of a page", Unit: "ns", Value: around(1700, 200), CPU: true},
		{Name: "switch", What: "from one process to another and back, halved", Unit: "ns", Value: around(2100, 150), CPU: true},
	}
}

func (m *maker) summary(id int) bench.Summary {
	var cpu []float64
	outliers := 0
	for _, s := range m.run.Samples {
		if s.Cell == id {
			cpu = append(cpu, float64(s.CPU)/float64(m.run.Cells[id].Feeds))
			if s.Outlier {
				outliers++
			}
		}
	}
	slices.Sort(cpu)
	mid := cpu[len(cpu)/2]
	of := func(v, spread float64) bench.Summed {
		return bench.Summed{Median: around(v, spread), Mean: v, Min: v - 2*spread, Max: v + 2*spread}
	}
	s := bench.Summary{Cell: id, Samples: len(cpu), Outliers: outliers, CPU: of(mid, mid*0.012), Wall: of(mid*0.6+float64(m.run.Cells[id].Latency)/16, mid*0.03),
		PSS: of(24e6, 4e5), Faults: of(3, 0.1), Switches: of(1, 0.1), Calls: of(0.4, 0.01)}
	if id >= 4 && id < 10 {
		s.PSS, s.Faults, s.Switches, s.Calls, s.Wire = of(41e6, 5e5), of(13.6, 0.4), of(7.7, 0.3), of(7, 0.1), 30_120
	}
	return s
}

func (m *maker) ledger() {
	step := func(name, what string, from, to int, direct float64, limit string, floor float64, parts ...bench.Part) bench.LedgerRow {
		d := m.cost[to] - m.cost[from]
		r := bench.LedgerRow{Name: name, What: what, From: from, To: to, Ladder: around(d, 700), Limit: limit, LimitNS: floor}
		if floor > 0 {
			r.Times = math.Round(d/floor*100) / 100
		}
		if direct != 0 {
			dir, dis := around(direct, 400), around(d-direct, 900)
			r.Direct, r.Disagreement, r.Parts = &dir, &dis, parts
		}
		return r
	}
	part := func(name, method string, v float64) bench.Part {
		return bench.Part{Name: name, Method: method, Value: around(v, v*0.03)}
	}
	gap := m.cost[5] - m.cost[1]
	m.run.Ledgers = []bench.Ledger{{
		What: "pipe, workers started in the window, over goroutine", Work: bench.Ship, Base: 1, Top: 5, Gap: around(gap, 1400), Foot: around(m.cost[1], 250),
		Rows: []bench.LedgerRow{
			step("codec", "encode and decode in the same goroutine", 1, 2, 32_100, "memcpy", 2100,
				part("encode", "thread clock", 11_300), part("decode", "thread clock", 19_100), part("gc", "runtime/metrics", 1_700)),
			step("local-pipe", "through a pipe to another goroutine", 2, 3, 12_400, "raw-pipe", 12_900*0.7,
				part("write", "thread clock", 5_200), part("read", "thread clock", 5_900), part("switches", "count at a calibrated price", 1_300)),
			step("process", "the writer is a process of its own", 3, 4, 5_100, "", 0,
				part("faults", "count at a calibrated price", 4_600), part("dispatch", "thread clock", 500)),
			step("spawn", "start and end of the workers", 4, 5, 10_300, "spawn", 5_466, part("spawn", "getrusage", 9_100), part("exit", "getrusage", 1_200)),
		},
		Beside: []bench.LedgerRow{
			step("locked-pipe", "one pipe, a lock around each frame", 1, 6, 0, "", 0), step("queue", "one pipe and a feeder thread", 1, 7, 0, "", 0),
			step("shm", "a ring in shared memory", 1, 8, 0, "memcpy", 2100), step("manager", "a server process that owns the map", 1, 9, 0, "", 0),
		},
		Direct: around(59_900, 900), Residue: around(gap-59_900, 1700), ResidueShare: math.Round((gap-59_900)/gap*1000) / 1000, Perturbation: around(1.073, 0.02),
	}}
}

func (m *maker) fit() {
	f := bench.Fit{What: "pipe over goroutine, ship", Work: bench.Ship, Mode: bench.Pipe, Base: bench.Goroutine, Items: [2]int{1, 100}, Bytes: [2]int{1500, 200_000},
		Terms: []bench.Term{
			{Name: "a", What: "each feed", Unit: "ns", Value: around(9_400, 900)},
			{Name: "c", What: "each item", Unit: "ns/item", Value: around(301, 22)},
			{Name: "b", What: "each byte", Unit: "ns/B", Value: around(1.22, 0.05), Limit: "raw-pipe", Times: 2.84},
		},
		LackOfFit: bench.FTest{F: 4.81, DF1: 3, DF2: 25, P: 0.0088}, AdjustedR2: 0.987}
	for _, p := range [][4]int{{20, 2_000, 13, 12}, {20, 30_000, 5, 4}, {20, 200_000, 19, 18}, {1, 1_500, 15, 14}, {100, 150_000, 17, 16}} {
		items, bytes := p[0], p[1]
		gap := trueGap(items, bytes) * (1 + 0.02*m.rand.NormFloat64())
		fitted := math.Round(9_400 + 301*float64(items) + 1.22*float64(bytes))
		f.Cells = append(f.Cells, bench.FitPoint{Cell: p[2], Base: p[3], Items: items, Bytes: bytes, Gap: around(gap, gap*0.04), Fitted: fitted,
			Residual: math.Round((gap-fitted)*100) / 100})
	}
	m.run.Fits = []bench.Fit{f}
}

func (m *maker) breakEven() {
	b := &bench.BreakEven{LatencyUnder5: 50 * time.Millisecond, Spawn: around(1_740_000, 90_000), Refresh: around(70_500, 700), Amortise: 2468,
		Note: "in Go there is no number of feeds from which on processes are the faster choice: goroutines run on all CPUs anyway"}
	for i, l := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		for j, mode := range []string{"pipe", "shm"} {
			b.Latency = append(b.Latency, bench.Overhead{Mode: mode, At: float64(l), Unit: "ns", Label: l.String(), Cell: 21 + 2*i, Base: 20 + 2*i,
				Wall: around([]float64{0.19, 0.11, 0.02, 0.01}[i]-0.02*float64(j), 0.02), CPU: around([]float64{0.18, 0.17, 0.19, 0.18}[i]-0.03*float64(j), 0.02)})
		}
	}
	for i, label := range []string{"ship", "fast reader", "gofeed"} {
		b.Parse = append(b.Parse, bench.Overhead{Mode: "pipe", At: []float64{0, 3, 42}[i], Unit: "ns/B", Label: label, Cell: 4, Base: 1,
			Wall: around([]float64{2.6, 0.3, 0.04}[i], 0.03), CPU: around([]float64{2.8, 0.33, 0.05}[i], 0.03)})
	}
	for i, heap := range []float64{0, 200e6} {
		b.Heap = append(b.Heap, bench.Overhead{Mode: "pipe", At: heap, Unit: "B", Label: []string{"none", "200 MB"}[i], Cell: 4, Base: 1,
			Wall: around([]float64{2.6, 1.4}[i], 0.1), CPU: around([]float64{2.8, 1.1}[i], 0.1)})
	}
	for _, mode := range []string{"pipe", "shm", "manager"} {
		for i, against := range []string{bench.Sequential, bench.Goroutine} {
			b.COST = append(b.COST, bench.COST{Mode: mode, Against: against, Work: bench.Round, Workers: []int{2, 0}[i], Tried: []int{1, 2, 4}})
		}
	}
	m.run.BreakEven = b
}

func (m *maker) buys() {
	for _, killer := range []string{"none", "stack", "memory", "endless"} {
		for _, mode := range []string{"goroutine", "pipe", "shm"} {
			b := bench.Buy{Killer: killer, Mode: mode, Feeds: 100, Answered: 99, Survived: true, Ended: "exit status 0", Wall: 1200 * time.Millisecond}
			switch {
			case killer == "none":
				b.Answered = 100
			case mode == "goroutine":
				b.Answered, b.Lost, b.Survived, b.Ended = 31, 68, false, "exit status 2"
				if killer == "endless" {
					b.Ended, b.Wall = "killed after 20s", 20*time.Second
				}
			default:
				b.Class = map[string]string{"stack": "worker_stack", "memory": "worker_memory", "endless": "worker_cpu"}[killer]
				b.Ended, b.Deaths, b.Recovery, b.Wall = "exit status 3", 2, 340*time.Millisecond, 1540*time.Millisecond
			}
			m.run.Buys = append(m.run.Buys, b)
		}
	}
}

func (m *maker) words() {
	v := func(holds, figure string) bench.Verdict { return bench.Verdict{Holds: holds, Figure: figure} }
	m.run.Claims = []bench.Claim{
		{ID: "C1", Says: "Handing the keys out to processes is cheap.", Go: v("yes", "103 B and 0.4 µs a feed, 0.6 % of the gap"), Python: v("yes", "2.1 µs a feed")},
		{ID: "C2", Says: "Copying the lists back is not.", Go: v("yes", "3.8 times the CPU of goroutines"), Python: v("yes", "15 times that of threads")},
		{ID: "C3", Says: "Two writers tear a pipe.", Go: v("partly", "frames above 4096 B were torn, those below were not"), Python: v("yes", "17 of 300 lists did not decode")},
		{ID: "C4", Says: "A lock around the pipe mends it.", Go: v("yes", "0 torn of 300; 3.5 % more CPU than a pipe each"), Python: v("not measured", "")},
		{ID: "C5", Says: "A manager is slower than shared memory.", Go: v("yes", "3.9 times"), Python: v("no", "0.8 times <here>")},
	}
	m.run.Warnings = []bench.Warning{
		{Kind: "noisy", Text: "3 samples shared the machine with others that had more than 5 % of its CPU time.", Cells: []int{4, 8}},
		{Kind: "too-few-runs", Text: "6 samples a cell; at least 10 are needed for intervals to be trusted & kept."},
	}
}
