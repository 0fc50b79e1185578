package refresh

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

func TestRoundAddsUpItsReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := makeRefs([]int{30, 10, 1, 1, 1}, 1)
		for i := range refs {
			refs[i].Fails = 2
		}
		store := newMemStore(refs)
		runner := &fakeRunner{t: t, workers: 2, latency: inTurn, result: func(job feeds.Job) feeds.Result {
			r := feeds.Result{Class: feeds.OK, New: 2, Seen: 20, Cost: feeds.Cost{Wire: 10, Fetch: 3, Parse: 2}}
			if job.ID%2 == 0 {
				r = feeds.Result{Class: feeds.Parse, Cost: feeds.Cost{Wire: 5}}
			}
			return r
		}}
		var got reports
		var planned []int
		finished := 0
		sum, err := Round(t.Context(), runner, store, refs, Options{
			Workers: 2, Stored: got.stored,
			Planned:  func(shards []int) { planned = shards },
			Finished: func(int, *feeds.Result) { finished++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		got.check(t, refs)
		sum.Wall = 0
		want := Summary{
			Feeds: 43, Classes: map[feeds.Class]int{feeds.OK: 22, feeds.Parse: 21},
			New: 44, Wire: 22*10 + 21*5,
		}
		if fmt.Sprint(sum) != fmt.Sprint(want) {
			t.Errorf("summary\n%v, want\n%v", sum, want)
		}
		if fmt.Sprint(planned) != "[30 13]" || finished != 43 {
			t.Errorf("planned %v and finished %d, want [30 13] and 43", planned, finished)
		}
		for id, o := range store.stored() {
			want := 0
			if o.Class == feeds.Parse {
				want = 3
			}
			if o.Fails != want || o.Domain == "" || !o.NextDue.After(o.At) {
				t.Errorf("feed %d (%s): %d failures, domain %q, due %v after; want %d, a domain, some time",
					id, o.Class, o.Fails, o.Domain, o.NextDue.Sub(o.At), want)
			}
		}
	})
}

func TestRoundOverNothingStartsNothing(t *testing.T) {
	sum, err := Round(t.Context(), nil, newMemStore(nil), nil, Options{})
	if err != nil || sum.Feeds != 0 {
		t.Errorf("round: %v, %d feeds; want nil, 0", err, sum.Feeds)
	}
}

// TestInterruptedRoundReportsEveryFeedOnce ends rounds at moments drawn from
// seeds: what was finished is stored, the rest is cancelled.
func TestInterruptedRoundReportsEveryFeedOnce(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			refs := makeRefs([]int{40, 20, 10, 5, 5, 1, 1, 1, 1, 1}, seed)
			store := newMemStore(refs)
			ctx, cancel := context.WithCancelCause(t.Context())
			runner := &fakeRunner{t: t, workers: 3, latency: func(int, feeds.Job) time.Duration { return time.Second }}
			interrupted := errors.New("interrupted by the test")
			time.AfterFunc(time.Duration(rng.Int64N(int64(45*time.Second))), func() { cancel(interrupted) })
			var got reports
			sum, err := Round(ctx, runner, store, refs, Options{Workers: 3, Seed: seed, Stored: got.stored})
			got.check(t, refs)
			cancelled := sum.Classes[feeds.Cancelled]
			if cancelled > 0 != errors.Is(err, interrupted) {
				t.Errorf("seed %d: round: %v with %d feeds cancelled", seed, err, cancelled)
			}
			if stored := len(store.stored()); stored+cancelled != len(refs) || stored != sum.Classes[feeds.OK] {
				t.Errorf("seed %d: %d feeds stored, classes %v; want each stored or cancelled", seed, stored, sum.Classes)
			}
			cancel(nil)
		})
	}
}

// TestADeadlineLeavesTheRestDue: what is done in time is stored, and the error
// counts what is not; one that comes after the end is none.
func TestADeadlineLeavesTheRestDue(t *testing.T) {
	for _, deadline := range []time.Duration{2500 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			refs := singles(100)
			store := newMemStore(refs)
			start := time.Now()
			runner := &fakeRunner{t: t, workers: 2, latency: func(int, feeds.Job) time.Duration { return time.Second }}
			sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Deadline: deadline})
			left := sum.Classes[feeds.Cancelled]
			var late *DeadlineError
			if errors.As(err, &late) != (left > 0) || late != nil && late.Left != left || (deadline == time.Hour) != (left == 0) {
				t.Errorf("deadline %v: %v with %d feeds left", deadline, err, left)
			}
			if took := time.Since(start); took > deadline+time.Second { // what is under way may finish
				t.Errorf("deadline %v: took %v", deadline, took)
			}
			if stored := len(store.stored()); stored+left != len(refs) {
				t.Errorf("deadline %v: %d stored, %d left, want %d in all", deadline, stored, left, len(refs))
			}
		})
	}
}

func TestRoundThatIsOverBeforeItBeginsStartsNothing(t *testing.T) {
	refs := singles(30)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got reports
	sum, err := Round(ctx, nil, newMemStore(refs), refs, Options{Workers: 2, Stored: got.stored})
	if !errors.Is(err, context.Canceled) || sum.Classes[feeds.Cancelled] != 30 {
		t.Errorf("round: %v, classes %v; want context.Canceled, 30 cancelled", err, sum.Classes)
	}
	got.check(t, refs)
}

func TestRunnerThatGivesUpLeavesNoFeedWithoutAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(500)
		store := newMemStore(refs)
		broken := errors.New("three workers died before they said hello")
		runner := &fakeRunner{t: t, workers: 2, latency: inTurn, fail: func(n int) error {
			if n == 100 {
				return broken
			}
			return nil
		}}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
		if !errors.Is(err, broken) {
			t.Errorf("round: %v, want %v", err, broken)
		}
		got.check(t, refs)
		if ok, stored := sum.Classes[feeds.OK], len(store.stored()); ok < 100 || ok != stored {
			t.Errorf("%d feeds ok and %d stored, want at least 100 of each", ok, stored)
		}
	})
}

// lazyRunner leaves jobs without a result.
type lazyRunner struct{}

func (lazyRunner) Run(ctx context.Context, next Next, emit Emit) error {
	_, err := next(ctx, 0)
	emit(feeds.Result{ID: 12345, Class: feeds.OK})
	return err
}

func TestRunnerThatForgetsJobsIsFoundOut(t *testing.T) {
	refs := singles(50)
	var got reports
	sum, err := Round(t.Context(), lazyRunner{}, newMemStore(refs), refs, Options{Workers: 1, Stored: got.stored})
	if err == nil || !strings.Contains(err.Error(), "50 jobs") {
		t.Errorf("round: %v, want an error that names 50 jobs", err)
	}
	got.check(t, refs)
	if sum.Classes[feeds.Cancelled] != 50 {
		t.Errorf("classes %v, want 50 cancelled", sum.Classes)
	}
}

// echoRunner gives each result twice.
type echoRunner struct{}

func (echoRunner) Run(ctx context.Context, next Next, emit Emit) error {
	for {
		jobs, err := next(ctx, 0)
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, job := range jobs {
			emit(feeds.Result{ID: job.ID, Class: feeds.OK})
			emit(feeds.Result{ID: job.ID, Class: feeds.Parse})
		}
	}
}

func TestSecondResultOfAJobIsIgnored(t *testing.T) {
	refs := singles(50)
	var got reports
	sum, err := Round(t.Context(), echoRunner{}, newMemStore(refs), refs, Options{Workers: 1, Stored: got.stored})
	if err != nil || sum.Classes[feeds.OK] != 50 {
		t.Errorf("round: %v, classes %v; want nil, 50 ok", err, sum.Classes)
	}
	got.check(t, refs)
}

func TestUnsubscribedFeedIsReportedAndNotAsked(t *testing.T) {
	refs := singles(100)
	store := newMemStore(refs)
	store.gone = map[int64]bool{1: true, 50: true, 99: true}
	runner := &fakeRunner{t: t, workers: 2}
	var got reports
	sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
	if err != nil || sum.Classes[feeds.OK] != 97 || sum.Classes[feeds.Cancelled] != 3 {
		t.Errorf("round: %v, classes %v; want nil, 97 ok, 3 cancelled", err, sum.Classes)
	}
	got.check(t, refs)
	if r := got.byURL[store.refs[50].URL]; r.Outcome.Detail != "no longer subscribed" {
		t.Errorf("detail %q, want it to say why", r.Outcome.Detail)
	}
}

func TestRoundWhoseFeedsAllVanishedEnds(t *testing.T) {
	refs := singles(10)
	store := newMemStore(refs)
	store.gone = make(map[int64]bool)
	for _, r := range refs {
		store.gone[r.ID] = true
	}
	sum, err := Round(t.Context(), &fakeRunner{t: t, workers: 2}, store, refs, Options{Workers: 2})
	if err != nil || sum.Classes[feeds.Cancelled] != 10 {
		t.Errorf("round: %v, classes %v; want nil, 10 cancelled", err, sum.Classes)
	}
}

func TestJobsThatCannotBeLoadedStopTheRound(t *testing.T) {
	refs := singles(100)
	store := newMemStore(refs)
	store.jobErr = errors.New("malformed page")
	var got reports
	_, err := Round(t.Context(), &fakeRunner{t: t, workers: 2}, store, refs, Options{Workers: 2, Stored: got.stored})
	if e, ok := errors.AsType[*StoreError](err); !ok || e.Op != "load jobs" {
		t.Errorf("round: %v, want a StoreError of load jobs", err)
	}
	got.check(t, refs)
}

// TestPacingOfADocumentLastsUntilTheNextOne: what a feed asked for is kept where no
// document was read, and replaced where one was.
func TestPacingOfADocumentLastsUntilTheNextOne(t *testing.T) {
	refs := singles(2)
	for i := range refs {
		refs[i].Pacing = feeds.Pacing{TTL: 6 * time.Hour, SkipHours: 1}
	}
	runner := &fakeRunner{t: t, workers: 1, result: func(job feeds.Job) feeds.Result {
		if job.ID == 1 {
			return feeds.Result{Class: feeds.NotModified, Status: 304}
		}
		return feeds.Result{Class: feeds.OK, Status: 200, Pacing: feeds.Pacing{TTL: 2 * time.Hour}}
	}}
	store := newMemStore(refs)
	if _, err := Round(t.Context(), runner, store, refs, Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]feeds.Pacing{1: {TTL: 6 * time.Hour, SkipHours: 1}, 2: {TTL: 2 * time.Hour}} {
		if got := store.stored()[id].Pacing; got != want {
			t.Errorf("feed %d: got %+v, want %+v", id, got, want)
		}
	}
}

// tagged is a memStore whose feeds have an ETag.
type tagged struct{ *memStore }

func (s tagged) Jobs(ctx context.Context, ids []int64) ([]feeds.Job, error) {
	jobs, err := s.memStore.Jobs(ctx, ids)
	for i := range jobs {
		jobs[i].Validators.ETag = "a"
	}
	return jobs, err
}

// TestAServerThatHasSaid304ForTooLongIsAskedInFull: its job comes without
// validators, and the others keep theirs.
func TestAServerThatHasSaid304ForTooLongIsAskedInFull(t *testing.T) {
	refs := singles(40)
	for i := range refs {
		refs[i].LastFull = time.Now().Add(-time.Duration(i%2) * 9 * 24 * time.Hour).Unix()
	}
	runner := &fakeRunner{t: t, workers: 1, result: func(job feeds.Job) feeds.Result {
		if got, want := job.Validators.ETag, []string{"a", ""}[(job.ID-1)%2]; got != want {
			t.Errorf("feed %d is asked with %q, want %q", job.ID, got, want)
		}
		return feeds.Result{Class: feeds.NotModified, Status: 304}
	}}
	if _, err := Round(t.Context(), runner, tagged{newMemStore(refs)}, refs, Options{Workers: 1}); err != nil {
		t.Error(err)
	}
}

func TestHeldDomainIsLeftAlone(t *testing.T) {
	for _, force := range []bool{false, true} {
		refs := makeRefs([]int{20, 5}, 1)
		store := newMemStore(refs)
		until := noon.Add(3 * time.Hour)
		store.holds = map[string]time.Time{"h0.example": until}
		runner := &fakeRunner{t: t, workers: 1}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{
			Workers: 1, Force: force, Stored: got.stored, Now: func() time.Time { return noon },
		})
		if err != nil {
			t.Fatal(err)
		}
		got.check(t, refs)
		wantHeld := 20
		if force {
			wantHeld = 0
		}
		if held := sum.Classes[feeds.HostBackoff]; held != wantHeld || len(runner.asked) != 25-wantHeld {
			t.Errorf("force %v: %d feeds held and %d asked, want %d and %d", force, held, len(runner.asked), wantHeld, 25-wantHeld)
		}
		for id, o := range store.stored() {
			if o.Class != feeds.HostBackoff {
				continue
			}
			if late := o.NextDue.Sub(until); late < 0 || late > time.Hour || o.Fails != 0 || !o.HoldUntil.IsZero() {
				t.Errorf("feed %d: due %v after the hold's end with %d failures and hold %v; want up to an hour, 0, none",
					id, late, o.Fails, o.HoldUntil)
			}
		}
	}
}

func TestRateLimitedHostIsAskedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := makeRefs([]int{100, 1, 1}, 1)
		store := newMemStore(refs)
		runner := &fakeRunner{t: t, workers: 2, latency: inTurn, result: func(job feeds.Job) feeds.Result {
			if strings.HasPrefix(job.URL, "http://h0.") {
				return feeds.Result{Class: feeds.RateLimited, Status: 429, Pacing: feeds.Pacing{RetryAfter: 2 * time.Hour}}
			}
			return feeds.Result{Class: feeds.OK, Status: 200}
		}}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
		if err != nil {
			t.Fatal(err)
		}
		got.check(t, refs)
		// What the worker already holds it answers itself; this one asks on.
		// It may be handed one more between an answer and what follows from it.
		if n, least := sum.Classes[feeds.HostBackoff], 100-groupAhead-1; n < least || sum.Classes[feeds.OK] != 2 {
			t.Errorf("classes %v, want at least %d host_backoff and 2 ok", sum.Classes, least)
		}
		for _, r := range got.byURL {
			o := r.Outcome
			if o.Class == feeds.HostBackoff && (o.Fails != 0 || o.NextDue.Sub(o.At) < time.Hour || !strings.Contains(o.Detail, "h0.example asked")) {
				t.Errorf("%s: %d failures, due after %v, detail %q", r.URL, o.Fails, o.NextDue.Sub(o.At), o.Detail)
			}
		}
	})
}

// TestValidatorsThatNoServerGaveAreNotSent: somebody wrote them into the store.
func TestValidatorsThatNoServerGaveAreNotSent(t *testing.T) {
	long := strings.Repeat("x", mostValidators)
	for _, tt := range []struct {
		v    feeds.Validators
		want bool
	}{
		{feeds.Validators{}, true},
		{feeds.Validators{ETag: `"a"`, LastModified: "Sun, 29 Nov 2026 12:00:00 GMT", URL: "https://a.example/b"}, true},
		{feeds.Validators{ETag: long + "x"}, false},
		{feeds.Validators{ETag: `"a"`, LastModified: long}, false},
		{feeds.Validators{ETag: `"a"`, URL: "nonsense"}, false},
		{feeds.Validators{ETag: `"a"`, URL: "file:///etc/passwd"}, false},
		{feeds.Validators{ETag: `"a"`, URL: "http://a.example/" + long}, false},
	} {
		if got := credible(&tt.v); got != tt.want {
			t.Errorf("%.80v: got %v, want %v", tt.v, got, tt.want)
		}
	}
}

// TestAHostThatAsksForPausesStarvesNoFeed: one that answers ten requests an hour, and then
// asks for ten minutes' pause, is asked for other feeds each hour, and each of a hundred is read.
func TestAHostThatAsksForPausesStarvesNoFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := makeRefs([]int{100}, 1)
		due, read := make([]time.Time, len(refs)), 0
		for hour := range 24 {
			var now []feeds.Ref
			for i, ref := range refs {
				if !due[i].After(time.Now()) {
					now = append(now, ref)
				}
			}
			asked := 0
			runner := &fakeRunner{t: t, workers: 1, result: func(feeds.Job) feeds.Result {
				if asked++; asked > 10 {
					return feeds.Result{Class: feeds.RateLimited, Status: 429, Pacing: feeds.Pacing{RetryAfter: 10 * time.Minute}}
				}
				return feeds.Result{Class: feeds.OK, Status: 200, Validators: feeds.Validators{ETag: `"a"`}}
			}}
			var got reports
			if _, err := Round(t.Context(), runner, newMemStore(now), now, Options{Workers: 1, Seed: uint64(hour + 1), Stored: got.stored}); err != nil {
				t.Fatal(err)
			}
			for _, r := range got.byURL {
				i := r.Outcome.ID - 1
				if due[i] = r.Outcome.NextDue; r.Outcome.Class == feeds.OK {
					if refs[i].LastFull == 0 {
						read++
					}
					refs[i].LastFull = r.Outcome.At.Unix()
				}
			}
			time.Sleep(time.Hour)
		}
		if read != len(refs) {
			t.Errorf("within a day %d feeds were read, want all %d", read, len(refs))
		}
	})
}
