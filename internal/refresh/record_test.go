package refresh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"feedmill/internal/feeds"
)

// instantly is a latency.
func instantly(int, feeds.Job) time.Duration { return 0 }

func TestOutcomesAreCommittedInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(3000)
		store := newMemStore(refs)
		sum, err := Round(t.Context(), &fakeRunner{t: t, workers: 2, latency: instantly}, store, refs, Options{Workers: 2})
		if err != nil || sum.Feeds != len(refs) {
			t.Fatalf("round: %v, %d feeds; want nil, %d", err, sum.Feeds, len(refs))
		}
		for _, outcomes := range store.saves {
			if len(outcomes) > commitOutcomes {
				t.Errorf("a commit has %d outcomes, want at most %d", len(outcomes), commitOutcomes)
			}
		}
		if n, want := len(store.saves), len(refs)/commitOutcomes+2; n > want {
			t.Errorf("%d outcomes took %d commits, want at most %d", len(refs), n, want)
		}
	})
}

func TestOutcomeWaitsNoLongerThanItMust(t *testing.T) {
	for _, tt := range []struct {
		name string
		refs int
		want time.Duration // from the first result to its commit
	}{
		{"alone", 1, 0},
		{"beside a slow host", 2, commitAfter},
	} {
		synctest.Test(t, func(t *testing.T) {
			refs := singles(tt.refs)
			store := newMemStore(refs)
			var first, commit time.Time
			store.save = func(n int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
				if n == 0 {
					commit = time.Now()
				}
				return savedAs(outcomes), nil
			}
			runner := &fakeRunner{t: t, workers: 1, latency: func(_ int, job feeds.Job) time.Duration {
				return time.Duration(job.ID) * time.Second
			}}
			_, err := Round(t.Context(), runner, store, refs, Options{Workers: 1, Finished: func(int, *feeds.Result) {
				if first.IsZero() {
					first = time.Now()
				}
			}})
			if got := commit.Sub(first); err != nil || got != tt.want {
				t.Errorf("%s: committed after %v with error %v, want %v and nil", tt.name, got, err, tt.want)
			}
		})
	}
}

func TestLongItemsAreCommittedBeforeTheyPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(40)
		store := newMemStore(refs)
		text := strings.Repeat("x", 1<<20)
		runner := &fakeRunner{t: t, workers: 1, latency: instantly, result: func(feeds.Job) feeds.Result {
			return feeds.Result{Class: feeds.OK, Items: []feeds.Item{{Content: text}}}
		}}
		kept := 0
		_, err := Round(t.Context(), runner, store, refs, Options{Workers: 1, Stored: func(r Report) {
			kept += len(r.Outcome.Items)
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, outcomes := range store.saves {
			if len(outcomes) > commitBytes>>20 {
				t.Errorf("a commit has %d MiB of text, want at most %d", len(outcomes), commitBytes>>20)
			}
		}
		if kept > 0 {
			t.Errorf("%d items are still held after their commit, want 0", kept)
		}
	})
}

func TestFailedSaveStopsTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(3000)
		store := newMemStore(refs)
		full := errors.New("disk full")
		store.save = func(n int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
			if n == 1 {
				return nil, full
			}
			return savedAs(outcomes), nil
		}
		runner := &fakeRunner{t: t, workers: 2, latency: func(int, feeds.Job) time.Duration { return time.Millisecond }}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
		if e, ok := errors.AsType[*StoreError](err); !ok || !errors.Is(err, full) {
			t.Fatalf("round: %v (%T), want a StoreError of %v", err, e, full)
		}
		got.check(t, refs)
		if n := len(store.saves); n != 2 {
			t.Errorf("the store was written to %d times, want 2: the round must stop", n)
		}
		first, second := len(store.saves[0]), len(store.saves[1])
		if sum.Classes[feeds.OK] != first || sum.Classes[feeds.Store] < second || sum.Classes[feeds.Cancelled] == 0 {
			t.Errorf("classes %v, want %d ok, at least %d store and the rest cancelled", sum.Classes, first, second)
		}
		for _, o := range store.saves[1] {
			if r := got.byURL[store.refs[o.ID].URL]; r.Outcome.Class != feeds.Store || r.Saved.Err == nil {
				t.Errorf("%s ended as %s with error %v, want store and an error", r.URL, r.Outcome.Class, r.Saved.Err)
			}
		}
	})
}

// TestAStoreThatFailsAfterAnInterruptIsSaid: what the user stopped is no reason
// to keep silent about what was finished and is lost.
func TestAStoreThatFailsAfterAnInterruptIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(100)
		store := newMemStore(refs)
		ctx, interrupt := context.WithCancel(t.Context())
		store.save = func(int, []feeds.Outcome) ([]feeds.Saved, error) {
			interrupt()
			return nil, errors.New("disk full")
		}
		runner := &fakeRunner{t: t, workers: 2, latency: func(int, feeds.Job) time.Duration { return time.Second }}
		sum, err := Round(ctx, runner, store, refs, Options{Workers: 2})
		if _, ok := errors.AsType[*StoreError](err); !ok || sum.Classes[feeds.Store] == 0 {
			t.Errorf("round: %v, classes %v, want a StoreError and feeds that it cost", err, sum.Classes)
		}
	})
}

func TestSaveMustAnswerForEachOutcome(t *testing.T) {
	refs := singles(3)
	store := newMemStore(refs)
	store.save = func(_ int, outcomes []feeds.Outcome) ([]feeds.Saved, error) { return nil, nil }
	sum, err := Round(t.Context(), &fakeRunner{t: t, workers: 1}, store, refs, Options{Workers: 1})
	if _, ok := errors.AsType[*StoreError](err); !ok || sum.Feeds != 3 {
		t.Errorf("round: %v, %d feeds; want a StoreError, 3", err, sum.Feeds)
	}
}

func TestFeedThatAloneCannotBeStoredCostsThatFeed(t *testing.T) {
	refs := singles(10)
	store := newMemStore(refs)
	store.save = func(_ int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
		saved := savedAs(outcomes)
		for i := range saved {
			if saved[i].ID == 3 {
				saved[i].Err = errors.New("no such feed")
			}
		}
		return saved, nil
	}
	var got reports
	sum, err := Round(t.Context(), &fakeRunner{t: t, workers: 1}, store, refs, Options{Workers: 1, Stored: got.stored})
	if err != nil {
		t.Fatal(err)
	}
	got.check(t, refs)
	if sum.Classes[feeds.OK] != 9 || sum.Classes[feeds.Store] != 1 {
		t.Errorf("classes %v, want 9 ok and 1 store", sum.Classes)
	}
	if r := got.byURL[store.refs[3].URL]; r.Outcome.Detail != "no such feed" {
		t.Errorf("detail %q, want the store's reason", r.Outcome.Detail)
	}
}

// TestAStoreThatIsLostCancels what it was to store and what is not asked yet: that is
// still due, and the store has not failed.
func TestAStoreThatIsLostCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(3000)
		store := newMemStore(refs)
		store.save = func(n int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
			if n > 0 {
				return nil, fmt.Errorf("%w: the line was cut", feeds.ErrLost)
			}
			return savedAs(outcomes), nil
		}
		runner := &fakeRunner{t: t, workers: 2, latency: func(int, feeds.Job) time.Duration { return time.Millisecond }}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
		if _, failed := errors.AsType[*StoreError](err); failed || !errors.Is(err, feeds.ErrLost) {
			t.Errorf("round: %v, want %v", err, feeds.ErrLost)
		}
		got.check(t, refs)
		if ok := sum.Classes[feeds.OK]; ok != len(store.saves[0]) || ok+sum.Classes[feeds.Cancelled] != len(refs) {
			t.Errorf("classes %v, want the %d of the first commit ok and nothing else but cancelled", sum.Classes, len(store.saves[0]))
		}
	})
}

// TestALostLeaseIsCancelledAndStillDue has a store that knows of another
// coordinator's lease at the second commit: nothing of that domain is stored, its
// line says who has it, and what is not asked yet is not asked.
func TestALostLeaseIsCancelledAndStillDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refs := singles(3000)
		store := newMemStore(refs)
		store.save = func(n int, outcomes []feeds.Outcome) ([]feeds.Saved, error) {
			saved := savedAs(outcomes)
			if n == 1 {
				saved[0] = feeds.Saved{ID: saved[0].ID, Err: feeds.ErrLost}
			}
			return saved, nil
		}
		runner := &fakeRunner{t: t, workers: 2, latency: func(int, feeds.Job) time.Duration { return time.Millisecond }}
		var got reports
		sum, err := Round(t.Context(), runner, store, refs, Options{Workers: 2, Stored: got.stored})
		if !errors.Is(err, feeds.ErrLost) {
			t.Fatalf("round: %v, want %v", err, feeds.ErrLost)
		}
		got.check(t, refs)
		lost := got.byURL[store.refs[store.saves[1][0].ID].URL]
		if want := "another coordinator has " + feeds.Domain(lost.URL); lost.Outcome.Class != feeds.Cancelled || lost.Outcome.Detail != want {
			t.Errorf("%s ended as %s, %q; want cancelled, %q", lost.URL, lost.Outcome.Class, lost.Outcome.Detail, want)
		}
		if n := sum.Classes[feeds.OK] + sum.Classes[feeds.Cancelled]; n != len(refs) || sum.Classes[feeds.OK] > 1500 {
			t.Errorf("classes %v, want nothing but ok and cancelled, and the round to end soon", sum.Classes)
		}
		for _, r := range got.byURL {
			if r.Outcome.Class == feeds.Cancelled && r.URL != lost.URL && r.Outcome.Detail != feeds.ErrLost.Error() {
				t.Errorf("%s: detail %q, want %q", r.URL, r.Outcome.Detail, feeds.ErrLost)
				break
			}
		}
	})
}
