package main

import (
	"fmt"
	"os"
	"reflect"
	"testing"

	"feedmill/internal/feeds"
)

// TestAGatheringIsInOrderAndHasEachFeedOnce: what a list says of a feed later is joined
// to what it said, whether that is in memory or in the file, which is gone after.
func TestAGatheringIsInOrderAndHasEachFeedOnce(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, room := range []int{0, 2, 100} {
		g := newGathering()
		g.room = room
		var want []feeds.Subscription
		for i := range 5 {
			s := feeds.Subscription{URL: fmt.Sprintf("https://a.example/%d", i), Category: "First"}
			want = append(want, s)
			if err := g.add(s); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range []int{4, 0, 4} {
			if err := g.add(feeds.Subscription{URL: want[i].URL, Title: fmt.Sprintf("title %d", i), Category: "Second"}); err != nil {
				t.Fatal(err)
			}
			want[i].Title, want[i].Category = fmt.Sprintf("title %d", i), "First\nSecond"
		}
		for range 2 {
			var got []feeds.Subscription
			for s, err := range g.all() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, s)
			}
			if !reflect.DeepEqual(got, want) || !g.folders || g.n != len(want) {
				t.Errorf("with room for %d: got %+v, want %+v", room, got, want)
			}
		}
		g.close()
		g.close() // as whoever has no more use for it, and whoever made it, do
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
	t.Setenv("TMPDIR", dir+"/none")
	g := newGathering()
	g.room = 0
	if err := g.add(feeds.Subscription{URL: "https://a.example/"}); err == nil {
		t.Error("no folder for the file, and no error")
	}
}
