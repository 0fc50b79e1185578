package fetch

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

func TestFirstRefreshParsesAndKeepsValidators(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `W/"odd"`)
		w.Header().Set("Last-Modified", "yesterday, about noon")
		w.Header().Set("Cache-Control", "max-age=600")
		io.WriteString(w, feedBody(3))
	})
	res := get(t, refresher(t, feeds.Options{}), s.URL)
	wantClass(t, res, feeds.OK)
	if len(res.Items) != 3 || res.New != 3 || res.Seen != 3 || res.Title != "Feed" {
		t.Errorf("%d items, %d new, %d seen, title %q; want 3, 3, 3, Feed", len(res.Items), res.New, res.Seen, res.Title)
	}
	if want := (feeds.Validators{ETag: `W/"odd"`, LastModified: "yesterday, about noon"}); res.Validators != want {
		t.Errorf("validators %q, want %q", res.Validators, want)
	}
	if res.BodyHash != bodyHash([]byte(feedBody(3))) || res.Status != 200 || res.Attempts != 1 {
		t.Errorf("hash %x, status %d, attempts %d", res.BodyHash, res.Status, res.Attempts)
	}
	if res.Pacing.MaxAge != 10*time.Minute {
		t.Errorf("max age %v, want 10m", res.Pacing.MaxAge)
	}
	if n := int64(len(feedBody(3))); res.Cost.Wire != n || res.Cost.Fetch <= 0 || res.Cost.Parse <= 0 {
		t.Errorf("cost %+v, want %d bytes and some time", res.Cost, n)
	}
}

func TestShipAllCarriesTheWholeList(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(3)) })
	first := get(t, refresher(t, feeds.Options{}), s.URL)
	known := []feeds.Known{{Key: first.Items[0].Key, Hash: first.Items[0].Hash}, {Key: first.Items[1].Key, Hash: first.Items[1].Hash + 1}}
	for ship, want := range map[feeds.Ship]int{feeds.ShipNew: 2, feeds.ShipAll: 3} {
		res := refresher(t, feeds.Options{Ship: ship}).Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL, Known: known})
		if len(res.Items) != want || res.New != 1 || res.Seen != 3 {
			t.Errorf("ship %d: %d items, %d new, %d seen; want %d, 1, 3", ship, len(res.Items), res.New, res.Seen, want)
		}
	}
}

func TestValidatorsAreSentByteForByte(t *testing.T) {
	sent := feeds.Validators{ETag: `W/"a b\"c`, LastModified: "Sun, 99 Foo 2024 -- odd"}
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		got := feeds.Validators{ETag: req.Header.Get("If-None-Match"), LastModified: req.Header.Get("If-Modified-Since")}
		if got != sent {
			t.Errorf("sent %q, want %q", got, sent)
		}
		if im := req.Header.Get("A-IM"); im != "feed" {
			t.Errorf("A-IM %q, want feed", im)
		}
		w.WriteHeader(http.StatusNotModified)
	})
	res := refresher(t, feeds.Options{}).Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL, Validators: sent, BodyHash: 7})
	wantClass(t, res, feeds.NotModified)
	if res.Validators != sent || res.BodyHash != 7 {
		t.Errorf("after a bare 304: %q, hash %d; want what was sent, and 7", res.Validators, res.BodyHash)
	}
}

func TestEachValidatorIsRenewedOnItsOwn(t *testing.T) {
	old := feeds.Validators{ETag: `"e0"`, LastModified: "L0"}
	body := feedBody(1)
	for _, tt := range []struct {
		name   string
		status int
		etag   string
		lm     string
		hash   uint64
		class  feeds.Class
		want   feeds.Validators
	}{
		{"304 with neither", 304, "", "", 1, feeds.NotModified, old},
		{"304 with ETag", 304, `"e1"`, "", 1, feeds.NotModified, feeds.Validators{ETag: `"e1"`, LastModified: "L0"}},
		{"304 with Last-Modified", 304, "", "L1", 1, feeds.NotModified, feeds.Validators{ETag: `"e0"`, LastModified: "L1"}},
		{"200 with neither", 200, "", "", 1, feeds.OK, feeds.Validators{}},
		{"200 with ETag", 200, `"e1"`, "", 1, feeds.OK, feeds.Validators{ETag: `"e1"`, LastModified: ""}},
		{"200 with Last-Modified", 200, "", "L1", 1, feeds.OK, feeds.Validators{ETag: "", LastModified: "L1"}},
		{"same body, new ETag", 200, `"e1"`, "L1", bodyHash([]byte(body)), feeds.Unchanged, feeds.Validators{ETag: `"e1"`, LastModified: "L1"}},
		{"same body, neither", 200, "", "", bodyHash([]byte(body)), feeds.Unchanged, feeds.Validators{}},
		{"200 with a long ETag", 200, strings.Repeat("x", 1025), "L1", 1, feeds.OK, feeds.Validators{ETag: "", LastModified: "L1"}},
		{"200 with 1 KiB", 200, strings.Repeat("x", 1024), "", 1, feeds.OK, feeds.Validators{ETag: strings.Repeat("x", 1024), LastModified: ""}},
		{"304 with a long ETag", 304, strings.Repeat("x", 1025), "", 1, feeds.NotModified, old},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.etag != "" {
					w.Header().Set("ETag", tt.etag)
				}
				if tt.lm != "" {
					w.Header().Set("Last-Modified", tt.lm)
				}
				w.WriteHeader(tt.status)
				if tt.status == 200 {
					io.WriteString(w, body)
				}
			})
			res := refresher(t, feeds.Options{}).Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL, Validators: old, BodyHash: tt.hash})
			wantClass(t, res, tt.class)
			if res.Validators != tt.want {
				t.Errorf("validators %.40q, want %.40q", res.Validators, tt.want)
			}
			if tt.class == feeds.Unchanged && (res.Seen != 0 || res.BodyHash != tt.hash) {
				t.Errorf("an unchanged body was parsed (%d seen) or its hash moved (%x)", res.Seen, res.BodyHash)
			}
		})
	}
}

func TestIllegalValidatorsAreNeitherStoredNorSent(t *testing.T) {
	url := serveRaw(t, answer("HTTP/1.1 200 OK\r\nETag: \"a\x01b\"\r\nLast-Modified: \x7f\r\nConnection: close\r\n\r\n"+feedBody(1)))
	res := get(t, refresher(t, feeds.Options{}), url)
	if res.Class.OK() && res.Validators != (feeds.Validators{}) {
		t.Errorf("stored %q, want nothing", res.Validators)
	}
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if v := req.Header.Get("If-None-Match") + req.Header.Get("A-IM"); v != "" {
			t.Errorf("sent %q", v)
		}
		io.WriteString(w, feedBody(1))
	})
	for _, etag := range []string{"a\r\nX: y", "a\x00", " a", strings.Repeat("x", 1025)} {
		wantClass(t, refresher(t, feeds.Options{}).Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL, Validators: feeds.Validators{ETag: etag}}), feeds.OK)
	}
}

func TestUnaskedNotModifiedIsAnError(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL), feeds.HTTPError)
}

func TestNotModifiedWithABodyIsNotModified(t *testing.T) {
	url := serveRaw(t, answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"))
	res := refresher(t, feeds.Options{}).Refresh(t.Context(), feeds.Job{ID: 1, URL: url, Validators: feeds.Validators{ETag: "x"}})
	wantClass(t, res, feeds.NotModified)
}

func TestPartialListLeavesTheHash(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("IM", "feed")
		w.Header().Set("ETag", `"new"`)
		w.WriteHeader(226)
		io.WriteString(w, feedBody(1))
	})
	res := refresher(t, feeds.Options{}).Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL, Validators: feeds.Validators{ETag: `"old"`}, BodyHash: 42})
	wantClass(t, res, feeds.OK)
	if res.BodyHash != 42 || res.New != 1 || res.Validators.ETag != `"new"` {
		t.Errorf("hash %d, new %d, ETag %q; want 42, 1, \"new\"", res.BodyHash, res.New, res.Validators.ETag)
	}
}

func TestARewrittenBodyIsTheFeed(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNonAuthoritativeInfo)
		io.WriteString(w, feedBody(1))
	})
	if res := get(t, refresher(t, feeds.Options{}), s.URL); res.Class != feeds.OK || res.New != 1 || res.BodyHash == 0 {
		t.Errorf("203: got %s with %d new, hash %d; want %s, 1 and a hash", res.Class, res.New, res.BodyHash, feeds.OK)
	}
}

func TestRequestHasTheRightShape(t *testing.T) {
	var got http.Header
	var uri string
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		got, uri = req.Header.Clone(), req.RequestURI
		if req.Method != "GET" {
			t.Errorf("method %s, want GET", req.Method)
		}
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
		io.WriteString(w, feedBody(1))
	})
	r := refresher(t, feeds.Options{UserAgent: "feedmill/1 (+http://x)"})
	for range 2 {
		wantClass(t, get(t, r, s.URL+"/a%2Fb?q=a b&ü#frag"), feeds.OK)
	}
	want := map[string]string{"Accept": accept, "Accept-Encoding": "gzip, br, zstd", "User-Agent": "feedmill/1 (+http://x)"}
	for k, v := range want {
		if got.Get(k) != v {
			t.Errorf("%s: %q, want %q", k, got.Get(k), v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("headers %v, want only %d of them", got, len(want))
	}
	if want := "/a%2Fb?q=a%20b&%C3%BC"; uri != want {
		t.Errorf("asked for %s, want %s", uri, want)
	}
}

// TestEscapesArriveByteForByte, whatever else the path has.
func TestEscapesArriveByteForByte(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.RequestURI)
		if to, ok := strings.CutPrefix(req.URL.RawQuery, "to="); ok {
			w.Header()["Location"] = []string{strings.ReplaceAll(to, "+", " ")}
			w.WriteHeader(http.StatusFound)
			return
		}
		io.WriteString(w, feedBody(1))
	})
	for _, tt := range []struct{ path, want string }{
		{"/a%2Fb/c", "/a%2Fb/c"},
		{"/a%2Fb/café", "/a%2Fb/caf%C3%A9"},
		{"/a%2fb/x y", "/a%2fb/x%20y"},
		{"/%7Euser/(a),b;c=d/@:!$&'*+", "/%7Euser/(a),b;c=d/@:!$&'*+"},
		{"/[x]/%5Bx%5D/é", "/[x]/%5Bx%5D/%C3%A9"},
		{`/"<|>` + "`{^}", "/%22%3C%7C%3E%60%7B%5E%7D"},
		{"/p?a=%2F&b={x|y}&c=é", "/p?a=%2F&b={x|y}&c=%C3%A9"},
		{"/?to=/a%2Fb/x+y%20z|é", "/a%2Fb/x%20y%20z%7C%C3%A9"},
	} {
		asked = nil
		wantClass(t, get(t, refresher(t, feeds.Options{}), s.URL+tt.path), feeds.OK)
		if got := asked[len(asked)-1]; got != tt.want {
			t.Errorf("%s: asked for %s, want %s", tt.path, got, tt.want)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var mu sync.Mutex
	conns := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/304":
			w.WriteHeader(304)
		case "/404":
			http.NotFound(w, req)
		case "/302":
			http.Redirect(w, req, "/gz", http.StatusFound)
		default:
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped(feedBody(1)))
		}
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			mu.Lock()
			conns++
			mu.Unlock()
		}
	}
	s.Start()
	defer s.Close()
	r := refresher(t, feeds.Options{})
	for _, path := range []string{"/304", "/404", "/302", "/gz", "/404", "/304"} {
		r.Refresh(t.Context(), feeds.Job{ID: 1, URL: s.URL + path, Validators: feeds.Validators{ETag: "x"}})
	}
	mu.Lock()
	defer mu.Unlock()
	if conns != 1 {
		t.Errorf("%d connections, want 1", conns)
	}
}
