//go:build unix

package pool_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/pool"
)

// jobs returns n jobs with numbers from 1 on. URLs are given to the jobs that
// the map names, others go well.
func jobs(n int, urls map[int64]string) []feeds.Job {
	js := make([]feeds.Job, n)
	for i := range js {
		id := int64(i + 1)
		js[i] = feeds.Job{ID: id, URL: "ok"}
		if u := urls[id]; u != "" {
			js[i].URL = u
		}
	}
	return js
}

// A round hands jobs to the workers in turn, batch by batch, and collects the
// results.
type round struct {
	jobs    map[int64]feeds.Job
	hands   []chan []feeds.Job // by worker
	results map[int64]feeds.Result
	twice   []int64
	busy    atomic.Int32
	onEmit  func(feeds.Result) // may be nil
}

func newRound(js []feeds.Job, workers, batch int) *round {
	r := &round{jobs: map[int64]feeds.Job{}, results: map[int64]feeds.Result{}}
	for range workers {
		r.hands = append(r.hands, make(chan []feeds.Job, len(js)))
	}
	for i := 0; i < len(js); i += batch {
		some := js[i:min(i+batch, len(js))]
		r.hands[i/batch%workers] <- some
		for _, j := range some {
			r.jobs[j.ID] = j
		}
	}
	for _, h := range r.hands {
		close(h)
	}
	return r
}

func (r *round) next(ctx context.Context, w int) ([]feeds.Job, error) {
	select {
	case js := <-r.hands[w]:
		return js, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *round) emit(res feeds.Result) {
	if r.busy.Add(1) != 1 {
		panic("emit called twice at once")
	}
	defer r.busy.Add(-1)
	if _, again := r.results[res.ID]; again {
		r.twice = append(r.twice, res.ID)
	}
	r.results[res.ID] = res
	if r.onEmit != nil {
		r.onEmit(res)
	}
}

// run runs the round in a new pool and returns that pool and Run's error.
func (r *round) run(tb testing.TB, ctx context.Context, o pool.Options) (*pool.Pool, error) {
	tb.Helper()
	p, err := pool.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	err = p.Run(ctx, r.next, r.emit)
	if stalled, ok := errors.AsType[*pool.StallError](err); ok {
		tb.Log(stalled.Report)
	}
	return p, err
}

// check fails the test unless each job was emitted once, with the class that
// classes has for its URL, OK where it has none, and the right items.
func (r *round) check(tb testing.TB, classes map[string]feeds.Class) {
	tb.Helper()
	if len(r.twice) > 0 {
		tb.Errorf("emitted more than once: jobs %v", r.twice)
	}
	if len(r.results) != len(r.jobs) {
		tb.Errorf("%d results for %d jobs", len(r.results), len(r.jobs))
	}
	for id, j := range r.jobs {
		got, found := r.results[id]
		class, odd := classes[j.URL]
		if !odd {
			class = feeds.OK
		}
		switch {
		case !found:
			tb.Errorf("job %d (%s) has no result", id, j.URL)
		case got.Class != class:
			tb.Errorf("job %d (%s) ended as %s (%s), want %s", id, j.URL, got.Class, got.Detail, class)
		case class == feeds.OK && !reflect.DeepEqual(got.Items, want(j).Items):
			tb.Errorf("job %d (%s): %d items, want %d, or they differ", id, j.URL, len(got.Items), len(want(j).Items))
		}
	}
}

func TestEveryJobIsAnsweredOnceThoughAWorkerMisbehaves(t *testing.T) {
	tests := []struct {
		name   string
		arg    int
		deaths int
		pipe   bool // it is about stdout as the way of frames
	}{
		{"good", 0, 0, false},
		{"floods stderr", 0, 0, false},
		{"dies at byte", 3000, 1, true},
		{"prints", 40, 1, true},
		{"wrong id", 0, 1, false},
		{"foreign items", 0, 1, false},
		{"answers twice", 0, 1, false},
		{"wrong sequence", 0, 1, true},
		{"says Bye early", 0, 1, false},
		{"gives orders", 0, 1, false},
		{"leaves without Bye", 0, 1, false},
		{"closes stdout", 0, 1, false},
		{"hangs", 0, 1, false},
	}
	inEveryMode(t, func(t *testing.T, mode carrier.Mode) {
		for _, tt := range tests {
			if tt.pipe && mode != carrier.Pipe {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				o := onlyOnce(t, as(t, tt.name, tt.arg))
				o.Mode = mode
				if tt.name == "hangs" {
					o.HangAfter = 500 * time.Millisecond
				}
				r := newRound(jobs(300, nil), o.Workers, 16)
				p, err := r.run(t, t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				r.check(t, nil)
				// Where workers take what they do from a queue, one of them may
				// find nothing left.
				s := p.Stats()
				if s.Deaths != tt.deaths || s.Spawns > o.Workers+tt.deaths || mode == carrier.Pipe && s.Spawns < o.Workers+tt.deaths {
					t.Errorf("%d deaths of %d processes, want %d of %d", s.Deaths, s.Spawns, tt.deaths, o.Workers+tt.deaths)
				}
			})
		}
	})
}

func TestASlowStoreIsNoHang(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	o.HangAfter = 500 * time.Millisecond
	r := newRound(jobs(60, nil), o.Workers, 10)
	r.onEmit = func(feeds.Result) {
		if len(r.results) == 20 {
			time.Sleep(3 * o.HangAfter)
		}
	}
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Deaths != 0 {
		t.Errorf("%d workers were killed", s.Deaths)
	}
}

func TestNextMayKeepAWorkerWaiting(t *testing.T) {
	t.Parallel()
	o := as(t, "good")
	o.Workers, o.HangAfter = 1, 400*time.Millisecond
	r := newRound(jobs(2, nil), 1, 1)
	calls := 0
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Run(t.Context(), func(ctx context.Context, w int) ([]feeds.Job, error) {
		if calls++; calls == 2 {
			time.Sleep(2 * o.HangAfter)
		}
		return r.next(ctx, w)
	}, r.emit)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Spawns != 1 || s.Deaths != 0 {
		t.Errorf("%d processes, %d deaths, want one that waits", s.Spawns, s.Deaths)
	}
}

func TestAnErrorOfNextEndsTheRun(t *testing.T) {
	o := as(t, "good")
	boom := errors.New("boom")
	r := newRound(jobs(8, map[int64]string{8: "wait"}), o.Workers, 4)
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var handed atomic.Int64
	err = p.Run(t.Context(), func(ctx context.Context, w int) ([]feeds.Job, error) {
		js, err := r.next(ctx, w)
		if len(js) == 0 {
			return nil, boom
		}
		handed.Add(int64(len(js)))
		return js, err
	}, r.emit)
	if !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if len(r.results) != int(handed.Load()) || len(r.twice) > 0 {
		t.Errorf("%d results and %v twice, want %d and none", len(r.results), r.twice, handed.Load())
	}
}

func TestLongListsArriveWhole(t *testing.T) { inEveryMode(t, longLists) }

func longLists(t *testing.T, mode carrier.Mode) {
	o := as(t, "good")
	o.Mode = mode
	r := newRound(jobs(6, map[int64]string{2: "items 5000 of 400", 5: "items 3 of 3000000"}), o.Workers, 3)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
	if s := p.Stats(); s.Received < 11_000_000 {
		t.Errorf("%d bytes received, want all items to be counted", s.Received)
	}
}

func TestShardsFitTheFramesOfTheWorker(t *testing.T) {
	t.Parallel()
	o := as(t, "small frames")
	js := jobs(64, map[int64]string{9: "too much is known"})
	for i := range js {
		js[i].Known = make([]feeds.Known, 3000) // 75 KB, and 32 jobs go together
	}
	js[8].Known = make([]feeds.Known, 100_000)
	for i := range js[8].Known {
		js[8].Known[i].Hash = 1 << 63
	}
	r := newRound(js, o.Workers, 32)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"too much is known": feeds.LimitSize})
	if s := p.Stats(); s.Deaths != 0 {
		t.Errorf("%d deaths, want none", s.Deaths)
	}
}

func TestAResultOverTheLimitIsOneFailedJob(t *testing.T) { inEveryMode(t, resultOverTheLimit) }

func resultOverTheLimit(t *testing.T, mode carrier.Mode) {
	o := as(t, "good")
	o.Mode = mode
	r := newRound(jobs(6, map[int64]string{2: "items 1 of 70000000"}), o.Workers, 3)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]feeds.Class{"items 1 of 70000000": feeds.LimitSize})
	if s := p.Stats(); s.Deaths != 0 {
		t.Errorf("%d deaths, want none", s.Deaths)
	}
}

func TestAHundredThousandJobsInOneShardDoNotDeadlock(t *testing.T) { inEveryMode(t, hundredThousand) }

func hundredThousand(t *testing.T, mode carrier.Mode) {
	o := as(t, "reads slowly")
	o.Mode = mode
	o.Workers, o.Refresh.Fetches = 1, 50_000
	r := newRound(jobs(100_000/fewer, nil), 1, 100_000)
	if _, err := r.run(t, t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r.check(t, nil)
}

func TestStatsTellWhatWorkersCost(t *testing.T) {
	o := as(t, "good")
	r := newRound(jobs(100, nil), o.Workers, 10)
	p, err := r.run(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Stats()
	if s.Sent == 0 || s.Received == 0 || s.CPU == 0 || s.Sandbox != "none (test)" || len(s.PeakRSS) != o.Workers {
		t.Errorf("got %+v, want every field filled in", s)
	}
	if runtime.GOOS == "linux" {
		for w, peak := range s.PeakRSS {
			if peak < 1<<20 || peak > 1<<30 {
				t.Errorf("worker %d had %d bytes resident, which cannot be", w, peak)
			}
		}
	}
}
