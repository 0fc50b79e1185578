package pool

import (
	"slices"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

func someJobs(from, to int64) []feeds.Job {
	var js []feeds.Job
	for id := from; id <= to; id++ {
		js = append(js, feeds.Job{ID: id})
	}
	return js
}

func ids(js []feeds.Job) []int64 {
	var all []int64
	for _, j := range js {
		all = append(all, j.ID)
	}
	return all
}

func wantIDs(t *testing.T, what string, got []feeds.Job, want ...int64) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Errorf("%s: got jobs %v, want %v", what, ids(got), want)
	}
}

func TestLedgerKeepsToBatchAndWindow(t *testing.T) {
	var l ledger
	if err := l.adopt(someJobs(1, 9)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "first batch", l.take(3, 5), 1, 2, 3)
	wantIDs(t, "what the window has room for", l.take(3, 5), 4, 5)
	wantIDs(t, "window is full", l.take(3, 5))
	if _, err := l.answer(4); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "room for one", l.take(3, 5), 6)
}

func TestLedgerTakesNoAnswerThatIsNotOwed(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 3))
	l.take(2, 9)
	if _, err := l.answer(1); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{0, 1, 3, 4, -1} {
		if _, err := l.answer(id); err == nil {
			t.Errorf("an answer for job %d was taken", id)
		}
		if err := l.part(&ipc.Items{ID: id}, 1); err == nil {
			t.Errorf("items for job %d were taken", id)
		}
	}
	part := &ipc.Items{ID: 2, Items: []feeds.Item{{Content: "123"}}}
	if err := l.part(part, 2); err == nil {
		t.Error("items over the limit were taken")
	}
}

// TestPartsOfAJobAreBounded in bytes and, since an empty one costs memory too, in number.
func TestPartsOfAJobAreBounded(t *testing.T) {
	part := &ipc.Items{ID: 1, Items: []feeds.Item{{Content: string(make([]byte, leastPart))}}}
	limit := 3 * feeds.SizeOf(part.Items)
	for _, tt := range []struct {
		part *ipc.Items
		most int
	}{{part, 3}, {&ipc.Items{ID: 1}, int(limit/leastPart) + 1}} {
		var l ledger
		l.adopt(someJobs(1, 1))
		l.take(1, 1)
		for n := 1; n <= tt.most+1; n++ {
			if err := l.part(tt.part, limit); (err != nil) != (n > tt.most) {
				t.Errorf("part %d of %d items: %v, want at most %d", n, len(tt.part.Items), err, tt.most)
			}
		}
		if e, err := l.answer(1); err != nil || len(e.parts) != tt.most {
			t.Errorf("got an answer with %d parts, %v, want %d", len(e.parts), err, tt.most)
		}
	}
}

func TestLedgerRefusesAJobTwice(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 3))
	for _, id := range []int64{0, 2} {
		if err := l.adopt([]feeds.Job{{ID: id}}); err == nil {
			t.Errorf("job %d was taken", id)
		}
	}
}

func TestWhereNobodyIsNamedEachGoesOnAlone(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 6))
	l.take(4, 9)
	l.answer(1)
	if e := l.died(nil); e != nil {
		t.Fatalf("job %d is guilty after one death of many", e.job.ID)
	}
	wantIDs(t, "the first", l.take(9, 9), 2)
	wantIDs(t, "others beside it", l.take(9, 9))
	if e := l.died(nil); e != nil {
		t.Fatalf("job %d is guilty after one death alone, and nobody had named it", e.job.ID)
	}
	wantIDs(t, "the first again", l.take(9, 9), 2)
	if e := l.died(nil); e == nil || e.job.ID != 2 || e.deaths != 3 {
		t.Fatalf("got %v guilty, want job 2 of three deaths", e)
	}
	for _, id := range []int64{3, 4} {
		wantIDs(t, "the next alone", l.take(9, 9), id)
		if e, _ := l.answer(id); e.deaths != 1 {
			t.Errorf("job %d is charged with %d deaths, want 1", id, e.deaths)
		}
	}
	wantIDs(t, "those that were never sent", l.take(9, 9), 5, 6)
	if left := l.rest(); len(left) != 2 {
		t.Errorf("%d left, want 2", len(left))
	}
}

func TestTheAccusedIsTriedFirstAndAlone(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 6))
	l.take(4, 9)
	l.answer(1)
	if e := l.died([]int64{3}); e != nil {
		t.Fatalf("job %d is guilty after the first death", e.job.ID)
	}
	wantIDs(t, "the accused", l.take(9, 9), 3)
	wantIDs(t, "others beside it", l.take(9, 9))
	if e := l.died([]int64{3}); e == nil || e.job.ID != 3 || e.deaths != 2 {
		t.Fatalf("got %v guilty, want job 3 for its second death", e)
	}
	wantIDs(t, "the others", l.take(9, 9), 2, 4, 5, 6)
	for _, id := range []int64{2, 4, 5, 6} {
		if e, err := l.answer(id); err != nil || e.deaths != 0 {
			t.Errorf("job %d is charged with %d deaths, %v, want none", id, e.deaths, err)
		}
	}
}

// TestABreachCondemnsOnlyWhoWasAloneInTwo: a worker that breaks the protocol says
// nothing about the feed that its scoreboard named before.
func TestABreachCondemnsOnlyWhoWasAloneInTwo(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 3))
	l.take(9, 9)
	l.died([]int64{2})
	wantIDs(t, "the accused", l.take(9, 9), 2)
	if e := l.died(nil); e != nil {
		t.Fatalf("job %d is guilty of one breach", e.job.ID)
	}
	wantIDs(t, "the accused again", l.take(9, 9), 2)
	if e := l.died(nil); e == nil || e.job.ID != 2 {
		t.Fatalf("got %v guilty, want job 2", e)
	}
}

func TestWhatNoJobCanCauseIsNobodysFault(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 3))
	for range 9 {
		wantIDs(t, "all", l.take(9, 9), 1, 2, 3)
		l.takeBack()
	}
	l.take(9, 9)
	if e, _ := l.answer(1); e.deaths != 0 {
		t.Errorf("job 1 is charged with %d deaths, want none", e.deaths)
	}
}

// TestBothThatWereUnderWayAreTried until one of them is guilty: the other is free then.
func TestBothThatWereUnderWayAreTried(t *testing.T) {
	for killer, others := range map[int64][]int64{4: {1, 3, 5}, 2: {4, 1, 3, 5}} {
		var l ledger
		l.adopt(someJobs(1, 5))
		l.take(9, 9)
		l.died([]int64{4, 2})
		wantIDs(t, "the first", l.take(9, 9), 2)
		if killer == 4 {
			l.answer(2)
			wantIDs(t, "the second", l.take(9, 9), 4)
		}
		if e := l.died([]int64{killer}); e == nil || e.job.ID != killer {
			t.Fatalf("got %v guilty, want job %d", e, killer)
		}
		wantIDs(t, "the others", l.take(9, 9), others...)
		if e, _ := l.answer(1); e.deaths != 0 {
			t.Errorf("job 1 is charged though the killer was found")
		}
	}
}

// TestAKillerCannotHideBehindInnocents: job 9 kills its worker wherever that
// is, and each time the worker seems to have been busy with another job.
func TestAKillerCannotHideBehindInnocents(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 60))
	rounds := 0
	for ; len(l.unanswered) > 0; rounds++ {
		if rounds > 10 {
			t.Fatalf("%d jobs still unanswered after %d deaths", len(l.unanswered), rounds)
		}
		for {
			got := ids(l.take(99, 99))
			if slices.Contains(got, 9) {
				other := got[(slices.Index(got, 9)+1)%len(got)]
				if e := l.died([]int64{other}); e != nil && e.job.ID != 9 {
					t.Fatalf("job %d is guilty", e.job.ID)
				}
				break
			}
			for _, id := range got {
				l.answer(id)
			}
			if len(got) == 0 {
				break
			}
		}
	}
	if rounds > 4 { // the last is the one in which all are answered
		t.Errorf("it took %d deaths, want 3", rounds-1)
	}
}

func TestAJobThatIsGivenBackKeepsItsPlace(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 6))
	l.take(4, 9)
	l.answer(2)
	for _, id := range []int64{3, 1, 4} {
		if err := l.giveBack(id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []int64{2, 5, 77} {
		if err := l.giveBack(id); err == nil {
			t.Errorf("job %d was given back", id)
		}
	}
	wantIDs(t, "the next", l.take(9, 9), 1, 3, 4, 5, 6)
	if e, _ := l.answer(3); e.deaths != 0 {
		t.Error("a job is charged for having been given back")
	}
}

// TestAnAccusedJobThatIsGivenBackIsStillTheFirst: before those that were under way
// with it, though they were handed out earlier.
func TestAnAccusedJobThatIsGivenBackIsStillTheFirst(t *testing.T) {
	var l ledger
	l.adopt(someJobs(1, 6))
	l.take(4, 9)
	l.died([]int64{2, 3})
	wantIDs(t, "after a death", l.take(9, 9), 2)
	l.answer(2)
	wantIDs(t, "after an answer", l.take(9, 9), 3)
	if err := l.giveBack(3); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "after it was given back", l.take(9, 9), 3)
	l.answer(3)
	wantIDs(t, "when both are cleared", l.take(9, 9), 1)
}

// FuzzLedger plays any history of a slot and holds the ledger to its promise.
func FuzzLedger(f *testing.F) {
	f.Add([]byte{0, 5, 1, 3, 2, 2, 3, 1, 1, 9, 3, 0, 1, 1, 3, 0})
	f.Add([]byte{0, 200, 1, 255, 3, 7, 1, 255, 3, 7, 1, 1, 3, 0, 1, 1, 2, 0})
	f.Fuzz(func(t *testing.T, history []byte) {
		var l ledger
		var next int64
		var out []int64 // what the process has
		left := map[int64]int{}
		leave := func(id int64) {
			if left[id]++; left[id] > 1 {
				t.Fatalf("job %d left twice", id)
			}
		}
		for ; len(history) >= 2; history = history[2:] {
			n := int64(history[1])
			switch history[0] % 5 {
			case 0:
				if err := l.adopt(someJobs(next+1, next+n)); err != nil {
					t.Fatal(err)
				}
				next += n
			case 1:
				got := ids(l.take(int(n)/2+1, int(n)+1))
				out = append(out, got...)
				if len(got) > 0 && len(out) > int(n)+1 {
					t.Fatalf("%d jobs out, window %d", len(out), n+1)
				}
			case 2:
				if len(out) == 0 {
					continue
				}
				i := int(n) % len(out)
				if _, err := l.answer(out[i]); err != nil {
					t.Fatal(err)
				}
				leave(out[i])
				out = slices.Delete(out, i, i+1)
			case 3:
				// n names one job, or two, of which some are not there.
				if n%5 == 0 {
					l.takeBack()
				} else if e := l.died([]int64{n, n / 2}[:1+n%2]); e != nil {
					if len(out) != 1 || out[0] != e.job.ID || e.deaths < 2 {
						t.Fatalf("job %d is guilty of %d deaths while %v were out", e.job.ID, e.deaths, out)
					}
					leave(e.job.ID)
				}
				out = nil
			case 4:
				if len(out) == 0 {
					continue
				}
				i := int(n) % len(out)
				if err := l.giveBack(out[i]); err != nil {
					t.Fatal(err)
				}
				out = slices.Delete(out, i, i+1)
			}
			if len(l.sent) != len(out) {
				t.Fatalf("ledger says %d out, there are %d", len(l.sent), len(out))
			}
		}
		for _, e := range l.rest() {
			leave(e.job.ID)
		}
		if len(left) != int(next) {
			t.Fatalf("%d of %d jobs left the ledger", len(left), next)
		}
	})
}
