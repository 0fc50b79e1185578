package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// An asked is one request as the origin logged it.
type asked struct {
	MS            float64
	Conn          uint64
	Addr          string
	UnderWay      int `json:"under_way"`
	Method        string
	Path          string
	Status        int
	ETag          string `json:"if_none_match"`
	Modified      string `json:"if_modified_since"`
	AIM           string `json:"a_im"`
	SentETag      string `json:"sent_etag"`
	SentModified  string `json:"sent_modified"`
	Encodings     string `json:"accept_encoding"`
	Agent         string `json:"user_agent"`
	Cookie        bool
	Referer       bool
	Authorization bool

	at time.Time // by the replay's clock, which stands still within a round
}

// grade holds a log against the rules. Requests of one round have one time.
func grade(class []pupil, log []asked) card {
	c := make(card)
	gradeShape(c, log)
	gradeHosts(c, class, log)
	for i := range class {
		gradeFeed(c, &class[i], requestsFor(&class[i], log))
	}
	return c
}

// requestsFor returns the requests for a feed, those that its redirects led to
// left out, except where the feed has moved there.
func requestsFor(p *pupil, log []asked) []asked {
	u, err := url.Parse(p.url)
	if err != nil {
		panic(err) // the origin made it
	}
	var mine []asked
	for _, a := range log {
		first := a.Addr == u.Hostname() && a.Path == u.RequestURI()
		step := strings.HasPrefix(a.Path, u.RequestURI()+"/")
		sameRound := len(mine) > 0 && mine[len(mine)-1].at.Equal(a.at)
		if first || step && !sameRound {
			mine = append(mine, a)
		}
	}
	return mine
}

// gradeShape grades every request by itself.
func gradeShape(c card, log []asked) {
	for _, a := range log {
		chain := strings.HasPrefix(a.Path, "/hostile/redirect-cookie/") // where a redirect set one
		c.check("no cookie", !a.Cookie || chain, "%s had one", a.Path)
		c.check("no Referer", !a.Referer, "%s had one", a.Path)
		c.check("no Authorization", !a.Authorization, "%s had one", a.Path)
		c.check("GET", a.Method == "GET", "%s %s", a.Method, a.Path)
		c.check("User-Agent", a.Agent == "pupil", "%q", a.Agent)
		c.check("Accept-Encoding", a.Encodings == "gzip, br, zstd", "%q", a.Encodings)
		c.check("A-IM with an ETag alone", (a.AIM == "feed") == (a.ETag != ""), "%s: A-IM %q, ETag %q", a.Path, a.AIM, a.ETag)
	}
}

// gradeHosts grades what each host saw: one connection a round, one request at
// a time, silence when it asked for that.
func gradeHosts(c card, class []pupil, log []asked) {
	hold := make(map[string]time.Duration)
	for _, p := range class {
		if u, err := url.Parse(p.url); err == nil && p.hold > 0 {
			hold[u.Hostname()] = p.hold
		}
	}
	type visit struct {
		at   int64
		addr string
	}
	conns := make(map[visit]uint64)
	until := make(map[string]time.Time)
	for _, a := range log {
		v := visit{a.at.UnixNano(), a.Addr}
		if first, again := conns[v]; again {
			c.check("one connection a host", first == a.Conn, "%s: %d and %d at %v", a.Addr, first, a.Conn, a.at)
		}
		conns[v] = a.Conn
		c.check("one request at a time", a.UnderWay == 1, "%s: %d", a.Addr, a.UnderWay)
		if end, held := until[a.Addr]; held {
			c.check("Retry-After for the host", !a.at.Before(end), "%s%s asked %v early", a.Addr, a.Path, end.Sub(a.at))
		}
		if a.Status == 429 || a.Status == 503 {
			until[a.Addr] = a.at.Add(max(hold[a.Addr], time.Minute))
		}
	}
}

// gradeFeed grades the requests for one feed, one a round.
func gradeFeed(c card, p *pupil, mine []asked) {
	c.check("asked often enough", len(mine) >= p.asks, "%s: %d times, want %d", p.url, len(mine), p.asks)
	if p.most > 0 {
		c.check("asked no more", len(mine) <= p.most, "%s: %d times, want %d", p.url, len(mine), p.most)
	}
	var given feeds.Validators
	for i, a := range mine {
		c.check("validators as given", a.ETag == given.ETag && a.Modified == given.LastModified,
			"%s: sent %q and %q, given %q and %q", a.Path, a.ETag, a.Modified, given.ETag, given.LastModified)
		if i == 0 {
			c.check("unconditional once", a.ETag == "" && a.Modified == "", "%s: the first was not", a.Path)
		} else {
			c.check("unconditional once", a.ETag != "" || a.Modified != "" || given == feeds.Validators{},
				"%s: again at %v", a.Path, a.at)
			gap, least := a.at.Sub(mine[i-1].at), p.gap(i)
			// After a success up to a twentieth sooner: who asks every hour is to
			// ask an hourly feed each time.
			c.check("minimum interval", gap >= least-least/20 && (!p.fails || gap >= least), "%s: %v after the one before, want %v", a.Path, gap, least)
			c.check("skipHours and skipDays", p.hours>>a.at.Hour()&1 == 0 && p.days>>a.at.Weekday()&1 == 0, "%s at %v", a.Path, a.at)
		}
		switch a.Status {
		case 200, 226:
			given = feeds.Validators{ETag: a.SentETag, LastModified: a.SentModified}
		case 304:
			if a.SentETag != "" {
				given.ETag = a.SentETag
			}
			if a.SentModified != "" {
				given.LastModified = a.SentModified
			}
		}
	}
}

// gap returns the least time between the n-th request for the feed and the one
// before it.
func (p *pupil) gap(n int) time.Duration {
	if !p.fails {
		return p.least
	}
	return max(p.least, min(time.Hour<<(n-1), 7*24*time.Hour))
}

// TestTheGradeSeesEachFault: a log without fault has full marks, and each fault
// that is put into it costs some.
func TestTheGradeSeesEachFault(t *testing.T) {
	class := []pupil{{url: "http://127.0.0.1:80/feed", least: time.Hour, asks: 3, days: 1 << time.Sunday}}
	sound := func() []asked {
		a := asked{Conn: 1, Addr: "127.0.0.1", UnderWay: 1, Method: "GET", Path: "/feed", Status: 200, SentETag: `"1"`,
			Encodings: "gzip, br, zstd", Agent: "pupil", at: calendar}
		b := a
		b.ETag, b.AIM, b.Status, b.at = `"1"`, "feed", 304, calendar.Add(time.Hour)
		c := b
		c.at = calendar.Add(2 * time.Hour)
		return []asked{a, b, c}
	}
	if g := grade(class, sound()); g.marks() != 100 {
		t.Errorf("a sound log: %s", g)
	}
	for name, spoil := range map[string]func(log []asked) []asked{
		"cookie":            func(log []asked) []asked { log[1].Cookie = true; return log },
		"referer":           func(log []asked) []asked { log[1].Referer = true; return log },
		"authorization":     func(log []asked) []asked { log[1].Authorization = true; return log },
		"HEAD":              func(log []asked) []asked { log[0].Method = "HEAD"; return log },
		"agent":             func(log []asked) []asked { log[0].Agent = "Go-http-client/1.1"; return log },
		"encodings":         func(log []asked) []asked { log[0].Encodings = "gzip"; return log },
		"weakened":          func(log []asked) []asked { log[2].ETag = `W/"1"`; return log },
		"invented":          func(log []asked) []asked { log[2].Modified = "Thu, 05 Mar 2026 09:17:00 GMT"; return log },
		"unconditional":     func(log []asked) []asked { log[2].ETag, log[2].AIM = "", ""; return log },
		"early":             func(log []asked) []asked { log[2].at = log[2].at.Add(-4 * time.Minute); return log },
		"twice in a round":  func(log []asked) []asked { log[2].at = log[1].at; return log },
		"two connections":   func(log []asked) []asked { log[2].at, log[2].Conn = log[1].at, 2; return log },
		"two at a time":     func(log []asked) []asked { log[1].UnderWay = 2; return log },
		"after a 429":       func(log []asked) []asked { log[1].Status, log[2].at = 429, log[1].at; return log },
		"on a day to skip":  func(log []asked) []asked { log[2].at = calendar.Add(72 * time.Hour); return log },
		"hardly ever":       func(log []asked) []asked { return log[:2] },
		"nothing was asked": func([]asked) []asked { return nil },
	} {
		if g := grade(class, spoil(sound())); g.marks() == 100 {
			t.Errorf("%s: full marks", name)
		}
	}
}
