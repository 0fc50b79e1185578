//go:build unix

package pool_test

import (
	"context"
	"log/slog"
	"testing"

	"feedmill/internal/feeds"
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

// BenchmarkPing measures the time from one job to the next when a worker has
// one at a time: a rough measure of the way there and back.
func BenchmarkPing(b *testing.B) {
	o := quiet(b)
	o.Window = 1
	benchmarkJobs(b, o, 1, "ok")
}

// BenchmarkJobs is the same with the default window.
func BenchmarkJobs(b *testing.B) { benchmarkJobs(b, quiet(b), 32, "ok") }

// BenchmarkItems measures results with lists: each operation is one job with
// twenty items of 2 KB.
func BenchmarkItems(b *testing.B) {
	b.SetBytes(20 * 2000)
	benchmarkJobs(b, quiet(b), 32, "items 20 of 2000")
	b.ReportMetric(20*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

// benchmarkJobs does b.N jobs in one run.
func benchmarkJobs(b *testing.B, o pool.Options, batch int, url string) {
	p, err := pool.New(o)
	if err != nil {
		b.Fatal(err)
	}
	var id int64
	var answered int
	b.ReportAllocs()
	b.ResetTimer()
	err = p.Run(context.Background(), func(context.Context, int) ([]feeds.Job, error) {
		var js []feeds.Job
		for ; len(js) < batch && id < int64(b.N); id++ {
			js = append(js, feeds.Job{ID: id + 1, URL: url})
		}
		return js, nil
	}, func(_ feeds.Result, release func()) {
		answered++
		if release != nil {
			release()
		}
	})
	if err != nil || answered != b.N {
		b.Fatalf("%d of %d jobs answered: %v", answered, b.N, err)
	}
}
