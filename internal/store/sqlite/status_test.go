package sqlite

import (
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// TestStatusCountsWhatWaitsAndHowLong: what is paused, gone or not due does not
// wait, and what was never asked is not late.
func TestStatusCountsWhatWaitsAndHowLong(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	db, err := Open(t.Context(), t.TempDir()+"/feeds.db", store.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var subs []feeds.Subscription
	for _, name := range []string{"unasked", "late", "later", "paused", "gone", "killer"} {
		subs = append(subs, feeds.Subscription{URL: "https://example.org/" + name})
	}
	done, err := db.Subscribe(t.Context(), subs)
	if err != nil {
		t.Fatal(err)
	}
	run, err := db.BeginRun(t.Context(), store.Run{})
	if err != nil {
		t.Fatal(err)
	}
	outcome := func(i int, class feeds.Class, due time.Time) feeds.Outcome {
		return feeds.Outcome{Result: feeds.Result{ID: done[i].ID, Class: class}, At: now.Add(-time.Hour), NextDue: due}
	}
	if _, err = db.Save(t.Context(), []feeds.Outcome{
		outcome(1, feeds.OK, now.Add(-10*time.Minute)),
		outcome(2, feeds.OK, now.Add(time.Minute)),
		outcome(3, feeds.OK, now.Add(-time.Hour)),
		outcome(4, feeds.Gone, now.Add(-time.Hour)),
		outcome(5, feeds.WorkerStack, now.Add(time.Hour)),
	}); err != nil {
		t.Fatal(err)
	}
	paused := true
	if err := db.Edit(t.Context(), []int64{done[3].ID}, store.Change{Paused: &paused}); err != nil {
		t.Fatal(err)
	}
	if err := db.EndRun(t.Context(), run, store.RunResult{Feeds: 5, Succeeded: 3, Failed: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
		t.Fatal(err)
	}
	s, err := db.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	runs := s.Runs
	s.Runs = nil
	got := [...]any{s.Feeds, s.Paused, s.Gone, s.Killers, s.Due, s.Unasked, s.Lag(), s.Held, s.Shared}
	want := [...]any{6, 1, 1, 1, 2, 1, 10 * time.Minute, 0, false}
	if got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i, r := range runs {
		if want := (store.RunTotal{Span: store.StatusSpans[i], Runs: 2, Unended: 1, RunResult: store.RunResult{Feeds: 5, Succeeded: 3, Failed: 2}}); r != want {
			t.Errorf("runs: got %+v, want %+v", r, want)
		}
	}
}
