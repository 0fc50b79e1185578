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
	"time"

	"golang.org/x/sys/unix"

	"feedmill/internal/bench/stats"
)

// prices measures what the machine itself takes for each bare mechanism, several
// times, each of which is a block.
func (e *executor) prices(ctx context.Context) error {
	boot := stats.Bootstrap{Resamples: e.o.Settings.Resamples, Seed: e.o.Settings.Seed}
	for _, p := range []struct {
		of      *stats.Interval
		measure func(context.Context) (float64, error)
	}{{&e.run.Prices.Switch, pingPong}, {&e.run.Prices.Fault, touchPages}, {&e.run.Prices.Clock, readClock}} {
		var ps []stats.Point
		for i := range priceTimes {
			x, err := p.measure(ctx)
			if err != nil {
				return fmt.Errorf("measure prices: %w", err)
			}
			ps = append(ps, stats.Point{Block: i, X: x})
		}
		// The median: a disturbance only ever makes a mechanism slower.
		*p.of = boot.Interval(stats.Pair(ps), stats.Middle)
	}
	return nil
}

// pingPong takes one way of a byte between two processes: two calls and a switch. It
// plays with cat, which sends back what it gets.
func pingPong(ctx context.Context) (float64, error) {
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

// touchPages takes the first touch of a page of fresh memory.
func touchPages(context.Context) (float64, error) {
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

// readClock takes a look at the clock of a thread.
func readClock(context.Context) (float64, error) {
	const times = 5000
	start := processCPU(0)
	for range times {
		threadCPU()
	}
	return float64(processCPU(0)-start) / times, nil
}
