package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/refresh"
	"feedmill/internal/store"
	"feedmill/internal/store/sqlite"
	"feedmill/internal/terminal"
)

// TestACronIsToldOfADeathOnceAndOfAReturnOnce: a job every so many hours for a
// week, by a clock of the test's, in which some of the feeds are away for a while
// and one of the others now and then. Cron mails what is printed: one line or more
// when they have died, one or more when they are back, where many are one line.
func TestACronIsToldOfADeathOnceAndOfAReturnOnce(t *testing.T) {
	for _, c := range []cronWeek{
		{name: "two of 400", live: 398, dead: 2, every: 1, from: 24, to: 96, after: 3, class: feeds.HTTPError},
		{name: "five of 62", live: 57, dead: 5, every: 4, from: 30, to: 90, after: 2, class: feeds.HTTPError},
		{name: "395 that nobody answers for", live: 400, dead: 395, every: 6, from: 12, to: 72, after: 3, class: feeds.Connect},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.class == feeds.Connect && runtime.GOOS != "linux" {
				t.Skip("this system has one loopback host only")
			}
			if raceEnabled && c.live >= 400 {
				t.Skip("a week of so many feeds shows the race detector no more than one of few")
			}
			told := c.mails(t)
			all := strings.Join(told, "\n")
			if got := []int{feedsIn(all, string(c.class)), feedsIn(all, "back")}; got[0] != c.dead || got[1] != c.dead || strings.Contains(all, "/feed") {
				t.Errorf("told of %d deaths and %d returns, want %d of each, and nothing else:\n%s", got[0], got[1], c.dead, all)
			}
			if lines := strings.Count(all, "\n"); len(told) > 8 || lines > 50 {
				t.Errorf("%d mails of %d lines:\n%s", len(told), lines, all)
			}
		})
	}
}

// feedsIn counts the feeds that lines of a class tell of.
func feedsIn(mails, class string) (n int) {
	for line := range strings.Lines(mails) {
		if rest, ok := strings.CutPrefix(line, class+" "); ok {
			many := 1
			fmt.Sscanf(strings.TrimSpace(rest), "%d feeds", &many)
			n += many
		}
	}
	return n
}

// A cronWeek is a week of a job.
type cronWeek struct {
	name       string
	live, dead int // feeds
	every      int // hours
	from, to   int // hours, in which the dead ones are away
	after      int // --tell-after
	class      feeds.Class
}

// mails returns what the job printed, whenever it printed anything.
func (c *cronWeek) mails(t *testing.T) (told []string) {
	var away, hiccup atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasPrefix(req.URL.Path, "/dead") && away.Load(), req.URL.Path == "/feed3" && hiccup.Load():
			w.WriteHeader(http.StatusInternalServerError)
			return
		case strings.HasPrefix(req.URL.Path, "/feed") && req.URL.Path != "/feed3":
			w.Header().Set("Cache-Control", "max-age=86400") // else the test would be long
		}
		w.Header().Set("ETag", `"x"`)
		if req.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, `<rss version="2.0"><channel><title>T</title><item><title>i</title></item></channel></rss>`)
	})
	live := served(t, "127.0.0.1:0", handler)
	dead := live
	var list []feeds.Subscription
	host := func(int) string { return "127.0.0.1" }
	if c.class == feeds.Connect { // each on a host of its own
		live, dead = served(t, "0.0.0.0:0", handler), served(t, "0.0.0.0:0", handler)
		host = func(n int) string { return fmt.Sprintf("127.1.%d.%d", n/200, n%200+1) }
	}
	port := func(s *http.Server) string { _, port, _ := net.SplitHostPort(s.Addr); return port }
	for i := range c.live {
		list = append(list, feeds.Subscription{URL: fmt.Sprintf("http://%s:%s/feed%d", host(i), port(live), i)})
	}
	for i := range c.dead {
		list = append(list, feeds.Subscription{URL: fmt.Sprintf("http://%s:%s/dead%d", host(c.live+i), port(dead), i)})
	}

	start := time.Now()
	now := start
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "feeds.db"), store.Options{Durability: store.Normal, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Subscribe(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for hour := 0; hour < 7*24; hour += c.every {
		now = start.Add(time.Duration(hour) * time.Hour)
		if gone := hour >= c.from && hour < c.to; gone != away.Swap(gone) && c.class == feeds.Connect {
			if gone {
				dead.Close()
			} else {
				dead = served(t, dead.Addr, handler)
			}
		}
		hiccup.Store(hour%10 == 0)
		refs, err := db.Due(t.Context(), store.DueQuery{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		rep := newReport(&out, false)
		rep.show, rep.teller.after = showFailing, c.after
		job := &round{
			db: db, refs: refs, flags: &runnerFlags{mode: choice{value: goroutineMode}, workers: 2},
			options: feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, PerHost: 8},
			plan:    refresh.Options{Now: func() time.Time { return now }},
			report:  rep, bars: terminal.NewProgress(&out, true, false), log: (&app{stderr: &out}).logger(),
		}
		if err := job.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out.Len() > 0 {
			told = append(told, out.String())
		}
	}
	return told
}

// served serves at an address until the test ends or the server is closed; its
// Addr is where.
func served(t *testing.T, address string, handler http.Handler) *http.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Addr: l.Addr().String(), Handler: handler}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return s
}
