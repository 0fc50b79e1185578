package refresh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// makeRefs returns feeds on hosts of the given sizes, mixed, with ids from 1.
func makeRefs(sizes []int, seed uint64) []feeds.Ref {
	var refs []feeds.Ref
	for h, n := range sizes {
		for f := range n {
			refs = append(refs, feeds.Ref{URL: fmt.Sprintf("http://h%d.example/%d.xml", h, f)})
		}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
	for i := range refs {
		refs[i].ID = int64(i + 1)
	}
	return refs
}

// singles returns n feeds on n hosts.
func singles(n int) []feeds.Ref {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = 1
	}
	return makeRefs(sizes, 0)
}

// memStore is a Store that keeps what it is given.
type memStore struct {
	mu     sync.Mutex
	refs   map[int64]feeds.Ref
	saves  [][]feeds.Outcome
	busy   bool
	holds  map[string]time.Time
	gone   map[int64]bool // ids that Jobs no longer knows
	jobErr error
	save   func(n int, outcomes []feeds.Outcome) ([]feeds.Saved, error) // n counts from 0
}

func newMemStore(refs []feeds.Ref) *memStore {
	s := &memStore{refs: make(map[int64]feeds.Ref)}
	for _, r := range refs {
		s.refs[r.ID] = r
	}
	return s
}

func (s *memStore) Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error) {
	if s.jobErr != nil {
		return nil, s.jobErr
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var jobs []feeds.Job
	for _, id := range ids {
		if !s.gone[id] {
			jobs = append(jobs, feeds.Job{ID: id, URL: s.refs[id].URL})
		}
	}
	return jobs, nil
}

func (s *memStore) Save(ctx context.Context, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
	s.mu.Lock()
	if s.busy {
		panic("Save was called twice at a time")
	}
	s.busy = true
	n := len(s.saves)
	s.saves = append(s.saves, slices.Clone(outcomes))
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.busy = false; s.mu.Unlock() }()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.save != nil {
		return s.save(n, outcomes)
	}
	return savedAs(outcomes), nil
}

func (s *memStore) Holds(context.Context, time.Time) (map[string]time.Time, error) {
	return s.holds, nil
}

// stored returns every outcome that was saved, by feed.
func (s *memStore) stored() map[int64]feeds.Outcome {
	all := make(map[int64]feeds.Outcome)
	for _, outcomes := range s.saves {
		for _, o := range outcomes {
			all[o.ID] = o
		}
	}
	return all
}

func savedAs(outcomes []feeds.Outcome) []feeds.Saved {
	saved := make([]feeds.Saved, len(outcomes))
	for i, o := range outcomes {
		saved[i] = feeds.Saved{ID: o.ID, New: o.New, Items: o.Seen}
	}
	return saved
}

// fakeRunner plays workers that ask one request at a time of each host and 16
// at a time in all, as real ones do by default. It checks what a round
// promises to a runner.
type fakeRunner struct {
	t       testing.TB
	workers int
	fetches int // requests under way; 0 means 16
	latency func(worker int, job feeds.Job) time.Duration
	result  func(job feeds.Job) feeds.Result // nil means ok
	fail    func(answered int) error         // a reason to give up; nil means none

	mu       sync.Mutex
	at       map[string]int // the worker that has a domain
	asked    map[int64]int  // by feed
	answered int
}

const fakeWindow = 128

type fakeJob struct {
	feeds.Job
	domain string
}

func (f *fakeRunner) Run(ctx context.Context, next Next, emit Emit) error {
	f.at, f.asked = make(map[string]int), make(map[int64]int)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan feeds.Result)
	var wg sync.WaitGroup
	for w := range f.workers {
		wg.Go(func() {
			if err := f.worker(ctx, w, next, results); err != nil {
				cancel(err)
			}
		})
	}
	go func() { wg.Wait(); close(results) }()
	var failed error
	for r := range results {
		emit(r)
		f.answered++
		if f.fail != nil && failed == nil {
			if failed = f.fail(f.answered); failed != nil {
				cancel(failed)
			}
		}
	}
	return failed
}

// worker is one worker. Its loop owns all that it knows.
func (f *fakeRunner) worker(ctx context.Context, w int, next Next, results chan<- feeds.Result) error {
	var (
		batches = make(chan []feeds.Job)
		ask     = make(chan struct{}, 1)
		ended   = make(chan fakeJob)
		queue   []fakeJob
		busy    = make(map[string]bool)
		running int
		open    = 0 // unanswered
		asking  bool
		more    = true
		nextErr error
	)
	go func() {
		for range ask {
			jobs, err := next(ctx, w)
			if err != nil {
				nextErr = err
			}
			batches <- jobs
		}
	}()
	defer close(ask)
	for more || asking || open > 0 {
		if more && !asking && open < fakeWindow {
			asking = true
			ask <- struct{}{}
		}
		if ctx.Err() != nil {
			for _, job := range queue { // drain
				results <- feeds.Result{ID: job.ID, Class: feeds.Cancelled}
				open--
			}
			queue, more = nil, false
			if !asking && open == 0 {
				break
			}
		}
		queue = f.begin(w, queue, busy, &running, ended)
		select {
		case jobs := <-batches:
			asking = false
			more = more && len(jobs) > 0
			queue = append(queue, f.check(w, jobs)...)
			open += len(jobs)
		case job := <-ended:
			delete(busy, job.domain)
			running--
			open--
			results <- f.answer(job.Job)
		}
	}
	return nextErr
}

// begin starts what may be started and returns what may not.
func (f *fakeRunner) begin(w int, queue []fakeJob, busy map[string]bool, running *int, ended chan<- fakeJob) []fakeJob {
	fetches := f.fetches
	if fetches == 0 {
		fetches = 16
	}
	return slices.DeleteFunc(queue, func(job fakeJob) bool {
		if *running >= fetches || busy[job.domain] {
			return false
		}
		busy[job.domain] = true
		*running++
		go func() {
			if f.latency != nil {
				time.Sleep(f.latency(w, job.Job)) // a virtual clock's
			}
			ended <- job
		}()
		return true
	})
}

func (f *fakeRunner) answer(job feeds.Job) feeds.Result {
	r := feeds.Result{Class: feeds.OK, Status: 200}
	if f.result != nil {
		r = f.result(job)
	}
	r.ID = job.ID
	return r
}

// check holds a round to what it promises.
func (f *fakeRunner) check(w int, jobs []feeds.Job) (checked []fakeJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, job := range jobs {
		f.asked[job.ID]++
		if f.asked[job.ID] > 1 {
			f.t.Errorf("feed %d was handed out %d times", job.ID, f.asked[job.ID])
		}
		domain := feeds.Domain(job.URL)
		if before, ok := f.at[domain]; ok && before != w {
			f.t.Errorf("%s was with worker %d and then with worker %d", domain, before, w)
		}
		f.at[domain] = w
		checked = append(checked, fakeJob{job, domain})
	}
	return checked
}

// reports collects what Stored is given, and checks that each ref has one.
type reports struct {
	byURL map[string]Report
	twice []string
}

func (r *reports) stored(rep Report) {
	if r.byURL == nil {
		r.byURL = make(map[string]Report)
	}
	if _, ok := r.byURL[rep.URL]; ok {
		r.twice = append(r.twice, rep.URL)
	}
	r.byURL[rep.URL] = rep
}

func (r *reports) check(t *testing.T, refs []feeds.Ref) {
	t.Helper()
	if len(r.twice) > 0 {
		t.Errorf("%d feeds were reported twice, such as %s", len(r.twice), r.twice[0])
	}
	for _, ref := range refs {
		if _, ok := r.byURL[ref.URL]; !ok {
			t.Fatalf("%s has no report; %d of %d feeds have one", ref.URL, len(r.byURL), len(refs))
		}
	}
	if got, want := len(r.byURL), len(refs); got != want {
		t.Errorf("%d feeds were reported, want %d", got, want)
	}
}
