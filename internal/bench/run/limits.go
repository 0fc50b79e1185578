//go:build linux

package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/bench/stats"
	"feedmill/internal/pool"
)

// limits measures what the machine itself takes for each bare mechanism, several
// times, each of which is a block.
func (e *executor) limits(ctx context.Context) error {
	boot := stats.Bootstrap{Resamples: e.o.Settings.Resamples, Seed: e.o.Settings.Seed}
	for _, m := range []struct {
		Limit
		measure func(context.Context, *Options) (float64, error)
	}{
		{Limit{Name: "switch", What: "one way of a one-byte ping-pong between two processes, over pipes: two calls and a switch", Unit: "ns"}, pingPong},
		{Limit{Name: "page-fault", What: "first touch of a page of fresh memory", Unit: "ns"}, touchPages},
		{Limit{Name: "clock", What: "read the clock of a thread", Unit: "ns"}, readClock},
		{Limit{Name: "spawn-worker", What: "start this program as a worker, exchange Hellos, stop it", Unit: "ns"}, spawnWorker},
		{Limit{Name: "spawn-worker-faults", What: "page faults of that", Unit: "faults"}, spawnWorkerFaults},
	} {
		e.progress("limit: %s", m.Name)
		var ps []stats.Point
		for i := range limitTimes {
			x, err := m.measure(ctx, e.o)
			if err != nil {
				return fmt.Errorf("measure %s: %w", m.Name, err)
			}
			ps = append(ps, stats.Point{Block: i, X: x})
		}
		// The median: a disturbance only ever makes a mechanism slower.
		m.Value = boot.Interval(stats.Pair(ps), stats.Middle)
		e.run.Limits = append(e.run.Limits, m.Limit)
	}
	return nil
}

// pingPong plays with cat, which sends back what it gets.
func pingPong(ctx context.Context, _ *Options) (float64, error) {
	const times = 2000
	c := exec.CommandContext(ctx, "cat")
	stdin, err := c.StdinPipe()
	stdout, err2 := c.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = c.Start()
	}
	if err != nil {
		return 0, err
	}
	var start time.Duration
	var b [1]byte
	for i := -100; i < times && err == nil; i++ {
		if i == 0 {
			start = processCPU(0) + processCPU(c.Process.Pid)
		}
		if _, err = stdin.Write(b[:]); err == nil {
			_, err = io.ReadFull(stdout, b[:])
		}
	}
	x := float64(processCPU(0)+processCPU(c.Process.Pid)-start) / (2 * times)
	stdin.Close()
	return x, errors.Join(err, c.Wait())
}

func touchPages(context.Context, *Options) (float64, error) {
	const pages = 2000
	size := pages * os.Getpagesize()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(b)
	// A huge page would be one fault for 512.
	if err := unix.Madvise(b, unix.MADV_NOHUGEPAGE); err != nil {
		return 0, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadCPU()
	for i := 0; i < size; i += os.Getpagesize() {
		b[i] = 1
	}
	return float64(threadCPU()-start) / pages, nil
}

func readClock(context.Context, *Options) (float64, error) {
	const times = 5000
	start := processCPU(0)
	for range times {
		threadCPU()
	}
	return float64(processCPU(0)-start) / times, nil
}

// startWorkers starts and stops workers one by one, as a round does, and returns
// what this process and they have used.
func startWorkers(ctx context.Context, o *Options, n int) (usage, error) {
	args := append(slices.Clone(o.Self[1:]), "worker")
	before := ownUsage().plus(endedUsage())
	for range n {
		if _, err := pool.Greet(ctx, pool.Options{Path: o.Self[0], Args: args, Workers: 1}); err != nil {
			return usage{}, err
		}
	}
	return ownUsage().plus(endedUsage()).less(before), nil
}

func spawnWorker(ctx context.Context, o *Options) (float64, error) {
	const times = 3
	u, err := startWorkers(ctx, o, times)
	return float64(u.cpu) / times, err
}

func spawnWorkerFaults(ctx context.Context, o *Options) (float64, error) {
	before := endedUsage()
	_, err := startWorkers(ctx, o, 1)
	return float64(endedUsage().less(before).minor), err
}
