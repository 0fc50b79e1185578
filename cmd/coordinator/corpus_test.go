package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

var update = flag.Bool("update", false, "rewrite the documents that tests compare with")

// corpus returns the folder with real feeds, or skips the test.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FEEDMILL_CORPUS")
	if dir == "" {
		t.Skip("FEEDMILL_CORPUS is not set: it names a folder with real/ (feeds as servers sent them) and urls.txt")
	}
	return dir
}

// TestRealFeedsAreTheSameInEveryMode refreshes real feeds with two and with
// four worker processes and in every mode: the same items, feed for feed, in
// all of them. docs/real-feeds.md has how each of them ends.
func TestRealFeedsAreTheSameInEveryMode(t *testing.T) {
	dir := filepath.Join(corpus(t), "real")
	s := serve(t, origin.Options{Addr: "127.0.0.1:0", Feeds: -1, Dir: dir})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, f := range files {
		fmt.Fprintf(&list, "http://%s/dir/%s\n", s.Addr(), f.Name())
	}
	urls := writeFile(t, "real.txt", list.String())

	var want []string
	var first output
	arms := [][]string{{"--mode", "pipe", "-n", "4"}}
	for _, mode := range everyMode() {
		arms = append(arms, []string{"--mode", mode, "-n", "2"})
	}
	for _, arm := range arms {
		db := filepath.Join(t.TempDir(), "feeds.db")
		out := refreshed(t, db, append([]string{"--list", urls}, arm...)...)
		out.want(t, exitFeeds) // some of them are no feeds, or broken
		if len(out.feeds) != len(files) {
			t.Errorf("%v: %d lines, want one for each of %d files", arm, len(out.feeds), len(files))
		}
		got := contents(t, db)
		if want == nil {
			want, first = got, out
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %d items, want the %d of the first arm\n%s", arm, len(got), len(want), firstDifference(got, want))
		}
	}
	compareDocument(t, filepath.Join("..", "..", "docs", "real-feeds.md"), realFeedsTable(first))
}

// realFeedsTable is the table of docs/real-feeds.md.
func realFeedsTable(out output) string {
	slices.SortFunc(out.feeds, func(a, b feedLine) int { return strings.Compare(a.URL, b.URL) })
	var b strings.Builder
	b.WriteString("| file | class | items | detail |\n| --- | --- | ---: | --- |\n")
	for _, l := range out.feeds {
		detail := strings.ReplaceAll(l.Detail, "|", `\|`)
		fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", l.URL[strings.LastIndexByte(l.URL, '/')+1:], l.Class, l.Items, detail)
	}
	fmt.Fprintf(&b, "\n%d items in %d files.\n", out.summary.New, len(out.feeds))
	return b.String()
}

// compareDocument compares the part of a document below its marker with want,
// or rewrites it under -update.
func compareDocument(t *testing.T, path, want string) {
	t.Helper()
	const marker = "<!-- what follows is made by a test -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(text), marker)
	if !ok {
		t.Fatalf("%s has no line %q", path, marker)
	}
	got = strings.TrimPrefix(got, "\n")
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+marker+"\n"+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what this program does; make it again with -update.\n%s", path,
		firstDifference(strings.Split(got, "\n"), strings.Split(want, "\n")))
}

// hostCounts returns how many feeds each registrable domain of a list has.
func hostCounts(t testing.TB, path string) []int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	of := make(map[string]int)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		of[feeds.Domain(lines.Text())]++
	}
	counts := make([]int, 0, len(of))
	for _, n := range of {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	return counts
}

// scaleCounts returns the hosts of a large list: those of the real one where
// it is there, else of one that is as skewed.
func scaleCounts(t testing.TB) []int {
	if dir := os.Getenv("FEEDMILL_CORPUS"); dir != "" {
		return hostCounts(t, filepath.Join(dir, "urls.txt"))
	}
	return origin.WebSkew(18_000)
}

// TestAListOfTensOfThousandsStaysFlat refreshes small feeds on hosts with the skew of
// a large real list: every feed has its line, and the coordinator's memory grows by
// no more than its part of 40 MB for all of that list. Caches are full at 6,000 feeds.
func TestAListOfTensOfThousandsStaysFlat(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("18,000 feeds take too long under the race detector and with -short")
	}
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	small := scaleRound(t, origin.WebSkew(6_000))
	large := scaleRound(t, scaleCounts(t))
	grown := large.summary.PeakRSS.Coordinator - small.summary.PeakRSS.Coordinator
	t.Logf("%d feeds in %v, coordinator %d MB; %d feeds: %d MB; grown by %d MB",
		large.summary.Feeds, large.wall, large.summary.PeakRSS.Coordinator>>20,
		small.summary.Feeds, small.summary.PeakRSS.Coordinator>>20, grown>>20)
	if most := int64(40<<20) * int64(large.summary.Feeds-small.summary.Feeds) / 36_515; grown > most {
		t.Errorf("the coordinator's peak grew by %d MB, want at most %d", grown>>20, most>>20)
	}
}

// scaleRound refreshes small feeds on hosts with the given counts.
func scaleRound(t *testing.T, counts []int) output {
	t.Helper()
	s := serve(t, origin.Options{HostCounts: counts, Items: 3, Bytes: 200})
	out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", s.list, "-n", "2")
	out.want(t, exitOK)
	if len(out.feeds) != s.Feeds() || out.summary.New != 3*s.Feeds() {
		t.Errorf("%d lines and %d items, want %d and %d", len(out.feeds), out.summary.New, s.Feeds(), 3*s.Feeds())
	}
	return out
}
