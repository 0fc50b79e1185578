package origin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start runs a server for the length of a test, and fails the test when it
// does not end well within a second.
func start(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }() // which ends before what is to be cleaned up
	t.Cleanup(func() {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("Run: still going 5 s after its context was done")
		}
	})
	return s
}

// client is one that neither decompresses nor follows redirects.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get returns an answer and its body.
func get(t testing.TB, c *http.Client, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatalf("request %s: %v", url, err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("get %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read %s: %v", url, err)
	}
	return resp, body
}

// quiet returns a server that is closed at the end and never runs.
func quiet(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestValidatorsChangeExactlyWhenTheBytesDo(t *testing.T) {
	s := start(t, Options{Feeds: 8, NewsEvery: 3, Items: 3, Bytes: 200})
	c := client(t)
	for u := range s.URLs() {
		var etag, modified string
		var body []byte
		for e := range 8 {
			s.SetEpoch(e)
			resp, now := get(t, c, u)
			same := bytes.Equal(now, body)
			if got := resp.Header.Get("ETag"); (got == etag) != same {
				t.Errorf("%s, epoch %d: got ETag %s after %s, want the same: %v", u, e, got, etag, same)
			}
			if got := resp.Header.Get("Last-Modified"); (got == modified) != same {
				t.Errorf("%s, epoch %d: got Last-Modified %s after %s, want the same: %v", u, e, got, modified, same)
			}
			etag, modified, body = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"), now
		}
	}
	s.SetEpoch(0)
	if got := s.AddEpochs(3); got != 3 || s.Epoch() != 3 {
		t.Errorf("AddEpochs(3) from 0: got %d and epoch %d, want 3", got, s.Epoch())
	}
}

func TestConditionalRequests(t *testing.T) {
	s := start(t, Options{Feeds: 1})
	c := client(t)
	url := "http://" + s.Addr() + "/feed/0.rss"
	resp, _ := get(t, c, url)
	etag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil {
		t.Fatalf("Last-Modified: %v", err)
	}
	date := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"no validators", nil, 200},
		{"the ETag", []string{"If-None-Match", etag}, 304},
		{"the ETag in a list", []string{"If-None-Match", `"a", ` + etag + ` , "b"`}, 304},
		{"the ETag in a second header", []string{"If-None-Match", `"a"`, "If-None-Match", etag}, 304},
		{"any ETag", []string{"If-None-Match", "*"}, 304},
		{"another ETag", []string{"If-None-Match", `"a"`}, 200},
		{"the ETag made weak", []string{"If-None-Match", "W/" + etag}, 200},
		{"the ETag without quotes", []string{"If-None-Match", strings.Trim(etag, `"`)}, 200},
		{"the ETag of gzip", []string{"If-None-Match", strings.TrimSuffix(etag, `"`) + `-gzip"`}, 200},
		{"the date", []string{"If-Modified-Since", modified}, 304},
		{"a later date", []string{"If-Modified-Since", date(time.Hour)}, 304},
		{"an earlier date", []string{"If-Modified-Since", date(-time.Second)}, 200},
		{"the date in another form", []string{"If-Modified-Since", at.Format(time.ANSIC)}, 304},
		{"no date", []string{"If-Modified-Since", "yesterday"}, 200},
		{"another ETag and the date", []string{"If-None-Match", `"a"`, "If-Modified-Since", modified}, 200},
		{"the ETag and an earlier date", []string{"If-None-Match", etag, "If-Modified-Since", date(-time.Hour)}, 304},
		{"an empty ETag and the date", []string{"If-None-Match", "", "If-Modified-Since", modified}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := get(t, c, url, tt.headers...)
			if resp.StatusCode != tt.want {
				t.Errorf("status: got %d, want %d", resp.StatusCode, tt.want)
			}
			if resp.Header.Get("ETag") != etag || resp.Header.Get("Last-Modified") != modified {
				t.Errorf("validators: got %q %q, want %q %q", resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"), etag, modified)
			}
			if (len(body) == 0) != (tt.want == 304) {
				t.Errorf("body: got %d bytes with status %d", len(body), resp.StatusCode)
			}
		})
	}
}

func TestWithoutValidatorsNothingIsNotModified(t *testing.T) {
	s := start(t, Options{NoValidators: true})
	resp, _ := get(t, client(t), "http://"+s.Addr()+"/feed/1.atom", "If-None-Match", "*", "If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")
	if resp.StatusCode != 200 || resp.Header.Get("ETag") != "" || resp.Header.Get("Last-Modified") != "" {
		t.Errorf("got %d, ETag %q, Last-Modified %q, want 200 and none", resp.StatusCode, resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, opts := range []Options{
		{Addr: "0.0.0.0:0"}, {Addr: "192.0.2.1:80"}, {Addr: "[::1]:0"}, {Addr: "127.0.0.1"}, {Addr: "127.0.0.1:http"}, {Addr: "127.200.0.1:0"},
		{Hosts: -1}, {Hosts: maxHosts + 1}, {Feeds: maxFeeds + 1}, {Items: -1}, {Bytes: maxBytes + 1}, {Epoch: -1},
		{HostCounts: []int{1, -1}}, {Dir: filepath.Join(t.TempDir(), "none")},
	} {
		s, err := New(opts)
		if err == nil {
			s.Close()
			t.Errorf("New(%+v): got no error", opts)
		}
	}
}

// newRun starts s and returns where its error comes, and what ends it.
func newRun(t testing.TB, s *Server) (<-chan error, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return done, cancel
}

// eventually waits until what is so, and fails the test when it does not
// become so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so after 10 s: %s", what)
		}
	}
}
