//go:build unix

package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
)

// quiet returns the options of one good worker that logs nothing.
func quiet(b *testing.B) pool.Options {
	o := as(b, "good")
	o.Workers, o.Logger = 1, slog.New(slog.DiscardHandler)
	return o
}

// BenchmarkLife is a whole life of a worker: start, Hello, one job, Drain, Bye
// and its end. The worker is the test binary, which starts a little more slowly
// than the real one.
func BenchmarkLife(b *testing.B) {
	o := quiet(b)
	for b.Loop() {
		r := newRound(jobs(1, nil), 1, 1)
		if _, err := r.run(b, b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJobs measures what a job costs that is answered at once.
func BenchmarkJobs(b *testing.B) { benchmarkJobs(b, quiet(b), 32, "ok") }

// BenchmarkItems measures what copying lists costs alone: each operation is a
// run of one worker whose jobs are answered at once with lists that it has
// ready, received, settled and given back. Beside it goes the raw pipe: as many
// bytes from a process of their own by plain writes and reads of 256 KiB.
// pipe/raw is the ratio in bytes per second, of time between the first result
// and the last; cpu-pipe/raw that in bytes per second of processor time, which
// has the start of the worker in it.
func BenchmarkItems(b *testing.B) {
	for _, s := range []struct{ n, content int }{{200, 100}, {20, 2 << 10}, {20, 16 << 10}} {
		b.Run(fmt.Sprintf("content=%d", s.content), func(b *testing.B) {
			url := fmt.Sprintf("again items %d of %d", s.n, s.content)
			results := 512 << 20 / (s.n * (s.content + 30))
			var pipe, raw cost
			for b.Loop() {
				c := lists(b, url, results)
				pipe.add(c)
				raw.add(rawBytes(b, c.bytes))
			}
			b.ReportMetric(pipe.rate()/1e6, "MB/s")
			b.ReportMetric(float64(pipe.cpu.Nanoseconds())/float64(b.N*results*s.n), "cpu-ns/item")
			b.ReportMetric(pipe.rate()/raw.rate(), "pipe/raw")
			b.ReportMetric(float64(pipe.bytes)/pipe.cpu.Seconds()/(float64(raw.bytes)/raw.cpu.Seconds()), "cpu-pipe/raw")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A cost is what so many bytes took.
type cost struct {
	bytes     int64
	wall, cpu time.Duration
}

func (c *cost) add(d cost) { c.bytes += d.bytes; c.wall += d.wall; c.cpu += d.cpu }

func (c *cost) rate() float64 { return float64(c.bytes) / c.wall.Seconds() }

// lists has one worker answer n jobs of a URL.
func lists(b *testing.B, url string, n int) cost {
	b.Helper()
	p, err := pool.New(quiet(b))
	if err != nil {
		b.Fatal(err)
	}
	used := cpuTime()
	var first time.Time
	runJobs(b, p, n, 32, url, func() {
		if first.IsZero() {
			first = time.Now()
		}
	})
	s := p.Stats()
	return cost{s.Received, time.Since(first), cpuTime() - used + s.CPU}
}

// rawPiece is how long the writes and reads of the raw pipe are, in bytes.
const rawPiece = 256 << 10

// envRaw makes the test binary write so many bytes and end.
const envRaw = "POOL_TEST_RAW"

// writeRaw writes n bytes, and begins when it is told to.
func writeRaw(n string) {
	left, err := strconv.Atoi(n)
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(1) // as in a worker
	piece := bytes.Repeat([]byte("x"), rawPiece)
	os.Stdin.Read(make([]byte, 1))
	for left > 0 {
		k, err := os.Stdout.Write(piece[:min(left, rawPiece)])
		if err != nil {
			panic(err)
		}
		left -= k
	}
}

// rawBytes reads n bytes from a process that writes nothing else.
func rawBytes(b *testing.B, n int64) cost {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", envRaw, n))
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	carrier.Widen(out.(*os.File))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	piece := make([]byte, rawPiece)
	start, used := time.Now(), cpuTime()
	if _, err := in.Write([]byte("x")); err != nil {
		b.Fatal(err)
	}
	for left := n; left > 0; left -= rawPiece {
		if _, err := io.ReadFull(out, piece[:min(left, rawPiece)]); err != nil {
			b.Fatal(err)
		}
	}
	c := cost{n, time.Since(start), cpuTime() - used}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	c.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return c
}

// cpuTime returns what this process has used, user and system.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchmarkJobs does b.N jobs in one run.
func benchmarkJobs(b *testing.B, o pool.Options, batch int, url string) {
	p, err := pool.New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	runJobs(b, p, b.N, batch, url, func() {})
}

// runJobs does n jobs in one run and gives back all results. It calls answered
// for each.
func runJobs(b *testing.B, p *pool.Pool, n, batch int, url string, answered func()) {
	b.Helper()
	id, results := 0, 0
	err := p.Run(context.Background(), func(context.Context, int) ([]feeds.Job, error) {
		var js []feeds.Job
		for ; len(js) < batch && id < n; id++ {
			js = append(js, feeds.Job{ID: int64(id + 1), URL: url})
		}
		return js, nil
	}, func(feeds.Result) {
		results++
		answered()
	})
	if err != nil || results != n {
		b.Fatalf("%d of %d jobs answered: %v", results, n, err)
	}
}
