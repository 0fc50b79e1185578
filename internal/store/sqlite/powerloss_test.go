package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feedmill/internal/store"
)

// powerRounds is how many commits the power may fail in.
const powerRounds = 6

// TestPowerLossKeepsWhatWasReported has the power fail at every point at which
// SQLite makes something durable, and at some between, while commits are made
// and the log is copied into the file: of what was not durable yet the disk has
// nothing, all, or some sectors. Whatever it has, the store opens, keeps every
// promise, and has each round in full or not at all; those that Save had
// reported it has.
func TestPowerLossKeepsWhatWasReported(t *testing.T) {
	log, acked := watchedRounds(t, store.Full)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	points := log.syncPoints(r, 24)
	t.Logf("seed %d, %d operations, power lost after %d of them", seed, len(log.ops), len(points))
	for _, n := range points {
		for _, lost := range []lostPower{keptNothing, keptAll, keptSome} {
			rounds, err := roundsIn(t, lay(t, log.after(n, lost, r)))
			if err != nil {
				t.Errorf("after %d operations, %s: %v", n, lost, err)
				continue
			}
			if want := reported(acked, n); rounds < want || rounds > want+1 {
				t.Errorf("after %d operations, %s: %d rounds are stored, %d were reported", n, lost, rounds, want)
			}
		}
	}
}

// TestPowerLossMayTakeReportedRoundsWithNormalDurability, which is what that
// means; and it shows that the test above can fail. What is left is sound.
func TestPowerLossMayTakeReportedRoundsWithNormalDurability(t *testing.T) {
	log, acked := watchedRounds(t, store.Normal)
	r := rand.New(rand.NewPCG(1, 0))
	taken := 0
	for _, n := range acked {
		rounds, err := roundsIn(t, lay(t, log.after(n, keptNothing, r)))
		if err != nil {
			t.Errorf("after %d operations: %v", n, err)
		}
		if rounds < reported(acked, n) {
			taken++
		}
	}
	if taken == 0 {
		t.Error("nothing was taken: the disk of this test forgets nothing")
	}
}

func (l lostPower) String() string {
	return [...]string{"nothing else kept", "all else kept", "some else kept"}[l]
}

// watchedRounds makes a store, saves rounds into it and copies its log twice. It
// returns what SQLite did, and after how many operations each round was
// reported.
func watchedRounds(t *testing.T, d store.Durability) (log *diskLog, acked []int) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log = watchDisk(t, dir)
	db, err := Open(t.Context(), filepath.Join(dir, "feeds.db"), store.Options{Durability: d, Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, db, crashFeeds)
	refs, err := db.Due(t.Context(), store.DueQuery{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	copier, err := openConn(db.path)
	if err != nil {
		t.Fatal(err)
	}
	for round := range powerRounds {
		if _, err := db.BeginRun(t.Context(), store.Run{}); err != nil { // does not wait for the disk
			t.Fatal(err)
		}
		if _, err := db.Save(t.Context(), crashRound(refs, round)); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, log.len())
		if round%3 == 1 {
			if err := script(copier, "PRAGMA wal_checkpoint(RESTART)"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := copier.Close(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, db)
	return log, acked
}

// reported returns how many rounds were reported within n operations.
func reported(acked []int, n int) int {
	rounds := 0
	for _, at := range acked {
		if at <= n {
			rounds++
		}
	}
	return rounds
}

// roundsIn opens the store at path, checks it and returns how many rounds it
// has, all of them in full.
func roundsIn(t *testing.T, path string) (rounds int, err error) {
	t.Helper()
	ctx := context.Background()
	db, err := Open(ctx, path, store.Options{Now: func() time.Time { return epoch }})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.Check(ctx); err != nil {
		return 0, err
	}
	rounds = -1
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return 0, err
		}
		n := f.Items / crashItems
		if f.Items%crashItems != 0 || rounds >= 0 && n != rounds {
			return 0, fmt.Errorf("feed %s has %d items where others have %d rounds of %d", f.URL, f.Items, rounds, crashItems)
		}
		rounds = n
	}
	return max(rounds, 0), nil
}

// TestADiskThatTakesNoMoreAtTheEndIsAnError: what could not be made durable in
// the file is said, and is still in the log.
func TestADiskThatTakesNoMoreAtTheEndIsAnError(t *testing.T) {
	db := newStore(t)
	disk := watchDisk(t, filepath.Dir(db.path))
	path := db.path
	db.Close()
	db = openStore(t, path) // watched from the start
	id := subscribe(t, db, 1)[0]
	save(t, db, succeeded(id, epoch, item("a", "1")))
	disk.full.Store(true)
	if err := db.Close(); err == nil || !strings.Contains(err.Error(), "close store") {
		t.Errorf("got %v, want an error about closing", err)
	}
	disk.full.Store(false)
	if got := itemsOf(t, openStore(t, path), feedURL(0)); len(got) != 1 {
		t.Errorf("%d items afterwards, want 1", len(got))
	}
}
