// Package storetest says what a store is, as tests that every engine passes.
//
// It refuses to know an engine: what files, locks, servers and leases promise is
// tested where they are.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// An Engine is how tests come to stores of one kind.
type Engine interface {
	// New returns where a store may be made, for this test alone.
	New(t testing.TB) (name string)

	// Open opens the store of that name, and makes it if it is not there.
	Open(ctx context.Context, name string, o store.Options) (store.DB, error)

	// Exec executes one statement as somebody at the database's own shell would,
	// with a ? for each argument.
	Exec(t testing.TB, name, statement string, args ...any)

	// Steps returns how many steps the model is to take: as many as go in a second or two.
	Steps() int

	// Number returns the one number that a query has.
	Number(t testing.TB, name, query string, args ...any) int64
}

// ListOf returns a list of these.
func ListOf(subs ...feeds.Subscription) store.List {
	return store.List{
		Folders: slices.ContainsFunc(subs, func(s feeds.Subscription) bool { return s.Category != "" }),
		Feeds: func(yield func(feeds.Subscription, error) bool) {
			for _, s := range subs {
				if !yield(s, nil) {
					return
				}
			}
		},
	}
}

// Run runs all tests for an engine.
func Run(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"SubscribeIsIdempotentAndKeepsOrder", testSubscribeIsIdempotentAndKeepsOrder},
		{"UnsubscribeTakesTheItemsAlong", testUnsubscribeTakesTheItemsAlong},
		{"AClockThatWasAheadDelaysNothing", testAClockThatWasAheadDelaysNothing},
		{"OddPacingIsNoFault", testOddPacingIsNoFault},
		{"DueChoosesFeeds", testDueChoosesFeeds},
		{"DueKnowsWhatPlanningNeeds", testDueKnowsWhatPlanningNeeds},
		{"DueKeepsToSkippedHoursAndDays", testDueKeepsToSkippedHoursAndDays},
		{"JobsComeInOrderOverManyQueries", testJobsComeInOrderOverManyQueries},
		{"ItemsAreChosenBySinceLimitAndOrder", testItemsAreChosenBySinceLimitAndOrder},
		{"ListsMayBeLeftEarlyAndCancelled", testListsMayBeLeftEarlyAndCancelled},
		{"FeedsChoosesByURLAndFailure", testFeedsChoosesByURLAndFailure},
		{"FeedsComeInEachOrder", testFeedsComeInEachOrder},
		{"AListIsImportedWholeOrNotAtAll", testAListIsImportedWholeOrNotAtAll},
		{"RunsAreRememberedAndForgotten", testRunsAreRememberedAndForgotten},
		{"JobsKnowKeysOfAnyBytes", testJobsKnowKeysOfAnyBytes},
		{"ItemsComeBackAsTheyWereSaved", testItemsComeBackAsTheyWereSaved},
		{"SuccessReplacesValidatorsAndFailureLeavesThem", testSuccessReplacesValidatorsAndFailureLeavesThem},
		{"CancelledChangesNothing", testCancelledChangesNothing},
		{"TitleSurvivesADocumentWithoutOne", testTitleSurvivesADocumentWithoutOne},
		{"EditKeepsItsSeq", testEditKeepsItsSeq},
		{"EditsEndAt24", testEditsEndAt24},
		{"SameKeyTwiceInADocumentIsOneItem", testSameKeyTwiceInADocumentIsOneItem},
		{"RemovedItemDoesNotComeBack", testRemovedItemDoesNotComeBack},
		{"OutcomeOfAVanishedFeedHoldsUpNobody", testOutcomeOfAVanishedFeedHoldsUpNobody},
		{"RedirectIsBelievedWhenTwoRunsSawIt", testRedirectIsBelievedWhenTwoRunsSawIt},
		{"ARedirectToNoURLIsNotBelieved", testARedirectToNoURLIsNotBelieved},
		{"HoldsKeepTheLaterTime", testHoldsKeepTheLaterTime},
		{"NoSecondIsCutShort", testNoSecondIsCutShort},
		{"TextIsStoredReadableAndValidatorsByteForByte", testTextIsStoredReadableAndValidatorsByteForByte},
		{"ValidatorsComeBackWithTheirURL", testValidatorsComeBackWithTheirURL},
		{"WhatTheUserSaidStays", testWhatTheUserSaidStays},
		{"AListImportedAgainBringsItsChanges", testAListImportedAgainBringsItsChanges},
		{"AListWithFoldersAlsoSaysWhatIsInNone", testAListWithFoldersAlsoSaysWhatIsInNone},
		{"AnotherURLKeepsTheItems", testAnotherURLKeepsTheItems},
		{"ACopyIsInOneOrder", testACopyIsInOneOrder},
		{"AFeedThatIsGoneCannotBeEdited", testAFeedThatIsGoneCannotBeEdited},
		{"IDsOfItemsAreNeverGivenTwice", testIDsOfItemsAreNeverGivenTwice},
		{"TheUserIsToldOnce", testTheUserIsToldOnce},
		{"TheUserEditsBesideARun", testTheUserEditsBesideARun},
		{"ItemsThatShareAnIdentityStayThemselves", testItemsThatShareAnIdentityStayThemselves},
		{"AnUpgradeIsNoNews", testAnUpgradeIsNoNews},
		{"AnUpgradeTakesNoItemForAnother", testAnUpgradeTakesNoItemForAnother},
		{"RemovedItemsStayAwayAfterAnUpgrade", testRemovedItemsStayAwayAfterAnUpgrade},
		{"TheOtherReaderMakesNoNews", testTheOtherReaderMakesNoNews},
		{"RandomGUIDsAreNoticed", testRandomGUIDsAreNoticed},
		{"AMoveToHTTPSIsNoNews", testAMoveToHTTPSIsNoNews},
		{"AnEditBesideATwinIsAnEdit", testAnEditBesideATwinIsAnEdit},
		{"MovedFeedIsKnownByItsFormerURL", testMovedFeedIsKnownByItsFormerURL},
		{"StoreBehavesLikeItsModel", testStoreBehavesLikeItsModel},
		{"TheIndexFollowsTheItems", testTheIndexFollowsTheItems},
		{"ASearchKnowsTheWordsOfAnyScript", testASearchKnowsTheWordsOfAnyScript},
		{"PruneKeepsWhatItMust", testPruneKeepsWhatItMust},
		{"CursorsAreRemembered", testCursorsAreRemembered},
		{"CheckFindsEachBrokenPromise", testCheckFindsEachBrokenPromise},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// manyJobs are as many as no engine loads at once.
const manyJobs = 700

// Epoch is when tests happen.
var Epoch = time.Unix(1_700_000_000, 0)

// An opened store knows where it came from.
type opened struct {
	store.DB
	engine Engine
	name   string
	closed bool
}

// newStore opens a new store.
func newStore(t testing.TB, e Engine) *opened { return openStore(t, e, e.New(t)) }

// openStore opens the store of that name. When the test ends it must keep every
// promise, or be closed.
func openStore(t testing.TB, e Engine, name string) *opened {
	t.Helper()
	return openAt(t, e, name, func() time.Time { return Epoch })
}

// openAt is openStore with a clock.
func openAt(t testing.TB, e Engine, name string, now func() time.Time) *opened {
	t.Helper()
	db, err := e.Open(t.Context(), name, store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{DB: db, engine: e, name: name}
	t.Cleanup(func() { closeStore(t, o) })
	return o
}

// Close notes that a test has closed the store itself.
func (o *opened) Close() error {
	o.closed = true
	return o.DB.Close()
}

// closeStore checks db and closes it.
func closeStore(t testing.TB, db *opened) {
	t.Helper()
	if db.closed {
		return
	}
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// shell runs a statement as somebody else would.
func shell(t testing.TB, db *opened, statement string, args ...any) {
	t.Helper()
	db.engine.Exec(t, db.name, statement, args...)
}

// number returns the one number that a query has.
func number(t testing.TB, db *opened, query string, args ...any) int64 {
	t.Helper()
	return db.engine.Number(t, db.name, query, args...)
}

// Subscribe adds n feeds and returns their ids.
func Subscribe(t testing.TB, db store.DB, n int) []int64 {
	t.Helper()
	subs := make([]feeds.Subscription, n)
	for i := range subs {
		subs[i].URL = FeedURL(i)
	}
	done, err := db.Subscribe(context.Background(), subs)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, n)
	for i := range done {
		ids[i] = done[i].ID
	}
	return ids
}

func FeedURL(i int) string { return fmt.Sprintf("https://host%d.example/feed.xml", i) }

// Save stores outcomes that must all be stored.
func Save(t testing.TB, db store.DB, outcomes ...feeds.Outcome) []feeds.Saved {
	t.Helper()
	saved, err := db.Save(context.Background(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range saved {
		if s.Err != nil || s.ID != outcomes[i].ID {
			t.Fatalf("outcome %d of feed %d: got %+v", i, outcomes[i].ID, s)
		}
	}
	return saved
}

// Succeeded returns the outcome of a document with items.
func Succeeded(id int64, at time.Time, items ...feeds.Item) feeds.Outcome {
	return feeds.Outcome{
		Result: feeds.Result{ID: id, Class: feeds.OK, Status: 200, Attempts: 1, Items: items, Title: "A feed", Link: "https://example.org/",
			Validators: feeds.Validators{ETag: fmt.Sprintf(`W/"%d"`, at.Unix())}, BodyHash: uint64(at.Unix()) << 30},
		At: at, NextDue: at.Add(time.Hour),
	}
}

// Failed returns the outcome of a failure.
func Failed(id int64, at time.Time, class feeds.Class, fails int) feeds.Outcome {
	return feeds.Outcome{
		Result: feeds.Result{ID: id, Class: class, Detail: "it went wrong", Attempts: 1},
		At:     at, NextDue: at.Add(2 * time.Hour), Fails: fails,
	}
}

// Item returns an item whose key follows from name and whose hash from both.
func Item(name, content string) feeds.Item {
	sum := sha256.Sum256([]byte(name + "\x00" + content))
	return feeds.Item{
		Key: KeyOf(name), Hash: uint64(sum[0])<<56 | uint64(sum[1])<<8 | 1,
		GUID: name, Link: "https://example.org/" + name, Title: "Title of " + name, Author: "A. Uthor",
		Content: content, Published: Epoch.Unix() - 1000,
		Categories: []string{"news", `"quoted" & <b>`},
		Enclosures: []feeds.Enclosure{{URL: "https://example.org/a.mp3", Type: "audio/mpeg", Length: 12345}},
	}
}

func KeyOf(name string) feeds.Key {
	sum := sha256.Sum256([]byte(name))
	return feeds.Key(sum[:16])
}

// ItemsOf returns the stored items of the feed with this URL, the first
// arrival first.
func ItemsOf(t testing.TB, db store.DB, url string) []store.Item {
	t.Helper()
	ids := append([]int64{}, idsOf(t, db, store.FeedQuery{URLs: []string{url}})...) // none is not all
	return listed(t, db.Items(context.Background(), store.ItemQuery{FeedIDs: ids}))
}

// idsOf returns the ids of the feeds that a query chooses, in their order.
func idsOf(t testing.TB, db store.DB, q store.FeedQuery) (ids []int64) {
	t.Helper()
	for _, f := range listed(t, db.Feeds(context.Background(), q)) {
		ids = append(ids, f.ID)
	}
	return ids
}

// guidsOf returns the GUIDs of the items that a query chooses, in their order.
func guidsOf(t testing.TB, db store.DB, q store.ItemQuery) (guids []string) {
	t.Helper()
	for _, it := range listed(t, db.Items(context.Background(), q)) {
		guids = append(guids, it.GUID)
	}
	return guids
}

// AllFeeds returns all feeds.
func AllFeeds(t testing.TB, db store.DB) []store.Feed {
	t.Helper()
	return listed(t, db.Feeds(context.Background(), store.FeedQuery{}))
}

// listed returns all that a list of the store yields.
func listed[T any](t testing.TB, list iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for one, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// Job returns the job of one feed, its known items sorted.
func Job(t testing.TB, db store.DB, id int64) feeds.Job {
	t.Helper()
	jobs, err := db.Jobs(context.Background(), []int64{id})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("Jobs(%d): got %d jobs and error %v, want one job", id, len(jobs), err)
	}
	slices.SortFunc(jobs[0].Known, func(a, b feeds.Known) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return jobs[0]
}
