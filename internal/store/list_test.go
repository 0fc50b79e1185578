package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

func TestSubscribeIsIdempotentAndKeepsOrder(t *testing.T) {
	db := newStore(t)
	subs := []feeds.Subscription{
		{URL: "https://b.example/", Title: "B"},
		{URL: "https://a.example/", Category: "news/local"},
		{URL: "https://b.example/", Title: "another", Category: "late"},
	}
	got, err := db.Subscribe(t.Context(), subs)
	if want := []Subscribed{{1, true}, {2, true}, {1, false}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	got, err = db.Subscribe(t.Context(), append(subs, feeds.Subscription{URL: "https://c.example/"}))
	if want := []Subscribed{{1, false}, {2, false}, {1, false}, {3, true}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("again: got %v, %v, want %v", got, err, want)
	}
	var list []string
	for _, f := range allFeeds(t, db) {
		list = append(list, fmt.Sprint(f.URL, " ", f.Title, " ", f.Category))
	}
	want := []string{"https://b.example/ B late", "https://a.example/  news/local", "https://c.example/  "}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %q, want %q", list, want)
	}
}

func TestUnsubscribeTakesTheItemsAlong(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 2)
	for _, id := range ids {
		save(t, db, succeeded(id, epoch, item("a", "1"), item("b", "1")))
	}
	shell(t, db, "DELETE FROM items WHERE guid = 'a'")
	if n, err := db.Unsubscribe(t.Context(), []string{feedURL(0)}); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	// The shell has foreign keys off.
	shell(t, db, "DELETE FROM feeds WHERE url = ?", feedURL(1))
	for _, table := range []string{"feeds", "items", "removed"} {
		var n int
		if err := db.readers.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: got %d rows, %v, want none", table, n, err)
		}
	}
}

func TestDueChoosesFeeds(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 6)
	now := epoch.Add(time.Hour)
	for i, o := range []feeds.Outcome{
		succeeded(ids[0], epoch), // due at this second
		succeeded(ids[1], epoch), // due a second later
		failed(ids[2], epoch, feeds.Gone, 1),
		failed(ids[3], epoch, feeds.Timeout, 7),
		succeeded(ids[4], epoch), // by a wrong clock
	} {
		o.NextDue = now.Add([]time.Duration{0, time.Second, -time.Hour, -time.Hour, 365 * 24 * time.Hour}[i])
		save(t, db, o)
	}
	for _, c := range []struct {
		q    DueQuery
		want []int64
	}{
		{DueQuery{}, []int64{ids[0], ids[3], ids[4], ids[5]}},
		{DueQuery{Force: true}, ids},
		{DueQuery{IDs: []int64{ids[5], ids[2], ids[1], 99, ids[0]}}, []int64{ids[0], ids[5]}},
		{DueQuery{IDs: []int64{ids[2], 99, ids[1]}, Force: true}, []int64{ids[1], ids[2]}},
		{DueQuery{IDs: []int64{ids[2], 99, ids[1]}, Early: true}, []int64{ids[1]}},
		{DueQuery{Early: true}, []int64{ids[0], ids[1], ids[3], ids[4], ids[5]}},
		{DueQuery{IDs: []int64{}}, nil},
		{DueQuery{IDs: []int64{}, Force: true}, nil},
	} {
		c.q.Now = now
		refs, err := db.Due(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range refs {
			got = append(got, r.ID)
			if want := feedURL(int(r.ID - ids[0])); r.URL != want || (r.Fails == 7) != (r.ID == ids[3]) {
				t.Errorf("%+v: got %+v", c.q, r)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.q, got, c.want)
		}
	}
}

// TestDueKnowsWhatPlanningNeeds: what the last document asked for outlives
// answers without one, and only an outcome that says so moves LastFull.
func TestDueKnowsWhatPlanningNeeds(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	asked := feeds.Pacing{TTL: 90 * time.Minute, SkipHours: 1<<23 | 1, SkipDays: 1 << time.Saturday}
	first := succeeded(id, epoch)
	first.Full, first.Pacing = true, asked
	unmodified := succeeded(id, epoch.Add(time.Hour))
	unmodified.Pacing = asked
	failure := failed(id, epoch.Add(2*time.Hour), feeds.HTTPError, 1)
	answered := failed(id, epoch.Add(3*time.Hour), feeds.HTTPError, 2)
	answered.Full = true
	for i, step := range []struct {
		o    feeds.Outcome
		full time.Time
	}{{first, epoch}, {unmodified, epoch}, {failure, epoch}, {answered, answered.At}} {
		save(t, db, step.o)
		refs, err := db.Due(t.Context(), DueQuery{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := refs[0]; got.Pacing != asked || got.LastFull != step.full.Unix() {
			t.Errorf("step %d: got pacing %+v and last full %d, want %+v and %d", i, got.Pacing, got.LastFull, asked, step.full.Unix())
		}
	}
}

// TestDueKeepsToSkippedHoursAndDays: a feed that is due is left for another hour
// or day if it asks for that, but not for ever.
func TestDueKeepsToSkippedHoursAndDays(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	saturday := time.Date(2026, 3, 7, 3, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		asks feeds.Pacing
		late time.Duration
		q    DueQuery
		want bool
	}{
		{feeds.Pacing{}, 0, DueQuery{}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, DueQuery{}, false},
		{feeds.Pacing{SkipHours: 1 << 3}, 24*time.Hour - time.Second, DueQuery{}, false},
		{feeds.Pacing{SkipHours: 1 << 3}, 24 * time.Hour, DueQuery{}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, DueQuery{Early: true}, true},
		{feeds.Pacing{SkipHours: 1 << 3}, time.Hour, DueQuery{Force: true}, true},
		{feeds.Pacing{SkipHours: 1<<2 | 1<<4}, time.Hour, DueQuery{}, true},
		{feeds.Pacing{SkipDays: 1 << time.Saturday}, 6 * 24 * time.Hour, DueQuery{}, false},
		{feeds.Pacing{SkipDays: 1 << time.Saturday}, 7 * 24 * time.Hour, DueQuery{}, true},
		{feeds.Pacing{SkipDays: 1<<time.Saturday ^ 127}, time.Hour, DueQuery{}, true},
	} {
		o := succeeded(id, saturday.Add(-c.late-time.Hour))
		o.NextDue, o.Pacing = saturday.Add(-c.late), c.asks
		save(t, db, o)
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

func TestJobsComeInOrderOverManyQueries(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 2*jobsAtOnce+3)
	save(t, db, succeeded(ids[7], epoch, item("a", "1")))
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

func TestItemsAreChosenBySinceLimitAndOrder(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 2)
	for hour := range 4 { // two items an hour, feed by feed
		for f, id := range ids {
			name := fmt.Sprintf("%d%c", hour, 'a'+f)
			save(t, db, succeeded(id, epoch.Add(time.Duration(hour)*time.Hour), item(name, "1")))
		}
	}
	at := func(h float64) time.Time { return epoch.Add(time.Duration(h * float64(time.Hour))) }
	for _, c := range []struct {
		q    ItemQuery
		want []string
	}{
		{ItemQuery{}, []string{"0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"}},
		{ItemQuery{Newest: true, Limit: 3}, []string{"3b", "3a", "2b"}},
		{ItemQuery{Since: at(2)}, []string{"2a", "2b", "3a", "3b"}},
		{ItemQuery{Since: at(2.5), Newest: true}, []string{"3b", "3a"}},
		{ItemQuery{Since: at(-1)}, []string{"0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"}},
		{ItemQuery{Since: at(9)}, nil},
		{ItemQuery{FeedURL: feedURL(1)}, []string{"0b", "1b", "2b", "3b"}},
		{ItemQuery{FeedURL: feedURL(1), Since: at(2), Limit: 1}, []string{"2b"}},
		{ItemQuery{FeedURL: feedURL(0), Newest: true, Limit: 2}, []string{"3a", "2a"}},
		{ItemQuery{FeedURL: "https://never.example/"}, nil},
	} {
		var got []string
		for it, err := range db.Items(t.Context(), c.q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, it.GUID)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.q, got, c.want)
		}
	}
}

func TestListsMayBeLeftEarlyAndCancelled(t *testing.T) {
	db := newStore(t)
	subscribe(t, db, 10)
	for range 3 * readerConns { // a connection that is not given back would be missed
		for _, err := range db.Feeds(t.Context(), FeedQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	yielded := 0
	for _, err := range db.Items(ctx, ItemQuery{}) {
		if yielded++; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if yielded != 1 {
		t.Errorf("a cancelled list yielded %d times, want 1", yielded)
	}
}

func TestFeedsChoosesByURLAndFailure(t *testing.T) {
	db := newStore(t)
	ids := subscribe(t, db, 4)
	save(t, db, succeeded(ids[0], epoch), failed(ids[1], epoch, feeds.DNS, 1), failed(ids[2], epoch, feeds.HostBackoff, 0))
	for _, c := range []struct {
		q    FeedQuery
		want []int64
	}{
		{FeedQuery{}, ids},
		{FeedQuery{Failing: true}, ids[1:3]},
		{FeedQuery{URLs: []string{feedURL(3), feedURL(1), "nothing"}}, []int64{ids[1], ids[3]}},
		{FeedQuery{URLs: []string{feedURL(3), feedURL(1)}, Failing: true}, []int64{ids[1]}},
		{FeedQuery{URLs: []string{}}, nil},
	} {
		var got []int64
		for f, err := range db.Feeds(t.Context(), c.q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.ID)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.q, got, c.want)
		}
	}
}

func TestRunsAreRememberedAndForgotten(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	o := failed(id, epoch, feeds.RateLimited, 1)
	o.Domain, o.HoldUntil = "over.example", epoch
	save(t, db, o)
	shell(t, db, `INSERT INTO runs (started) WITH n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
		SELECT ? FROM n`, runsKept, epoch.Unix())
	const first = 1
	var last int64
	for i := range 5 {
		run, err := db.BeginRun(t.Context(), Run{Mode: "pipe", Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		last = run
		if i == 0 {
			if err := db.EndRun(t.Context(), run, RunResult{Feeds: 3, Succeeded: 2, Failed: 1, New: 4, Updated: 5}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var n, ended, holds, oldest int64
	row := db.readers.QueryRowContext(t.Context(), `SELECT count(*), min(id), (SELECT count(*) FROM hosts),
		(SELECT id FROM runs WHERE finished = ? AND feeds = 3 AND succeeded = 2 AND failed = 1 AND new = 4 AND updated = 5
			AND mode = 'pipe' AND workers = 2 AND pid > 0) FROM runs`, epoch.Unix())
	if err := row.Scan(&n, &oldest, &holds, &ended); err != nil {
		t.Fatal(err)
	}
	if n != runsKept || last-first != runsKept+4 || oldest != first+5 || ended != first+runsKept || holds != 0 {
		t.Errorf("got %d runs from %d to %d, %d ended, %d holds", n, oldest, last, ended, holds)
	}
}

func TestLatestShowsTheNewestFirst(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1"), item("b", "1")))
	got, err := column(t.Context(), db.readers, "SELECT feed || ' | ' || title || ' | ' || arrived FROM latest LIMIT 1")
	if want := []string{"A feed | Title of b | 2023-11-14 22:13:20"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestJobsKnowKeysOfAnyBytes(t *testing.T) {
	db := newStore(t)
	id := subscribe(t, db, 1)[0]
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
	save(t, db, succeeded(id, epoch, items...))
	shell(t, db, "DELETE FROM items WHERE hex(key) LIKE '2C%' OR hex(key) LIKE '0000%'")
	for k := range want {
		if k[0] == ',' || k[0] == 0 && k[1] == 0 {
			want[k] = 0
		}
	}
	got := job(t, db, id).Known
	for _, k := range got {
		if hash, ok := want[k.Key]; !ok || hash != k.Hash {
			t.Errorf("got key %x with hash %d, want %d (%t)", k.Key, k.Hash, hash, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d items, want %d", len(got), len(want))
	}
}
