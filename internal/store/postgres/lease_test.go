package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/pgtest"
	"feedmill/internal/store"
	"feedmill/internal/store/storetest"
)

const ttl = time.Minute

// coordinators opens one store for each name.
func coordinators(t testing.TB, url string, names ...string) []*DB {
	t.Helper()
	var all []*DB
	for _, name := range names {
		all = append(all, openStore(t, url, Options{Owner: name}))
	}
	return all
}

func claim(t testing.TB, db *DB, n int) []feeds.Lease {
	t.Helper()
	held, err := db.Claim(t.Context(), n, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func domainsOf(held []feeds.Lease) []string {
	d, _ := apart(held)
	slices.Sort(d)
	return d
}

// expire ends all leases, as time does.
func expire(t testing.TB, url string) {
	t.Helper()
	engine{}.Exec(t, url, "UPDATE hosts SET lease_until = now() - interval '1 second' WHERE owner <> ''")
}

// refreshed has every held feed asked, and due an hour later.
func refreshed(t testing.TB, db *DB, held []feeds.Lease, want error) {
	t.Helper()
	h := db.Held(held)
	refs, err := h.Due(t.Context(), store.DueQuery{Now: db.Now()})
	if err != nil || len(refs) == 0 {
		t.Fatalf("Due: got %d feeds, %v", len(refs), err)
	}
	var outcomes []feeds.Outcome
	for _, r := range refs {
		o := storetest.Succeeded(r.ID, db.Now(), storetest.Item("a", "1"))
		outcomes = append(outcomes, o)
	}
	saved, err := h.Save(t.Context(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range saved {
		if !errors.Is(s.Err, want) || want == nil && s.New != 1 || want != nil && s.New != 0 {
			t.Fatalf("got %+v, want the error %v", s, want)
		}
	}
}

// TestTwoCoordinatorsNeverHaveOneDomain: many that claim at once get each domain
// once, and what one has nobody else gets.
func TestTwoCoordinatorsNeverHaveOneDomain(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "a", "b", "c")
	storetest.Subscribe(t, all[0], 60)
	var mu sync.Mutex
	got := make(map[string]string)
	var wg sync.WaitGroup
	for _, db := range all {
		wg.Go(func() {
			for {
				held, err := db.Claim(context.Background(), 7, ttl)
				if err != nil {
					t.Error(err)
				}
				if len(held) == 0 {
					return
				}
				mu.Lock()
				for _, l := range held {
					if had := got[l.Domain]; had != "" {
						t.Errorf("%s is with %s and with %s", l.Domain, had, db.owner)
					}
					got[l.Domain] = db.owner
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(got) != 60 {
		t.Errorf("got %d domains, want 60", len(got))
	}
}

// TestAStaleCoordinatorStoresNothing: another has had its domains since.
func TestAStaleCoordinatorStoresNothing(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "stale", "other")
	ids := storetest.Subscribe(t, all[0], 3)
	stale := claim(t, all[0], 10)
	if len(stale) != 3 {
		t.Fatalf("got %v, want three domains", stale)
	}
	if others := claim(t, all[1], 10); len(others) != 0 {
		t.Fatalf("another got %v at the same time", others)
	}
	expire(t, url)
	if kept, err := all[0].Renew(t.Context(), stale, ttl); kept != 0 || err != nil {
		t.Errorf("Renew of leases that are over: got %d, %v, want 0", kept, err)
	}
	others := claim(t, all[1], 10)
	if len(others) != 3 || others[0].Epoch != stale[0].Epoch+1 || others[0].Lost != 1 {
		t.Fatalf("got %+v after %+v, want them with the next epoch, lost once", others, stale)
	}
	refreshed(t, all[0], stale, feeds.ErrLost)
	refreshed(t, all[1], others, nil)
	if err := all[0].Release(t.Context(), stale); err != nil { // which is none of its business any more
		t.Error(err)
	}
	if kept, err := all[1].Renew(t.Context(), others, ttl); kept != 3 || err != nil {
		t.Errorf("the other renewed %d, %v, want 3", kept, err)
	}
	if err := all[1].Release(t.Context(), others); err != nil {
		t.Error(err)
	}
	// Given back, they still are not the stale one's.
	h := all[0].Held(stale)
	saved, err := h.Save(t.Context(), []feeds.Outcome{storetest.Succeeded(ids[0], all[0].Now(), storetest.Item("b", "1"))})
	if err != nil || !errors.Is(saved[0].Err, feeds.ErrLost) {
		t.Errorf("got %+v, %v, want ErrLost", saved, err)
	}
	if held := claim(t, all[0], 10); len(held) != 0 {
		t.Errorf("got %v, want none: all feeds were asked", held)
	}
}

// TestNobodyStoresBesideALease, not even who has none.
func TestNobodyStoresBesideALease(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "a", "b")
	ids := storetest.Subscribe(t, all[0], 2)
	held, err := all[0].ClaimDomains(t.Context(), []string{"host0.example", "nobody.example"}, ttl)
	if err != nil || !slices.Equal(domainsOf(held), []string{"host0.example"}) {
		t.Fatalf("got %v, %v, want the one domain that is there", held, err)
	}
	saved, err := all[1].Save(t.Context(), []feeds.Outcome{
		storetest.Succeeded(ids[0], all[1].Now(), storetest.Item("a", "1")), storetest.Succeeded(ids[1], all[1].Now(), storetest.Item("a", "1")),
	})
	if err != nil || !errors.Is(saved[0].Err, feeds.ErrLost) || saved[1].Err != nil || saved[1].New != 1 {
		t.Errorf("got %+v, %v, want the first lost and the second stored", saved, err)
	}
	if again, err := all[1].ClaimDomains(t.Context(), []string{"host0.example"}, ttl); err != nil || len(again) != 0 {
		t.Errorf("got %v, %v, want none", again, err)
	}
}

// TestRetryAfterHoldsForAll: nobody is given a domain that asked to be left alone.
func TestRetryAfterHoldsForAll(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "a", "b")
	ids := storetest.Subscribe(t, all[0], 1)
	held := claim(t, all[0], 10)
	o := storetest.Failed(ids[0], all[0].Now(), feeds.RateLimited, 1)
	o.NextDue, o.Domain, o.HoldUntil = time.Time{}, held[0].Domain, all[0].Now().Add(time.Hour)
	if saved, err := all[0].Held(held).Save(t.Context(), []feeds.Outcome{o}); err != nil || saved[0].Err != nil {
		t.Fatal(saved, err)
	}
	if err := all[0].Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, all[1], 10); len(got) != 0 {
		t.Errorf("got %v within the hour, want none", got)
	}
	engine{}.Exec(t, url, "UPDATE hosts SET hold_until = 1")
	if got := claim(t, all[1], 10); len(got) != 1 {
		t.Errorf("got %v after it, want the domain", got)
	}
}

// TestAFeedThatKillsMachinesIsLeftAlone: its domain comes alone after three holders that
// were lost, and after six not for a day; who gives it back clears it.
func TestAFeedThatKillsMachinesIsLeftAlone(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{Owner: "a"})
	storetest.Subscribe(t, db, 3)
	lose := func() {
		engine{}.Exec(t, url, "UPDATE hosts SET lease_until = now() - interval '1 second' WHERE domain = 'host1.example'")
	}
	for range 3 { // the others are given back
		held := claim(t, db, 10)
		if len(held) != 3 {
			t.Fatalf("got %v, want all three", held)
		}
		rest := slices.DeleteFunc(slices.Clone(held), func(l feeds.Lease) bool { return l.Domain == "host1.example" })
		if err := db.Release(t.Context(), rest); err != nil {
			t.Fatal(err)
		}
		lose()
	}
	if held := claim(t, db, 10); len(held) != 2 {
		t.Fatalf("got %v, want the innocent alone", held)
	}
	for lost := 3; lost < 6; lost++ {
		held := claim(t, db, 10)
		if len(held) != 1 || held[0].Domain != "host1.example" || held[0].Lost != lost {
			t.Fatalf("got %+v, want the suspect, alone, lost %d times", held, lost)
		}
		lose()
	}
	if held := claim(t, db, 10); len(held) != 0 {
		t.Fatalf("got %+v, want it left alone", held)
	}
	engine{}.Exec(t, url, "UPDATE hosts SET lease_until = now() - interval '25 hours' WHERE domain = 'host1.example'")
	held := claim(t, db, 10)
	if len(held) != 1 {
		t.Fatalf("got %+v a day later, want it", held)
	}
	if err := db.Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if held := claim(t, db, 10); len(held) != 1 || held[0].Lost != 0 {
		t.Errorf("got %+v, want it cleared", held)
	}
}

// TestASuspectWaitsForAnHourAtMost, however much else is due: who is never idle would
// never ask it.
func TestASuspectWaitsForAnHourAtMost(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{Owner: "a"})
	storetest.Subscribe(t, db, 3)
	suspect := func(since string) {
		engine{}.Exec(t, url, "UPDATE hosts SET owner = 'dead', lost = 2, lease_until = now() - interval '"+since+"' WHERE domain = 'host1.example'")
	}
	suspect("59 minutes")
	if held := claim(t, db, 1); len(held) != 1 || held[0].Domain == "host1.example" {
		t.Fatalf("got %+v, want an innocent domain first", held)
	}
	suspect("61 minutes")
	if held := claim(t, db, 10); len(held) != 1 || held[0].Domain != "host1.example" || held[0].Lost != 3 {
		t.Fatalf("got %+v, want the suspect alone", held)
	}
}

// TestAClaimLeavesDomainsToOthers when it has feeds enough, but takes one however many
// feeds it has.
func TestAClaimLeavesDomainsToOthers(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{})
	var subs []feeds.Subscription
	for at, n := range []int{3*feedsEach + 1, 2*feedsEach - 1, 1, 1} { // feeds of each domain
		for i := range n {
			subs = append(subs, feeds.Subscription{URL: fmt.Sprintf("https://host%d.example/%d", at, i)})
		}
	}
	if _, err := db.Subscribe(t.Context(), subs); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ n, want int }{{3, 1}, {2, 2}, {2, 1}, {2, 0}} {
		if held := claim(t, db, c.n); len(held) != c.want {
			t.Errorf("of at most %d domains got %v, want %d", c.n, held, c.want)
		}
	}
}

// TestWhoStandsStillInATransactionHoldsUpNobody: its locks end with its patience, and what
// it goes on to store is not.
func TestWhoStandsStillInATransactionHoldsUpNobody(t *testing.T) {
	url := engine{}.New(t)
	still := openStore(t, url, Options{Owner: "still", Patience: 500 * time.Millisecond})
	other := openStore(t, url, Options{Owner: "other"})
	ids := storetest.Subscribe(t, other, 1)
	locked, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- still.write(context.Background(), "stand still", func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, statesSQL, ids)
			close(locked)
			<-goOn
			return err
		})
	}()
	<-locked
	storetest.Save(t, other, storetest.Succeeded(ids[0], storetest.Epoch))
	close(goOn)
	if e, ok := errors.AsType[*store.ServerError](<-done); !ok || e.Fault != store.Lost {
		t.Errorf("its transaction ended with %v, want it lost", e)
	}
}

// TestAClockThatIsSetChangesNoTime: hosts are due, left alone and dated by the server's clock
// and what has passed since it was seen, here two hours in which no clock moves.
func TestAClockThatIsSetChangesNoTime(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{})
	storetest.Subscribe(t, db, 2)
	soon := db.Now().Add(time.Hour).Unix()
	engine{}.Exec(t, url, "UPDATE hosts SET next_due = ? WHERE domain = 'host0.example'", soon)
	engine{}.Exec(t, url, "UPDATE hosts SET hold_until = ? WHERE domain = 'host1.example'", soon)
	if held := claim(t, db, 10); len(held) != 0 {
		t.Errorf("got %v, want nothing before its time", held)
	}
	clock := *db.clock.Load()
	if !strings.Contains(clock.ours.String(), " m=") {
		t.Errorf("what has passed since %v is told by a clock that can be set", clock.ours)
	}
	clock.ours = clock.ours.Add(-2 * time.Hour)
	db.clock.Store(&clock)
	if ahead := time.Until(db.Now()) - 2*time.Hour; ahead.Abs() > time.Minute {
		t.Errorf("after two hours the store's clock is %v ahead of them", ahead)
	}
	held := claim(t, db, 10) // and the clock is looked at again
	if off := time.Until(db.Now()).Abs(); len(held) != 2 || off > time.Minute {
		t.Errorf("got %v, the store's clock is %v off", held, off)
	}
}

// TestAHostIsDueWhenOneOfItsFeedsIs: whoever changes what, and not before Due would give one.
func TestAHostIsDueWhenOneOfItsFeedsIs(t *testing.T) {
	url := engine{}.New(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) // a Wednesday
	db := openStore(t, url, Options{Options: store.Options{Now: func() time.Time { return at }}, Owner: "a"})
	ids := storetest.Subscribe(t, db, 1)
	due := func() int64 { return engine{}.Number(t, url, "SELECT next_due FROM hosts") }
	round := func() {
		t.Helper()
		held, err := db.ClaimDomains(t.Context(), []string{"host0.example"}, ttl)
		if err == nil {
			err = db.Release(t.Context(), held)
		}
		if err != nil || len(held) != 1 {
			t.Fatal(held, err)
		}
	}
	never := int64(1) << 62
	paused, unpaused := true, false
	hour := time.Hour
	for _, c := range []struct {
		what string
		do   func() error
		want int64
	}{
		{"nothing", func() error { return nil }, 0},
		{"success", func() error {
			_, err := db.Save(t.Context(), []feeds.Outcome{storetest.Succeeded(ids[0], at)})
			return err
		}, at.Add(time.Hour).Unix()},
		{"a later time by hand", func() error {
			engine{}.Exec(t, url, "UPDATE feeds SET next_due = ?", at.Add(9*hour).Unix())
			return nil
		}, at.Add(9 * hour).Unix()},
		{"pause", func() error { return db.Edit(t.Context(), ids, store.Change{Paused: &paused}) }, never},
		{"an end of it", func() error { return db.Edit(t.Context(), ids, store.Change{Paused: &unpaused}) }, at.Add(9 * hour).Unix()},
		{"a shorter interval", func() error { return db.Edit(t.Context(), ids, store.Change{Interval: &hour}) }, at.Add(hour).Unix()},
		{"an hour to be skipped", func() error {
			engine{}.Exec(t, url, "UPDATE feeds SET next_due = ?, skip_hours = 32", at.Add(-hour).Unix())
			return nil
		},
			at.Truncate(time.Hour).Add(time.Hour).Unix()},
		{"a day too late for that", func() error {
			engine{}.Exec(t, url, "UPDATE feeds SET next_due = ?", at.Add(-25*hour).Unix())
			return nil
		}, at.Add(-25 * hour).Unix()},
		{"a wrong clock", func() error {
			engine{}.Exec(t, url, "UPDATE feeds SET next_due = ?", at.Add(99*24*hour).Unix())
			return nil
		}, 0},
		{"gone", func() error {
			_, err := db.Save(t.Context(), []feeds.Outcome{storetest.Failed(ids[0], at, feeds.Gone, 1)})
			return err
		}, never},
		{"another URL", func() error { // of a host that was not there
			to := "https://elsewhere.example/feed"
			if err := db.Edit(t.Context(), ids, store.Change{URL: &to}); err != nil {
				return err
			}
			engine{}.Exec(t, url, "DELETE FROM hosts WHERE domain = 'host0.example'")
			return nil
		}, 0},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if c.what == "another URL" {
			if got := due(); got != c.want {
				t.Errorf("%s: due at %d, want %d", c.what, got, c.want)
			}
			break
		}
		round()
		if got := due(); got != c.want {
			t.Errorf("%s: due at %d, want %d", c.what, got, c.want)
		}
	}
}

// TestAHostIsDueForAFeedThatComesWhileItIsGivenBack: what somebody has added, and not yet
// committed when the lease ends, is waited for and seen.
func TestAHostIsDueForAFeedThatComesWhileItIsGivenBack(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{Owner: "giver"})
	storetest.Subscribe(t, db, 1)
	held := claim(t, db, 1)
	refreshed(t, db, held, nil)
	done := make(chan error)
	psql(t, url, func(c *pgx.Conn) error {
		tx, err := c.Begin(t.Context())
		if err != nil {
			return err
		}
		defer tx.Rollback(context.Background())
		if _, err := tx.Exec(t.Context(), "INSERT INTO feeds (url, domain) VALUES ('https://host0.example/another', 'host0.example')"); err != nil {
			return err
		}
		go func() { done <- db.Release(context.Background(), held) }()
		if !pgtest.Shared(t).Until(t, "postgres", time.Minute, "EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'feedmill giver' AND wait_event_type = 'Lock')") {
			t.Error("nobody waits for who adds a feed")
		}
		return tx.Commit(t.Context())
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if held := claim(t, db, 1); len(held) != 1 {
		t.Error("the host of a feed that is due is not")
	}
}

// TestALeaseIsGivenBackThoughSomebodyIsInTheWay: who imports a list locks domains in its order,
// and of two who wait for each other the server ends one.
func TestALeaseIsGivenBackThoughSomebodyIsInTheWay(t *testing.T) {
	url := engine{}.New(t)
	db := openStore(t, url, Options{Owner: "ended"})
	storetest.Subscribe(t, db, 2)
	held := claim(t, db, 2)
	done := make(chan error)
	psql(t, url, func(c *pgx.Conn) error {
		return pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) error {
			const lock = "UPDATE hosts SET next_due = next_due WHERE domain = $1"
			if _, err := tx.Exec(t.Context(), "SET LOCAL deadlock_timeout = '1h'"); err != nil { // the other finds out
				return err
			}
			if _, err := tx.Exec(t.Context(), lock, "host1.example"); err != nil {
				return err
			}
			go func() { done <- db.Release(context.Background(), held) }()
			if !pgtest.Shared(t).Until(t, "postgres", time.Minute, "EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'feedmill ended' AND wait_event_type = 'Lock')") {
				t.Error("nobody waits for who has a domain locked")
			}
			_, err := tx.Exec(t.Context(), lock, "host0.example")
			return err
		})
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := (engine{}).Number(t, url, "SELECT count(*) FROM leases"); n != 0 {
		t.Errorf("%d leases are left, want none", n)
	}
}

// TestNobodyPassesAnItemThatIsStillToCome: of two transactions, the one that took the
// lower ids ends last. Whoever goes on after the last item that they were given must
// get those, too.
func TestNobodyPassesAnItemThatIsStillToCome(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "slow", "quick")
	ids := storetest.Subscribe(t, all[0], 3)
	storetest.Save(t, all[0], storetest.Succeeded(ids[0], storetest.Epoch, storetest.Item("first", "1")))
	took, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- all[0].write(context.Background(), "save", func(ctx context.Context, tx pgx.Tx) error {
			r := &rows{ctx: ctx, tx: tx, buf: &all[0].buf}
			outcomes := []feeds.Outcome{storetest.Succeeded(ids[1], storetest.Epoch, storetest.Item("slow", "1"))}
			err := r.load(outcomes, func(hostRow) bool { return true })
			if err == nil {
				b := store.Saver{Rows: r}
				var saved []feeds.Saved
				if saved, err = b.Save(outcomes); err == nil {
					err = r.flush(saved)
				}
			}
			close(took)
			<-goOn
			return err
		})
	}()
	<-took
	storetest.Save(t, all[1], storetest.Succeeded(ids[2], storetest.Epoch, storetest.Item("quick", "1")))
	var last int64
	var seen []string
	look := func() {
		for it, err := range all[1].Items(t.Context(), store.ItemQuery{After: last}) {
			if err != nil {
				t.Fatal(err)
			}
			last, seen = it.ID, append(seen, it.GUID)
		}
	}
	look()
	if at, err := all[1].LastItem(t.Context()); at != last || err != nil {
		t.Errorf("LastItem: got %d, %v, want %d", at, err, last)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	look()
	if want := []string{"first", "slow", "quick"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

// TestCoordinatorsThatStoreAtOnceKeepEveryPromise: Check, after many of them have
// stored into the same feeds, subscribed the same and removed them.
func TestCoordinatorsThatStoreAtOnceKeepEveryPromise(t *testing.T) {
	url := engine{}.New(t)
	all := coordinators(t, url, "a", "b", "c")
	ids := storetest.Subscribe(t, all[0], 8)
	var wg sync.WaitGroup
	for n, db := range all {
		wg.Go(func() {
			for i := range 10 {
				var outcomes []feeds.Outcome
				for k := range ids {
					id := ids[(k+n*3)%len(ids)]
					outcomes = append(outcomes, storetest.Succeeded(id, storetest.Epoch.Add(time.Duration(i)*time.Hour),
						storetest.Item(fmt.Sprint(i), "1"), storetest.Item(fmt.Sprint(n, "-", i), fmt.Sprint(n))))
				}
				if _, err := db.Save(context.Background(), outcomes); err != nil {
					t.Errorf("Save: %v", err)
				}
				subs := []feeds.Subscription{{URL: fmt.Sprintf("https://x%d.example/", (i+n)%3)}, {URL: fmt.Sprintf("https://x%d.example/", (i+n+1)%3)}}
				if _, err := db.Subscribe(context.Background(), subs); err != nil {
					t.Errorf("Subscribe: %v", err)
				}
				if i%3 == n {
					if _, err := db.Unsubscribe(context.Background(), []string{subs[1].URL}); err != nil {
						t.Errorf("Unsubscribe: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := (engine{}).Number(t, url, "SELECT count(*) FROM items"); n != 8*(10+3*10) {
		t.Errorf("got %d items, want %d", n, 8*(10+3*10))
	}
}
