package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// testWhatTheUserSaidStays: no refresh changes a feed's name, folder or settings,
// and the feed's own title is kept beside them.
func testWhatTheUserSaidStays(t *testing.T, e Engine) {
	db := newStore(t, e)
	sub := feeds.Subscription{URL: "https://a.example/", Title: "My own name", Category: "Mine"}
	done, err := db.Subscribe(t.Context(), []feeds.Subscription{sub})
	if err != nil {
		t.Fatal(err)
	}
	id := done[0].ID
	interval, paused := 2*time.Hour, true
	err = db.Edit(t.Context(), []int64{id}, store.Change{
		Interval: &interval, Paused: &paused,
		Headers: []store.Header{{Name: "Cookie", Value: "a=b"}, {Name: "User-Agent", Value: "me/1"}, {Name: "X-Gone", Value: "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Edit(t.Context(), []int64{id}, store.Change{Headers: []store.Header{{Name: "X-Gone", Value: ""}, {Name: "User-Agent", Value: "me/2"}}}); err != nil {
		t.Fatal(err)
	}
	o := Succeeded(id, Epoch)
	o.Title = "T"
	Save(t, db, o)
	for _, f := range AllFeeds(t, db) {
		want := store.Settings{Headers: "Cookie: a=b\nUser-Agent: me/2", Interval: interval, Paused: true}
		if f.Name != sub.Title || f.Category != sub.Category || f.Title != "T" || f.Settings != want || f.Label() != sub.Title {
			t.Errorf("got %+v, want name, folder and settings %+v of the user beside the title T", f, want)
		}
	}
	jobs, err := db.Jobs(t.Context(), []int64{id})
	if err != nil || jobs[0].Headers != "Cookie: a=b\nUser-Agent: me/2" {
		t.Errorf("the job has %+v, %v, want the headers", jobs, err)
	}
	for force, want := range map[bool]int{false: 0, true: 1} {
		refs, err := db.Due(t.Context(), store.DueQuery{Now: Epoch.Add(24 * time.Hour), IDs: []int64{id}, Early: true, Force: force})
		if err != nil || len(refs) != want || want > 0 && refs[0].Interval != interval {
			t.Errorf("a paused feed that is named, force %v: got %+v, %v, want %d", force, refs, err, want)
		}
	}
}

// testAListImportedAgainBringsItsChanges: and what it does not say stays. A title
// that is the feed's own is no name.
func testAListImportedAgainBringsItsChanges(t *testing.T, e Engine) {
	db := newStore(t, e)
	const url = "https://a.example/"
	for _, c := range []struct {
		title, category, wantName, wantCategory string
		changed                                 bool
	}{
		{"first", "a/b", "first", "a/b", false},
		{"second", "", "second", "a/b", true}, // a list without folders
		{"", "c", "second", "c", true},
		{"", "", "second", "c", false},
		{"T", "c", "", "c", true},
		{"T", "c", "", "c", false},
	} {
		done, err := db.Import(t.Context(), ListOf(feeds.Subscription{URL: url, Title: c.title, Category: c.category}))
		if err != nil || done.Changed > 0 != c.changed {
			t.Fatalf("import %q in %q: got %+v, %v, want changed %v", c.title, c.category, done, err, c.changed)
		}
		f := AllFeeds(t, db)[0]
		if f.Name != c.wantName || f.Category != c.wantCategory {
			t.Errorf("import %q in %q: got %q in %q, want %q in %q", c.title, c.category, f.Name, f.Category, c.wantName, c.wantCategory)
		}
		o := Succeeded(f.ID, Epoch)
		o.Title = "T"
		Save(t, db, o)
	}
}

// testAListWithFoldersAlsoSaysWhatIsInNone.
func testAListWithFoldersAlsoSaysWhatIsInNone(t *testing.T, e Engine) {
	db := newStore(t, e)
	in, out := feeds.Subscription{URL: FeedURL(0), Category: "a"}, feeds.Subscription{URL: FeedURL(1), Category: "a"}
	for range 2 {
		if _, err := db.Import(t.Context(), ListOf(in, out)); err != nil {
			t.Fatal(err)
		}
		if got := AllFeeds(t, db)[1].Category; got != out.Category {
			t.Errorf("the folder is %q, want %q", got, out.Category)
		}
		out.Category = ""
	}
}

// testAnotherURLKeepsTheItems: what was given by the server of the old URL is not
// sent to the new one, and the old one still means the feed.
func testAnotherURLKeepsTheItems(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	Save(t, db, Succeeded(ids[0], Epoch, Item("a", "1")))
	taken, next := FeedURL(1), "https://new.example/feed"
	if err := db.Edit(t.Context(), ids[:1], store.Change{URL: &taken}); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the URL of another feed: got %v, want ErrTaken", err)
	}
	if err := db.Edit(t.Context(), ids[:1], store.Change{URL: &next}); err != nil {
		t.Fatal(err)
	}
	f := AllFeeds(t, db)[0]
	if f.URL != next || f.Items != 1 || f.Validators != (feeds.Validators{}) || !f.NextDue.IsZero() {
		t.Errorf("got %+v, want the item, no validators and due at once", f)
	}
	done, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: FeedURL(0)}})
	if err != nil || done[0].ID != ids[0] {
		t.Errorf("the old URL means feed %+v, %v, want %d", done, err, ids[0])
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// testACopyIsInOneOrder: of all engines, or a copy is taken for another store.
func testACopyIsInOneOrder(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	want := []string{"https://a.example/B", "https://a.example/a", "https://a.example/É", "https://a.example/é"}
	for _, url := range []string{want[2], want[0], want[3], want[1], "https://a.example/"} {
		if err := db.Edit(t.Context(), []int64{id}, store.Change{URL: &url}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.CopyOut(t.Context(), 0, id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, table := range store.CopyTables {
		if table.Name == "moved" {
			for _, row := range rows[i] {
				got = append(got, row[0].(string))
			}
		}
	}
	if want = append(want, FeedURL(0)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// testAFeedThatIsGoneCannotBeEdited: somebody removed it a moment ago.
func testAFeedThatIsGoneCannotBeEdited(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	text, hour := "https://a.example/", time.Hour
	for what, c := range map[string]store.Change{
		"URL": {URL: &text}, "headers": {Headers: []store.Header{{Name: "Cookie", Value: "a"}}}, "name": {Name: &text}, "interval": {Interval: &hour},
	} {
		if err := db.Edit(t.Context(), []int64{id, 77}, c); !errors.Is(err, store.ErrNoFeed) {
			t.Errorf("%s: got %v, want ErrNoFeed", what, err)
		}
	}
	if f := AllFeeds(t, db)[0]; f.URL != FeedURL(0) || f.Name != "" || f.Settings != (store.Settings{}) {
		t.Errorf("the other feed was changed: %+v", f)
	}
}

// testIDsOfItemsAreNeverGivenTwice: whoever remembers one would miss what came
// after it.
func testIDsOfItemsAreNeverGivenTwice(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	Save(t, db, Succeeded(ids[0], Epoch, Item("a", "1"), Item("b", "1")))
	if _, err := db.Unsubscribe(t.Context(), []string{FeedURL(0)}); err != nil {
		t.Fatal(err)
	}
	Save(t, db, Succeeded(ids[1], Epoch, Item("c", "1")))
	for it, err := range db.Items(t.Context(), store.ItemQuery{}) {
		if err != nil || it.ID != 3 {
			t.Errorf("got item %d, %v, want 3: two were there before", it.ID, err)
		}
	}
}

// testTheUserIsToldOnce: what was told is remembered until the feed is back.
func testTheUserIsToldOnce(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	for _, told := range []bool{true, false} {
		failing, back := []int64{id}, []int64(nil)
		if !told {
			failing, back = back, failing
		}
		if err := db.Tell(t.Context(), failing, back); err != nil {
			t.Fatal(err)
		}
		refs, err := db.Due(t.Context(), store.DueQuery{Now: Epoch})
		if err != nil || refs[0].Told != told || AllFeeds(t, db)[0].Told != told {
			t.Errorf("got %+v, %v, want told %v", refs, err, told)
		}
	}
}

// testTheUserEditsBesideARun: a run has the lock and writes, and what the user
// says meanwhile is stored at once.
func testTheUserEditsBesideARun(t *testing.T, e Engine) {
	run := newStore(t, e)
	ids := Subscribe(t, run, 2)
	user, err := e.Open(t.Context(), run.name, store.Options{Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	name := "mine"
	if err := user.Edit(t.Context(), ids[:1], store.Change{Name: &name}); err != nil {
		t.Error(err)
	}
	if _, err := user.Unsubscribe(t.Context(), []string{FeedURL(1)}); err != nil {
		t.Error(err)
	}
	if _, err := user.Subscribe(t.Context(), []feeds.Subscription{{URL: FeedURL(7)}}); err != nil {
		t.Error(err)
	}
	if err := user.Close(); err != nil {
		t.Error(err)
	}
	saved, err := run.Save(t.Context(), []feeds.Outcome{
		Succeeded(ids[0], Epoch, Item("a", "1")), Succeeded(ids[1], Epoch, Item("a", "1")),
	})
	if err != nil || saved[0].New != 1 || !errors.Is(saved[1].Err, store.ErrNoFeed) {
		t.Errorf("the run saved %+v, %v, want an item of the first feed, and that the second is gone", saved, err)
	}
	if all := AllFeeds(t, run); len(all) != 2 || all[0].Name != name || all[1].URL != FeedURL(7) {
		t.Errorf("got %+v, want what the user said", all)
	}
}
