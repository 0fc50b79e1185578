package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/origin/hostile"
)

// limited is refreshed by a program that may open so many files.
func limited(t testing.TB, files int, db string, args ...string) output {
	t.Helper()
	cmd := command(t, db, args...)
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), cmd.Path}, cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no sh to limit a program with: %v", err)
	}
	cmd.Path = sh
	return finished(t, cmd)
}

// TestEveryHostSpeaksHTTP2: a list of more https hosts than a worker has file
// descriptors is refreshed in every mode, with few as with many. Today's web is
// such a list.
func TestEveryHostSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	const hosts = 600
	s := trusted(t, origin.Options{Feeds: hosts, Hosts: hosts, Items: 2})
	for _, mode := range append(costlyModes(), goroutineMode) {
		files := []int{20_000}
		if mode == everyMode()[0] || mode == goroutineMode {
			files = []int{64, 20_000}
		}
		for _, n := range files {
			out := limited(t, n, filepath.Join(t.TempDir(), "feeds.db"), "--list", s.list, "-n", "2", "--mode", mode)
			out.want(t, exitOK)
			if got := out.classes(); got[feeds.OK] != hosts || out.summary.WorkerDeaths != 0 {
				t.Errorf("%s with %d files: %v and %d deaths, want %d ok and none\n%s", mode, n, got, out.summary.WorkerDeaths, hosts, out.stderr)
			}
		}
	}
	if got := s.Requests(); got.MaxPerHost != 1 {
		t.Errorf("%d requests to one host at a time, want 1", got.MaxPerHost)
	}
}

// TestWithoutAuthoritiesNoFeedIsBlamed: as in an image that has no certificates to trust.
// The round says what to look at, and once that is mended all feeds are there.
func TestWithoutAuthoritiesNoFeedIsBlamed(t *testing.T) {
	t.Parallel()
	const hosts = 50
	s := trusted(t, origin.Options{Feeds: hosts, Hosts: hosts, Items: 1})
	db := filepath.Join(t.TempDir(), "feeds.db")
	cmd := command(t, db, "--list", s.list, "-n", "2")
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+writeFile(t, "none.pem", ""), "SSL_CERT_DIR="+t.TempDir())
	out := finished(t, cmd)
	out.want(t, exitNetwork)
	if sum := out.summary; sum.Cancelled != hosts || sum.Failed != 0 || !strings.Contains(out.stderr, "SSL_CERT_FILE") {
		t.Errorf("%d cancelled and %d failed, want %d, none, and a word on SSL_CERT_FILE\n%s", sum.Cancelled, sum.Failed, hosts, out.stderr)
	}
	again := refreshed(t, db, "-n", "2")
	again.want(t, exitOK)
	if again.summary.OK != hosts {
		t.Errorf("then %d ok, want %d", again.summary.OK, hosts)
	}
}

// TestTooFewDescriptorsBlameNoFeed: with hardly any descriptors a round may end
// early, whatever carries the lists, but what it does not get to is still due, and the next one
// does it.
func TestTooFewDescriptorsBlameNoFeed(t *testing.T) {
	t.Parallel()
	const hosts = 50
	s := trusted(t, origin.Options{Feeds: hosts, Hosts: hosts, Items: 2})
	for _, mode := range everyMode() {
		db := filepath.Join(t.TempDir(), "feeds.db")
		out := limited(t, 24, db, "--list", s.list, "-n", "1", "--mode", mode)
		for _, l := range out.feeds {
			if !slices.Contains([]feeds.Class{feeds.OK, feeds.Cancelled}, l.Class) {
				t.Errorf("%s: %s: %s (%s), want ok or cancelled", mode, l.URL, l.Class, l.Detail)
			}
		}
		again := refreshed(t, db, "--list", s.list, "--mode", mode)
		again.want(t, exitOK)
		if got := again.classes(); got[feeds.OK]+got[feeds.NotModified] != hosts {
			t.Errorf("%s, the next round: %v, want %d ok or not_modified", mode, got, hosts)
		}
	}
}

// TestConnectionsLeaveTheStoreItsDescriptors: where requests are made by the process
// that has the store, a round with few descriptors is slow and complete.
func TestConnectionsLeaveTheStoreItsDescriptors(t *testing.T) {
	t.Parallel()
	const hosts = 50
	s := trusted(t, origin.Options{Feeds: hosts, Hosts: hosts, Items: 2})
	out := limited(t, 28, filepath.Join(t.TempDir(), "feeds.db"), "--list", s.list, "-n", "1", "--mode", goroutineMode)
	out.want(t, exitOK)
	if got := out.classes(); got[feeds.OK] != hosts {
		t.Errorf("%v, want %d ok\n%s", got, hosts, out.stderr)
	}
}

// TestHTTP2ShelfCostsItsFeedsAlone: servers that speak HTTP/2 badly kill no
// worker, cost it little, and feeds beside them are refreshed as ever.
func TestHTTP2ShelfCostsItsFeedsAlone(t *testing.T) {
	t.Parallel() // most of it is waiting for servers that do not answer
	s := trusted(t, origin.Options{Feeds: 50, Hosts: 50, Items: 2})
	list := readFile(t, s.list)
	cases := hostile.HTTP2()
	for _, c := range cases {
		list = append(append(list, s.HostileURL(c.Name)...), '\n')
	}
	out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", writeFile(t, "shelf.txt", string(list)), "-n", "1", "--timeout", "5s")
	out.want(t, exitFeeds)
	class := make(map[string]feedLine)
	for _, l := range out.feeds {
		class[l.URL] = l
	}
	for u := range s.URLs() {
		if l := class[u]; l.Class != feeds.OK {
			t.Errorf("%s: %s (%s), want ok", u, l.Class, l.Detail)
		}
	}
	for _, c := range cases {
		if l := class[s.HostileURL(c.Name)]; !slices.Contains(strings.Fields(c.Want), string(l.Class)) {
			t.Errorf("%s: %s (%s), want one of %s", c.Name, l.Class, l.Detail, c.Want)
		}
	}
	sum := out.summary
	if got := sum.CPUMS.Workers / int64(len(cases)); sum.WorkerDeaths != 0 || got > 50 {
		t.Errorf("%d deaths, %d ms of the worker's CPU a case, want none and 50 at most", sum.WorkerDeaths, got)
	}
	t.Logf("%d cases: %d ms of CPU, largest worker %d MB", len(cases), sum.CPUMS.Workers, sum.PeakRSS.Worker>>20)
}
