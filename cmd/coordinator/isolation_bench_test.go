package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/pool"
)

// BenchmarkIsolation compares what workers cost with sandbox and scoreboard and
// without both: the CPU time of all of them for a round of the same feeds, from
// start to end. Each iteration does both, in an order that changes; the median
// of the iterations' ratios is reported. The target is at most 1.03.
func BenchmarkIsolation(b *testing.B) {
	l := startLoad(b, "--feeds", "2000", "--hosts", "200", "--items", "20", "--bytes", "1500")
	var ratios []float64
	for b.Loop() {
		withFirst := len(ratios)%2 == 0
		first := workersCPU(b, l.urls, !withFirst)
		second := workersCPU(b, l.urls, withFirst)
		ratio := float64(first) / float64(second)
		if !withFirst {
			ratio = 1 / ratio
		}
		ratios = append(ratios, ratio)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ratios), "with/without")
}

// workersCPU has two real workers refresh the feeds of these URLs and returns
// the CPU time that they took.
func workersCPU(b *testing.B, urls []string, bare bool) time.Duration {
	b.Helper()
	o := pool.Options{
		Path:    filepath.Join(programs, "worker"),
		Args:    []string{"--sandbox", "require"},
		Workers: 2,
		Refresh: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	if bare {
		o.Args, o.NoScoreboard = []string{"--sandbox", "off"}, true
	}
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
	err = p.Run(b.Context(), func(context.Context, int) ([]feeds.Job, error) { return <-hands, nil }, func(r feeds.Result, _ func()) {
		if r.Class != feeds.OK {
			failed++
		}
	})
	if err != nil || failed > 0 {
		b.Fatalf("%d feeds failed, %v", failed, err)
	}
	return p.Stats().CPU
}
