package main

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/origin/hostile"
)

// Bounds on the round over the whole kit.
const (
	hostileWall = 60 * time.Second
	hostilePeak = 256 << 20 // bytes of the largest worker
)

// A requestLog is where an origin writes what it was asked, for a test to read
// at any time.
type requestLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *requestLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the lines written so far. The origin flushes once a second and
// when it ends.
func (l *requestLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// kit serves the hostile kit and returns a file with the URLs of the cases
// named, or of all of them.
func kit(t testing.TB, o origin.Options, names ...string) (*site, string) {
	t.Helper()
	o.Feeds = -1
	s := serve(t, o)
	var b strings.Builder
	if len(names) == 0 {
		if err := s.ListHostile(&b); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		fmt.Fprintln(&b, s.HostileURL(name))
	}
	return s, writeFile(t, "hostile.txt", b.String())
}

// TestHostileListEndsAsDocumented refreshes the whole kit with worker
// processes: it ends in time and with exit status 3, each feed ends in a class
// that the kit's table names and with what could be kept of it, no worker dies,
// none takes much memory, and no entity of a document has led to a request.
func TestHostileListEndsAsDocumented(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a worker needs several times the time and memory that are its bounds")
	}
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	t.Parallel() // most of it is waiting for servers that do not answer
	var log requestLog
	s, list := kit(t, origin.Options{TLS: true, Log: &log})
	out := refreshed(t, filepath.Join(t.TempDir(), "feeds.db"), "--list", list, "-n", "2")
	out.want(t, exitFeeds)

	ended := make(map[string]feedLine)
	for _, l := range out.feeds {
		ended[l.URL] = l
	}
	best, cases := 0, hostile.Cases()
	for _, c := range cases {
		l, ok := ended[feeds.RedactURL(s.HostileURL(c.Name))]
		if !ok {
			t.Errorf("%s: no line", c.Name)
			continue
		}
		want := strings.Fields(c.Want)
		if !slices.Contains(want, string(l.Class)) {
			t.Errorf("%s (%s): class %s (%s), want one of %v", c.Name, c.About, l.Class, l.Detail, want)
		}
		if string(l.Class) == want[0] {
			best++
		}
		if items, ok := keeps[c.Name]; ok && l.Items != items {
			t.Errorf("%s (%s): %d items stored, want %d", c.Name, c.About, l.Items, items)
		}
	}
	sum := out.summary
	t.Logf("%d cases in %v, %d of them in the best class; largest worker %d MB, coordinator %d MB",
		len(cases), out.wall.Round(100*time.Millisecond), best, sum.PeakRSS.Worker>>20, sum.PeakRSS.Coordinator>>20)
	if out.wall > hostileWall {
		t.Errorf("it took %v, want at most %v", out.wall, hostileWall)
	}
	if sum.WorkerDeaths != 0 {
		t.Errorf("%d workers died, want none", sum.WorkerDeaths)
	}
	if sum.PeakRSS.Worker > hostilePeak {
		t.Errorf("the largest worker had %d MB, want at most %d", sum.PeakRSS.Worker>>20, hostilePeak>>20)
	}
	until(5*time.Second, func() bool { return len(log.lines()) > len(cases)/2 })
	for _, line := range log.lines() {
		if strings.Contains(line, "/canary/") || strings.Contains(line, `"referer":true`) {
			t.Errorf("it asked for what no reader should: %s", line)
		}
	}
}

// keeps says how many items of a case are stored in the end, where that is the
// point of it.
var keeps = map[string]int{
	"bare-less": 3, "cut-item": 2, "cut-tail": 3, "chunked-cut": 3, "length-long": 3, "length-short": 2, "gzip-tail": 3,
	"json-cut": 1, "json-null-author": 1, "json-null-item": 0, "json-surrogate": 1, "json-tail": 1, "json-twice": 1, "json-types": 1, "json-long": 1,
	"many-items": 100_000, "huge-content": 2, "huge-guid": 3, "huge-title": 3, "doctype-5mb": 2, "laughs": 2,
	"entity-file": 2, "entity-url": 2, "entity-parameter": 2, "entity-long": 2, "entity-html": 3,
	"guid-same": 10, "guid-same-all": 1, "guid-none": 4, "guid-empty": 1, "guid-odd": 5, "guid-nul": 3,
	"dates": 12, "escapes": 3, "escapes-json": 1, "links-unsafe": 5, "empty-channel": 0,
	"byte-invalid": 3, "utf-8-long": 3, "utf-8-surrogate": 3, "reference-nul": 3, "reference-surrogate": 3, "reference-endless": 3, "control": 3,
	"unclosed-item": 3, "tags-crossed": 3, "tags-upper": 1, "cdata-cut": 3, "instructions": 2, "xml-11": 3,
	"tail-garbage": 3, "tail-document": 3, "channels-two": 4, "head-comment": 3, "head-blank": 3, "head-junk": 3,
	"utf-16-le-mark": 2, "utf-16-be-mark": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-16-odd": 2, "utf-16-half": 2,
	"utf-32-le-mark": 2, "utf-32-be-mark": 2, "utf-32-le": 2, "utf-32-be": 2, "utf-8-mark": 2,
	"lie-latin": 2, "lie-utf-16": 2, "lie-utf-8": 2, "lie-http": 2, "http-only": 2, "bogus": 2,
	"iso-2022-jp": 2, "shift_jis": 2, "euc-jp": 2, "gb18030": 2, "big5": 2, "euc-kr": 2, "koi8-r": 2, "windows-1251": 2,
	"password": 3, "redirect-five": 3, "redirect-cookie": 3, "redirect-referer": 3, "redirect-credentials": 3,
	"error-feed": 0, "moved-error": 0, "endless-body": 0, "gzip-bomb": 0, "json-error": 0, "vocabulary": 0, "too-large": 0,
}

// A look is what one round should make of a case.
type look struct {
	class        feeds.Class
	new, updated int
	items        int // that the store then has
	moved        bool
}

// looks are what rounds make of cases that change, or that can only be told
// apart from the second time on. Every round begins an epoch.
var looks = map[string][]look{
	"shrinking":      {{class: feeds.OK, new: 100, items: 100}, {class: feeds.OK, items: 100}, {class: feeds.OK, items: 100}},
	"edited":         {{class: feeds.OK, new: 3, items: 3}, {class: feeds.OK, updated: 1, items: 3}, {class: feeds.OK, updated: 1, items: 3}},
	"restless-text":  {{class: feeds.OK, new: 5, items: 5}, {class: feeds.OK, updated: 5, items: 5}, {class: feeds.OK, updated: 5, items: 5}},
	"restless-head":  {{class: feeds.OK, new: 3, items: 3}, {class: feeds.OK, items: 3}, {class: feeds.OK, items: 3}},
	"guid-churn":     {{class: feeds.OK, new: 10, items: 10}, {class: feeds.OK, new: 10, items: 20}, {class: feeds.OK, new: 10, items: 30}},
	"guid-same":      {{class: feeds.OK, new: 10, items: 10}, {class: feeds.Unchanged, items: 10}, {class: feeds.Unchanged, items: 10}},
	"guid-same-all":  {{class: feeds.OK, new: 1, items: 1}, {class: feeds.Unchanged, items: 1}, {class: feeds.Unchanged, items: 1}},
	"etag-restless":  {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"etag-2kb":       {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"etag-weak":      {{class: feeds.OK, new: 3, items: 3}, {class: feeds.NotModified, items: 3}, {class: feeds.NotModified, items: 3}},
	"modified-words": {{class: feeds.OK, new: 3, items: 3}, {class: feeds.NotModified, items: 3}, {class: feeds.NotModified, items: 3}},
	"body-304":       {{class: feeds.OK, new: 3, items: 3}, {class: feeds.NotModified, items: 3}, {class: feeds.NotModified, items: 3}},
	"latched-304":    {{class: feeds.OK, new: 3, items: 3}, {class: feeds.NotModified, items: 3}, {class: feeds.NotModified, items: 3}},
	"delta-226":      {{class: feeds.OK, new: 3, items: 3}, {class: feeds.OK, new: 1, items: 4}, {class: feeds.OK, new: 1, items: 5}},
	"cookie":         {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"moved":          {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3, moved: true}, {class: feeds.Unchanged, items: 3}},
	"moved-308":      {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3, moved: true}, {class: feeds.Unchanged, items: 3}},
	"moved-host":     {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3, moved: true}, {class: feeds.Unchanged, items: 3}},
	"found":          {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"see-other":      {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"moved-error":    {{class: feeds.HTTPError}, {class: feeds.HTTPError}, {class: feeds.HTTPError}},
	"length-long":    {{class: feeds.OK, new: 3, items: 3}, {class: feeds.Unchanged, items: 3}, {class: feeds.Unchanged, items: 3}},
	"cut-item":       {{class: feeds.Truncated, new: 2, items: 2}, {class: feeds.Truncated, items: 2}, {class: feeds.Truncated, items: 2}},
	"json-error":     {{class: feeds.NotAFeed}, {class: feeds.NotAFeed}, {class: feeds.NotAFeed}},
	"channels-two":   {{class: feeds.OK, new: 4, items: 4}, {class: feeds.Unchanged, items: 4}, {class: feeds.Unchanged, items: 4}},
}

// TestHostileFeedsOverRounds refreshes cases three times: nothing is lost or
// doubled, edits stay in their place, only what was stored is answered with its
// validators, and a permanent redirect is believed the second time.
func TestHostileFeedsOverRounds(t *testing.T) {
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	names := slices.Sorted(maps.Keys(looks))
	s, list := kit(t, origin.Options{}, names...)
	db := filepath.Join(t.TempDir(), "feeds.db")
	at := make(map[string]string) // a case's URL, to its name
	for _, name := range names {
		at[s.HostileURL(name)] = name
	}
	args := []string{"--list", list}
	for round := range 3 {
		s.SetEpoch(round)
		out := refreshed(t, db, append(args, "--force", "-n", "2")...)
		out.want(t, exitFeeds)
		if len(out.feeds) != len(names) {
			t.Fatalf("round %d: %d lines, want %d", round, len(out.feeds), len(names))
		}
		for _, l := range out.feeds {
			name := at[l.URL]
			want := looks[name][round]
			if got := (look{l.Class, l.New, l.Updated, l.Items, l.MovedTo != ""}); got != want {
				t.Errorf("round %d, %s: got %+v (%s), want %+v", round, name, got, l.Detail, want)
			}
			if l.MovedTo != "" {
				at[l.MovedTo] = name
			}
		}
		args = nil // from now on what is in the store, under the URLs that it has
	}
}
