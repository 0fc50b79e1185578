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

	"feedmill/internal/ipc/carrier"
	"feedmill/internal/origin"
)

// children returns the living child processes of pid that run program. A
// zombie is dead.
func children(pid int, program string) []int {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		// pid (name) state ppid …; the name may hold anything.
		end := bytes.LastIndexByte(stat, ')')
		f := strings.Fields(string(stat[end+1:]))
		if end < 0 || len(f) < 2 || f[0] == "Z" || f[0] == "X" || f[1] != strconv.Itoa(pid) {
			continue
		}
		dir := filepath.Dir(path)
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil && exe == program {
			n, _ := strconv.Atoi(filepath.Base(dir))
			found = append(found, n)
		}
	}
	return found
}

// alive reports whether pid runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(rest) > 0 && rest[0] != "Z" && rest[0] != "X"
}

// killSite is a site whose round takes long enough to be hit in the middle, with
// what a round in a mode prints and stores that nobody hits. Its feeds are https, as
// most are.
func killSite(t *testing.T, mode string) (s *site, first output, want []string) {
	s = trusted(t, origin.Options{Feeds: 60, Hosts: 20, Items: 8, Bytes: 400, Latency: 20 * time.Millisecond})
	whole := filepath.Join(t.TempDir(), "whole.db")
	first = refreshed(t, whole, "--list", s.list, "-n", "2", "--mode", mode)
	first.want(t, exitOK)
	return s, first, contents(t, whole)
}

// costlyModes returns the modes for a test that takes many processes or hosts. Under
// the race detector that is one: programs that are built for it need ten times the CPU,
// and the others show nothing more of races.
func costlyModes() []string {
	if raceEnabled {
		return processModes()[:1]
	}
	return processModes()
}

// kills returns how often a test is to kill something in a mode: what
// FEEDMILL_KILLS says, else ten times in the mode that is the default and some in
// the others. TestDeathAtEveryPointIsAsIfNothingHappened tries each moment by name.
func kills(t *testing.T, mode string) int {
	t.Helper()
	if s := os.Getenv("FEEDMILL_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("FEEDMILL_KILLS: %v", err)
		}
		return n
	}
	switch {
	case raceEnabled: // every try is three rounds, ten times as long
		return 3
	case mode == string(carrier.Pipe):
		return 10
	}
	return 3
}

// TestKilledCoordinatorLosesNothing kills the coordinator in mid-round, in each
// mode, at moments that the seed gives. What it had reported is stored, no
// worker outlives it, and the next run makes the store the one that an
// uninterrupted run makes.
func TestKilledCoordinatorLosesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range costlyModes() {
		t.Run(mode, func(t *testing.T) { killedCoordinator(t, mode) })
	}
}

func killedCoordinator(t *testing.T, mode string) {
	s, first, want := killSite(t, mode)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	worker := filepath.Join(programs, "worker")
	for try := range kills(t, mode) {
		db := filepath.Join(t.TempDir(), "feeds.db")
		cmd := command(t, db, "--list", s.list, "-n", "2", "--mode", mode)
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(random.Int64N(int64(first.wall)))
		time.Sleep(delay) // the moment is the point of the test
		workers := children(cmd.Process.Pid, worker)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if !until(time.Second, func() bool { return !slices.ContainsFunc(workers, alive) }) {
			t.Fatalf("try %d, seed %d: a worker lived a second longer than its coordinator, killed after %v", try, seed, delay)
		}
		reported, _ := parseLines(t, stdout.Bytes())
		rest := refreshed(t, db, "--list", s.list, "-n", "2", "--mode", mode)
		rest.want(t, exitOK)
		if got := contents(t, db); !slices.Equal(got, want) {
			t.Fatalf("try %d, seed %d, killed after %v: %d items after the next run, want %d\n%s",
				try, seed, delay, len(got), len(want), firstDifference(got, want))
		}
		// What was reported must have been stored then: it cannot be new again.
		news := make(map[string]int)
		for _, l := range rest.feeds {
			news[l.URL] = l.New
		}
		for _, l := range reported {
			if l.New > 0 && news[l.URL] > 0 {
				t.Errorf("try %d, seed %d: %s was reported with %d new items and had %d again", try, seed, l.URL, l.New, news[l.URL])
			}
		}
	}
}

// TestKilledWorkerIsAsIfNothingHappened kills workers in mid-round, in each
// mode. The round ends well, every feed has its line, the store is the one of a
// quiet run, and nothing is left behind.
func TestKilledWorkerIsAsIfNothingHappened(t *testing.T) {
	t.Parallel()
	for _, mode := range costlyModes() {
		t.Run(mode, func(t *testing.T) { killedWorker(t, mode) })
	}
}

func killedWorker(t *testing.T, mode string) {
	s, first, want := killSite(t, mode)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	worker := ownWorker(t)
	deaths := 0
	tries := kills(t, mode)
	for try := 0; try < tries || deaths == 0 && try < 5*tries; try++ {
		db := filepath.Join(t.TempDir(), "feeds.db")
		cmd := command(t, db, "--list", s.list, "-n", "2", "--mode", mode, "--worker", worker)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(random.Int64N(int64(first.wall)))
		time.Sleep(delay) // the moment is the point of the test
		if workers := children(cmd.Process.Pid, worker); len(workers) > 0 {
			syscall.Kill(workers[random.IntN(len(workers))], syscall.SIGKILL)
		}
		cmd.Wait()
		out := output{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
		out.feeds, out.summary = parseLines(t, stdout.Bytes())
		out.want(t, exitOK)
		if left := running(worker); len(left) > 0 {
			t.Fatalf("try %d, seed %d: workers %v outlive the round", try, seed, left)
		}
		deaths += out.summary.WorkerDeaths
		if got := contents(t, db); !slices.Equal(got, want) {
			t.Fatalf("try %d, seed %d, worker killed after %v: %d items, want %d\n%s",
				try, seed, delay, len(got), len(want), firstDifference(got, want))
		}
	}
	if deaths == 0 && !raceEnabled {
		t.Errorf("seed %d: no worker was hit in %d tries: the test shows nothing", seed, 5*tries)
	}
}
