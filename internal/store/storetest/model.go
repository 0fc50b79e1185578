package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// A modelFeed is what the store should hold of a feed.
type modelFeed struct {
	id, seq int64
	items   []store.Item // by seq
	removed map[feeds.Key]bool
	outcome feeds.Outcome // the last one; zero class when there was none
	success feeds.Outcome // the last success
	checked time.Time
}

// A model is what the store should hold, by URL.
type model struct {
	feeds  map[string]*modelFeed
	lastID int64
}

// testStoreBehavesLikeItsModel does random things to a store and to a model of
// it, and compares them after each.
func testStoreBehavesLikeItsModel(t *testing.T, e Engine) {
	seed := time.Now().UnixNano()
	if s := os.Getenv("STORE_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseInt(s, 10, 64)
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	db := newStore(t, e)
	m := &model{feeds: map[string]*modelFeed{}}
	now := Epoch
	steps := e.Steps()
	if slowly {
		steps = 40
	}
	for step := range steps {
		now = now.Add(time.Duration(rng.IntN(3600)) * time.Second)
		var did string
		switch n := rng.IntN(20); {
		case n < 3:
			did = m.subscribe(t, db, rng)
		case n < 4:
			did = m.unsubscribe(t, db, rng)
		case n < 6:
			did = m.remove(t, db, rng)
		case n < 7:
			did = "reopen"
			closeStore(t, db)
			db = openStore(t, e, db.name)
		default:
			did = m.save(t, db, rng, now)
		}
		m.compare(t, db, now)
		if t.Failed() {
			t.Fatalf("STORE_TEST_SEED=%d: step %d: %s", seed, step, did)
		}
	}
}

func (m *model) url(rng *rand.Rand) string { return FeedURL(rng.IntN(12)) }

func (m *model) subscribe(t *testing.T, db *opened, rng *rand.Rand) string {
	url := m.url(rng)
	got, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	f, there := m.feeds[url]
	if !there {
		m.lastID++
		f = &modelFeed{id: m.lastID, removed: map[feeds.Key]bool{}}
		m.feeds[url] = f
	}
	if want := (store.Subscribed{ID: f.id, Added: !there}); got[0] != want {
		t.Errorf("Subscribe: got %+v, want %+v", got[0], want)
	}
	return "subscribe " + url
}

func (m *model) unsubscribe(t *testing.T, db *opened, rng *rand.Rand) string {
	url := m.url(rng)
	got, err := db.Unsubscribe(t.Context(), []string{url})
	want := 0
	if m.feeds[url] != nil {
		want = 1
	}
	if got != want || err != nil {
		t.Errorf("Unsubscribe: got %d, %v, want %d", got, err, want)
	}
	delete(m.feeds, url)
	return "unsubscribe " + url
}

// remove deletes an item as the shell would.
func (m *model) remove(t *testing.T, db *opened, rng *rand.Rand) string {
	url := m.url(rng)
	f := m.feeds[url]
	if f == nil || len(f.items) == 0 {
		return "nothing"
	}
	i := rng.IntN(len(f.items))
	shell(t, db, "DELETE FROM items WHERE feed_id = ? AND seq = ?", f.id, f.items[i].Seq)
	f.removed[f.items[i].Key] = true
	f.items = slices.Delete(f.items, i, i+1)
	return fmt.Sprintf("remove item %d of %s", i, url)
}

// Save stores outcomes of random classes for random feeds, some of which are
// not there.
func (m *model) save(t *testing.T, db *opened, rng *rand.Rand, now time.Time) string {
	var outcomes []feeds.Outcome
	var want []feeds.Saved
	for _, n := range rng.Perm(12)[:rng.IntN(5)] {
		classes := []feeds.Class{feeds.OK, feeds.OK, feeds.NotModified, feeds.Truncated, feeds.Timeout, feeds.Cancelled, feeds.HostBackoff}
		o := Succeeded(0, now)
		o.Class = classes[rng.IntN(len(classes))]
		if !o.Class.OK() {
			o.Fails = 1 + rng.IntN(5)
		}
		for range rng.IntN(6) {
			o.Items = append(o.Items, Item(fmt.Sprint(rng.IntN(15)), fmt.Sprint(rng.IntN(3))))
		}
		f := m.feeds[FeedURL(n)]
		if f == nil {
			o.ID = m.lastID + 100
			want = append(want, feeds.Saved{ID: o.ID, Err: store.ErrNoFeed})
		} else {
			o.ID = f.id
			want = append(want, f.save(o))
		}
		outcomes = append(outcomes, o)
	}
	got, err := db.Save(t.Context(), outcomes)
	for i := range got {
		if got[i].New > 0 != (got[i].FirstID > 0) {
			t.Errorf("Save: got %+v, want the id of the first item just when there is one", got[i])
		}
		got[i].FirstID = 0 // the model knows of no other feeds
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Save: got %+v, %v, want %+v", got, err, want)
	}
	return fmt.Sprintf("save %d", len(outcomes))
}

// save is Save as the model does it.
func (f *modelFeed) save(o feeds.Outcome) feeds.Saved {
	saved := feeds.Saved{ID: f.id, Items: len(f.items)}
	if o.Class == feeds.Cancelled {
		return saved
	}
	f.outcome = o
	if o.Class != feeds.HostBackoff {
		f.checked = o.At
	}
	if o.Class.OK() {
		f.success = o
	}
	if !o.Class.OK() && o.Class != feeds.Truncated {
		return saved
	}
	for _, it := range o.Items {
		at := slices.IndexFunc(f.items, func(x store.Item) bool { return x.Key == it.Key })
		switch {
		case f.removed[it.Key]:
		case at < 0:
			f.seq++
			f.items = append(f.items, store.Item{Item: it, FeedID: f.id, Seq: f.seq, FirstSeen: o.At})
			saved.New++
		case f.items[at].Hash != it.Hash && f.items[at].Edits < store.MaxEdits:
			f.items[at].Item = it
			f.items[at].Edits++
			saved.Updated++
		}
	}
	saved.Items = len(f.items)
	return saved
}

// compare holds all that the store tells against the model.
func (m *model) compare(t *testing.T, db *opened, now time.Time) {
	t.Helper()
	var due []int64
	for _, f := range AllFeeds(t, db) {
		w := m.feeds[f.URL]
		if w == nil || w.id != f.ID {
			t.Errorf("%s: got id %d, want %+v", f.URL, f.ID, w)
			continue
		}
		if !w.outcome.NextDue.After(now) {
			due = append(due, f.ID)
		}
		if f.Class != w.outcome.Class || f.Fails != w.outcome.Fails || f.Items != len(w.items) || f.Validators != w.success.Validators ||
			!f.LastChecked.Equal(w.checked) || !f.LastSuccess.Equal(w.success.At) || f.Title != w.success.Title {
			t.Errorf("%s: got %+v, want %+v", f.URL, f, w)
		}
		got := ItemsOf(t, db, f.URL)
		known := map[feeds.Key]uint64{}
		for k := range w.removed {
			known[k] = 0
		}
		for i := range w.items {
			want := w.items[i]
			want.FeedURL, want.FeedLabel = f.URL, f.Title
			if i < len(got) {
				want.ID = got[i].ID // the model knows of no other feeds
			}
			if i >= len(got) || !reflect.DeepEqual(got[i], want) {
				t.Errorf("%s: item %d of %d: want %+v, got %+v", f.URL, i, len(got), want, got)
			}
			if known[want.Key] = want.Hash; want.Edits >= store.MaxEdits {
				known[want.Key] = 0
			}
		}
		j := Job(t, db, f.ID)
		for _, k := range j.Known {
			if hash, ok := known[k.Key]; !ok || hash != k.Hash {
				t.Errorf("%s: Known has %v, want hash %d (%t)", f.URL, k, hash, ok)
			}
		}
		if len(got) != len(w.items) || len(j.Known) != len(known) || j.BodyHash != w.success.BodyHash {
			t.Errorf("%s: got %d items, %d known, want %d, %d", f.URL, len(got), len(j.Known), len(w.items), len(known))
		}
	}
	refs, err := db.Due(t.Context(), store.DueQuery{Now: now})
	got := make([]int64, 0, len(refs))
	for _, r := range refs {
		got = append(got, r.ID)
	}
	if slices.Sort(due); err != nil || !slices.Equal(got, due) {
		t.Errorf("Due: got %v, %v, want %v", got, err, due)
	}
	if n := len(AllFeeds(t, db)); n != len(m.feeds) {
		t.Errorf("got %d feeds, want %d", n, len(m.feeds))
	}
}
