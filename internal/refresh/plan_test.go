package refresh

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// corpusRefs returns the feeds of the corpus's list.
func corpusRefs(t testing.TB) []feeds.Ref {
	dir := os.Getenv("FEEDMILL_CORPUS")
	if dir == "" {
		t.Skip("FEEDMILL_CORPUS names no folder with a urls.txt")
	}
	f, err := os.Open(filepath.Join(dir, "urls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var refs []feeds.Ref
	for in := bufio.NewScanner(f); in.Scan(); {
		refs = append(refs, feeds.Ref{ID: int64(len(refs) + 1), URL: in.Text()})
	}
	return refs
}

// skewed returns n feeds with the host skew of the real web: some hosts with
// a twentieth of all feeds each, most with one.
func skewed(n int) []feeds.Ref {
	sizes := []int{n / 20, n / 27, n / 32, n / 52, n / 81, n / 150}
	left := n
	for _, s := range sizes {
		left -= s
	}
	for size := 60; size > 1; size -= 2 {
		if size*4 < left {
			sizes = append(sizes, size)
			left -= size
		}
	}
	for range left {
		sizes = append(sizes, 1)
	}
	return makeRefs(sizes, uint64(n))
}

func mustPlan(t testing.TB, refs []feeds.Ref, workers int, seed uint64) *plan {
	t.Helper()
	p, err := newPlan(refs, workers, seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func checkEven(t *testing.T, refs []feeds.Ref) {
	t.Helper()
	for _, workers := range []int{1, 2, 4, 8} {
		for seed := range uint64(2) {
			shards := mustPlan(t, refs, workers, seed).shards()
			least, most, sum := slices.Min(shards), slices.Max(shards), 0
			for _, n := range shards {
				sum += n
			}
			if sum != len(refs) || float64(most-least) > 0.05*float64(most) {
				t.Errorf("seed %d: shards %v of %d feeds, want them within 5 %% of each other", seed, shards, len(refs))
			}
		}
	}
}

// TestRoundOfTheRealListKeepsDomainsTogether plays a whole round; the runner
// checks that no domain is with two workers and no feed is handed out twice.
func TestRoundOfTheRealListKeepsDomainsTogether(t *testing.T) {
	refs := corpusRefs(t)
	_, did := wall(t, refs, 4, func(w int, job feeds.Job) time.Duration {
		return time.Duration(1+job.ID%7*int64(w+1)) * time.Millisecond
	})
	if n := did[0] + did[1] + did[2] + did[3]; n != len(refs) {
		t.Errorf("the workers did %v feeds, want %d in all", did, len(refs))
	}
}

func TestShardsAreEven(t *testing.T)               { checkEven(t, skewed(10_000)) }
func TestShardsOfTheRealListAreEven(t *testing.T)  { checkEven(t, corpusRefs(t)) }
func TestSameSeedGivesTheSamePlan(t *testing.T)    { checkSeeds(t, 7, 7, true) }
func TestAnotherSeedShufflesTheHosts(t *testing.T) { checkSeeds(t, 7, 8, false) }

func checkSeeds(t *testing.T, a, b uint64, same bool) {
	refs := skewed(1000)
	order := func(seed uint64) (ids []int64) {
		p := mustPlan(t, refs, 3, seed)
		for w := range 3 {
			ids = append(ids, p.take(t.Context(), w, 100)...)
		}
		return ids
	}
	if got := slices.Equal(order(a), order(b)); got != same {
		t.Errorf("seeds %d and %d give the same order: %v, want %v", a, b, got, same)
	}
}

func TestFeedGivenTwiceIsAnError(t *testing.T) {
	refs := []feeds.Ref{{ID: 1, URL: "http://a.example/"}, {ID: 1, URL: "http://b.example/"}}
	if _, err := newPlan(refs, 1, 0, nil); err == nil {
		t.Error("a plan of two feeds with one id was made, want an error")
	}
}

// TestEveryJobIsHandedOutOnce plays rounds in which workers ask and answer in
// a random order, and some answers drop what is left of their group.
func TestEveryJobIsHandedOutOnce(t *testing.T) {
	for seed := range uint64(300) {
		playPlan(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playPlan(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	sizes := make([]int, 1+rng.IntN(60))
	for i := range sizes {
		sizes[i] = 1 + rng.IntN(1<<rng.IntN(7))
	}
	refs := makeRefs(sizes, seed)
	workers := 1 + rng.IntN(5)
	p := mustPlan(t, refs, workers, seed)
	var (
		seen    = make(map[int64]int)
		at      = make(map[string]int)
		under   = make([][]int64, workers)
		over    = make([]bool, workers)
		perHost = make(map[string]int)
	)
	for !allTrue(over) || anyLeft(under) {
		w := rng.IntN(workers)
		if n := len(under[w]); n > 0 && (over[w] || rng.IntN(3) > 0) {
			i := rng.IntN(n)
			id := under[w][i]
			under[w] = slices.Delete(under[w], i, i+1)
			ref, ok := p.done(id)
			if worker := p.ordinal(ref).worker; !ok || worker != w || p.refs[ref].ID != id {
				t.Errorf("done(%d) = %d, %d, %v, want its ref, worker %d, true", id, ref, worker, ok, w)
			}
			if _, again := p.done(id); again {
				t.Errorf("done(%d) is true a second time", id)
			}
			perHost[feeds.Domain(p.refs[ref].URL)]--
			if rng.IntN(50) == 0 {
				for _, dropped := range p.drop(ref) {
					seen[p.refs[dropped].ID]++
				}
			}
			continue
		}
		ids, more := p.pick(w, 1+rng.IntN(32))
		if over[w] && len(ids) > 0 {
			t.Errorf("worker %d got jobs after it was told that there were none", w)
		}
		over[w] = len(ids) == 0 && !more
		for _, id := range ids {
			seen[id]++
			under[w] = append(under[w], id)
			domain := feeds.Domain(refs[id-1].URL)
			if before, ok := at[domain]; ok && before != w {
				t.Errorf("%s went from worker %d to worker %d", domain, before, w)
			}
			at[domain] = w
			if perHost[domain]++; perHost[domain] > groupAhead {
				t.Errorf("%s has %d unanswered jobs, want at most %d", domain, perHost[domain], groupAhead)
			}
		}
		if len(ids) == 0 && more && len(under[w]) == 0 {
			t.Errorf("worker %d waits with nothing under way", w)
			return
		}
	}
	for _, ref := range refs {
		if seen[ref.ID] != 1 {
			t.Errorf("feed %d was handed out or dropped %d times, want 1", ref.ID, seen[ref.ID])
		}
	}
	if rest := p.rest(); len(rest) != 0 || !p.quiet() {
		t.Errorf("%d jobs are left at the end, quiet %v; want 0, true", len(rest), p.quiet())
	}
}

func allTrue(bs []bool) bool { return !slices.Contains(bs, false) }

func anyLeft(lists [][]int64) bool {
	return slices.ContainsFunc(lists, func(l []int64) bool { return len(l) > 0 })
}

func TestTakeBlocksUntilAnAnswerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustPlan(t, makeRefs([]int{groupAhead + 1}, 1), 1, 1)
		var first []int64
		for len(first) < groupAhead {
			first = append(first, p.take(t.Context(), 0, 32)...)
		}
		got := make(chan []int64)
		go func() { got <- p.take(t.Context(), 0, 32) }()
		synctest.Wait()
		select {
		case ids := <-got:
			t.Fatalf("take returned %v with %d jobs of the host unanswered", ids, groupAhead)
		default:
		}
		p.done(first[0])
		if ids := <-got; len(ids) != 1 {
			t.Errorf("take returned %v after an answer, want one job", ids)
		}
		if ids := p.take(t.Context(), 0, 32); ids != nil {
			t.Errorf("take returned %v with all handed out, want none", ids)
		}
	})
}

func TestTakeEndsWithItsContextAndWithThePlan(t *testing.T) {
	for _, end := range []string{"context", "stop"} {
		synctest.Test(t, func(t *testing.T) {
			p := mustPlan(t, makeRefs([]int{100}, 1), 1, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for p.shards()[0] > 100-groupAhead {
				p.take(ctx, 0, 32)
			}
			done := make(chan []int64)
			go func() { done <- p.take(ctx, 0, 32) }()
			synctest.Wait()
			if end == "stop" {
				p.stop()
			} else {
				cancel()
			}
			if ids := <-done; ids != nil {
				t.Errorf("%s: take returned %v, want none", end, ids)
			}
			if dropped := p.drop(0); (len(dropped) > 0) != (end == "context") || len(dropped)+len(p.rest()) != 100 {
				t.Errorf("%s: %d jobs are dropped, want those that were not handed out, or none once the plan was stopped", end, len(dropped))
			}
		})
	}
}

func TestFirstBatchHasManyHosts(t *testing.T) {
	refs := skewed(5000)
	p := mustPlan(t, refs, 2, 1)
	hosts := make(map[string]bool)
	for _, id := range p.take(t.Context(), 0, 32) {
		hosts[feeds.Domain(refs[id-1].URL)] = true
	}
	if len(hosts) < 8 {
		t.Errorf("a batch of 32 has %d hosts, want at least 8", len(hosts))
	}
}

// TestAHostGetsTwoJobsAtATime, of which the second is where the connection of the first
// is open.
func TestAHostGetsTwoJobsAtATime(t *testing.T) {
	refs := makeRefs([]int{4, 4, 1, 4}, 1)
	p := mustPlan(t, refs, 1, 1)
	var got []string
	for _, limit := range []int{5, 1, 1} {
		ids, _ := p.pick(0, limit)
		for _, id := range ids {
			got = append(got, feeds.Domain(refs[id-1].URL))
		}
	}
	if len(got) != 7 || got[0] != got[1] || got[2] != got[3] || got[4] != got[5] || got[0] == got[2] || got[0] == got[4] || got[2] == got[4] {
		t.Errorf("the first seven jobs are of %v, want two of each of three hosts first", got)
	}
}

// wall plays a round on a virtual clock and returns how long it took, and how
// many feeds each worker did.
func wall(t *testing.T, refs []feeds.Ref, workers int, latency func(int, feeds.Job) time.Duration) (took time.Duration, did []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		did = make([]int, workers)
		runner := &fakeRunner{t: t, workers: workers, latency: latency}
		sum, err := Round(t.Context(), runner, newMemStore(refs), refs, Options{
			Workers:  workers,
			Finished: func(worker int, _ *feeds.Result) { did[worker]++ },
		})
		if err != nil || sum.Classes[feeds.OK] != len(refs) {
			t.Fatalf("round: %v, classes %v; want nil, %d ok", err, sum.Classes, len(refs))
		}
		took = time.Since(start)
	})
	return took, did
}

// TestRoundDoesNotEndWithOneLongHost holds a round to the time that its
// longest host needs on its own, when the rest fits beside it.
func TestRoundDoesNotEndWithOneLongHost(t *testing.T) {
	refs := skewed(4000)
	lat := func(int, feeds.Job) time.Duration { return 100 * time.Millisecond }
	took, _ := wall(t, refs, 2, lat)
	alone := 4000 / 20 * 100 * time.Millisecond
	if took > alone*105/100 {
		t.Errorf("the round took %v, want at most 5 %% over the %v of its longest host", took, alone)
	}
}

func TestIdleWorkerTakesFromASlowOne(t *testing.T) {
	refs := singles(2000)
	slow := func(w int, _ feeds.Job) time.Duration {
		if w == 0 {
			return time.Second
		}
		return 100 * time.Millisecond
	}
	took, did := wall(t, refs, 2, slow)
	// 16 requests at a time: 160 and 16 a second, so 2000 feeds need 11.4 s;
	// the slow worker's last window may be 8 s of its own.
	if want := 20 * time.Second; took > want {
		t.Errorf("the round took %v and the workers did %v, want at most %v", took, did, want)
	}
	if did[1] < 4*did[0] {
		t.Errorf("the slow worker did %d feeds and the fast one %d, want the fast one to do most", did[0], did[1])
	}
}

// TestABusyWorkerTakesNothingFromOthers: only who is nearly done with its own.
func TestABusyWorkerTakesNothingFromOthers(t *testing.T) {
	p := mustPlan(t, singles(200), 2, 1)
	p.pick(1, 1) // so that it has begun
	own, _ := p.pick(0, 200)
	for n, id := range own {
		left := len(own) - n
		if ids, more := p.pick(0, 1); (len(ids) > 0) != (left < stealBelow) || !more {
			t.Fatalf("with %d unanswered it is given %v, more %v, want another's when they are below %d", left, ids, more, stealBelow)
		} else if len(ids) > 0 {
			break
		}
		p.done(id)
	}
}

// TestFewHostsAreLeftToWhoeverHasNotAskedYet: of a list of eight hosts the last
// of three workers to ask has its share, though the others have room for all;
// if it never asks, they do its share once they have nothing else.
func TestFewHostsAreLeftToWhoeverHasNotAskedYet(t *testing.T) {
	p := mustPlan(t, makeRefs(slices.Repeat([]int{50}, 8), 1), 3, 1)
	var taken []int64
	for _, worker := range []int{0, 1} {
		for ids := []int64{0}; len(ids) > 0; {
			ids, _ = p.pick(worker, 16)
			taken = append(taken, ids...)
		}
	}
	if ids, _ := p.pick(2, 16); len(ids) == 0 {
		t.Errorf("nothing is left to the worker that asks last, after %d of 400 jobs", len(taken))
	}

	p = mustPlan(t, makeRefs(slices.Repeat([]int{50}, 8), 1), 3, 1)
	done := 0
	for busy := true; busy; {
		busy = false
		for _, worker := range []int{0, 1} {
			ids, _ := p.pick(worker, 16)
			for _, id := range ids {
				p.done(id)
				done++
				busy = true
			}
		}
	}
	if done != 400 {
		t.Errorf("two of three workers did %d jobs, want all 400", done)
	}
}

func TestWorkerThatStartsFirstLeavesTheOthersTheirShards(t *testing.T) {
	refs := makeRefs(slices.Repeat([]int{5}, 40), 1)
	p := mustPlan(t, refs, 2, 1)
	n := 0
	for {
		ids, _ := p.pick(0, 32)
		if len(ids) == 0 {
			break
		}
		n += len(ids)
	}
	if n != 100 {
		t.Errorf("the first worker was given %d jobs before the second asked, want its shard of 100", n)
	}
}

func BenchmarkPlan(b *testing.B) {
	refs := skewed(100_000)
	for _, workers := range []int{2, 8} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := newPlan(refs, workers, 1, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(refs)), "ns/feed")
		})
	}
}

func BenchmarkTake(b *testing.B) {
	refs := skewed(100_000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p, err := newPlan(refs, 2, 1, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		takeAll(p)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(refs)), "ns/feed")
}

// takeAll takes and answers every job with a window for each of two workers.
func takeAll(p *plan) {
	var under [2][]int64
	for more := true; more; {
		more = false
		for w := range under {
			ids, again := p.pick(w, 32)
			more = more || again || len(ids) > 0
			under[w] = append(under[w], ids...)
			for len(under[w]) > fakeWindow-32 || (len(ids) == 0 && len(under[w]) > 0) {
				p.done(under[w][0])
				under[w] = under[w][1:]
			}
		}
	}
}

func TestPlanOfManyFeedsIsSmall(t *testing.T) {
	refs := skewed(100_000)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	p := mustPlan(t, refs, 2, 1)
	after := heap()
	runtime.KeepAlive(p)
	if got := (after - before) / uint64(len(refs)); got > 100 {
		t.Errorf("the plan takes %d bytes a feed, want at most 100", got)
	}
	runtime.KeepAlive(refs)
}
