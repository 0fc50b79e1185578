package main

import (
	"context"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/subs"
	"feedmill/internal/pool"
	"feedmill/internal/sandbox"
)

// BenchmarkIsolation compares what a round costs with sandbox and scoreboard and
// without both: the CPU time of the coordinator's pool and of all workers, from
// their start to their end, for the same feeds. Each iteration does both, in an
// order that changes. Reported are the median of the iterations' ratios and the
// interval that has the true median in 19 cases of 20; fewer than 30 iterations
// (-benchtime 30x) say little on a machine that is busy. The target is at most
// 1.03 with real feeds.
func BenchmarkIsolation(b *testing.B) {
	b.Run("real", func(b *testing.B) { benchmarkIsolation(b, startReal(b)) })
	b.Run("generated", func(b *testing.B) {
		benchmarkIsolation(b, startLoad(b, "--feeds", "2000", "--hosts", "200", "--items", "20", "--bytes", "1500"))
	})
}

func benchmarkIsolation(b *testing.B, l *load) {
	poolCPU(b, l.urls, true) // the origin makes its bodies
	var ratios, with, without []float64
	for b.Loop() {
		var isolated, bare time.Duration
		if len(ratios)%2 == 0 {
			isolated, bare = poolCPU(b, l.urls, false), poolCPU(b, l.urls, true)
		} else {
			bare, isolated = poolCPU(b, l.urls, true), poolCPU(b, l.urls, false)
		}
		ratios = append(ratios, float64(isolated)/float64(bare))
		with, without = append(with, isolated.Seconds()*1000), append(without, bare.Seconds()*1000)
	}
	low, high := medianWithin(ratios)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(with), "with-cpu-ms")
	b.ReportMetric(median(without), "without-cpu-ms")
	b.ReportMetric(low, "from")
	b.ReportMetric(median(ratios), "with/without")
	b.ReportMetric(high, "to")
}

// medianWithin returns the bounds between which the median of what all are a
// sample of lies in 19 cases of 20: order statistics, by the binomial
// distribution's normal approximation.
func medianWithin(all []float64) (low, high float64) {
	all = slices.Sorted(slices.Values(all))
	n := float64(len(all))
	reach := 1.96 * math.Sqrt(n) / 2
	return all[max(int(n/2-reach), 0)], all[min(int(math.Ceil(n/2+reach)), len(all)-1)]
}

// poolCPU has two real workers refresh the feeds of these URLs and returns the
// CPU time that they and this process took.
func poolCPU(b *testing.B, urls []string, bare bool) time.Duration {
	b.Helper()
	o := pool.Options{
		Path:    filepath.Join(programs, "worker"),
		Args:    []string{"--sandbox", "require"},
		Workers: 2,
		// Without a sandbox a worker has no bound on memory and collects
		// garbage as Go does: twice as often as with one. That would hide what
		// isolation costs, so here both have the same bound.
		MemLimit: sandbox.DefaultDataLimit / 10 * 6,
		Refresh:  feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	if bare {
		o.Args, o.NoScoreboard = []string{"--sandbox", "off"}, true
	} else {
		o.Refresh.Ports = subs.ConnectPorts([]feeds.Ref{{URL: urls[0]}}, o.Refresh)
	}
	before := cpuTime()
	p, err := pool.New(o)
	if err != nil {
		b.Fatal(err)
	}
	hands := make(chan []feeds.Job, len(urls)/32+1)
	for i := 0; i < len(urls); i += 32 {
		var batch []feeds.Job
		for k := i; k < min(i+32, len(urls)); k++ {
			batch = append(batch, feeds.Job{ID: int64(k + 1), URL: urls[k]})
		}
		hands <- batch
	}
	close(hands)
	failed := 0
	err = p.Run(b.Context(), func(context.Context, int) ([]feeds.Job, error) { return <-hands, nil }, func(r feeds.Result) {
		if r.Class != feeds.OK {
			failed++
		}
	})
	if err != nil || failed > 0 {
		b.Fatalf("%d feeds failed, %v", failed, err)
	}
	return p.Stats().CPU + cpuTime() - before
}
