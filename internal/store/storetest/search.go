package storetest

import (
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// found returns the guids of what a search finds, the oldest first.
func found(t *testing.T, db *opened, query string) []string {
	t.Helper()
	return guidsOf(t, db, store.ItemQuery{Search: query})
}

// testTheIndexFollowsTheItems: what is there already, what comes, is edited,
// removed, pruned, and what goes with its feed.
func testTheIndexFollowsTheItems(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	text := func(guid, title, content string) feeds.Item {
		it := Item(guid, title)
		it.Title, it.Content = title, content
		return it
	}
	Save(t, db, Succeeded(ids[0], Epoch, text("a", "Über Müller", "grapes"), text("b", "other", "apples and grapes")))
	if there, err := db.Indexed(t.Context()); err != nil || there {
		t.Errorf("a new store has an index: %v, %v", there, err)
	}
	if err := db.SetIndex(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if there, err := db.Indexed(t.Context()); err != nil || !there {
		t.Errorf("no index: %v, %v", there, err)
	}
	want := func(query string, guids ...string) {
		t.Helper()
		if got := found(t, db, query); !slices.Equal(got, guids) {
			t.Errorf("%s: got %q, want %q", query, got, guids)
		}
	}
	want("grapes", "a", "b")
	want("muller", "a")
	want(`title: other AND grap*`, "b")
	Save(t, db, Succeeded(ids[1], Epoch, text("c", "new grapes", "x")))
	Save(t, db, Succeeded(ids[0], Epoch.Add(time.Hour), text("a", "edited", "plums"), text("b", "other", "apples and grapes")))
	want("grapes", "b", "c")
	want("plums", "a")
	shell(t, db, "DELETE FROM items WHERE guid = 'b'")
	want("grapes", "c")
	if _, err := db.Unsubscribe(t.Context(), []string{FeedURL(1)}); err != nil {
		t.Fatal(err)
	}
	want("grapes")
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.SetIndex(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	Save(t, db, Succeeded(ids[0], Epoch.Add(2*time.Hour), text("d", "t", "c")))
}

// testASearchKnowsTheWordsOfAnyScript: in either case, with accents or without, and beside
// signs that are no letters, whatever language the engine speaks.
func testASearchKnowsTheWordsOfAnyScript(t *testing.T, e Engine) {
	db := newStore(t, e)
	texts := []string{"МОСКВА", "ΟΔΟΣ", "İSTANBUL, ISI", "preis€5, 😀grin", "日本", "한국어", "हिन्दी", "naïve", "foo-bar №5"}
	var items []feeds.Item
	for i, text := range texts {
		it := Item(text, "x")
		it.Title = text
		items = append(items, it)
		items[i].Content = ""
	}
	Save(t, db, Succeeded(Subscribe(t, db, 1)[0], Epoch, items...))
	if err := db.SetIndex(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]int{
		"москва": {0}, "мос*": {0}, "οδος": {1}, "istanbul": {2}, "ISI": {2}, "preis": {3}, "grin": {3}, "5": {3, 8}, "日本": {4}, "한국어": {5}, "हिन्दी": {6},
		"NAIVE": {7}, "nai\u0308ve": {7}, "bar": {8}, `"foo bar"`: {8}, `"😀"`: nil, `"😀" OR bar`: {8}, `bar NOT "…"`: {8}, `"–" bar`: {8},
	} {
		guids := make([]string, 0, len(want))
		for _, i := range want {
			guids = append(guids, texts[i])
		}
		if got := found(t, db, query); !slices.Equal(got, guids) {
			t.Errorf("%s: got %q, want %q", query, got, guids)
		}
	}
	for _, query := range []string{"bar AND", "bar AND AND bar", "OR bar", "NOT bar", "bar NOT", "bar OR NOT bar", "(bar", "bar)", "()", `"bar`, "*", "bar **", "title:", "title: AND", "bar, foo"} {
		var err error
		for _, err = range db.Items(t.Context(), store.ItemQuery{Search: query}) {
			break
		}
		if err == nil {
			t.Errorf("%s: no error, and it is no search", query)
		}
	}
}

// testPruneKeepsWhatItMust: the last of each feed, what is not old enough, and
// what somebody has not had. What went does not come back.
func testPruneKeepsWhatItMust(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	for hour := range 4 {
		for _, id := range ids {
			Save(t, db, Succeeded(id, Epoch.Add(time.Duration(hour)*time.Hour), Item(string(rune('a'+hour)), "1")))
		}
	}
	const all = 1 << 60
	for _, c := range []struct {
		q    store.PruneQuery
		want store.Pruned
	}{
		{store.PruneQuery{Keep: 3, UpTo: all, DryRun: true}, store.Pruned{Items: 2, Feeds: 2}},
		{store.PruneQuery{Keep: 9, UpTo: all}, store.Pruned{}},
		{store.PruneQuery{Older: Epoch.Add(time.Minute), UpTo: all, DryRun: true}, store.Pruned{Items: 2, Feeds: 2}},
		{store.PruneQuery{Keep: 1, Older: Epoch.Add(90 * time.Minute), UpTo: 3, DryRun: true}, store.Pruned{Items: 3, Feeds: 2}},
		{store.PruneQuery{Keep: 1, FeedIDs: ids[:1], UpTo: all}, store.Pruned{Items: 3, Feeds: 1}},
		{store.PruneQuery{Keep: 1, FeedIDs: ids[:1], UpTo: all}, store.Pruned{}},
	} {
		if got, err := db.Prune(t.Context(), c.q); err != nil || got != c.want {
			t.Errorf("%+v: got %+v, %v, want %+v", c.q, got, err, c.want)
		}
	}
	again := Save(t, db, Succeeded(ids[0], Epoch.Add(9*time.Hour), Item("a", "1"), Item("b", "1"), Item("c", "1"), Item("d", "1")))
	if again[0].New != 0 || again[0].Items != 1 {
		t.Errorf("got %+v, want nothing new: what was pruned does not come back", again[0])
	}
	if n := len(ItemsOf(t, db, FeedURL(1))); n != 4 {
		t.Errorf("the other feed has %d items, want all 4", n)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// testCursorsAreRemembered until they are dropped.
func testCursorsAreRemembered(t *testing.T, e Engine) {
	db := newStore(t, e)
	if all, err := db.Cursors(t.Context()); err != nil || all != nil {
		t.Errorf("got %v, %v, want nil where there is none", all, err)
	}
	for _, c := range []store.Cursor{{Name: "/a", At: -1}, {Name: "exec b", At: 3}, {Name: "exec b", At: 7}} {
		if err := db.MoveCursor(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Cursors(t.Context())
	if want := []store.Cursor{{Name: "/a", At: -1}, {Name: "exec b", At: 7}}; err != nil || !slices.Equal(all, want) {
		t.Errorf("got %v, %v, want %v", all, err, want)
	}
	for _, want := range []bool{true, false} {
		if there, err := db.DropCursor(t.Context(), "/a"); err != nil || there != want {
			t.Errorf("dropped %v, %v, want %v", there, err, want)
		}
	}
}
