package fetch

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// redirects serves redirects by path: "/STATUS/TARGET" goes to TARGET.
func redirects(t *testing.T) string {
	return serve(t, func(w http.ResponseWriter, req *http.Request) {
		status, to, ok := strings.Cut(strings.TrimPrefix(req.URL.EscapedPath(), "/"), "/")
		code, err := strconv.Atoi(status)
		if !ok || err != nil {
			io.WriteString(w, feedBody(1))
			return
		}
		w.Header().Set("Location", "/"+to)
		w.WriteHeader(code)
		io.WriteString(w, "moved")
	}).URL
}

func TestOnlyTheLeadingPermanentHopsMoveTheFeed(t *testing.T) {
	url := redirects(t)
	r := refresher(t, feeds.Options{})
	for _, tt := range []struct{ path, want string }{
		{"/feed", ""},
		{"/301/feed", "/feed"},
		{"/308/feed", "/feed"},
		{"/302/feed", ""}, {"/303/feed", ""}, {"/307/feed", ""},
		{"/301/308/feed", "/feed"},
		{"/301/302/feed", "/302/feed"},
		{"/301/302/301/feed", "/302/301/feed"},
		{"/302/301/feed", ""},
	} {
		res := get(t, r, url+tt.path)
		wantClass(t, res, feeds.OK)
		if want := strings.TrimSuffix(url+tt.want, "/"); tt.want == "" && res.MovedTo != "" || tt.want != "" && res.MovedTo != want {
			t.Errorf("%s: moved to %q, want %q", tt.path, res.MovedTo, tt.want)
		}
		if res.Attempts != 1 {
			t.Errorf("%s: %d attempts, want 1: redirects do not count", tt.path, res.Attempts)
		}
	}
}

// TestARedirectToNoURLIsARedirect: blocked_scheme is said of other schemes
// alone, not of what else can be wrong with a Location.
func TestARedirectToNoURLIsARedirect(t *testing.T) {
	for location, want := range map[string]feeds.Class{
		"/" + strings.Repeat("x", 60_000): feeds.Redirect,
		"http://%%/":                      feeds.Redirect,
		"http://[broken/":                 feeds.Redirect,
		"http://a:99999/":                 feeds.Redirect,
		"http:///":                        feeds.Redirect,
		"":                                feeds.Redirect,
		"file:///etc/passwd":              feeds.BlockedScheme,
		"gopher://127.0.0.1/":             feeds.BlockedScheme,
		"javascript:alert(1)":             feeds.BlockedScheme,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		if res := get(t, refresher(t, feeds.Options{}), s.URL); res.Class != want {
			t.Errorf("Location %.40q: class %s (%s), want %s", location, res.Class, res.Detail, want)
		}
	}
}

// TestARedirectWithTooManySlashesIsFollowed: as curl and browsers do.
func TestARedirectWithTooManySlashesIsFollowed(t *testing.T) {
	var url string
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/feed" {
			io.WriteString(w, feedBody(1))
			return
		}
		w.Header().Set("Location", strings.Replace(url, "http://", "HTTP:////", 1)+"/feed")
		w.WriteHeader(http.StatusFound)
	})
	url = s.URL
	wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL), feeds.OK)
}

func TestErrorPageMovesNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			http.Redirect(w, req, "/gone", http.StatusMovedPermanently)
			return
		}
		http.NotFound(w, req)
	})
	wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL), feeds.HTTPError)
}

// TestGoneIsSaidOfTheFeed: where a redirect led for now, a document may be gone, and
// the next one leads elsewhere.
func TestGoneIsSaidOfTheFeed(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/moved":
			http.Redirect(w, req, "/gone", http.StatusMovedPermanently)
		case "/found":
			http.Redirect(w, req, "/gone", http.StatusFound)
		case "/both":
			http.Redirect(w, req, "/found", http.StatusMovedPermanently)
		default:
			w.WriteHeader(http.StatusGone)
		}
	})
	for path, want := range map[string]feeds.Class{"/": feeds.Gone, "/moved": feeds.Gone, "/found": feeds.HTTPError, "/both": feeds.HTTPError} {
		if res := get(t, refresher(t, feeds.Options{}), s.URL+path); res.Class != want || res.Status != http.StatusGone {
			t.Errorf("%s: got %s, %d; want %s, 410", path, res.Class, res.Status, want)
		}
	}
}

func TestRedirectsAreBounded(t *testing.T) {
	url := redirects(t)
	r := refresher(t, feeds.Options{})
	wantClass(t, get(t, r, url+strings.Repeat("/302", 5)+"/feed"), feeds.OK)
	res := get(t, r, url+strings.Repeat("/302", 6)+"/feed")
	wantClass(t, res, feeds.Redirect)
	if res.Status != 302 {
		t.Errorf("status %d, want 302", res.Status)
	}
}

func TestRedirectLoopIsSeen(t *testing.T) {
	n := 0
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		n++
		http.Redirect(w, req, map[string]string{"/a": "/b", "/b": "/a"}[req.URL.Path], http.StatusFound)
	})
	res := get(t, refresher(t, feeds.Options{}), s.URL+"/a")
	wantClass(t, res, feeds.Redirect)
	if n != 2 || !strings.Contains(res.Detail, "loop") {
		t.Errorf("%d requests, detail %q; want 2 and a loop", n, res.Detail)
	}
}

func TestRedirectToWhatIsRefused(t *testing.T) {
	to := ""
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(301)
	})
	r := refresher(t, feeds.Options{})
	for _, tt := range []struct {
		to   string
		want feeds.Class
	}{
		{"", feeds.Redirect},
		{"http://[bad", feeds.Redirect},
		{"file:///etc/passwd", feeds.BlockedScheme},
		{"gopher://h/", feeds.BlockedScheme},
		{"ftp://h/", feeds.BlockedScheme},
		{"http://10.0.0.1/", feeds.BlockedAddress},
		{"http://[::ffff:10.0.0.1]/", feeds.BlockedAddress},
		{"http://169.254.169.254/latest/meta-data", feeds.BlockedAddress},
	} {
		to = tt.to
		wantClass(t, get(t, r, s.URL), tt.want)
	}
}

func TestCookieStaysOnItsTrailAndHost(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if c := req.Header.Get("Cookie"); c != "" {
			t.Errorf("another host was given %q", c)
		}
		io.WriteString(w, feedBody(1))
	})
	// The same server under another address is another host.
	otherURL := strings.Replace(other.URL, "127.0.0.1", "127.0.0.2", 1)
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		c := req.Header.Get("Cookie")
		switch {
		case req.URL.Path == "/away":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "2"})
			http.Redirect(w, req, otherURL, http.StatusFound)
		case c == "":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.Redirect(w, req, req.URL.Path, http.StatusFound) // a cookie wall: here again, with it
		case c == "a=1":
			io.WriteString(w, feedBody(1))
		default:
			t.Errorf("cookie %q, want a=1", c)
		}
	})
	r := refresher(t, feeds.Options{})
	for range 2 { // the second time without a cookie again
		wantClass(t, get(t, r, s.URL+"/wall"), feeds.OK)
	}
	if other.Listener.Addr().Network() == "tcp" {
		res := get(t, r, s.URL+"/away")
		if res.Class != feeds.OK && res.Class != feeds.Connect { // 127.0.0.2 may not reach a socket on 127.0.0.1
			t.Errorf("class %s (%s)", res.Class, res.Detail)
		}
	}
}

// TestCookiesReachTheOtherHostsOfTheirDomain: some sites send whoever comes without
// a cookie to a host that sets it for all of them.
func TestCookiesReachTheOtherHostsOfTheirDomain(t *testing.T) {
	var port string
	url := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, req *http.Request) {
		cookie, host := req.Header.Get("Cookie"), strings.TrimSuffix(req.Host, port)
		to := "http://www.cookie.example.org" + port
		switch {
		case host == "www.cookie.example.org" && cookie == "":
			to = "http://auth.cookie.example.org" + port
		case host == "auth.cookie.example.org":
			http.SetCookie(w, &http.Cookie{Name: "pass", Value: "1", Domain: "cookie.example.org"})
			http.SetCookie(w, &http.Cookie{Name: "tls", Value: "1", Domain: "cookie.example.org", Secure: true})
			http.SetCookie(w, &http.Cookie{Name: "evil", Value: "1", Domain: "org"})
			http.SetCookie(w, &http.Cookie{Name: "pages", Value: "1", Domain: "github.io"})
			http.SetCookie(w, &http.Cookie{Name: "gone", Value: "1", Domain: "cookie.example.org"})
			http.SetCookie(w, &http.Cookie{Name: "gone", Domain: "cookie.example.org", Expires: time.Unix(1, 0)})
		case cookie == "pass=1":
			io.WriteString(w, feedBody(1))
			return
		default:
			t.Errorf("%s was given the cookie %q, want pass=1", host, cookie)
		}
		http.Redirect(w, req, to, http.StatusFound)
	})
	port = url[strings.LastIndexByte(url, ':'):]
	dns := serveDNS(t, func(string) ([]string, bool) { return []string{"127.0.0.2"}, true })
	wantClass(t, get(t, withDNS(t, dns, "127.0.0.2/32"), "http://www.cookie.example.org"+port+"/"), feeds.OK)
}

// TestCookiesComeBackAsTheyWereSet: a value is what stands between = and ;, whatever
// it is, and one that is deleted is deleted however the date of that is written
// (RFC 6265, sections 5.1.1 and 5.2).
func TestCookiesComeBackAsTheyWereSet(t *testing.T) {
	for _, tt := range []struct{ set, want string }{
		{`c={"a":1,"b":"x"}`, `c={"a":1,"b":"x"}`},
		{`c="quoted"; Path=/`, `c="quoted"`},
		{"c=a, b c; HttpOnly; SameSite=None", "c=a, b c"},
		{`c=a\b"c`, `c=a\b"c`},
		{"c=\xc3\xa9", "c=\xc3\xa9"},
		{" c[1]:/@ = a=b ;Path=relative", "c[1]:/@=a=b"},
		{"c=", "c="},
		{"c", ""}, {"=c", ""}, {"", ""},
		{"c=1; Max-Age=0", ""}, {"c=1; max-age = -1", ""}, {"c=1; Max-Age=060", "c=1"}, {"c=1; Max-Age=soon", "c=1"},
		{"c=1; Max-Age=99999999999999999999", "c=1"}, {"c=1; Max-Age=-99999999999999999999", ""},
		{"c=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "c=1"},
		{"c=1; Expires=Thu, 01-Jan-70 00:00:01 GMT", ""}, {"c=1; Expires=Thu, 1 Jan 1970 0:00:00", ""}, {"c=1; expires = Thu Jan  1 00:00:00 1970", ""},
		{"c=1; Expires=Thursday, 01-January-1970 00:00:00 GMT", ""}, {"c=1; Expires=Mon, 01 Jan 1601 00:00:00 GMT", ""},
		{"c=1; Expires=Fri, 31-Dec-9999 23:59:59 GMT", "c=1"}, {"c=1; Expires=0", "c=1"},
		{"c=1; Path=/other", ""}, {"c=1; Domain=other.example", ""},
	} {
		got := ""
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/" {
				got = req.Header.Get("Cookie")
				io.WriteString(w, feedBody(1))
				return
			}
			w.Header().Set("Set-Cookie", tt.set)
			http.Redirect(w, req, "/feed", http.StatusFound)
		})
		wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL), feeds.OK)
		if got != tt.want {
			t.Errorf("%q was sent back as %q, want %q", tt.set, got, tt.want)
		}
	}
}

// TestCookiesAreBounded: thousands, at each of five hops, cost a worker a tenth of a
// second.
func TestCookiesAreBounded(t *testing.T) {
	got := 0
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/" {
			got = len(req.Cookies())
			io.WriteString(w, feedBody(1))
			return
		}
		for i := range 1000 {
			w.Header().Add("Set-Cookie", "c"+strconv.Itoa(i)+"=")
		}
		http.Redirect(w, req, "/feed", http.StatusFound)
	})
	if wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL), feeds.OK); got != maxCookies {
		t.Errorf("of 1000 cookies %d were sent back, want %d", got, maxCookies)
	}
}

func TestRedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the plain server was asked") })
	url, r := serveTLS(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, plain.URL, http.StatusMovedPermanently)
	})
	wantClass(t, get(t, r, url), feeds.Redirect)
}

func TestRedirectToAnotherDomainTakesATurnThere(t *testing.T) {
	var mu sync.Mutex
	under, most := 0, 0
	inside := func(d int) {
		mu.Lock()
		under += d
		most = max(most, under)
		mu.Unlock()
	}
	url2 := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) {
		inside(+1)
		defer inside(-1)
		io.WriteString(w, feedBody(1))
	})
	url3 := listenOn(t, "127.0.0.3", func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, url2, http.StatusFound) })
	url4 := listenOn(t, "127.0.0.4", func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, url2, http.StatusFound) })
	var jobs []feeds.Job
	for id := range int64(90) {
		jobs = append(jobs, feeds.Job{ID: id + 1, URL: []string{url2, url3, url4}[id%3]})
	}
	for id, res := range runAll(t, refresher(t, feeds.Options{Fetches: 4}), jobs) {
		if res.Class != feeds.OK {
			t.Errorf("job %d: %s (%s)", id, res.Class, res.Detail)
		}
	}
	if most != 1 {
		t.Errorf("%d requests under way at one domain, want 1", most)
	}
}

// TestHeadersOfOneFeedGoToItsOriginOnly: they may be secrets, and they stand for
// what would be sent otherwise.
func TestHeadersOfOneFeedGoToItsOriginOnly(t *testing.T) {
	const agent, secret = "my reader/1", "token 7"
	asked := 0
	other := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if got := req.UserAgent() + req.Header.Get("Authorization"); strings.Contains(got, agent) || strings.Contains(got, secret) {
			t.Errorf("another origin was sent %q", got)
		}
		io.WriteString(w, feedBody(1))
	})
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		asked++
		if got := [2]string{req.UserAgent(), req.Header.Get("Authorization")}; got != [2]string{agent, secret} {
			t.Errorf("the feed's own server was sent %q, want %q and %q", got, agent, secret)
		}
		http.Redirect(w, req, other.URL, http.StatusFound)
	})
	job := feeds.Job{ID: 1, URL: s.URL, Headers: "User-Agent: " + agent + "\nAuthorization: " + secret}
	if res := runAll(t, refresher(t, feeds.Options{}), []feeds.Job{job})[1]; res.Class != feeds.OK || asked != 1 {
		t.Errorf("class %s (%s) after %d requests, want ok after one", res.Class, res.Detail, asked)
	}
}
