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

// A floor is one limit, before it is measured: it is measured several times,
// and each time is a block.
type floor struct {
	limit   Limit
	measure func(context.Context, *Options) (float64, error)
}

// limits measures what the machine itself takes for each bare mechanism.
func limits(ctx context.Context, e *executor) ([]Limit, error) {
	o := e.o
	boot := stats.Bootstrap{Resamples: o.Settings.Resamples, Seed: o.Settings.Seed}
	var all []Limit
	for _, f := range floors {
		e.progress("limit: " + f.limit.Name)
		var ps []stats.Point
		for i := range limitTimes {
			x, err := f.measure(ctx, o)
			if err != nil {
				return all, fmt.Errorf("measure %s: %w", f.limit.Name, err)
			}
			ps = append(ps, stats.Point{Block: i, X: x})
			e.step(limitExpected)
		}
		// The median: a disturbance only ever makes a mechanism slower.
		f.limit.Value = boot.Interval(stats.Pair(ps), stats.Middle)
		all = append(all, f.limit)
	}
	return all, nil
}

var floors = []floor{
	{Limit{Name: "switch", What: "one way of a one-byte ping-pong between two processes, over pipes: two calls and a switch", Unit: "ns"}, pingPong},
	{Limit{Name: "page-fault", What: "first touch of a page of fresh memory", Unit: "ns"}, touchPages},
	{Limit{Name: "clock", What: "read the clock of a thread", Unit: "ns"}, readClock},
	{Limit{Name: "spawn-worker", What: "start this program as a worker, exchange Hellos, stop it", Unit: "ns"}, spawnWorker},
	{Limit{Name: "spawn-worker-faults", What: "page faults of that", Unit: "faults"}, spawnWorkerFaults},
}

// cpuPer returns the CPU time of f for each of n, in nanoseconds, of this
// process and of the children that were waited for.
func cpuPer(n int, f func() error) (float64, error) {
	own, ended := processCPU(0), endedUsage().cpu
	err := f()
	return float64(processCPU(0)-own+endedUsage().cpu-ended) / float64(n), err
}

// pingPong plays with cat, which sends back what it gets.
func pingPong(ctx context.Context, _ *Options) (float64, error) {
	const times = 2000
	c := exec.CommandContext(ctx, "cat")
	stdin, err := c.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	var own, its time.Duration
	var b [1]byte
	for i := -100; i < times && err == nil; i++ {
		if i == 0 {
			own, its = processCPU(0), processCPU(c.Process.Pid)
		}
		if _, err = stdin.Write(b[:]); err == nil {
			_, err = io.ReadFull(stdout, b[:])
		}
	}
	x := float64(processCPU(0)-own+processCPU(c.Process.Pid)-its) / (2 * times)
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
	return cpuPer(times, func() error {
		for range times {
			threadCPU()
		}
		return nil
	})
}

// startWorkers starts and stops workers one by one, as a round does.
func startWorkers(ctx context.Context, o *Options, n int) error {
	args := append(slices.Clone(o.Self[1:]), "worker")
	for range n {
		if _, err := pool.Greet(ctx, pool.Options{Path: o.Self[0], Args: args, Workers: 1}); err != nil {
			return err
		}
	}
	return nil
}

func spawnWorker(ctx context.Context, o *Options) (float64, error) {
	const times = 3
	return cpuPer(times, func() error { return startWorkers(ctx, o, times) })
}

func spawnWorkerFaults(ctx context.Context, o *Options) (float64, error) {
	before := endedUsage()
	err := startWorkers(ctx, o, 1)
	return float64(endedUsage().less(before).minor), err
}
