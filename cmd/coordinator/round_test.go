package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// manyHosts reports whether all of 127.0.0.0/8 answers here.
func manyHosts() bool {
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// TestASecondRoundStoresNothing: against an unchanged origin it gets 304s and
// adds nothing.
func TestASecondRoundStoresNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, origin.Options{Feeds: 60, Hosts: 20, Items: 6})
	db := filepath.Join(t.TempDir(), "feeds.db")
	for _, mode := range modes {
		refreshed(t, db, "--list", s.list, "--mode", mode).want(t, exitOK)
		before := contents(t, db)
		out := refreshed(t, db, "--list", s.list, "--mode", mode)
		out.want(t, exitOK)
		if sum := out.summary; sum.NotModified != 60 || sum.New != 0 || sum.Updated != 0 {
			t.Errorf("%s: %d not modified, %d new, %d updated, want 60, 0, 0", mode, sum.NotModified, sum.New, sum.Updated)
		}
		if after := contents(t, db); len(after) != len(before) {
			t.Errorf("%s: %d items, want the %d of before", mode, len(after), len(before))
		}
	}
}

// TestShippingNewIsASmallPartOfShippingAll: with one new item in each feed,
// new equals the number of feeds whichever way the items are shipped, and the
// bytes that come back from workers are a small part of the whole lists'.
func TestShippingNewIsASmallPartOfShippingAll(t *testing.T) {
	const n = 60
	received := make(map[string]int64)
	for _, ship := range []string{"new", "all"} {
		s := serve(t, origin.Options{Feeds: n, Hosts: 20, Items: 40, Bytes: 1500})
		db := filepath.Join(t.TempDir(), "feeds.db")
		refreshed(t, db, "--list", s.list).want(t, exitOK)
		s.SetEpoch(1)
		out := refreshed(t, db, "--list", s.list, "--ship", ship)
		out.want(t, exitOK)
		if out.summary.New != n || out.summary.Updated != 0 {
			t.Errorf("--ship %s: %d new and %d updated, want %d and 0\n", ship, out.summary.New, out.summary.Updated, n)
		}
		received[ship] = out.summary.Bytes.Received
	}
	if received["new"]*10 > received["all"] {
		t.Errorf("%d bytes received with new, %d with all, want at most a tenth", received["new"], received["all"])
	}
}

// TestClosedPortsAreOneLineEachQuickly: a list of which nothing answers ends
// with exit status 3 and a line for each, long before any timeout.
func TestClosedPortsAreOneLineEachQuickly(t *testing.T) {
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(closed.Addr().String())
	closed.Close()
	const n = 2000
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "http://127.1.%d.%d:%s/feed.xml\n", i/250, i%250+1, port)
	}
	out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", writeFile(t, "closed.txt", list.String()), "-n", "2")
	out.want(t, exitFeeds)
	if got := out.classes()[feeds.Connect]; got != n {
		t.Errorf("%d feeds ended as connect, want %d: %v", got, n, out.classes())
	}
	if limit := feeds.DefaultTimeout; out.wall > limit {
		t.Errorf("it took %v, want less than the timeout of a single request, %v", out.wall, limit)
	}
}

// TestAnInterruptStoresWhatIsFinished: the first SIGINT ends the round in
// order. What was under way is stored, the others stay due, every feed has its
// line, and the exit status is 130.
func TestAnInterruptStoresWhatIsFinished(t *testing.T) {
	for _, mode := range modes {
		s := serve(t, origin.Options{Feeds: 200, Hosts: 50, Items: 4, Latency: 30 * time.Millisecond})
		db := filepath.Join(t.TempDir(), "feeds.db")
		cmd := command(t, db, "--list", s.list, "-n", "2", "--mode", mode)
		wait := started(t, cmd)
		if !until(10*time.Second, func() bool { return s.Requests().Requests > 40 }) {
			t.Fatalf("%s: the round did not begin", mode)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		out := wait()
		out.want(t, exitSIGINT)
		sum := out.summary
		if sum.OK == 0 || sum.Cancelled == 0 || sum.Failed != 0 {
			t.Errorf("%s: %d ok, %d cancelled, %d failed, want some, some and none\n%s", mode, sum.OK, sum.Cancelled, sum.Failed, out.failures())
		}
		if got, want := len(contents(t, db)), 4*sum.OK; got != want {
			t.Errorf("%s: %d items stored, want %d of the %d feeds that were finished", mode, got, want, sum.OK)
		}
		rest := refreshed(t, db, "-n", "2")
		rest.want(t, exitOK)
		if rest.summary.Feeds != sum.Cancelled {
			t.Errorf("%s: %d feeds were due afterwards, want the %d that were cancelled", mode, rest.summary.Feeds, sum.Cancelled)
		}
	}
}
