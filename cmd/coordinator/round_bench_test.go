package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"

	"feedmill/internal/feeds"
)

// The benchmarks here time whole rounds of the real programs, from the start
// of the coordinator to its end, with the durable store on disk, and divide
// them by what a bare client needs that already runs: what is compared with a
// target is never flattered. make bench-round runs them and says which numbers
// are targets.

// bodies is the load of the rounds that are about bodies.
var bodies = []string{"--hosts", "100", "--items", "20", "--bytes", "1500"}

// A program is the coordinator as an arm of a benchmark.
type program struct {
	mode string
	args []string // of refresh, besides mode and workers
	db   string   // the store; empty means a new one for each round
	want feeds.Class
	outs []output
}

// round refreshes once with two workers. Every feed must end as wanted.
func (p *program) round(b testing.TB) cost {
	b.Helper()
	db := p.db
	if db == "" {
		db = filepath.Join(b.TempDir(), "feeds.db")
	}
	out := refreshed(b, db, append([]string{"-n", "2", "--mode", p.mode}, p.args...)...)
	if n := out.classes()[p.want]; out.summary == nil || n != out.summary.Feeds {
		b.Fatalf("%s: %d feeds ended as %s, want all\n%s%s", p.mode, n, p.want, out.stderr, out.failures())
	}
	p.outs = append(p.outs, out)
	return cost{out.wall, out.cpu}
}

func (p *program) arm(b *testing.B) arm {
	return arm{p.mode, func() cost { return p.round(b) }}
}

// reportAround says what of the commands' time was around the rounds: starting,
// opening the store, finding what is due, closing.
func (p *program) reportAround(b *testing.B) {
	var around []time.Duration
	for _, o := range p.outs {
		around = append(around, o.wall-time.Duration(o.summary.WallMS)*time.Millisecond)
	}
	b.ReportMetric(float64(median(around).Milliseconds()), p.mode+"-around-ms")
}

// BenchmarkRoundCold is a round in which every feed is new, against fetch and
// gofeed alone; with the parser that fits, and with gofeed here as well.
func BenchmarkRoundCold(b *testing.B) {
	l := startLoad(b, append([]string{"--feeds", "500"}, bodies...)...)
	benchmarkCold(b, l, 0.4)
}

// BenchmarkRoundColdReal is the same with real feeds, each on a host of its
// own and several times over.
func BenchmarkRoundColdReal(b *testing.B) { benchmarkCold(b, startReal(b), 0.5) }

// startReal serves real feeds, each on a host of its own and several times over.
func startReal(b *testing.B) *load {
	b.Helper()
	if !manyHosts() {
		b.Skip("this system answers on one loopback address only")
	}
	dir := filepath.Join(corpus(b), "real")
	l := startLoad(b, "--feeds", "-1", "--dir", dir)
	readable := readableFeeds(b, dir)
	var urls []string
	for copies := range 12 {
		for i, name := range readable {
			// The origin's first host is 127.0.0.1; it answers on all others.
			urls = append(urls, fmt.Sprintf("http://127.0.%d.%d%s/dir/%s", copies, i+1, l.base[len("http://127.0.0.1"):], name))
		}
	}
	l.take(b, urls)
	return l
}

// readableFeeds returns the names of the files that gofeed reads.
func readableFeeds(b *testing.B, dir string) []string {
	files, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, f := range files {
		body, err := os.Open(filepath.Join(dir, f.Name()))
		if err != nil {
			b.Fatal(err)
		}
		if feed, err := gofeed.NewParser().Parse(body); err == nil && len(feed.Items) > 0 {
			names = append(names, f.Name())
		}
		body.Close()
	}
	return names
}

func benchmarkCold(b *testing.B, l *load, target float64) {
	alone := &bare{urls: l.urls, use: parseAlone}
	pipe := &program{mode: "pipe", args: []string{"--list", l.list}, want: feeds.OK}
	goroutine := &program{mode: "goroutine", args: pipe.args, want: feeds.OK}
	same := &program{mode: "pipe", args: append(pipe.args, "--parser", "gofeed"), want: feeds.OK}
	alone.round(b) // the origin makes its bodies
	t := inTurn(b, func() {},
		arm{"gofeed", func() cost { return alone.round(b) }},
		pipe.arm(b), goroutine.arm(b),
		arm{"same-parser", func() cost { return same.round(b) }})
	pipe.reportAround(b)
	t.report(b, "pipe", "gofeed")
	b.ReportMetric(target, "pipe/gofeed-at-most")
	t.report(b, "same-parser", "gofeed")
	b.ReportMetric(1.10, "same-parser/gofeed-at-most")
	t.report(b, "pipe", "goroutine")
	b.ReportMetric(1.05, "pipe/goroutine-at-most")
}

// filled returns a store that has refreshed the load once.
func (l *load) filled(b testing.TB) string {
	b.Helper()
	db := filepath.Join(b.TempDir(), "feeds.db")
	refreshed(b, db, "--list", l.list, "-n", "2").want(b, exitOK)
	return db
}

// benchmarkAgain times rounds over feeds that are stored already, each ending
// as want, against a bare client. before comes before each iteration.
func benchmarkAgain(b *testing.B, l *load, client *bare, want feeds.Class, before func(), target float64) {
	pipe := &program{mode: "pipe", args: []string{"--force"}, want: want, db: l.filled(b)}
	goroutine := &program{mode: "goroutine", args: pipe.args, want: want, db: l.filled(b)}
	t := inTurn(b, before,
		arm{"bare", func() cost { return client.round(b) }},
		pipe.arm(b), goroutine.arm(b))
	pipe.reportAround(b)
	b.ReportMetric(1/t.report(b, "pipe", "bare"), "pipe-rate/bare-rate")
	b.ReportMetric(target, "pipe-rate/bare-rate-at-least")
	t.report(b, "pipe", "goroutine")
}

// BenchmarkRoundNotModified is a round in which every feed answers 304,
// against a client that makes the same requests.
func BenchmarkRoundNotModified(b *testing.B) {
	l := startLoad(b, append([]string{"--feeds", "2000"}, bodies...)...)
	client := &bare{urls: l.urls, etags: etagsOf(b, l.urls), use: readOnly}
	benchmarkAgain(b, l, client, feeds.NotModified, func() {}, 0.4)
}

// BenchmarkRoundUnchanged is a round in which no server knows validators and
// no body has changed, against a client that reads the bodies.
func BenchmarkRoundUnchanged(b *testing.B) {
	l := startLoad(b, append([]string{"--feeds", "1000", "--no-validators"}, bodies...)...)
	benchmarkAgain(b, l, &bare{urls: l.urls, use: readOnly}, feeds.Unchanged, func() {}, 0.4)
}

// BenchmarkRoundNews is a round in which every feed has one new item of
// twenty, against a client that reads the bodies.
func BenchmarkRoundNews(b *testing.B) {
	l := startLoad(b, append([]string{"--feeds", "1000"}, bodies...)...)
	client := &bare{urls: l.urls, use: readOnly}
	benchmarkAgain(b, l, client, feeds.OK, func() {
		l.moveOn(b)
		client.round(b) // the origin makes its bodies
	}, 0.3)
}

// largeLists is the variable that lets BenchmarkRoundLarge run: it needs some
// minutes.
const largeLists = "FEEDMILL_LARGE"

// BenchmarkRoundLarge compares the cost of a feed on lists of 1,000 and of
// 100,000 small ones that are spread over hosts as real ones are, and looks at
// the coordinator's memory and at the time from its start to its first answer.
func BenchmarkRoundLarge(b *testing.B) {
	if os.Getenv(largeLists) == "" {
		b.Skipf("%s is not set: it takes minutes", largeLists)
	}
	if !manyHosts() {
		b.Skip("this system answers on one loopback address only")
	}
	const small, large = 1_000, 100_000
	l := make(largeRounds)
	for b.Loop() {
		// Most of the small rounds' time is not theirs alone to decide.
		for _, n := range []int{small, small, small, large, small, small} {
			l.add(b, n)
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, kind := range []string{"cold", "again"} {
		b.ReportMetric(l.of(kind, large)/1000, kind+"-ms/feed")
		b.ReportMetric(l.of(kind, large)/l.of(kind, small), kind+"-large/small")
		b.ReportMetric(l.of(kind+"-cpu", large)/l.of(kind+"-cpu", small), kind+"-cpu-large/small")
	}
	b.ReportMetric(1.15, "large/small-at-most")
	b.ReportMetric(l.of("peak", large)/(1<<20), "peak-MB")
	b.ReportMetric(200, "peak-MB-at-most")
	b.ReportMetric(l.of("begin", large)/1e6, "begin-s")
	b.ReportMetric(1, "begin-s-at-most")
}

// largeRounds are figures of rounds over large lists, by what they are and
// how many feeds the list had: microseconds a feed, bytes, or microseconds.
type largeRounds map[string][]float64

func (l largeRounds) note(what string, feeds int, v float64) {
	key := fmt.Sprint(what, feeds)
	l[key] = append(l[key], v)
}

func (l largeRounds) of(what string, feeds int) float64 { return median(l[fmt.Sprint(what, feeds)]) }

// add refreshes n small feeds twice: all new, and all as they were.
func (l largeRounds) add(b *testing.B, n int) {
	b.Helper()
	site := startLoad(b, "--feeds", fmt.Sprint(n), "--skew", "--items", "3", "--bytes", "200")
	defer site.stop()
	cold := &program{mode: "pipe", args: []string{"--list", site.list}, want: feeds.OK, db: filepath.Join(b.TempDir(), "feeds.db")}
	again := &program{mode: "pipe", args: []string{"--force"}, want: feeds.NotModified, db: cold.db}
	l.noteRound(b, "cold", n, cold)
	begin := make(chan time.Duration)
	go func() {
		start := time.Now()
		for site.notModified(b) == 0 {
			time.Sleep(time.Millisecond)
		}
		begin <- time.Since(start)
	}()
	l.noteRound(b, "again", n, again)
	l.note("begin", n, float64((<-begin).Microseconds()))
}

func (l largeRounds) noteRound(b *testing.B, what string, n int, p *program) {
	c := p.round(b)
	l.note(what, n, float64(c.wall.Microseconds())/float64(n))
	l.note(what+"-cpu", n, float64(c.cpu.Microseconds())/float64(n))
	l.note("peak", n, float64(p.outs[0].summary.PeakRSS.Coordinator))
}
