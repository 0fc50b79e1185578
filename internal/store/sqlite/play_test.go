package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// play is what this test binary does as another process.
func play(role string, args []string) int {
	var err error
	switch role {
	case "hold":
		err = playHold(args[0])
	case "write":
		err = playWrite(args[0])
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// playHold opens the store at path and keeps it until stdin ends.
func playHold(path string) error {
	db, err := Open(context.Background(), path, store.Options{})
	if err != nil {
		return err
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadByte()
	return db.Close()
}

// The writer that crash tests kill has so many feeds, and gives each of them
// so many new items a round.
const (
	crashFeeds = 16
	crashItems = 5
)

// playWrite saves round after round and prints a line for each that Save
// acknowledged, until it is killed.
func playWrite(path string) error {
	ctx := context.Background()
	db, err := Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	refs, err := db.Due(ctx, store.DueQuery{Force: true})
	if err != nil {
		return err
	}
	// What an earlier writer stored but did not live to tell comes again, as
	// it would in the next run of a refresh.
	first := 1
	for f, err := range db.Feeds(ctx, store.FeedQuery{}) {
		if err != nil {
			return err
		}
		first = max(first, f.Items/crashItems)
	}
	for round := first; ; round++ {
		if _, err := db.Save(ctx, crashRound(refs, round)); err != nil {
			return err
		}
		fmt.Println(round)
	}
}

// crashRound returns what a round stores, the same whenever it is done.
func crashRound(refs []feeds.Ref, round int) []feeds.Outcome {
	outcomes := make([]feeds.Outcome, len(refs))
	for i, r := range refs {
		outcomes[i] = succeeded(r.ID, epoch.Add(time.Duration(round)*time.Second))
		for n := range crashItems {
			outcomes[i].Items = append(outcomes[i].Items, item(fmt.Sprintf("%d.%d", round, n), string(make([]byte, 300))))
		}
	}
	return outcomes
}

// process starts this test binary in role. It ends with the test.
func process(t *testing.T, role string, args ...string) (cmd *exec.Cmd, stdout *bufio.Scanner, stop func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		in.Close()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(out), func() { in.Close() }
}

// TestKilledWriterLosesAndDoublesNothing kills a process that saves, at moments
// chosen by a seed, and looks at what it left.
func TestKilledWriterLosesAndDoublesNothing(t *testing.T) {
	kills := 20
	if testing.Short() || slowly {
		kills = 5
	}
	seed := time.Now().UnixNano()
	if s := os.Getenv("STORE_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseInt(s, 10, 64)
	}
	rng := newRand(t, seed)
	path := filepath.Join(t.TempDir(), "feeds.db")
	db := openStore(t, path)
	subscribe(t, db, crashFeeds)
	closeStore(t, db)

	acknowledged := 0
	for range kills {
		cmd, out, _ := process(t, "write", path)
		rounds := 1 + rng.IntN(3)
		for range rounds {
			if !out.Scan() {
				t.Fatalf("seed %d: the writer ended by itself: %v", seed, out.Err())
			}
			acknowledged = atoi(t, out.Text())
		}
		// From here it is somewhere in its next Save, or the one after.
		spin := time.Now().Add(time.Duration(rng.Int64N(int64(20 * time.Millisecond))))
		for time.Now().Before(spin) {
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() {
			acknowledged = atoi(t, out.Text())
		}
		cmd.Wait()

		db := openStore(t, path)
		verifyRounds(t, db, seed, acknowledged)
		closeStore(t, db)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d rounds acknowledged", kills, acknowledged)
}

// verifyRounds finds all rounds up to acknowledged in full, at most one more,
// and that in full too.
func verifyRounds(t *testing.T, db *DB, seed int64, acknowledged int) {
	t.Helper()
	stored := 0
	for i, f := range allFeeds(t, db) {
		rounds := f.Items / crashItems
		if i == 0 {
			stored = rounds
		}
		if rounds != stored || f.Items%crashItems != 0 {
			t.Errorf("seed %d: feed %d has %d items, feed 1 has %d rounds of %d", seed, f.ID, f.Items, stored, crashItems)
		}
		want := crashRound([]feeds.Ref{{ID: f.ID}}, stored)[0]
		if f.Validators != want.Validators || !f.NextDue.Equal(want.NextDue) {
			t.Errorf("seed %d: feed %d has the items of round %d, and %v due %v", seed, f.ID, stored, f.Validators, f.NextDue)
		}
		for n, it := range itemsOf(t, db, f.URL) {
			if name := fmt.Sprintf("%d.%d", n/crashItems+1, n%crashItems); it.GUID != name || it.Seq != int64(n+1) {
				t.Errorf("seed %d: feed %d: got item %s with seq %d, want %s with seq %d", seed, f.ID, it.GUID, it.Seq, name, n+1)
			}
		}
	}
	if stored != acknowledged && stored != acknowledged+1 {
		t.Errorf("seed %d: %d rounds are stored, %d were acknowledged", seed, stored, acknowledged)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLockExcludesAnotherProcessAndDiesWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feeds.db")
	holder, out, _ := process(t, "hold", path)
	if !out.Scan() {
		t.Fatalf("the holder did not start: %v", out.Err())
	}
	_, err := Open(t.Context(), path, store.Options{})
	wantLocked(t, err, holder.Process.Pid)

	holder.Process.Kill()
	holder.Wait()
	db := openStore(t, path)
	_, err = Open(t.Context(), path, store.Options{})
	wantLocked(t, err, os.Getpid())
	closeStore(t, db)
	openStore(t, path)
}
