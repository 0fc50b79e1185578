package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"feedmill/internal/pool"
)

// A floor is one limit, before it is measured: it is measured several times,
// and each time is a block.
type floor struct {
	limit   Limit
	measure func(context.Context, *Options) (float64, error)
}

// limitTimes is how often each limit is measured.
const limitTimes = 7

// limits measures what the machine itself takes for each bare mechanism.
func limits(ctx context.Context, o *Options) ([]Limit, error) {
	boot := bootstrap{o.Settings.Resamples, o.Settings.Seed}
	var all []Limit
	for _, f := range floors {
		o.progress("limit: %s", f.limit.Name)
		var ps []point
		for i := range limitTimes {
			x, err := f.measure(ctx, o)
			if err != nil {
				return all, fmt.Errorf("measure %s: %w", f.limit.Name, err)
			}
			ps = append(ps, point{0, i, x})
		}
		// The median: a disturbance only ever makes a mechanism slower.
		f.limit.Value = boot.summed(pair(ps)).Median
		all = append(all, f.limit)
	}
	return all, nil
}

var floors = []floor{
	{Limit{Name: "memcpy", What: "copy of 256 KiB, each byte counted once", Unit: "ns/B", CPU: true}, copyBytes},
	{Limit{Name: "raw-pipe", What: "both ends of a pipe between processes, 64 KiB at a time", Unit: "ns/B", CPU: true}, pipeBytes},
	{Limit{Name: "switch", What: "one way of a one-byte ping-pong between two processes, over pipes: two calls and a switch", Unit: "ns", CPU: true}, pingPong},
	{Limit{Name: "page-fault", What: "first touch of a page of fresh memory", Unit: "ns", CPU: true}, touchPages},
	{Limit{Name: "goroutine", What: "create one and wait for it", Unit: "ns", CPU: true}, createGoroutines},
	{Limit{Name: "clock", What: "read the clock of a thread", Unit: "ns", CPU: true}, readClock},
	{Limit{Name: "spawn", What: "start, end and reap this program, which does nothing", Unit: "ns", CPU: true}, spawnNothing},
	{Limit{Name: "spawn-smallest", What: "start, end and reap /bin/true, the smallest process there is", Unit: "ns", CPU: true}, spawnSmallest},
	{Limit{Name: "spawn-worker", What: "start this program as a worker, exchange Hellos, stop it", Unit: "ns", CPU: true}, spawnWorker},
	{Limit{Name: "spawn-worker-faults", What: "page faults of that", Unit: "faults", CPU: false}, spawnWorkerFaults},
	{Limit{Name: "process-memory", What: "proportional set size of this program while it waits", Unit: "B"}, idleMemory},
}

// cpuPer returns the CPU time of f for each of n, in nanoseconds, of this
// process and of the children that were waited for.
func cpuPer(n int, f func() error) (float64, error) {
	own, ended := processCPU(0), endedUsage().cpu
	err := f()
	return float64(processCPU(0)-own+endedUsage().cpu-ended) / float64(n), err
}

func copyBytes(context.Context, *Options) (float64, error) {
	const size, times = 256 << 10, 400
	from, to := bytes.Repeat([]byte{1}, size), make([]byte, size)
	return cpuPer(size*times, func() error {
		for range times {
			copy(to, from)
		}
		return nil
	})
}

// child starts this program as a child of the experiment, runs f with its
// stdin, and waits for it.
func child(ctx context.Context, o *Options, f func(c *exec.Cmd, stdin io.WriteCloser, stdout io.Reader) error, args ...string) error {
	c := o.command(ctx, args...)
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	err = f(c, stdin, stdout)
	stdin.Close()
	io.Copy(io.Discard, stdout)
	if werr := c.Wait(); err == nil {
		err = werr
	}
	return err
}

func pipeBytes(ctx context.Context, o *Options) (float64, error) {
	const size = 64 << 20
	x := 0.0
	err := child(ctx, o, func(c *exec.Cmd, stdin io.WriteCloser, _ io.Reader) error {
		b := make([]byte, 64<<10)
		write := func(n int) error {
			for range n / len(b) {
				if _, err := stdin.Write(b); err != nil {
					return err
				}
			}
			return nil
		}
		if err := write(1 << 20); err != nil { // it runs, and its buffers are touched
			return err
		}
		own, its := processCPU(0), processCPU(c.Process.Pid)
		if err := write(size); err != nil {
			return err
		}
		x = float64(processCPU(0)-own+processCPU(c.Process.Pid)-its) / size
		return nil
	}, "sink")
	return x, err
}

func pingPong(ctx context.Context, o *Options) (float64, error) {
	const times = 2000
	x := 0.0
	err := child(ctx, o, func(c *exec.Cmd, stdin io.WriteCloser, stdout io.Reader) error {
		var b [1]byte
		play := func(n int) error {
			for range n {
				if _, err := stdin.Write(b[:]); err != nil {
					return err
				}
				if _, err := io.ReadFull(stdout, b[:]); err != nil {
					return err
				}
			}
			return nil
		}
		if err := play(100); err != nil {
			return err
		}
		own, its := processCPU(0), processCPU(c.Process.Pid)
		err := play(times)
		x = float64(processCPU(0)-own+processCPU(c.Process.Pid)-its) / (2 * times)
		return err
	}, "echo")
	return x, err
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

func createGoroutines(context.Context, *Options) (float64, error) {
	const times = 5000
	done := make(chan struct{})
	return cpuPer(times, func() error {
		for range times {
			go func() { done <- struct{}{} }()
			<-done
		}
		return nil
	})
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

func spawnNothing(ctx context.Context, o *Options) (float64, error) {
	const times = 3
	return cpuPer(times, func() error {
		for range times {
			if err := o.command(ctx, "none").Run(); err != nil {
				return err
			}
		}
		return nil
	})
}

func spawnSmallest(ctx context.Context, _ *Options) (float64, error) {
	const times = 5
	return cpuPer(times, func() error {
		for range times {
			if err := exec.CommandContext(ctx, "true").Run(); err != nil {
				return err
			}
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

func idleMemory(ctx context.Context, o *Options) (float64, error) {
	x := 0.0
	err := child(ctx, o, func(c *exec.Cmd, stdin io.WriteCloser, stdout io.Reader) error {
		if _, err := stdin.Write([]byte{0}); err != nil {
			return err
		}
		var b [1]byte
		if _, err := io.ReadFull(stdout, b[:]); err != nil { // it is through its start
			return err
		}
		x = float64(memoryOf(c.Process.Pid).pss)
		return nil
	}, "echo")
	return x, err
}
