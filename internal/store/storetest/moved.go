package storetest

import (
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// move makes two runs see a permanent redirect of a feed.
func move(t *testing.T, db *opened, id int64, to string) {
	t.Helper()
	for i := range 2 {
		if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
			t.Fatal(err)
		}
		o := Succeeded(id, Epoch.Add(time.Duration(i)*time.Hour))
		o.MovedTo = to
		if got := Save(t, db, o)[0].MovedTo; i == 1 && got != to {
			t.Fatalf("the second run moved the feed to %q, want %q", got, to)
		}
	}
}

// testMovedFeedIsKnownByItsFormerURL: a list that is older than the move means
// the feed and does not subscribe it a second time, whichever way it is named.
func testMovedFeedIsKnownByItsFormerURL(t *testing.T, e Engine) {
	const next, last = "https://new.example/feed", "https://newer.example/feed"
	db := newStore(t, e)
	id := Subscribe(t, db, 2)[0]
	move(t, db, id, next)
	move(t, db, id, last)
	for _, url := range []string{FeedURL(0), next, last} {
		done, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: url}})
		if err != nil || done[0] != (store.Subscribed{ID: id}) {
			t.Errorf("subscribing %s: got %+v, %v, want feed %d, known", url, done, err, id)
		}
		for f, err := range db.Feeds(t.Context(), store.FeedQuery{URLs: []string{url}}) {
			if err != nil || f.ID != id || f.URL != last {
				t.Errorf("looking for %s: got feed %d at %s, %v, want %d at %s", url, f.ID, f.URL, err, id, last)
			}
		}
	}

	// The other feed may move to where the first one once was. Then that URL
	// is its own.
	other, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: FeedURL(1)}})
	if err != nil {
		t.Fatal(err)
	}
	move(t, db, other[0].ID, next)
	done, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: next}, {URL: FeedURL(0)}, {URL: FeedURL(1)}})
	if want := []store.Subscribed{{ID: other[0].ID}, {ID: id}, {ID: other[0].ID}}; err != nil || !slices.Equal(done, want) {
		t.Errorf("after the other feed moved: got %+v, %v, want %+v", done, err, want)
	}

	if n, err := db.Unsubscribe(t.Context(), []string{FeedURL(0)}); err != nil || n != 1 {
		t.Errorf("unsubscribing by the first URL removed %d feeds, %v, want 1", n, err)
	}
	again, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: FeedURL(0)}})
	if err != nil || !again[0].Added {
		t.Errorf("subscribing it once more: got %+v, %v, want a new feed", again, err)
	}
}
