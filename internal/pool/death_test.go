//go:build unix

package pool_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
)

// TestNothingIsLostWhereverStdoutIsCut cuts what a worker writes at some
// bytes, others at each run, so that in the end it is at all.
func TestNothingIsLostWhereverStdoutIsCut(t *testing.T) {
	t.Parallel()
	size := sizeOf(t, 3)
	step := max(size*fewer/25, 1)
	for at := rand.IntN(step); at < size; at += step {
		if cutAt(t, at, 3); t.Failed() {
			t.Fatalf("cut at byte %d of %d", at, size)
		}
	}
}

// inEveryMode runs a test in every mode of modes, beside other tests.
func inEveryMode(t *testing.T, test func(*testing.T, carrier.Mode)) {
	t.Parallel()
	for _, mode := range modes() {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}

// TestATinyRoundSurvivesEveryCut is the same at every single byte of a Hello,
// a Result and a Bye (of some, under the race detector).
func TestATinyRoundSurvivesEveryCut(t *testing.T) {
	t.Parallel()
	const lanes = 4 // most of the time is spent waiting
	size := sizeOf(t, 1)
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			for at := lane; at < size; at += lanes * fewer {
				if cutAt(t, at, 1); t.Failed() {
					t.Fatalf("cut at byte %d of %d", at, size)
				}
			}
		})
	}
}

// sizeOf returns how many bytes a worker writes in a round of n jobs.
func sizeOf(t *testing.T, n int) int {
	t.Helper()
	o := as(t, "good")
	o.Workers = 1
	p, err := newRound(jobs(n, nil), 1, n).run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return int(p.Stats().Received)
}

// cutAt does a round of n jobs in which a worker dies after so many bytes.
func cutAt(t *testing.T, at, n int) {
	t.Helper()
	o := onlyOnce(t, as(t, "dies at byte", at))
	o.Workers = 1
	r := newRound(jobs(n, nil), 1, n)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatalf("cut at byte %d: %v", at, err)
	}
	r.check(t, nil)
}

func TestKill9AtRandomMomentsLosesNothing(t *testing.T) {
	inEveryMode(t, kill9AtRandomMoments)
}

// kill9AtRandomMoments has 15 rounds in which each of two workers is killed once, at
// a moment of its own.
func kill9AtRandomMoments(t *testing.T, mode carrier.Mode) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range max(15/fewer, 5) {
		micros := []int{random.IntN(30_000), random.IntN(30_000)}
		o := onceEach(t, as(t, "kills itself", micros[0], micros[1]))
		o.Mode, o.StallAfter = mode, 5*time.Second
		r := newRound(jobs(40, map[int64]string{3: "sleep", 9: "sleep", 20: "items 300 of 2000", 27: "sleep", 34: "items 3 of 20000"}), o.Workers, 4)
		if _, err := r.run(t, t.Context(), o); err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, i, err)
		}
		r.check(t, nil)
		if t.Failed() {
			t.Fatalf("seed %d, round %d: killed after %v µs", seed, i, micros)
		}
	}
}

func TestOnlyTheKillerIsBlamed(t *testing.T) {
	killers := map[string]killer{
		"panic":    {feeds.WorkerSignal, "panic: parser: boom"},
		"overflow": {feeds.WorkerStack, "stack exceeds"},
		"memory":   {feeds.WorkerMemory, "out of memory"},
		"exit":     {feeds.WorkerSignal, "exit status 7"},
		"kill":     {feeds.WorkerSignal, "signal: killed"},
		"stop":     {feeds.WorkerCPU, "said nothing"},
		"garbage":  {feeds.WorkerProtocol, "not a frame"},
	}
	inEveryMode(t, func(t *testing.T, mode carrier.Mode) {
		for url, k := range killers {
			t.Run(url, func(t *testing.T) {
				t.Parallel()
				k.isBlamed(t, url, mode)
			})
		}
	})
}

// spinHang is how long a worker may say nothing beside a job that spins. The job goes
// on spinning for longer than that; to spin until the end would show nothing more.
const spinHang = 3 * time.Second

// TestOnlyWhatSpinsIsBlamed waits for 24 seconds in each mode, so all modes go on
// at once, and early: they do not queue behind other tests' parts.
func TestOnlyWhatSpinsIsBlamed(t *testing.T) {
	t.Parallel()
	var waiting sync.WaitGroup
	for _, mode := range modes() {
		waiting.Go(func() {
			t.Run(string(mode), func(t *testing.T) {
				killer{feeds.WorkerCPU, "parsed one document"}.isBlamed(t, "spin and wait", mode)
			})
		})
	}
	waiting.Wait()
}

// A killer is what is said of a job that ends its worker.
type killer struct {
	class  feeds.Class
	detail string
}

// isBlamed does a round in which the job of one URL ends its worker, and fails
// the test unless that job alone is blamed.
func (k killer) isBlamed(t *testing.T, url string, mode carrier.Mode) {
	o := as(t, "good")
	o.Mode = mode
	if k.class == feeds.WorkerCPU {
		o.HangAfter = time.Second
	}
	if url == "spin and wait" { // beside which it must come to say something
		o.HangAfter = spinHang
	}
	if url == "stop" { // which no signal but SIGKILL ends
		o.StopGrace = 200 * time.Millisecond
	}
	r := newRound(jobs(100, map[int64]string{17: url}), o.Workers, 16)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{url: k.class})
	if d := r.results[17].Detail; !strings.Contains(d, k.detail) {
		t.Errorf("detail %q, want it to say %q", d, k.detail)
	}
	deaths := 3
	if runtime.GOOS == "linux" && k.class != feeds.WorkerProtocol {
		// The scoreboard knows the suspect, and nobody else is charged.
		deaths = 2
		for id, res := range r.results {
			if id != 17 && res.Attempts != 0 {
				t.Errorf("job %d needed %d attempts more than it made", id, res.Attempts)
			}
		}
		if d := r.results[17].Detail; !strings.Contains(d, "parse, byte 7") {
			t.Errorf("detail %q, want it to say where", d)
		}
	}
	if s := p.Stats(); s.Deaths != deaths {
		t.Errorf("%d deaths, want %d", s.Deaths, deaths)
	}
}

func TestSeveralKillersAmongGoodJobs(t *testing.T) { inEveryMode(t, severalKillers) }

func severalKillers(t *testing.T, mode carrier.Mode) {
	o := as(t, "good")
	o.Mode = mode
	r := newRound(jobs(500, map[int64]string{1: "panic", 2: "exit", 250: "overflow", 499: "garbage"}), o.Workers, 32)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{
		"panic": feeds.WorkerSignal, "exit": feeds.WorkerSignal,
		"overflow": feeds.WorkerStack, "garbage": feeds.WorkerProtocol,
	})
}
