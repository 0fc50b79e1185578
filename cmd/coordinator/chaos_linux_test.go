package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// chaosEpochs is how often the feeds of a history have news.
const chaosEpochs = 3

// TestChaos kills processes at random moments for as long as FEEDMILL_CHAOS
// says, such as 60s. It plays one history after the other: a store is
// refreshed at each of several epochs, and in each epoch runs are cut down, or
// lose workers, each in a mode of its own, before one is left alone. That one must make the store that it
// is without any death. FEEDMILL_SEED repeats the choices of a history; the
// machine's part in the timing is its own.
func TestChaos(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("FEEDMILL_CHAOS"))
	if err != nil {
		t.Skip("FEEDMILL_CHAOS does not say how long; make chaos does")
	}
	seed := rand.Uint64()
	if s := os.Getenv("FEEDMILL_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("FEEDMILL_SEED: %v", err)
		}
	}
	s := serve(t, origin.Options{Feeds: 60, Hosts: 20, Items: 8, Bytes: 400, NewsEvery: 2, Latency: 5 * time.Millisecond})
	quiet, wall := quietHistory(t, s)

	var sum chaosSum
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); seed++ {
		h := history{site: s, random: rand.New(rand.NewPCG(seed, 0)), wall: wall, sum: &sum}
		t.Run(fmt.Sprintf("FEEDMILL_SEED=%d", seed), func(t *testing.T) { h.play(t, quiet) })
		sum.histories++
	}
	t.Logf("%+v", sum)
	if sum.coordinators == 0 || sum.workers == 0 {
		t.Errorf("%+v: somebody was never hit, so this shows nothing", sum)
	}
}

// A chaosSum says what was done.
type chaosSum struct {
	histories, runs       int
	coordinators, workers int // killed
}

// quietHistory returns what the store holds at the end of each epoch when
// nobody dies, and how long the quickest of the runs takes.
func quietHistory(t *testing.T, s *site) (want [][]string, wall time.Duration) {
	t.Helper()
	db := filepath.Join(t.TempDir(), "quiet.db")
	wall = time.Minute
	for epoch := range chaosEpochs {
		s.SetEpoch(epoch)
		out := refreshed(t, db, "--list", s.list, "-n", "2")
		out.want(t, exitOK)
		want, wall = append(want, contents(t, db)), min(wall, out.wall)
	}
	return want, wall
}

// A history is one store's life.
type history struct {
	site   *site
	random *rand.Rand
	wall   time.Duration // of a run that nobody disturbs
	sum    *chaosSum
}

func (h *history) play(t *testing.T, want [][]string) {
	db := filepath.Join(t.TempDir(), "feeds.db")
	for epoch := range chaosEpochs {
		h.site.SetEpoch(epoch)
		for range h.random.IntN(4) {
			h.disturbed(t, db)
		}
		// Force, since a feed that was under way in two workers that were
		// killed counts as one that kills.
		refreshed(t, db, "--list", h.site.list, "-n", "2", "--force").want(t, exitOK)
		if got := contents(t, db); !slices.Equal(got, want[epoch]) {
			t.Fatalf("epoch %d: %d items, want %d\n%s", epoch, len(got), len(want[epoch]), firstDifference(got, want[epoch]))
		}
	}
}

// disturbed does a run and kills at random: workers, and in the end, mostly,
// the coordinator.
func (h *history) disturbed(t *testing.T, db string) {
	t.Helper()
	h.sum.runs++
	modes := processModes()
	cmd := command(t, db, "--list", h.site.list, "-n", "2", "--mode", modes[h.random.IntN(len(modes))])
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	worker := filepath.Join(programs, "worker")
	pid, killed := cmd.Process.Pid, 0
	for range h.random.IntN(4) {
		h.wait()
		if workers := children(pid, worker); len(workers) > 0 {
			syscall.Kill(workers[h.random.IntN(len(workers))], syscall.SIGKILL)
			killed++
		}
	}
	h.sum.workers += killed
	if h.random.IntN(4) == 0 {
		<-ended
		h.survived(t, killed, output{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}, stdout.Bytes())
		return
	}
	h.wait()
	workers := children(pid, worker)
	cmd.Process.Kill() // it may have ended before
	<-ended
	if !cmd.ProcessState.Exited() {
		h.sum.coordinators++
	}
	if !until(time.Second, func() bool { return !slices.ContainsFunc(workers, alive) }) {
		t.Fatalf("workers %v live a second longer than their coordinator", workers)
	}
}

// wait waits for a moment, which is the point of the test: three of them make
// a run, more or less.
func (h *history) wait() { time.Sleep(time.Duration(h.random.Int64N(int64(h.wall / 2)))) }

// survived checks a run of which only workers were killed: whatever failed was
// under way in two of them.
func (h *history) survived(t *testing.T, killed int, out output, stdout []byte) {
	t.Helper()
	out.feeds, out.summary = parseLines(t, stdout)
	code := exitOK
	if failed := out.failures(); failed != "" {
		code = exitFeeds
		if n := out.classes()[feeds.WorkerSignal]; n != out.summary.Failed || n > killed/2 {
			t.Errorf("%d workers were killed and %d of %d failures are theirs:\n%s", killed, n, out.summary.Failed, failed)
		}
	}
	out.want(t, code)
}
