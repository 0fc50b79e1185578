package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/origin/hostile"
)

// chaosEpochs is how often the feeds of a history have news.
const chaosEpochs = 3

// chaos returns how long a test of chaos lasts and what its choices are drawn from.
// It skips the test where nothing says how long.
func chaos(t *testing.T) (lasts time.Duration, seed uint64) {
	t.Helper()
	lasts, err := time.ParseDuration(os.Getenv("FEEDMILL_CHAOS"))
	if err != nil {
		t.Skip("FEEDMILL_CHAOS does not say how long; make chaos does")
	}
	seed = rand.Uint64()
	if s := os.Getenv("FEEDMILL_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("FEEDMILL_SEED: %v", err)
		}
	}
	return lasts, seed
}

// TestChaos kills and stops processes at random moments for as long as FEEDMILL_CHAOS
// says, such as 60s. It plays one history after the other: a store is
// refreshed at each of several epochs, and in each epoch runs are cut down, or
// lose workers, or have workers that lie, each in a mode of its own and beside feeds
// of servers that speak HTTP/2 badly, before one is left alone. That one must make the store that it
// is without any of this. FEEDMILL_SEED repeats the choices of a history; the
// machine's part in the timing is its own.
func TestChaos(t *testing.T) {
	lasts, seed := chaos(t)
	s := trusted(t, origin.Options{Feeds: 60, Hosts: 20, Items: 8, Bytes: 400, NewsEvery: 2, Latency: 5 * time.Millisecond})
	quiet, wall := quietHistory(t, s)
	bad := badlySpoken(s)
	guilty := make(map[string]bool)
	for _, url := range bad {
		guilty[url] = true
	}
	badList := writeFile(t, "bad.txt", strings.Join(bad, "\n"))
	lying := writeFile(t, "liar", liar)
	if err := os.Chmod(lying, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WORKER", filepath.Join(programs, "worker"))

	var sum chaosSum
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); seed++ {
		h := history{site: s, random: rand.New(rand.NewPCG(seed, 0)), wall: wall, bad: badList, guilty: guilty, liar: lying, sum: &sum}
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
	stopped               int // processes, for a while
	liars                 int // runs with workers that lie
}

// A liar is a worker program that is what it should be, or cut off, or talks
// nonsense, at once or after a while, or says nothing and ends, by what it draws
// from the time. What it says of feeds is true: nobody could tell.
const liar = `#!/bin/sh
case $(($(date +%N | sed 's/^0*//') / 1000 % 5)) in
0) exec "$WORKER" "$@" ;;
1) "$WORKER" "$@" | head -c $(($(date +%N | sed 's/^0*//') / 1000 % 20000)) ;;
2) head -c 5000 /dev/urandom ;;
3) "$WORKER" "$@" | { head -c 300; head -c 5000 /dev/urandom; } ;;
4) exit 3 ;;
esac
`

// badlySpoken returns the URLs of servers that speak HTTP/2 badly, and are done
// soon.
func badlySpoken(s *site) (urls []string) {
	for _, c := range hostile.HTTP2() {
		if !strings.Contains(c.Want, "timeout") && !strings.Contains(c.Want, "slow") {
			urls = append(urls, s.HostileURL(c.Name))
		}
	}
	return urls
}

// innocent returns the items of the feeds of the list.
func (h *history) innocent(t *testing.T, db string) []string {
	return slices.DeleteFunc(contents(t, db), func(line string) bool {
		url, _, _ := strings.Cut(line, " ")
		return h.guilty[url]
	})
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
	wall   time.Duration   // of a run that nobody disturbs
	bad    string          // a list of servers that speak HTTP/2 badly
	guilty map[string]bool // they
	liar   string          // a worker program
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
		if got := h.innocent(t, db); !slices.Equal(got, want[epoch]) {
			t.Fatalf("epoch %d: %d items, want %d\n%s", epoch, len(got), len(want[epoch]), firstDifference(got, want[epoch]))
		}
	}
}

// disturbed does a run and kills or stops at random: workers, and in the end,
// mostly, the coordinator.
func (h *history) disturbed(t *testing.T, db string) {
	t.Helper()
	h.sum.runs++
	modes := processModes()
	args := []string{"--list", h.site.list, "-n", "2", "--mode", modes[h.random.IntN(len(modes))]}
	if h.random.IntN(2) == 0 {
		args = append(args, "--list", h.bad)
	}
	lies := h.random.IntN(4) == 0
	if lies {
		args = append(args, "--worker", h.liar)
		h.sum.liars++
	}
	cmd := command(t, db, args...)
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
			one := workers[h.random.IntN(len(workers))]
			if h.random.IntN(4) == 0 {
				h.stop(one)
				continue
			}
			syscall.Kill(one, syscall.SIGKILL)
			killed++
		}
	}
	if h.random.IntN(4) == 0 {
		h.stop(pid)
	}
	h.sum.workers += killed
	if h.random.IntN(4) == 0 {
		<-ended
		if lies { // who was alone in two of them is condemned
			return
		}
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
	if left := running(worker); !until(time.Second, func() bool { return !slices.ContainsFunc(left, alive) }) {
		t.Fatalf("workers %v, which a liar started, live on", left)
	}
}

// stop stops a process for a moment. It may have ended before.
func (h *history) stop(pid int) {
	h.sum.stopped++
	syscall.Kill(pid, syscall.SIGSTOP)
	h.wait()
	syscall.Kill(pid, syscall.SIGCONT)
}

// wait waits for a moment, which is the point of the test: three of them make
// a run, more or less.
func (h *history) wait() { time.Sleep(time.Duration(h.random.Int64N(int64(h.wall / 2)))) }

// survived checks a run of which only workers were killed: whatever failed was
// under way in two of them.
func (h *history) survived(t *testing.T, killed int, out output, stdout []byte) {
	t.Helper()
	out.feeds, out.summary = parseLines(t, stdout)
	code, died, unexplained := exitOK, 0, 0
	for _, l := range out.feeds {
		switch {
		case l.Class.OK() || l.Class == feeds.Cancelled:
			continue
		case l.Class == feeds.WorkerSignal:
			died++
		case !h.guilty[l.URL]:
			unexplained++
		}
		code = exitFeeds
	}
	if unexplained > 0 || died > killed/2 {
		t.Errorf("%d workers were killed, %d failures are theirs, and %d nobody's:\n%s", killed, died, unexplained, out.failures())
	}
	out.want(t, code)
}
