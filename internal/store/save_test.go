package store

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A stub is an engine that fails at one of the calls to it.
type stub struct {
	states map[int64]*State
	known  map[int64]map[feeds.Key]uint64
	gone   map[int64]map[feeds.Key]bool
	newest []Stored
	stored feeds.Item // found by any key

	calls, failAt int
	called        map[string]int
}

var errStub = errors.New("the engine failed")

func (s *stub) call(name string) error {
	s.called[name]++
	if s.calls++; s.calls == s.failAt {
		return errStub
	}
	return nil
}

func (s *stub) States([]int64) (map[int64]*State, error) { return s.states, s.call("States") }
func (s *stub) Known(ids []int64) (map[int64]map[feeds.Key]uint64, error) {
	known := map[int64]map[feeds.Key]uint64{}
	for _, id := range ids {
		known[id] = maps.Clone(s.known[id])
	}
	return known, s.call("Known")
}
func (s *stub) Removed([]int64) (map[int64]map[feeds.Key]bool, error) {
	return s.gone, s.call("Removed")
}
func (s *stub) LastID() (int64, error)              { return 7, s.call("LastID") }
func (s *stub) Newest(int64, int) ([]Stored, error) { return slices.Clone(s.newest), s.call("Newest") }
func (s *stub) ByKey(int64, feeds.Key) (feeds.Item, bool, error) {
	return s.stored, true, s.call("ByKey")
}
func (s *stub) Insert(*feeds.Outcome, *feeds.Item, int64, int64) (bool, error) {
	return true, s.call("Insert")
}
func (s *stub) Update(int64, *feeds.Item) (bool, error)         { return true, s.call("Update") }
func (s *stub) Replace(int64, feeds.Key, *feeds.Item) error     { return s.call("Replace") }
func (s *stub) Rekey(int64, feeds.Key, feeds.Key) (bool, error) { return true, s.call("Rekey") }
func (s *stub) Share(int64, feeds.Key) (bool, error)            { return true, s.call("Share") }
func (s *stub) RemoveAlso(int64, feeds.Key, feeds.Key) error    { return s.call("RemoveAlso") }
func (s *stub) Succeed(*feeds.Outcome, *State, int64) error     { return s.call("Succeed") }
func (s *stub) Fail(*feeds.Outcome, *State, int64) error        { return s.call("Fail") }
func (s *stub) Move(int64, string) (bool, error)                { return true, s.call("Move") }
func (s *stub) Hold(string, time.Time) error                    { return s.call("Hold") }

// TestWhateverFailsNothingIsReported: Save comes to every method of an engine, and each
// error of one is its own, so that the transaction is not committed.
func TestWhateverFailsNothingIsReported(t *testing.T) {
	now := int64(feeds.ReadingVersion) << 1
	keyed := func(it feeds.Item, rung int) feeds.Item {
		it.Key, it.Hash = feeds.Rungs(&it)[rung], feeds.ContentHash(&it)
		return it
	}
	known := keyed(feeds.Item{GUID: "known"}, 0)
	again := keyed(feeds.Item{GUID: "again", Link: "https://pond.example/1", Title: "t"}, 0)
	same := keyed(feeds.Item{GUID: "same"}, 0)
	shared := keyed(feeds.Item{GUID: "shared", Link: "https://pond.example/2"}, 1)
	removed := keyed(feeds.Item{GUID: "removed", Link: "https://pond.example/3"}, 0)
	outcomes := []feeds.Outcome{
		{Result: feeds.Result{ID: 1, Class: feeds.OK, MovedTo: "https://moved.example/", Items: []feeds.Item{shared, again, keyed(feeds.Item{GUID: "new"}, 0), known}}},
		{Result: feeds.Result{ID: 2, Class: feeds.OK, Items: []feeds.Item{known, removed}}},
		{Result: feeds.Result{ID: 3, Class: feeds.Parse, Items: []feeds.Item{known}}},
		{Result: feeds.Result{ID: 4, Class: feeds.HostBackoff}, Domain: "pond.example", HoldUntil: time.Unix(1e9, 0)},
		{Result: feeds.Result{ID: 5, Class: feeds.OK, Items: []feeds.Item{again, known, same}}},
	}
	var saved []feeds.Saved
	save := func(failAt int) (_ *stub, err error) {
		s := &stub{
			states: map[int64]*State{
				1: {Items: 3, Seq: 3, Reader: now, MovedTo: "https://moved.example/", MovedRun: 1},
				2: {Items: 1, Seq: 1}, 3: {Items: 1, Seq: 1, Reader: now}, 4: {}, 5: {Items: 1, Seq: 1, Reader: now},
			},
			known:  map[int64]map[feeds.Key]uint64{1: {known.Key: 5}, 2: {known.Key: 5}, 5: {known.Key: 5, same.Key: same.Hash}},
			gone:   map[int64]map[feeds.Key]bool{2: {feeds.FormerKeys(&removed)[0]: true}},
			newest: []Stored{{Key: feeds.Key{9}, Link: again.Link, Title: again.Title}},
			stored: shared, failAt: failAt, called: map[string]int{},
		}
		b := Saver{Rows: s, Run: 2}
		saved, err = b.Save(outcomes)
		return s, err
	}
	whole, err := save(0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []feeds.Saved{
		{ID: 1, New: 1, FirstID: 8, Updated: 1, Items: 4, MovedTo: "https://moved.example/"},
		{ID: 2, Items: 1}, {ID: 3, New: 1, FirstID: 9, Items: 2}, {ID: 4}, {ID: 5, Updated: 1, Items: 1},
	} {
		if saved[i] != want {
			t.Errorf("got %+v, want %+v", saved[i], want)
		}
	}
	if whole.called["Update"] != 2 { // of feeds 1 and 5
		t.Errorf("got %d updates, want none of an item that is as it was", whole.called["Update"])
	}
	for m := range reflect.TypeFor[Rows]().Methods() {
		if whole.called[m.Name] == 0 {
			t.Errorf("%s is not called: it cannot fail here", m.Name)
		}
	}
	for n := 1; n <= whole.calls; n++ {
		if s, err := save(n); !errors.Is(err, errStub) || s.calls != n {
			t.Errorf("call %d of %d fails: got %v after %d calls", n, whole.calls, err, s.calls)
		}
	}
}
