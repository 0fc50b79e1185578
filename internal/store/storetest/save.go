package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

func testItemsComeBackAsTheyWereSaved(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	a, b := Item("a", "first"), feeds.Item{Key: KeyOf("b"), Hash: 1<<64 - 1}
	b.Published, b.Updated = -5, 7
	Save(t, db, Succeeded(id, Epoch, a, b))

	got := ItemsOf(t, db, FeedURL(0))
	want := []store.Item{
		{Item: a, ID: 1, FeedID: id, FeedURL: FeedURL(0), FeedLabel: "A feed", Seq: 1, FirstSeen: Epoch},
		{Item: b, ID: 2, FeedID: id, FeedURL: FeedURL(0), FeedLabel: "A feed", Seq: 2, FirstSeen: Epoch},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func testSuccessReplacesValidatorsAndFailureLeavesThem(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	first := Succeeded(id, Epoch, Item("a", "1"))
	Save(t, db, first)

	steps := []struct {
		class feeds.Class
		items []feeds.Item
		kept  bool // validators, body hash and last success are those of the step before
		added int
	}{
		{feeds.Unchanged, nil, false, 0},
		{feeds.HTTPError, []feeds.Item{Item("never", "1")}, true, 0},
		{feeds.Truncated, []feeds.Item{Item("salvaged", "1")}, true, 1},
		{feeds.Parse, []feeds.Item{Item("salvaged too", "1")}, true, 1},
		{feeds.Gone, nil, true, 0},
		{feeds.HostBackoff, nil, true, 0},
		{feeds.NotModified, nil, false, 0},
		{feeds.WorkerStack, nil, true, 0},
		{feeds.OK, []feeds.Item{Item("new", "1")}, false, 1},
		{feeds.NotModified, nil, false, 0},
		{feeds.OK, nil, false, 0}, // one of which nothing is remembered
	}
	validators, hash, success, items := first.Validators, first.BodyHash, Epoch, 1
	for i, s := range steps {
		at := Epoch.Add(time.Duration(i+1) * time.Hour)
		o := Succeeded(id, at, s.items...)
		o.Class, o.Detail, o.Fails = s.class, "", 0
		if s.kept {
			o.Fails, o.Detail = i+1, "because"
		} else {
			validators, hash, success = o.Validators, o.BodyHash, at
		}
		items += s.added
		saved := Save(t, db, o)[0]
		if saved.New != s.added || saved.Items != items {
			t.Errorf("%s: got %d new of %d, want %d of %d", s.class, saved.New, saved.Items, s.added, items)
		}
		j, f := Job(t, db, id), AllFeeds(t, db)[0]
		if j.Validators != validators || j.BodyHash != hash || !f.LastSuccess.Equal(success) {
			t.Errorf("%s: got %v, %d, %v, want %v, %d, %v", s.class, j.Validators, j.BodyHash, f.LastSuccess, validators, hash, success)
		}
		if f.Class != s.class || f.Detail != o.Detail || f.Fails != o.Fails || !f.NextDue.Equal(o.NextDue) || f.Items != items {
			t.Errorf("%s: got %+v", s.class, f)
		}
		if checked := s.class != feeds.HostBackoff; f.LastChecked.Equal(at) != checked {
			t.Errorf("%s: last checked %v, at %v", s.class, f.LastChecked, at)
		}
	}
}

func testCancelledChangesNothing(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	Save(t, db, Succeeded(id, Epoch, Item("a", "1")))
	before := AllFeeds(t, db)
	o := Succeeded(id, Epoch.Add(time.Hour), Item("b", "1"))
	o.Class, o.Domain, o.HoldUntil = feeds.Cancelled, "example", Epoch.Add(time.Hour)
	saved := Save(t, db, o)[0]
	if want := (feeds.Saved{ID: id, Items: 1}); saved != want {
		t.Errorf("got %+v, want %+v", saved, want)
	}
	if after := AllFeeds(t, db); !reflect.DeepEqual(after, before) {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if holds, err := db.Holds(t.Context(), Epoch); err != nil || len(holds) != 0 {
		t.Errorf("Holds: got %v, %v, want none", holds, err)
	}
}

func testTitleSurvivesADocumentWithoutOne(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	Save(t, db, Succeeded(id, Epoch))
	o := Succeeded(id, Epoch.Add(time.Hour))
	o.Title, o.Link = "", ""
	Save(t, db, o)
	if f := AllFeeds(t, db)[0]; f.Title != "A feed" || f.Link != "https://example.org/" {
		t.Errorf("got title %q and link %q", f.Title, f.Link)
	}
}

func testEditKeepsItsSeq(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	Save(t, db, Succeeded(id, Epoch, Item("a", "1"), Item("b", "1")))
	edited := Item("a", "2")
	edited.Categories, edited.Title = nil, ""
	saved := Save(t, db, Succeeded(id, Epoch.Add(time.Hour), edited, Item("b", "1"), Item("c", "1")))[0]
	if saved.New != 1 || saved.Updated != 1 || saved.Items != 3 {
		t.Errorf("got %+v, want 1 new, 1 updated, 3 items", saved)
	}
	got := ItemsOf(t, db, FeedURL(0))
	if len(got) != 3 || !reflect.DeepEqual(got[0].Item, edited) || got[0].Seq != 1 || got[0].Edits != 1 || !got[0].FirstSeen.Equal(Epoch) {
		t.Errorf("got %+v, want %+v with seq 1", got, edited)
	}
	if got[1].Edits != 0 || got[2].Seq != 3 {
		t.Errorf("got %+v and %+v, want no edit, and seq 3", got[1], got[2])
	}
}

func testEditsEndAt24(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	Save(t, db, Succeeded(id, Epoch, Item("clock", "0")))
	for i := 1; i <= store.MaxEdits+3; i++ {
		saved := Save(t, db, Succeeded(id, Epoch.Add(time.Duration(i)*time.Hour), Item("clock", fmt.Sprint(i))))[0]
		if want := min(1, max(0, store.MaxEdits+1-i)); saved.Updated != want || saved.New != 0 {
			t.Errorf("edit %d: got %d updated, want %d", i, saved.Updated, want)
		}
		known, wantHash := Job(t, db, id).Known, Item("clock", fmt.Sprint(i)).Hash
		if i >= store.MaxEdits {
			wantHash = 0
		}
		if len(known) != 1 || known[0].Hash != wantHash {
			t.Errorf("edit %d: got %v, want hash %d", i, known, wantHash)
		}
	}
	if got := ItemsOf(t, db, FeedURL(0))[0].Content; got != fmt.Sprint(store.MaxEdits) {
		t.Errorf("got content %q, want %d", got, store.MaxEdits)
	}
}

func testSameKeyTwiceInADocumentIsOneItem(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	saved := Save(t, db, Succeeded(id, Epoch, Item("a", "1"), Item("a", "1"), Item("a", "2"), Item("b", "1")))[0]
	if saved.New != 2 || saved.Updated != 1 || saved.Items != 2 {
		t.Errorf("got %+v, want 2 new, 1 updated, 2 items", saved)
	}
}

func testRemovedItemDoesNotComeBack(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	document := []feeds.Item{Item("a", "1"), Item("b", "1"), Item("c", "1")}
	for _, id := range ids {
		Save(t, db, Succeeded(id, Epoch, document...))
	}
	shell(t, db, "DELETE FROM items WHERE feed_id = ? AND guid IN ('a', 'c')", ids[0])

	want := []feeds.Known{{Key: KeyOf("a")}, {Key: KeyOf("b"), Hash: document[1].Hash}, {Key: KeyOf("c")}}
	slices.SortFunc(want, func(a, b feeds.Known) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	if got := Job(t, db, ids[0]).Known; !reflect.DeepEqual(got, want) {
		t.Errorf("Known: got %v, want %v", got, want)
	}
	edited := []feeds.Item{Item("a", "2"), Item("b", "2"), Item("c", "1"), Item("d", "1")}
	for i, want := range []feeds.Saved{
		{ID: ids[0], New: 1, Updated: 1, Items: 2},
		{ID: ids[1], New: 1, Updated: 2, Items: 4},
	} {
		want.FirstID = int64(7 + i)
		if got := Save(t, db, Succeeded(ids[i], Epoch.Add(time.Hour), edited...))[0]; got != want {
			t.Errorf("feed %d: got %+v, want %+v", i, got, want)
		}
	}
	if got := ItemsOf(t, db, FeedURL(0)); len(got) != 2 || got[1].GUID != "d" || got[1].Seq != 4 {
		t.Errorf("got %+v, want b, and d with seq 4", got)
	}

	shell(t, db, "DELETE FROM removed WHERE feed_id = ?", ids[0])
	if got := Save(t, db, Succeeded(ids[0], Epoch.Add(2*time.Hour), edited...))[0]; got.New != 2 {
		t.Errorf("once allowed back: got %+v, want 2 new", got)
	}
}

func testOutcomeOfAVanishedFeedHoldsUpNobody(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 3)
	if n, err := db.Unsubscribe(t.Context(), []string{FeedURL(1), "https://never.example/"}); n != 1 || err != nil {
		t.Fatalf("Unsubscribe: got %d, %v", n, err)
	}
	outcomes := []feeds.Outcome{Succeeded(ids[2], Epoch, Item("a", "1")), Succeeded(ids[1], Epoch, Item("a", "1")), Succeeded(ids[0], Epoch, Item("a", "1"))}
	saved, err := db.Save(t.Context(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range saved {
		wantErr := error(nil)
		if i == 1 {
			wantErr = store.ErrNoFeed
		}
		if s.ID != outcomes[i].ID || !errors.Is(s.Err, wantErr) || (s.New == 1) != (wantErr == nil) {
			t.Errorf("outcome %d: got %+v, want error %v", i, s, wantErr)
		}
	}
	again, err := db.Subscribe(t.Context(), []feeds.Subscription{{URL: FeedURL(1)}})
	if err != nil || again[0].ID <= ids[2] {
		t.Errorf("a new feed got the id %d of an old one (error %v)", again[0].ID, err)
	}
}

func testRedirectIsBelievedWhenTwoRunsSawIt(t *testing.T, e Engine) {
	const there, elsewhere = "https://new.example/feed", "https://other.example/feed"
	db := newStore(t, e)
	ids := Subscribe(t, db, 2)
	hour := 0
	see := func(id int64, class feeds.Class, to string) string {
		hour++
		o := Succeeded(id, Epoch.Add(time.Duration(hour)*time.Hour))
		o.Class, o.MovedTo = class, to
		if !class.OK() {
			o.Fails = 1
		}
		return Save(t, db, o)[0].MovedTo
	}
	run := func() {
		if _, err := db.BeginRun(t.Context(), store.Run{Mode: "pipe", Workers: 2}); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		sameRun bool
		class   feeds.Class
		to      string
		want    string
	}{
		{class: feeds.OK, to: there},
		{class: feeds.OK, to: elsewhere},                    // another one: count anew
		{class: feeds.OK, to: there},                        // likewise
		{class: feeds.OK, to: ""},                           // taken back
		{class: feeds.HTTPError, to: there},                 // an error page proves nothing
		{class: feeds.NotModified, to: there},               // first
		{class: feeds.OK, to: there, sameRun: true},         // the same run does not count
		{class: feeds.HTTPError, to: ""},                    // nor against
		{class: feeds.Unchanged, to: there, want: there},    // second
		{class: feeds.OK, to: FeedURL(1)},                   // first
		{class: feeds.OK, to: FeedURL(1)},                   // another feed has it
		{class: feeds.OK, to: FeedURL(0)},                   // and back
		{class: feeds.OK, to: FeedURL(0), want: FeedURL(0)}, //
	}
	for i, s := range steps {
		if !s.sameRun {
			run()
		}
		if got := see(ids[0], s.class, s.to); got != s.want {
			t.Errorf("step %d: moved to %q, want %q", i, got, s.want)
		}
		if i == 8 {
			if got := Job(t, db, ids[0]).URL; got != there {
				t.Errorf("step %d: URL %q, want %q", i, got, there)
			}
		}
	}
}

// testARedirectToNoURLIsNotBelieved: a worker may say anything, and a feed has a URL that
// anybody could have subscribed to.
func testARedirectToNoURLIsNotBelieved(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 4)
	rng := rand.New(rand.NewPCG(1, 1))
	long := make([]byte, 4000)
	for i := range long {
		long[i] = "abcdefghijklmnopqrstuvwxyz"[rng.IntN(26)]
	}
	urls := []string{"https://a.example/\xff", "https://" + string(long) + "/", "https://A.example/#b", "https://b.example/"}
	for run := range 2 {
		if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil {
			t.Fatal(err)
		}
		var outcomes []feeds.Outcome
		for i, url := range urls {
			o := Succeeded(ids[i], Epoch.Add(time.Duration(run)*time.Hour))
			o.MovedTo = url
			outcomes = append(outcomes, o)
		}
		for i, s := range Save(t, db, outcomes...) {
			if believed := run == 1 && i == 3; (s.MovedTo != "") != believed {
				t.Errorf("run %d, %.40q: got %+v, want it believed: %v", run, urls[i], s, believed)
			}
		}
	}
}

func testHoldsKeepTheLaterTime(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	for i, until := range []time.Duration{2 * time.Hour, time.Hour, 3 * time.Hour, 0} {
		o := Failed(id, Epoch, feeds.RateLimited, i+1)
		o.Domain = "host.example"
		if until > 0 {
			o.HoldUntil = Epoch.Add(until)
		}
		Save(t, db, o)
	}
	holds, err := db.Holds(t.Context(), Epoch)
	if want := Epoch.Add(3 * time.Hour); err != nil || len(holds) != 1 || !holds["host.example"].Equal(want) {
		t.Errorf("got %v, %v, want until %v", holds, err, want)
	}
	holds, err = db.Holds(t.Context(), Epoch.Add(3*time.Hour))
	if err != nil || len(holds) != 0 {
		t.Errorf("afterwards: got %v, %v, want none", holds, err)
	}
}

// testNoSecondIsCutShort: times are stored in seconds, and nobody is asked a part of one
// before the time that was promised.
func testNoSecondIsCutShort(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	o := Failed(id, Epoch, feeds.RateLimited, 1)
	o.NextDue = Epoch.Add(time.Hour + time.Millisecond)
	o.Domain, o.HoldUntil = "host.example", o.NextDue
	Save(t, db, o)
	for wait, want := range map[time.Duration]int{time.Hour: 0, time.Hour + time.Second: 1} {
		refs, err := db.Due(t.Context(), store.DueQuery{Now: Epoch.Add(wait)})
		if err != nil || len(refs) != want {
			t.Errorf("due %v after, asked %v after: got %v, %v, want %d feeds", o.NextDue.Sub(Epoch), wait, refs, err, want)
		}
		if holds, err := db.Holds(t.Context(), Epoch.Add(wait)); err != nil || len(holds) != 1-want {
			t.Errorf("held for %v, asked %v after: got %v, %v, want %d holds", o.NextDue.Sub(Epoch), wait, holds, err, 1-want)
		}
	}
}

func testTextIsStoredReadableAndValidatorsByteForByte(t *testing.T, e Engine) {
	db := newStore(t, e)
	id := Subscribe(t, db, 1)[0]
	var every strings.Builder
	for b := range 256 {
		every.WriteByte(byte(b))
	}
	odd := feeds.Item{Key: KeyOf("odd"), Hash: 1, GUID: "a\x00b", Title: "caf\xe9\xff! \U0001F600", Content: every.String(),
		Categories: []string{"x\x00", "\xc3("}, Enclosures: []feeds.Enclosure{{URL: "https://e/\xf0\x9f"}}}
	o := Succeeded(id, Epoch, odd)
	o.Validators = feeds.Validators{ETag: every.String(), LastModified: "\xff\x00 Mon, 99 Foo"}
	o.MovedTo, o.Validators.URL = "https://e/?\xff", "https://e/?\xff" // as a worker that lies says it
	o.Title, o.Detail = "t\x00\xfe", "d\xfe"
	Save(t, db, o)

	if got := Job(t, db, id).Validators; got.ETag != o.Validators.ETag || got.LastModified != o.Validators.LastModified {
		t.Errorf("validators: got %q, want %q", got, o.Validators)
	}
	got := ItemsOf(t, db, FeedURL(0))[0]
	for _, c := range []struct{ got, want string }{
		{got.GUID, "a\uFFFDb"},
		{got.Title, "caf\uFFFD! \U0001F600"},
		{got.Categories[0], "x\uFFFD"},
		{got.Categories[1], "\uFFFD("},
		{got.Enclosures[0].URL, "https://e/\uFFFD"},
		{AllFeeds(t, db)[0].Title, "t\uFFFD"},
		{AllFeeds(t, db)[0].Detail, "d\uFFFD"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if n := number(t, db, "SELECT count(*) FROM items WHERE title = ?", "caf\uFFFD! \U0001F600"); n != 1 {
		t.Errorf("the database has another title than %q", got.Title)
	}
	if !utf8.ValidString(got.Content) || strings.Contains(got.Content, "\x00") || !strings.Contains(got.Content, "\x01\x02") {
		t.Errorf("content: got %q", got.Content)
	}
	// What is stored differs from what was given, but its hash does not.
	if again := Save(t, db, Succeeded(id, Epoch.Add(time.Hour), odd))[0]; again.New != 0 || again.Updated != 0 {
		t.Errorf("the same item again: got %+v, want nothing", again)
	}
}

// testValidatorsComeBackWithTheirURL: they must not be sent to another one.
func testValidatorsComeBackWithTheirURL(t *testing.T, e Engine) {
	db := newStore(t, e)
	ids := Subscribe(t, db, 1)
	o := Succeeded(ids[0], Epoch)
	o.Validators = feeds.Validators{ETag: `"1"`, LastModified: "x", URL: "https://mirror.example/feed"}
	Save(t, db, o)
	jobs, err := db.Jobs(t.Context(), ids)
	if err != nil || len(jobs) != 1 || jobs[0].Validators != o.Validators {
		t.Errorf("got %+v, %v, want %+v", jobs, err, o.Validators)
	}
}
