package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A town is a proxy that plays hosts by their names: living and dead ones under
// domains that many share, a busy one, some that redirect and set cookies. It
// stands for a web in which a name says whose a machine is.
type town struct {
	now func() time.Time

	mu     sync.Mutex
	log    []call
	counts map[string]int // requests by host and path
}

// A call is one request as the town saw it.
type call struct {
	host, target   string // as sent, byte for byte
	accept, cookie string
	etag           string // the If-None-Match
	gave           string // the ETag of the answer
	status         int
	at             time.Time
}

// townFolk are the feeds of the town, with how often each is asked in two days of
// rounds, one in 15 minutes.
func townFolk() map[string]span {
	folk := map[string]span{
		"http://busy.example/feed":             {40, 60},
		"http://farside.example/feed":          {40, 60},
		"http://other.wordpress.com/feed":      {10, 60},
		"http://limited.wordpress.com/feed":    {4, 18},
		"http://cookie.example/feed":           {2, 60},
		"http://h.example/a%2Fb/caf%c3%a9 x":   {2, 60},
		"http://h.example/%7Eme/é/%2e?q=%2f ü": {2, 60},
	}
	for i := range 12 {
		folk[fmt.Sprintf("http://alive%d.duckdns.org/feed", i)] = span{40, 60}
	}
	for i := range 10 {
		folk[fmt.Sprintf("https://dead%d.duckdns.org/feed", i)] = span{4, 12} // backed off: after 1, 2, 4, 8, 16 h
		folk[fmt.Sprintf("http://odd%d.github.io/feed", i)] = span{4, 12}
		folk[fmt.Sprintf("http://alive%d.github.io/feed", i)] = span{40, 60}
	}
	return folk
}

type span struct{ least, most int }

// holdOf is what limited.wordpress.com asks for with each 429.
const holdOf = 3 * time.Hour

// published is how many items the busy feed has had: 5 an hour, of which it shows 20.
func published(now time.Time) int { return 20 + int(5*now.Sub(calendar)/time.Hour) }

func (c *town) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	target := strings.TrimPrefix(req.RequestURI, "http://"+req.Host)
	seen := call{host: req.URL.Hostname(), target: target, accept: req.Header.Get("Accept"), cookie: req.Header.Get("Cookie"),
		etag: req.Header.Get("If-None-Match"), status: 200, at: c.now()}
	n := c.counts[seen.host+target]
	c.counts[seen.host+target]++
	h := w.Header()
	answer := func(status int, etag string, items ...int) {
		if seen.status, seen.gave = status, etag; etag != "" {
			h.Set("ETag", etag)
		}
		if etag != "" && seen.etag == etag {
			seen.status = http.StatusNotModified
		}
		c.log = append(c.log, seen)
		w.WriteHeader(seen.status)
		if seen.status != 200 {
			return
		}
		fmt.Fprintf(w, "<rss version='2.0'><channel><title>%s</title>", seen.host)
		for _, i := range items {
			fmt.Fprintf(w, "<item><guid>%d</guid><title>%d</title></item>", i, i)
		}
		fmt.Fprint(w, "</channel></rss>")
	}
	redirect := func(to string) { h.Set("Location", to); answer(http.StatusFound, "") }
	switch name, _, _ := strings.Cut(seen.host, "."); {
	case strings.HasPrefix(name, "dead"):
		answer(http.StatusBadGateway, "") // to CONNECT
	case strings.HasPrefix(name, "odd"):
		seen.status = 0
		c.log = append(c.log, seen)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			conn.Close()
		}
	case name == "limited":
		h.Set("Retry-After", fmt.Sprint(int(holdOf.Seconds())))
		answer(http.StatusTooManyRequests, "")
	case name == "busy":
		h.Set("Cache-Control", "max-age=900")
		var shown []int
		for i := range 20 {
			shown = append(shown, published(c.now())-i)
		}
		answer(200, "", shown...)
	case name == "farside": // each time to another instance, in three turns
		redirect(fmt.Sprintf("http://inst%d.example/feed", n%3))
	case seen.host == "cookie.example":
		c.cookies(seen, target, redirect, h, answer)
	case seen.host == "login.cookie.example":
		h.Add("Set-Cookie", "session=1; Domain=cookie.example")
		h.Add("Set-Cookie", "everybody=1; Domain=example")
		redirect("http://cookie.example/in")
	default:
		answer(200, `"`+seen.host+`"`, 1)
	}
}

// cookies plays a site that logs every visitor in, over a host of its own, and out
// of what it set on the way.
func (c *town) cookies(seen call, target string, redirect func(string), h http.Header, answer func(int, string, ...int)) {
	switch target {
	case "/feed":
		h.Add("Set-Cookie", "gone=1; Path=/")
		h.Add("Set-Cookie", "elsewhere=1; Path=/elsewhere")
		redirect("http://login.cookie.example/")
	case "/in":
		h.Add("Set-Cookie", "gone=; Path=/; Max-Age=0")
		redirect("/read")
	default:
		answer(200, "", 1)
	}
}

// wantCookies are what a request has, by host and target; no other has one.
var wantCookies = map[string]string{
	"cookie.example/in":   "gone=1; session=1",
	"cookie.example/read": "session=1",
}

// wantTargets are those of a host whose paths have escapes.
var wantTargets = []string{"/a%2Fb/caf%c3%a9%20x", "/%7Eme/%C3%A9/%2e?q=%2f%20%C3%BC"}

// gradeTown holds what the town saw against the rules.
func gradeTown(c card, folk map[string]span, log []call, stored, news int) {
	asks := make(map[string]int)
	given := make(map[string]string) // by host and target, what it gave last
	var hold time.Time
	for _, a := range log {
		asks[a.host]++
		at := a.host + a.target
		c.check("validators to the URL that gave them", a.etag == "" || a.etag == given[at], "%s was sent %s and had given %q", at, a.etag, given[at])
		if a.gave != "" {
			given[at] = a.gave
		}
		connect := strings.HasSuffix(a.target, ":443")
		feedTypes := strings.Contains(a.accept, "application/rss+xml") && strings.Contains(a.accept, "application/atom+xml") && strings.Contains(a.accept, "application/feed+json")
		c.check("Accept names feeds, and no other JSON", connect || feedTypes && !strings.Contains(a.accept, "application/json"), "%s: %q", at, a.accept)
		c.check("cookies by RFC 6265", a.cookie == wantCookies[at], "%s: %q, want %q", at, a.cookie, wantCookies[at])
		if a.host == "h.example" {
			c.check("escapes byte for byte", slices.Contains(wantTargets, a.target), "%s", a.target)
		}
		if strings.HasSuffix(a.host, "wordpress.com") {
			c.check("a domain is left alone for as long as its server asks", !a.at.Before(hold), "%s %v early", a.host, hold.Sub(a.at))
			if a.status == http.StatusTooManyRequests {
				hold = a.at.Add(holdOf)
			}
		}
	}
	for raw, want := range folk {
		u, err := url.Parse(raw)
		if err != nil {
			panic(err)
		}
		n, rule := asks[u.Hostname()], "living names beside dead ones are asked each hour"
		switch {
		case strings.HasPrefix(u.Hostname(), "dead") || strings.HasPrefix(u.Hostname(), "odd"):
			rule = "dead names are asked less and less often"
		case u.Hostname() == "h.example" || u.Hostname() == "cookie.example":
			n, rule = n/2, "asked often enough" // two feeds, and three hops
		case !strings.HasPrefix(u.Hostname(), "alive"):
			rule = "asked often enough"
		}
		c.check(rule, n >= want.least && n <= want.most, "%s: %d times, want %d to %d", u.Hostname(), n, want.least, want.most)
	}
	c.check("a busy feed loses nothing", stored >= news, "%d items of %d", stored, news)
}

// TestEtiquetteByName replays two days of rounds, one in 15 minutes, over names that
// share domains, and grades what a proxy saw of them. Less than full marks fail.
func TestEtiquetteByName(t *testing.T) {
	r := &replay{path: filepath.Join(t.TempDir(), "feeds.db")}
	r.clock.Store(calendar.UnixNano())
	c := &town{now: r.now, counts: make(map[string]int)}
	s := httptest.NewServer(c)
	defer s.Close()
	r.proxy = s.URL
	r.restart(t)
	defer func() { r.db.Close() }()
	var subs []feeds.Subscription
	for u := range townFolk() {
		norm, err := feeds.NormalizeURL(u)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, feeds.Subscription{URL: norm})
	}
	if _, err := r.db.Subscribe(t.Context(), subs); err != nil {
		t.Fatal(err)
	}
	for range 48 * 4 {
		r.round(t)
		r.clock.Add(int64(15 * time.Minute))
	}
	r.restart(t)
	stored := 0
	for _, item := range contents(t, r.path) {
		if strings.Contains(item, "busy.example") {
			stored++
		}
	}
	news := published(r.now()) - 10 // what came since the feed was last asked is for the next round
	g := make(card)
	gradeTown(g, townFolk(), c.log, stored, news)
	t.Logf("%d requests\n%s", len(c.log), g)
	if g.marks() != 100 {
		t.Errorf("etiquette: %d of 100 marks, want full marks", g.marks())
	}
	for name, spoil := range map[string]func(log []call) []call{
		"validators of another": func(log []call) []call {
			return spoiled(log, "inst2.example", func(a *call) { a.etag = `"inst1.example"` })
		},
		"JSON": func(log []call) []call {
			return spoiled(log, "busy.example", func(a *call) { a.accept += ", application/json" })
		},
		"a deleted cookie": func(log []call) []call {
			return spoiled(log, "cookie.example", func(a *call) { a.cookie += "; gone=" })
		},
		"a cookie for all": func(log []call) []call {
			return spoiled(log, "busy.example", func(a *call) { a.cookie = "everybody=1" })
		},
		"an escape": func(log []call) []call {
			return spoiled(log, "h.example", func(a *call) { a.target = strings.Replace(a.target, "%2F", "/", 1) + "/" })
		},
		"within a hold":       func(log []call) []call { return append(log, log[slices.IndexFunc(log, isLimited)]) },
		"a living name never": func(log []call) []call { return slices.DeleteFunc(log, isHost("alive3.duckdns.org")) },
		"a dead name often": func(log []call) []call {
			return append(log, slices.Repeat([]call{{host: "dead1.duckdns.org", target: "dead1.duckdns.org:443"}}, 9)...)
		},
	} {
		g := make(card)
		if gradeTown(g, townFolk(), spoil(slices.Clone(c.log)), stored, news); g.marks() == 100 {
			t.Errorf("%s: full marks", name)
		}
	}
	g = make(card)
	if gradeTown(g, townFolk(), c.log, news-1, news); g.marks() == 100 {
		t.Error("an item less: full marks")
	}
}

func isLimited(a call) bool { return a.status == http.StatusTooManyRequests }

func isHost(name string) func(call) bool { return func(a call) bool { return a.host == name } }

// spoiled changes the last call to a host.
func spoiled(log []call, host string, change func(*call)) []call {
	for i := len(log) - 1; i >= 0; i-- {
		if log[i].host == host {
			change(&log[i])
			return log
		}
	}
	panic("nobody asked " + host)
}
