package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

func testSubscribeIsIdempotentAndKeepsOrder(t *testing.T, e Engine) {
	db := newStore(t, e)
	subs := []feeds.Subscription{
		{URL: "https://b.example/", Title: "B"},
		{URL: "https://a.example/", Category: "news/local"},
		{URL: "https://b.example/", Title: "another", Category: "late"},
	}
	got, err := db.Subscribe(t.Context(), subs)
	if want := []store.Subscribed{{ID: 1, Added: true}, {ID: 2, Added: true}, {ID: 1, Changed: true}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	got, err = db.Subscribe(t.Context(), append(subs, feeds.Subscription{URL: "https://c.example/"}))
	if want := []store.Subscribed{{ID: 1}, {ID: 2}, {ID: 1}, {ID: 3, Added: true}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("again: got %v, %v, want %v", got, err, want)
	}
	var list []string
	for _, f := range AllFeeds(t, db) {
		list = append(list, fmt.Sprint(f.URL, " ", f.Name, " ", f.Category))
	}
	want := []string{"https://b.example/ B late", "https://a.example/  news/local", "https://c.example/  "}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %q, want %q", list, want)
	}
}

func testUnsubscribeTakesTheItemsAlong(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	for _, id := range ids {
		Save(t, db, Succeeded(id, Epoch, Item("a", "1"), Item("b", "1")))
	}
	shell(t, db, "DELETE FROM items WHERE guid = 'a'")
	if n, err := db.Unsubscribe(t.Context(), []string{FeedURL(0)}); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	// The shell has foreign keys off.
	shell(t, db, "DELETE FROM feeds WHERE url = ?", FeedURL(1))
	for _, table := range []string{"feeds", "items", "removed"} {
		if n := number(t, db, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s: got %d rows, want none", table, n)
		}
	}
}

// testAClockThatWasAheadDelaysNothing: what a run asked that has not begun yet is
// due again, and so is what the hold of its domain kept back.
func testAClockThatWasAheadDelaysNothing(t *testing.T, e Engine) {
	ahead := Epoch.Add(20 * 24 * time.Hour)
	now := ahead
	db := openAt(t, e, e.New(t), func() time.Time { return now })
	defer db.Close()
	ids := Subscribe(t, db, 2)
	if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
		t.Fatal(err)
	}
	held := Failed(ids[1], ahead, feeds.RateLimited, 1)
	held.NextDue, held.Domain, held.HoldUntil = ahead.Add(time.Hour), "example.org", ahead.Add(time.Hour)
	Save(t, db, Succeeded(ids[0], ahead), held)
	now = Epoch
	refs, err := db.Due(t.Context(), store.DueQuery{Now: now})
	if err != nil || len(refs) != 2 {
		t.Errorf("%d feeds are due, %v, want both", len(refs), err)
	}
	if holds, err := db.Holds(t.Context(), now); err != nil || len(holds) != 0 {
		t.Errorf("holds %v, %v, want none", holds, err)
	}
}

// testOddPacingIsNoFault: columns that somebody else wrote end no run.
func testOddPacingIsNoFault(t *testing.T, e Engine) {
	db := newStore(t, e)
	Subscribe(t, db, 1)
	shell(t, db, "UPDATE feeds SET skip_hours = -1, skip_days = 99999")
	if refs, err := db.Due(t.Context(), store.DueQuery{Now: Epoch, Early: true}); err != nil || len(refs) != 1 {
		t.Errorf("got %v, %v, want the feed", refs, err)
	}
}

func testDueChoosesFeeds(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 6)
	now := Epoch.Add(time.Hour)
	for i, o := range []feeds.Outcome{
		Succeeded(ids[0], Epoch), // due at this second
		Succeeded(ids[1], Epoch), // due a second later
		Failed(ids[2], Epoch, feeds.Gone, 1),
		Failed(ids[3], Epoch, feeds.Timeout, 7),
		Succeeded(ids[4], Epoch), // by a wrong clock
	} {
		o.NextDue = now.Add([]time.Duration{0, time.Second, -time.Hour, -time.Hour, 365 * 24 * time.Hour}[i])
		Save(t, db, o)
	}
	for _, c := range []struct {
		q    store.DueQuery
		want []int64
	}{
		{store.DueQuery{}, []int64{ids[0], ids[3], ids[4], ids[5]}},
		{store.DueQuery{By: now.Add(-time.Second)}, []int64{ids[3], ids[4], ids[5]}},
		{store.DueQuery{Force: true}, ids},
		{store.DueQuery{IDs: []int64{ids[5], ids[2], ids[1], 99, ids[0]}}, []int64{ids[0], ids[5]}},
		{store.DueQuery{IDs: []int64{ids[2], 99, ids[1]}, Force: true}, []int64{ids[1], ids[2]}},
		{store.DueQuery{IDs: []int64{ids[2], 99, ids[1]}, Early: true}, []int64{ids[1]}},
		{store.DueQuery{Early: true}, []int64{ids[0], ids[1], ids[3], ids[4], ids[5]}},
		{store.DueQuery{IDs: []int64{}}, nil},
		{store.DueQuery{IDs: []int64{}, Force: true}, nil},
	} {
		c.q.Now = now
		refs, err := db.Due(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range refs {
			got = append(got, r.ID)
			if want := FeedURL(int(r.ID - ids[0])); r.URL != want || (r.Fails == 7) != (r.ID == ids[3]) {
				t.Errorf("%+v: got %+v", c.q, r)
			}
		}
		chooses(t, c.q, got, c.want)
	}
}

// testDueKnowsWhatPlanningNeeds: what the last document asked for outlives
// answers without one, and only an outcome that says so moves LastFull.
func testDueKnowsWhatPlanningNeeds(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	asked := feeds.Pacing{TTL: 90 * time.Minute, SkipHours: 1<<23 | 1, SkipDays: 1 << time.Saturday}
	first := Succeeded(id, Epoch)
	first.Full, first.Pacing = true, asked
	unmodified := Succeeded(id, Epoch.Add(time.Hour))
	unmodified.Pacing = asked
	failure := Failed(id, Epoch.Add(2*time.Hour), feeds.HTTPError, 1)
	answered := Failed(id, Epoch.Add(3*time.Hour), feeds.HTTPError, 2)
	answered.Full = true
	for i, step := range []struct {
		o    feeds.Outcome
		full time.Time
	}{{first, Epoch}, {unmodified, Epoch}, {failure, Epoch}, {answered, answered.At}} {
		Save(t, db, step.o)
		refs, err := db.Due(t.Context(), store.DueQuery{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := refs[0]; got.Pacing != asked || got.LastFull != step.full.Unix() {
			t.Errorf("step %d: got pacing %+v and last full %d, want %+v and %d", i, got.Pacing, got.LastFull, asked, step.full.Unix())
		}
	}
}

// testDueKeepsToSkippedHoursAndDays: a feed that is due is left for another hour
// or day if it asks for that, but not for ever.
func testDueKeepsToSkippedHoursAndDays(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	saturday := time.Date(2026, 3, 7, 3, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		asks feeds.Pacing
		late time.Duration
		q    store.DueQuery
		want bool
	}{
		{feeds.Pacing{}, 0, store.DueQuery{}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, store.DueQuery{}, false},
		{feeds.Pacing{SkipHours: 1 << 3}, 24*time.Hour - time.Second, store.DueQuery{}, false},
		{feeds.Pacing{SkipHours: 1 << 3}, 24 * time.Hour, store.DueQuery{}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, store.DueQuery{Early: true}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, store.DueQuery{Force: true}, true},
		{feeds.Pacing{SkipHours: 1<<2 | 1<<4}, time.Hour, store.DueQuery{}, true},
		{feeds.Pacing{SkipDays: 1 << time.Saturday}, 6 * 24 * time.Hour, store.DueQuery{}, false},
		{feeds.Pacing{SkipDays: 1 << time.Saturday}, 7 * 24 * time.Hour, store.DueQuery{}, true},
		{feeds.Pacing{SkipDays: 1<<time.Saturday ^ 127}, time.Hour, store.DueQuery{}, true},
	} {
		o := Succeeded(id, saturday.Add(-c.late-time.Hour))
		o.NextDue, o.Pacing = saturday.Add(-c.late), c.asks
		Save(t, db, o)
		c.q.Now = saturday.In(time.FixedZone("elsewhere", 9*3600))
		refs, err := db.Due(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(refs) == 1; got != c.want {
			t.Errorf("%+v, %v late, %+v: due %v, want %v", c.asks, c.late, c.q, got, c.want)
		}
	}
}

func testJobsComeInOrderOverManyQueries(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2*manyJobs+3)
	Save(t, db, Succeeded(ids[7], Epoch, Item("a", "1")))
	var asked, want []int64
	for i := len(ids) - 1; i >= 0; i-- {
		asked, want = append(asked, ids[i]), append(want, ids[i])
		if i%100 == 0 {
			asked = append(asked, 1_000_000+int64(i)) // never there
		}
	}
	jobs, err := db.Jobs(t.Context(), asked)
	if err != nil || len(jobs) != len(want) {
		t.Fatalf("got %d jobs, %v, want %d", len(jobs), err, len(want))
	}
	for i, j := range jobs {
		if known := len(j.Known); j.ID != want[i] || (known == 1) != (j.ID == ids[7]) {
			t.Errorf("job %d: got feed %d with %d known items, want feed %d", i, j.ID, known, want[i])
		}
	}
}

func testItemsAreChosenBySinceLimitAndOrder(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	for hour := range 4 { // two items an hour, feed by feed
		for f, id := range ids {
			name := fmt.Sprintf("%d%c", hour, 'a'+f)
			Save(t, db, Succeeded(id, Epoch.Add(time.Duration(hour)*time.Hour), Item(name, "1")))
		}
	}
	at := func(h float64) time.Time { return Epoch.Add(time.Duration(h * float64(time.Hour))) }
	for _, c := range []struct {
		q    store.ItemQuery
		want []string
	}{
		{store.ItemQuery{}, []string{"0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"}},
		{store.ItemQuery{Newest: true, Limit: 3}, []string{"3b", "3a", "2b"}},
		{store.ItemQuery{Since: at(2)}, []string{"2a", "2b", "3a", "3b"}},
		{store.ItemQuery{Since: at(2.5), Newest: true}, []string{"3b", "3a"}},
		{store.ItemQuery{Since: at(-1)}, []string{"0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"}},
		{store.ItemQuery{Since: at(9)}, nil},
		{store.ItemQuery{FeedIDs: ids[1:]}, []string{"0b", "1b", "2b", "3b"}},
		{store.ItemQuery{FeedIDs: ids[1:], Since: at(2), Limit: 1}, []string{"2b"}},
		{store.ItemQuery{FeedIDs: ids[:1], Newest: true, Limit: 2}, []string{"3a", "2a"}},
		{store.ItemQuery{FeedIDs: []int64{99}}, nil},
		{store.ItemQuery{FeedIDs: []int64{}}, nil},
		{store.ItemQuery{FeedIDs: ids, Since: at(2.5), Newest: true, Limit: 1}, []string{"3b"}},
		{store.ItemQuery{FeedIDs: ids, After: 6}, []string{"3a", "3b"}},
		{store.ItemQuery{After: 6}, []string{"3a", "3b"}},
		{store.ItemQuery{After: 3, Until: 5}, []string{"1b", "2a"}},
		{store.ItemQuery{FeedIDs: ids[1:], After: 3, Until: 5}, []string{"1b"}},
	} {
		chooses(t, c.q, guidsOf(t, db, c.q), c.want)
	}
}

func testListsMayBeLeftEarlyAndCancelled(t *testing.T, e Engine) {
	db := newStore(t, e)
	Subscribe(t, db, 10)
	for range 3 * 8 { // a connection that is not given back would be missed
		for _, err := range db.Feeds(t.Context(), store.FeedQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	yielded := 0
	for _, err := range db.Items(ctx, store.ItemQuery{}) {
		if yielded++; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if yielded != 1 {
		t.Errorf("a cancelled list yielded %d times, want 1", yielded)
	}
}

func testFeedsChoosesByURLAndFailure(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 4)
	Save(t, db, Succeeded(ids[0], Epoch), Failed(ids[1], Epoch, feeds.DNS, 1), Failed(ids[2], Epoch, feeds.HostBackoff, 0))
	for _, c := range []struct {
		q    store.FeedQuery
		want []int64
	}{
		{store.FeedQuery{}, ids},
		{store.FeedQuery{Failing: true}, ids[1:3]},
		{store.FeedQuery{URLs: []string{FeedURL(3), FeedURL(1), "nothing"}}, []int64{ids[1], ids[3]}},
		{store.FeedQuery{URLs: []string{FeedURL(3), FeedURL(1)}, Failing: true}, []int64{ids[1]}},
		{store.FeedQuery{URLs: []string{}}, nil},
		{store.FeedQuery{IDs: []int64{ids[2], ids[0], ids[2], 99}}, []int64{ids[0], ids[2]}},
		{store.FeedQuery{IDs: ids[1:2], URLs: []string{FeedURL(1), FeedURL(3)}, Failing: true}, ids[1:2]},
		{store.FeedQuery{IDs: []int64{}}, nil},
	} {
		chooses(t, c.q, idsOf(t, db, c.q), c.want)
	}
}

// chooses compares what a query chose with what it is to choose.
func chooses[T comparable](t *testing.T, query any, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%+v: got %v, want %v", query, got, want)
	}
}

// testFeedsComeInEachOrder: what is equal by it comes as it was subscribed.
func testFeedsComeInEachOrder(t *testing.T, e Engine) {
	db := newStore(t, e)
	for _, s := range []feeds.Subscription{{URL: FeedURL(0), Title: "b", Category: "X"}, {URL: FeedURL(1)}, {URL: FeedURL(2), Title: "C", Category: "x"}, {URL: FeedURL(3), Title: "A"}} {
		if _, err := db.Subscribe(t.Context(), []feeds.Subscription{s}); err != nil {
			t.Fatal(err)
		}
	}
	titled := Succeeded(2, Epoch, Item("a", "1"))
	titled.Title = "B"
	titled.NextDue = Epoch.Add(2 * time.Hour)
	failed := Failed(3, Epoch.Add(time.Minute), feeds.DNS, 2)
	failed.NextDue = Epoch.Add(time.Hour)
	Save(t, db, titled, failed)
	for order, want := range map[store.FeedOrder][]int64{
		store.ByArrival: {1, 2, 3, 4}, store.ByName: {4, 1, 2, 3}, store.ByCategory: {2, 4, 1, 3}, store.ByFails: {3, 1, 2, 4},
		store.ByDue: {1, 4, 3, 2}, store.ByChecked: {3, 2, 1, 4}, store.ByItems: {2, 1, 3, 4},
	} {
		q := store.FeedQuery{Order: order}
		chooses(t, q, idsOf(t, db, q), want)
	}
	// By the bytes of names, but for the case of ASCII, whatever the language.
	for id, name := range map[int64]string{2: "É", 1: "é", 3: "iz2", 4: "IZ"} {
		if err := db.Edit(t.Context(), []int64{id}, store.Change{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	q := store.FeedQuery{Order: store.ByName}
	chooses(t, q, idsOf(t, db, q), []int64{4, 3, 2, 1})
}

// testAListIsImportedWholeOrNotAtAll: it may break off, or its reader be told to end.
func testAListIsImportedWholeOrNotAtAll(t *testing.T, e Engine) {
	db := newStore(t, e)
	const n, twice = 5000, 10 // in several questions
	broken := errors.New("broken off")
	ended, end := context.WithCancelCause(t.Context())
	for _, tt := range []struct {
		ctx    context.Context
		atLast func() error
		want   store.Imported
	}{
		{t.Context(), func() error { return broken }, store.Imported{}},
		{ended, func() error { end(broken); return nil }, store.Imported{}},
		{t.Context(), func() error { return nil }, store.Imported{Added: n - twice, Known: twice}},
	} {
		done, err := db.Import(tt.ctx, store.List{Feeds: func(yield func(feeds.Subscription, error) bool) {
			for i := range n {
				var err error
				if i == n-1 {
					err = tt.atLast()
				}
				if !yield(feeds.Subscription{URL: FeedURL(i % (n - twice)), Title: "n"}, err) {
					return
				}
			}
		}})
		if whole := tt.want.Added > 0; done != tt.want || whole != (err == nil) || !whole && !errors.Is(err, broken) {
			t.Errorf("got %+v, %v, want %+v, or what broke it off", done, err, tt.want)
		}
		if got := len(AllFeeds(t, db)); got != tt.want.Added {
			t.Errorf("after %v there are %d feeds, want %d", err, got, tt.want.Added)
		}
	}
}

func testRunsAreRememberedAndForgotten(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	o := Failed(id, Epoch, feeds.RateLimited, 1)
	o.Domain, o.HoldUntil = "over.example", Epoch
	Save(t, db, o)
	shell(t, db, `INSERT INTO runs (started) WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
		SELECT ? FROM n`, 1000, Epoch.Unix())
	const first = 1
	var last int64
	for i := range 5 {
		run, err := db.BeginRun(t.Context(), store.Run{Mode: "pipe", Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		last = run
		if i == 0 {
			if err := db.EndRun(t.Context(), run, store.RunResult{Feeds: 3, Succeeded: 2, Failed: 1, New: 4, Updated: 5}); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, oldest := number(t, db, "SELECT count(*) FROM runs"), number(t, db, "SELECT min(id) FROM runs")
	ended := number(t, db, `SELECT id FROM runs WHERE finished = ? AND feeds = 3 AND succeeded = 2 AND failed = 1
		AND new = 4 AND updated = 5 AND mode = 'pipe' AND workers = 2 AND pid > 0`, Epoch.Unix())
	if n != 1000 || last-first != 1000+4 || oldest != first+5 || ended != first+1000 {
		t.Errorf("got %d runs from %d to %d, %d ended", n, oldest, last, ended)
	}
}

func testJobsKnowKeysOfAnyBytes(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	want := map[feeds.Key]uint64{}
	for b := range 256 { // NUL, commas, digits, quotes, halves of UTF-8
		var k feeds.Key
		for i := range k {
			k[i] = byte(b)
		}
		want[k] = uint64(b) << 56 // some are negative to SQLite
	}
	want[feeds.Key{5: ',', 9: '0'}] = 1<<64 - 1
	var items []feeds.Item
	for k, hash := range want {
		items = append(items, feeds.Item{Key: k, Hash: hash})
	}
	Save(t, db, Succeeded(id, Epoch, items...))
	for _, it := range ItemsOf(t, db, FeedURL(0)) {
		if k := it.Key; k[0] == ',' || k[0] == 0 && k[1] == 0 {
			shell(t, db, "DELETE FROM items WHERE seq = ?", it.Seq)
			want[k] = 0
		}
	}
	got := Job(t, db, id).Known
	for _, k := range got {
		if hash, ok := want[k.Key]; !ok || hash != k.Hash {
			t.Errorf("got key %x with hash %d, want %d (%t)", k.Key, k.Hash, hash, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d items, want %d", len(got), len(want))
	}
}
