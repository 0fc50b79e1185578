package fetch

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

func TestStatusDecidesTheClass(t *testing.T) {
	for _, tt := range []struct {
		status int
		after  string
		want   feeds.Class
		pause  time.Duration
	}{
		{401, "", feeds.HTTPError, 0},
		{403, "", feeds.HTTPError, 0},
		{404, "10", feeds.HTTPError, 0},
		{410, "", feeds.Gone, 0},
		{429, "", feeds.RateLimited, 0},
		{429, "3600", feeds.RateLimited, time.Hour},
		{429, "1000000000000", feeds.RateLimited, maxAsked},
		{429, "-5", feeds.RateLimited, 0},
		{429, "Thu, 01 Jan 1970 00:00:00 GMT", feeds.RateLimited, 0},
		{500, "", feeds.HTTPError, 0},
		{503, "", feeds.HTTPError, 0},
		{503, "soon", feeds.HTTPError, 0},
		{503, "120", feeds.RateLimited, 2 * time.Minute},
		{403, "120", feeds.RateLimited, 2 * time.Minute}, {500, "120", feeds.RateLimited, 2 * time.Minute}, {509, "120", feeds.RateLimited, 2 * time.Minute},
		{403, "soon", feeds.HTTPError, 0}, {410, "120", feeds.Gone, 0},
		{206, "", feeds.HTTPError, 0},
		{299, "", feeds.HTTPError, 0},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.after != "" {
				w.Header().Set("Retry-After", tt.after)
			}
			w.Header().Set("Cache-Control", "max-age=99")
			w.WriteHeader(tt.status)
			io.WriteString(w, feedBody(1))
		})
		res := get(t, refresher(t, feeds.Options{}), s.URL)
		wantClass(t, res, tt.want)
		if res.Pacing != (feeds.Pacing{RetryAfter: tt.pause}) || res.Status != tt.status {
			t.Errorf("%d %q: pacing %+v, status %d; want only RetryAfter %v", tt.status, tt.after, res.Pacing, res.Status, tt.pause)
		}
		if !strings.HasPrefix(res.Detail, fmt.Sprint(tt.status)) {
			t.Errorf("detail %q, want the status in it", res.Detail)
		}
	}
}

func TestBrokenConnectionIsTriedOnceMore(t *testing.T) {
	for _, tt := range []struct {
		name     string
		broken   int // connections closed without an answer
		class    feeds.Class
		attempts int
	}{
		{"once", 1, feeds.OK, 2},
		{"always", 99, feeds.Connect, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			url := serveRaw(t, func(conn net.Conn) {
				mu.Lock()
				defer mu.Unlock()
				if n++; n > tt.broken {
					answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + feedBody(1))(conn)
				}
			})
			res := get(t, refresher(t, feeds.Options{}), url)
			wantClass(t, res, tt.class)
			if refused := tt.class == feeds.Connect; res.Attempts != tt.attempts || res.Refused != refused {
				t.Errorf("%d attempts, refused %v; want %d, %v", res.Attempts, res.Refused, tt.attempts, refused)
			}
			mu.Lock()
			defer mu.Unlock()
			if want := min(tt.broken+1, 2); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

func TestAnswerThatBreaksInItsHeadersIsNotTriedAgain(t *testing.T) {
	for text, want := range map[string]feeds.Class{
		"H": feeds.Connect, "HTTP/1.1 200 OK\r\nContent-Ty": feeds.Connect,
		"SSH-2.0-OpenSSH_9.9\r\n": feeds.HTTPError, "HTTP/1.1 abc\r\n\r\n": feeds.HTTPError,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nxxx": feeds.HTTPError,
	} {
		res := get(t, refresher(t, feeds.Options{}), serveRaw(t, answer(text)))
		wantClass(t, res, want)
		if res.Attempts != 1 {
			t.Errorf("%q: %d attempts, want 1", text, res.Attempts)
		}
	}
}

func TestRefusedConnectionSaysSo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	res := get(t, refresher(t, feeds.Options{}), "http://"+ln.Addr().String()+"/")
	wantClass(t, res, feeds.Connect)
	if !strings.HasPrefix(res.Detail, "connection refused: 127.0.0.1:") {
		t.Errorf("got %q, want the reason first", res.Detail)
	}
	if !res.Refused || res.Attempts != 1 || res.Status != 0 {
		t.Errorf("refused %v, attempts %d, status %d; want true, 1, 0", res.Refused, res.Attempts, res.Status)
	}
}

func TestUnknownHostIsDNS(t *testing.T) {
	res := get(t, withDNS(t, serveDNS(t, noNames)), "http://nowhere.invalid/feed")
	wantClass(t, res, feeds.DNS)
	if !strings.Contains(res.Detail, "nowhere.invalid") {
		t.Errorf("detail %q, want the host in it", res.Detail)
	}
}

func TestBadURLIsNotAsked(t *testing.T) {
	r := refresher(t, feeds.Options{})
	for _, url := range []string{"", "feed", "ftp://h/", "file:///etc/passwd", "gopher://h/", "exec:ls", "http://", "http:///x", "http://h:0/", "http://a b/", "javascript:alert(1)"} {
		res := get(t, r, url)
		wantClass(t, res, feeds.BlockedScheme)
		if res.Attempts != 0 {
			t.Errorf("%q: %d attempts, want 0", url, res.Attempts)
		}
	}
}

func TestCredentialsGoToTheirOriginOnly(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if a := req.Header.Get("Authorization"); a != "" {
			t.Errorf("another origin was told %q", a)
		}
		io.WriteString(w, feedBody(1))
	})
	var seen []string
	home := serve(t, func(w http.ResponseWriter, req *http.Request) {
		u, p, _ := req.BasicAuth()
		seen = append(seen, u+":"+p)
		switch req.URL.Path {
		case "/":
			http.Redirect(w, req, "/moved", http.StatusMovedPermanently)
		case "/moved":
			http.Redirect(w, req, strings.Replace(other.URL, "://", "://x:y@", 1), http.StatusFound)
		}
	})
	res := get(t, refresher(t, feeds.Options{}), strings.Replace(home.URL, "://", "://us%40er:s%3Acret@", 1))
	wantClass(t, res, feeds.OK)
	if want := "us@er:s:cret"; len(seen) != 2 || seen[0] != want || seen[1] != want {
		t.Errorf("home was told %q, want %q twice", seen, want)
	}
	if want := strings.Replace(home.URL, "://", "://us%40er:s%3Acret@", 1) + "/moved"; res.MovedTo != want {
		t.Errorf("moved to %q, want %q", res.MovedTo, want)
	}
}

func TestDetailsHoldNoPassword(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	r := withDNS(t, serveDNS(t, noNames), "127.0.0.0/8")
	loop := serve(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, req.URL.Path, http.StatusMovedPermanently)
	})
	for _, url := range []string{
		"http://u:hunter2@" + ln.Addr().String() + "/",
		"http://u:hunter2%zz@h/", "http://u:hunter2@h:99999/", "http://u:hunter2@nowhere.invalid/",
		strings.Replace(loop.URL, "://", "://u:hunter2@", 1),
		"http://u:hunter2@10.0.0.1/", "ftp://u:hunter2@h/",
	} {
		res := get(t, r, url)
		if s := res.Detail + res.Hint; strings.Contains(s, "hunter2") || res.Class.OK() {
			t.Errorf("%s: %s: %s", res.Class, res.Detail, res.Hint)
		}
	}
}

// TestAPageGivesItsFeedsAway: the result of an HTML page has the feeds that it
// names, in full and absolute, and no other result has any.
func TestAPageGivesItsFeedsAway(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/feed" {
			io.WriteString(w, feedBody(1))
			return
		}
		io.WriteString(w, `<!DOCTYPE html><title>Home</title><link rel="alternate" type="application/rss+xml" href="/feed">`+
			`<link rel="alternate" type="application/atom+xml" href="https://other.example/atom">`+
			`<link rel="alternate" type="application/rss+xml" href="javascript:alert(1)">`+
			`<link rel="alternate" type="application/rss+xml" href="/`+strings.Repeat("x", 9000)+`">`)
	})
	r := refresher(t, feeds.Options{})
	page := get(t, r, s.URL+"/")
	wantClass(t, page, feeds.NotAFeed)
	if want := []string{s.URL + "/feed", "https://other.example/atom"}; !slices.Equal(page.Links, want) {
		t.Errorf("links %q, want %q", page.Links, want)
	}
	if feed := get(t, r, s.URL+"/feed"); feed.Class != feeds.OK || feed.Links != nil {
		t.Errorf("a feed: class %s, links %q, want ok and none", feed.Class, feed.Links)
	}
}

// TestOddContentTypesNameTheirCharset: servers write it in more ways than one. The
// bytes alone would be taken for windows-1252.
func TestOddContentTypesNameTheirCharset(t *testing.T) {
	const doc = "<rss version='2.0'><channel><title>\x82t\x82</title><item><guid>1</guid></item></channel></rss>"
	for _, kind := range []string{
		"text/xml; charset=cp437", "text/xml; charset='cp437'", `text/xml; charset="cp437`, "text/xml charset=cp437",
		"text/xml, charset=cp437", "text/xml; charset = cp437", "text/xml;charset=CP437;", "text/xml;; charset=ibm437",
		"text/xml; charset=cp437, text/xml", "text/xml; charset; charset=cp437",
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, doc)
		})
		res := get(t, refresher(t, feeds.Options{}), s.URL)
		if res.Class != feeds.OK || res.Title != "été" {
			t.Errorf("%s: %s (%s) with title %q, want ok, été", kind, res.Class, res.Detail, res.Title)
		}
	}
}
