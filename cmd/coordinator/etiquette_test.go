package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
)

// A pupil is one feed whose requests are graded.
type pupil struct {
	url   string
	least time.Duration // between the rounds that ask for it
	asks  int           // rounds that must ask for it at least in three days: manners are no excuse for news that are late
	most  int           // and at most; 0 for no bound but least
	hold  time.Duration // what its host asks for with each 429 and 503
	fails bool          // it always does, so the least time doubles
	hours uint32        // not to be asked in, after the first time
	days  uint8         // likewise
}

// calendar is when the replay begins: a Thursday, not on the hour.
var calendar = time.Date(2026, 3, 5, 9, 17, 0, 0, time.UTC)

// classroom returns the feeds of the replay.
func classroom(s *origin.Server) []pupil {
	const hour, day = time.Hour, 24 * time.Hour
	var all []pupil
	urls := slices.Collect(s.URLs())
	add := func(query string, p pupil) { // of the next generated feed
		p.url = urls[len(all)] + query
		all = append(all, p)
	}
	for range 16 {
		add("", pupil{least: hour, asks: 50})
	}
	for range 4 {
		add("?validators=0", pupil{least: hour, asks: 5, most: 12}) // whose news are few
	}
	add("?max-age=7200", pupil{least: 2 * hour, asks: 28})
	add("?max-age=8640000", pupil{least: day, asks: 3})
	add("?status=500", pupil{least: hour, asks: 6, fails: true})
	add("?status=404", pupil{least: hour, asks: 6, fails: true})
	add("?status=429&retry-after=10800", pupil{least: 3 * hour, asks: 5, hold: 3 * hour, fails: true})
	add("", pupil{least: hour, asks: 5}) // on the same host as the one before
	for name, p := range map[string]pupil{
		"limited-hour": {hold: hour, asks: 5, fails: true}, "limited-bare": {hold: hour, asks: 5, fails: true},
		"limited-date": {hold: hour, asks: 5, fails: true}, "busy-hour": {hold: hour, asks: 5, fails: true},
		"limited-aeon": {asks: 1, most: 1}, "gone": {asks: 1, most: 1},
		"etag-weak": {asks: 50}, "modified-words": {asks: 50}, "etag-restless": {asks: 50},
		"latched-304": {asks: 50}, "delta-226": {asks: 50}, "shrinking": {asks: 50},
		"cookie": {asks: 3, most: 12}, "redirect-cookie": {asks: 3, most: 12}, "found": {asks: 3, most: 12},
		"moved": {asks: 3, most: 12}, "moved-host": {asks: 3, most: 12}, "login": {asks: 6, fails: true},
	} {
		p.url, p.least = s.HostileURL(name), max(p.least, hour)
		all = append(all, p)
	}
	for name, p := range map[string]pupil{
		"ttl": {least: 3 * hour, asks: 18}, "period": {least: 12 * hour, asks: 5},
		"hours": {least: hour, asks: 20, hours: 1<<12 - 1}, "days": {least: hour, asks: 15, days: 1<<time.Friday | 1<<time.Saturday},
	} {
		scheme, _, _ := strings.Cut(urls[0], "://")
		p.url = scheme + "://" + s.Addr() + "/dir/" + name + ".rss"
		all = append(all, p)
	}
	return all
}

// schoolbooks makes the files of the replay: feeds that ask for a pace.
func schoolbooks(t *testing.T) string {
	t.Helper()
	hours := ""
	for h := range 12 {
		hours += fmt.Sprintf("<hour>%d</hour>", h)
	}
	dir := t.TempDir()
	for name, asks := range map[string]string{
		"ttl":    "<ttl>180</ttl>",
		"period": "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>",
		"hours":  "<skipHours>" + hours + "</skipHours>",
		"days":   "<skipDays><day>Friday</day><day>Saturday</day></skipDays>",
	} {
		text := `<rss version="2.0" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel><title>` + name + `</title>` +
			asks + `<item><guid>1</guid><title>One</title></item></channel></rss>`
		if err := os.WriteFile(filepath.Join(dir, name+".rss"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A replay is rounds on a clock of its own, with a real store and real
// connections.
type replay struct {
	clock  atomic.Int64 // Unix nanoseconds
	path   string       // of the store
	db     *sqlite.DB
	rounds int
	proxy  string // "" for none
}

func (r *replay) now() time.Time { return time.Unix(0, r.clock.Load()).UTC() }

// restart closes the store and opens it again, as the next run of cron does.
func (r *replay) restart(t *testing.T) {
	t.Helper()
	if r.db != nil {
		if err := r.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(t.Context(), r.path, store.Options{Now: r.now, Durability: store.Normal})
	if err != nil {
		t.Fatal(err)
	}
	r.db = db
}

// round refreshes what is due.
func (r *replay) round(t *testing.T) {
	t.Helper()
	r.rounds++
	refs, err := r.db.Due(t.Context(), store.DueQuery{Now: r.now()})
	if err != nil || len(refs) == 0 {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := r.db.BeginRun(t.Context(), store.Run{Mode: "goroutine", Workers: 2}); err != nil {
		t.Fatal(err)
	}
	options := feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, UserAgent: "pupil", Proxy: r.proxy}
	runner := &refresh.Goroutines{Workers: 2, Options: options, NewRefresher: newRefresher}
	_, err = refresh.Round(t.Context(), runner, r.db, refs, refresh.Options{Workers: 2, Now: r.now, Seed: uint64(r.rounds)})
	if err != nil {
		t.Fatal(err)
	}
}

// play subscribes feeds of an origin and plays rounds for so long, each 10 to
// 15 times unit after the one before. It returns what the origin was asked.
func play(t *testing.T, o origin.Options, choose func(*origin.Server) []pupil, length, unit time.Duration) (class []pupil, log []asked) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &replay{path: filepath.Join(t.TempDir(), "feeds.db")}
	r.clock.Store(calendar.UnixNano())
	var written requestLog
	t.Run("replay", func(t *testing.T) { // the origin ends with it, and its log is whole
		o.Log, o.Now = &written, r.now
		s := serve(t, o)
		if o.HTTPS {
			trust(t, s.AuthorityPEM())
		}
		class = choose(s.Server)
		var subs []feeds.Subscription
		for _, p := range class {
			subs = append(subs, feeds.Subscription{URL: p.url})
		}
		r.restart(t)
		defer func() { r.db.Close() }()
		if _, err := r.db.Subscribe(t.Context(), subs); err != nil {
			t.Fatal(err)
		}
		for end := calendar.Add(length); r.now().Before(end); {
			r.round(t)
			r.clock.Add(int64(10*unit) + rng.Int64N(int64(5*unit)))
			if r.rounds%16 == 0 {
				s.AddEpochs(1)
			}
			if r.rounds%25 == 0 {
				r.restart(t)
			}
		}
		if err := r.db.Check(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, line := range written.lines() {
		var a asked
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		a.at = calendar.Add(time.Duration(a.MS * float64(time.Millisecond))).Round(time.Millisecond)
		log = append(log, a)
	}
	return class, log
}

// TestEtiquette replays three days of rounds, one in every 10 to 15 minutes,
// over either scheme, and grades what servers saw of them. Less than full marks
// fail.
func TestEtiquette(t *testing.T) {
	if !manyHosts() {
		t.Skip("this system answers on one loopback address only")
	}
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			if raceEnabled && scheme == "https" {
				t.Skip("three days of TLS are ten times the work under the race detector, and show no other races")
			}
			o := origin.Options{Feeds: 26, Hosts: 13, Items: 5, NewsEvery: 3, Dir: schoolbooks(t), HTTPS: scheme == "https"}
			if o.HTTPS && !alone(t) {
				return
			}
			class, log := play(t, o, classroom, 72*time.Hour, time.Minute)
			g := grade(class, log)
			t.Logf("%d feeds, %d requests\n%s", len(class), len(log), g)
			if g.marks() != 100 {
				t.Errorf("etiquette: %d of 100 marks, want full marks", g.marks())
			}
		})
	}
}

// alone reports whether this process runs nothing but the test, and else has
// another one do that: whom a process trusts is settled by its first handshake.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "FEEDMILL_TEST_ALONE"
	if runtime.GOOS != "linux" {
		t.Skip("no variable says here whom to trust")
	}
	if os.Getenv(variable) == t.Name() {
		return true
	}
	parts := strings.Split(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+strings.Join(parts, "$/^")+"$")
	cmd.Env = append(os.Environ(), variable+"="+t.Name(), envPrograms+"="+programs)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a process of its own: %v, want a pass", err)
	}
	return false
}

// TestALatchedServerIsAskedInFullOnceAWeek: a server that says 304 for ever
// gets a request without validators at most once a week, and at least about as
// often, and what it hid is stored.
func TestALatchedServerIsAskedInFullOnceAWeek(t *testing.T) {
	var page string
	choose := func(s *origin.Server) []pupil {
		page = strings.TrimPrefix(s.HostileURL("latched-304"), "http://")
		return []pupil{{url: s.HostileURL("latched-304")}, {url: slices.Collect(s.URLs())[0]}}
	}
	const days = 60
	_, log := play(t, origin.Options{Feeds: 1, NewsEvery: -1}, choose, days*24*time.Hour, 30*time.Minute)
	full := make(map[string][]time.Time) // requests without validators
	for _, a := range log {
		if a.ETag == "" && a.Modified == "" {
			full[a.Path] = append(full[a.Path], a.at)
		}
	}
	if len(full) != 2 {
		t.Fatalf("requests without validators to %d paths, want 2: the latched one is %s", len(full), page)
	}
	for path, times := range full {
		if n := len(times); n < days/9 || n > days/7+1 {
			t.Errorf("%s: %d requests without validators in %d days, want one each week", path, n, days)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < 7*24*time.Hour {
				t.Errorf("%s: %v between two requests without validators, want a week", path, gap)
			}
		}
	}
	if asks := len(log); asks < days*4*2/2 {
		t.Errorf("%d requests in all: the feeds were hardly asked", asks)
	}
}

// TestABusyFeedLosesNothing: 5 items an hour, of which it shows 20, without
// validators, asked for every 15 minutes over two days.
func TestABusyFeedLosesNothing(t *testing.T) {
	r := &replay{path: filepath.Join(t.TempDir(), "feeds.db")}
	r.clock.Store(calendar.UnixNano())
	published := func() int { return 20 + int(5*r.now().Sub(calendar)/time.Hour) }
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Cache-Control", "max-age=900")
		fmt.Fprint(w, "<rss version='2.0'><channel><title>busy</title>")
		for n := published(); n > published()-20; n-- {
			fmt.Fprintf(w, "<item><guid>%d</guid><title>Item %d</title></item>", n, n)
		}
		fmt.Fprint(w, "</channel></rss>")
	}))
	defer s.Close()
	r.restart(t)
	defer func() { r.db.Close() }()
	if _, err := r.db.Subscribe(t.Context(), []feeds.Subscription{{URL: s.URL}}); err != nil {
		t.Fatal(err)
	}
	for range 48 * 4 {
		r.round(t)
		r.clock.Add(int64(15 * time.Minute))
	}
	r.clock.Add(-int64(15 * time.Minute))
	r.restart(t)
	if got, want := len(contents(t, r.path)), published(); got < want-5 || asked > 60 {
		t.Errorf("%d items stored of %d after %d requests, want all but those of the last hour, and a request an hour", got, want, asked)
	}
}

// TestEveryHourIsEveryHour: who refreshes every hour, or day, at the same minute
// asks hourly, or daily, feeds each time, however long a round takes.
func TestEveryHourIsEveryHour(t *testing.T) {
	for _, every := range []time.Duration{time.Hour, 24 * time.Hour} {
		r := &replay{path: filepath.Join(t.TempDir(), "feeds.db")}
		r.clock.Store(calendar.UnixNano())
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked++
			r.clock.Add(int64(3 * time.Second)) // a round of 20 feeds takes a minute
			if strings.HasPrefix(req.URL.Path, "/age") {
				w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", every/time.Second))
			}
			if every == time.Hour {
				w.Header().Set("ETag", `"1"`)
			}
			if req.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, "<rss version='2.0'><channel><title>t</title><item><guid>1</guid></item></channel></rss>")
		}))
		defer s.Close()
		r.restart(t)
		defer func() { r.db.Close() }()
		var subs []feeds.Subscription
		for i := range 10 {
			subs = append(subs, feeds.Subscription{URL: fmt.Sprintf("%s/%d", s.URL, i)}, feeds.Subscription{URL: fmt.Sprintf("%s/age/%d", s.URL, i)})
		}
		if _, err := r.db.Subscribe(t.Context(), subs); err != nil {
			t.Fatal(err)
		}
		for n := range 6 {
			r.clock.Store(calendar.Add(time.Duration(n) * every).UnixNano())
			r.round(t)
		}
		if asked != 6*len(subs) {
			t.Errorf("every %v: %d requests for %d feeds in 6 rounds, want %d", every, asked, len(subs), 6*len(subs))
		}
	}
}

// marks are what is counted of one rule.
type marks struct {
	good, all int
	wrong     []string // the first few
}

// A report card has the marks of each rule.
type card map[string]*marks

// check counts one case of a rule.
func (c card) check(rule string, ok bool, format string, args ...any) {
	m := c[rule]
	if m == nil {
		m = &marks{}
		c[rule] = m
	}
	m.all++
	if ok {
		m.good++
	} else if len(m.wrong) < 3 {
		m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
	}
}

// marks returns the whole grade: 100 only if no rule was ever broken.
func (c card) marks() int {
	good, all := 0, 0
	for _, m := range c {
		good, all = good+m.good, all+m.all
	}
	if all == 0 {
		return 0
	}
	return good * 100 / all
}

// String returns a line for each rule, the grade first.
func (c card) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "etiquette: %d of 100\n", c.marks())
	for _, rule := range slices.Sorted(maps.Keys(c)) {
		m := c[rule]
		fmt.Fprintf(&b, "  %6d of %6d  %s\n", m.good, m.all, rule)
		for _, w := range m.wrong {
			fmt.Fprintf(&b, "                    %s\n", w)
		}
	}
	return b.String()
}
