package feeds

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
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
	r := refresher(t, Options{})
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
		wantClass(t, res, OK)
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
	for location, want := range map[string]Class{
		"/" + strings.Repeat("x", 60_000): Redirect,
		"http://%%/":                      Redirect,
		"http://[broken/":                 Redirect,
		"http://a:99999/":                 Redirect,
		"http:///":                        Redirect,
		"":                                Redirect,
		"file:///etc/passwd":              BlockedScheme,
		"gopher://127.0.0.1/":             BlockedScheme,
		"javascript:alert(1)":             BlockedScheme,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		if res := get(t, refresher(t, Options{}), s.URL); res.Class != want {
			t.Errorf("Location %.40q: class %s (%s), want %s", location, res.Class, res.Detail, want)
		}
	}
}

func TestErrorPageMovesNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			http.Redirect(w, req, "/gone", http.StatusMovedPermanently)
			return
		}
		http.NotFound(w, req)
	})
	wantClass(t, get(t, refresher(t, Options{}), s.URL), HTTPError)
}

func TestRedirectsAreBounded(t *testing.T) {
	url := redirects(t)
	r := refresher(t, Options{})
	wantClass(t, get(t, r, url+strings.Repeat("/302", 5)+"/feed"), OK)
	res := get(t, r, url+strings.Repeat("/302", 6)+"/feed")
	wantClass(t, res, Redirect)
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
	res := get(t, refresher(t, Options{}), s.URL+"/a")
	wantClass(t, res, Redirect)
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
	r := refresher(t, Options{})
	for _, tt := range []struct {
		to   string
		want Class
	}{
		{"", Redirect},
		{"http://[bad", Redirect},
		{"file:///etc/passwd", BlockedScheme},
		{"gopher://h/", BlockedScheme},
		{"ftp://h/", BlockedScheme},
		{"http://10.0.0.1/", BlockedAddress},
		{"http://[::ffff:10.0.0.1]/", BlockedAddress},
		{"http://169.254.169.254/latest/meta-data", BlockedAddress},
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
			http.SetCookie(w, &http.Cookie{Name: "s", Value: "1", Secure: true})
			http.Redirect(w, req, req.URL.Path, http.StatusFound) // a cookie wall: here again, with it
		case c == "a=1":
			io.WriteString(w, feedBody(1))
		default:
			t.Errorf("cookie %q, want a=1", c)
		}
	})
	r := refresher(t, Options{})
	for range 2 { // the second time without a cookie again
		wantClass(t, get(t, r, s.URL+"/wall"), OK)
	}
	if other.Listener.Addr().Network() == "tcp" {
		res := get(t, r, s.URL+"/away")
		if res.Class != OK && res.Class != Connect { // 127.0.0.2 may not reach a socket on 127.0.0.1
			t.Errorf("class %s (%s)", res.Class, res.Detail)
		}
	}
}

func TestRedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the plain server was asked") })
	url, r := serveTLS(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, plain.URL, http.StatusMovedPermanently)
	})
	wantClass(t, get(t, r, url), Redirect)
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
	var jobs []Job
	for id := range int64(90) {
		jobs = append(jobs, Job{ID: id + 1, URL: []string{url2, url3, url4}[id%3]})
	}
	for id, res := range runAll(t, refresher(t, Options{Fetches: 4}), jobs) {
		if res.Class != OK {
			t.Errorf("job %d: %s (%s)", id, res.Class, res.Detail)
		}
	}
	if most != 1 {
		t.Errorf("%d requests under way at one domain, want 1", most)
	}
}
