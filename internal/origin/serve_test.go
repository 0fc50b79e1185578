package origin

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"feedmill/internal/origin/hostile"
)

func TestEveryListedFeedIsThereOnItsHost(t *testing.T) {
	s := start(t, Options{HostCounts: []int{3, 0, 1, 2}, Items: 2, Bytes: 100})
	c := client(t)
	hosts := map[string]int{}
	for u := range s.URLs() {
		resp, body := get(t, c, u)
		if resp.StatusCode != 200 || len(body) == 0 {
			t.Errorf("%s: got %d with %d bytes, want 200", u, resp.StatusCode, len(body))
		}
		hosts[resp.Request.URL.Hostname()]++
	}
	want := map[string]int{"127.0.0.1": 3, "127.0.0.3": 1, "127.0.0.4": 2}
	if !s.Loopbacks() {
		want = map[string]int{"127.0.0.1": 6}
	}
	for h, n := range want {
		if hosts[h] != n {
			t.Errorf("feeds on %s: got %d, want %d", h, hosts[h], n)
		}
	}
	var list bytes.Buffer
	if err := s.List(&list); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, c, "http://"+s.Addr()+"/list"); !bytes.Equal(body, list.Bytes()) {
		t.Errorf("/list: got %q, want %q", body, list.Bytes())
	}
	_, opml := get(t, c, "http://"+s.Addr()+"/opml")
	if got := bytes.Count(opml, []byte("<outline ")); got != 6 {
		t.Errorf("/opml: got %d outlines, want 6", got)
	}
	for _, path := range []string{"/feed/6.rss", "/feed/-1.rss", "/feed/0.html", "/feed/0", "/feed/x.rss", "/nothing", "/hostile/none", "/-/epoch"} {
		if resp, _ := get(t, c, "http://"+s.Addr()+path); resp.StatusCode != 404 && resp.StatusCode != 405 {
			t.Errorf("%s: got %d, want 404 or 405", path, resp.StatusCode)
		}
	}
	if _, body := get(t, c, "http://"+s.Addr()+"/"); !bytes.Contains(body, []byte("redirect-loop")) {
		t.Errorf("/: got no word of the hostile kit in %d bytes", len(body))
	}
}

func TestCodings(t *testing.T) {
	s := start(t, Options{})
	c := client(t)
	url := "http://" + s.Addr() + "/feed/0.rss"
	_, plain := get(t, c, url)
	unzip := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	unbrotli := func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }
	unzstd := func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }
	etags := map[string]bool{}
	for _, tt := range []struct {
		query, accept, want string
		decode              func(io.Reader) (io.Reader, error)
	}{
		{"", "", "", nil},
		{"", "gzip", "gzip", unzip},
		{"", "br;q=1.0, GZIP;q=0.5", "gzip", unzip},
		{"", "br", "", nil},
		{"?enc=identity", "gzip", "", nil},
		{"?enc=gzip", "", "gzip", unzip},
		{"?enc=br", "", "br", unbrotli},
		{"?enc=zstd", "", "zstd", unzstd},
	} {
		resp, body := get(t, c, url+tt.query, "Accept-Encoding", tt.accept)
		if got := resp.Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("%q accepting %q: got coding %q, want %q", tt.query, tt.accept, got, tt.want)
			continue
		}
		if got := resp.Header.Get("Content-Length"); got != strconv.Itoa(len(body)) {
			t.Errorf("%q accepting %q: got Content-Length %s, want %d", tt.query, tt.accept, got, len(body))
		}
		etags[resp.Header.Get("ETag")] = true
		if tt.decode == nil {
			continue
		}
		r, err := tt.decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q accepting %q: got %d bytes, %v, want the %d bytes of the plain body", tt.query, tt.accept, len(got), err, len(plain))
		}
	}
	if len(etags) != 4 {
		t.Errorf("ETags of four codings: got %d different ones", len(etags))
	}
}

func TestHeadHasTheLengthAndNoBody(t *testing.T) {
	s := start(t, Options{})
	c := client(t)
	_, body := get(t, c, "http://"+s.Addr()+"/feed/3.json")
	resp, err := c.Head("http://" + s.Addr() + "/feed/3.json")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length: got %d, want %d", resp.ContentLength, len(body))
	}
}

func TestKnobs(t *testing.T) {
	s := start(t, Options{})
	c := client(t)
	base := "http://" + s.Addr() + "/feed/0.rss"
	for _, q := range []string{"?items=x", "?items=-1", "?bytes=0", "?latency=soon", "?enc=lzw", "?itmes=3", "?status=1000", "?%zz"} {
		if resp, _ := get(t, c, base+q); resp.StatusCode != 400 {
			t.Errorf("%s: got %d, want 400", q, resp.StatusCode)
		}
	}
	if _, body := get(t, c, base+"?items=3"); len(itemIDs(t, body)) != 3 {
		t.Errorf("items=3: got %d items", len(itemIDs(t, body)))
	}
	resp, _ := get(t, c, base+"?status=503&retry-after=120&max-age=60")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "120" || resp.Header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("got %d, Retry-After %q, Cache-Control %q", resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("Cache-Control"))
	}
	if resp, _ := get(t, c, base+"?validators=0"); resp.Header.Get("ETag") != "" {
		t.Errorf("validators=0: got ETag %s", resp.Header.Get("ETag"))
	}
	began := time.Now()
	get(t, c, base+"?latency=30ms")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("latency=30ms: got an answer after %v", took)
	}
}

func TestEpochIsSetOverHTTP(t *testing.T) {
	s := start(t, Options{})
	for _, tt := range []struct {
		query        string
		status, want int
	}{
		{"set=5", 200, 5}, {"add=2", 200, 7}, {"add=-1", 400, 7}, {"set=-1", 400, 7}, {"", 400, 7}, {"set=1&add=1", 400, 7}, {"set=0", 200, 0},
	} {
		resp, err := client(t).Post("http://"+s.Addr()+"/-/epoch?"+tt.query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status || s.Epoch() != tt.want {
			t.Errorf("%q: got %d and epoch %d, want %d and %d", tt.query, resp.StatusCode, s.Epoch(), tt.status, tt.want)
		}
	}
}

// A logLine is what a test reads of a line of the request log.
type logLine struct {
	MS       float64
	Conn     int
	Addr     string
	UnderWay int `json:"under_way"`
	Method   string
	Host     string
	Path     string
	Status   int
	Bytes    int
	ETag     *string `json:"if_none_match"`
	Since    *string `json:"if_modified_since"`
	Agent    string  `json:"user_agent"`
	Cookie   bool
	Referer  bool

	SentETag     string `json:"sent_etag"`
	SentModified string `json:"sent_modified"`
}

func TestRequestLogHasEveryRequest(t *testing.T) {
	var log bytes.Buffer
	var counts Counts
	t.Run("requests", func(t *testing.T) {
		s := start(t, Options{Log: &log, Feeds: 4, Hosts: 4})
		c := client(t)
		for u := range s.URLs() {
			get(t, c, u)
		}
		base := "http://" + s.Addr()
		get(t, c, base+"/feed/0.rss?a\"b", "If-None-Match", "\"caf\xe9\"", "If-Modified-Since", "yesterday", "Cookie", "a=b", "Referer", "x", "User-Agent", "tést")
		get(t, c, base+"/feed/0.rss", "If-None-Match", "*")
		counts = s.Requests()
	})
	var lines []logLine
	for line := range strings.Lines(log.String()) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 6 || counts.Requests != 6 || counts.OK != 4 || counts.NotModified != 1 || counts.Other != 1 || counts.MaxPerHost != 1 {
		t.Fatalf("got %d lines and %+v, want 6 requests: 4 OK, 1 not modified, 1 other", len(lines), counts)
	}
	total := 0
	for _, l := range lines {
		total += l.Bytes
	}
	if counts.Bytes != int64(total) {
		t.Errorf("bytes: got %d counted and %d logged", counts.Bytes, total)
	}
	if l := lines[1]; l.Method != "GET" || !strings.HasPrefix(l.Path, "/feed/1.") || l.Status != 200 || l.UnderWay != 1 || l.ETag != nil || l.Since != nil || l.Cookie || l.Referer {
		t.Errorf("second line: got %+v", l)
	}
	if l := lines[1]; l.SentETag == "" || l.SentModified == "" || lines[4].SentETag != "" {
		t.Errorf("validators sent: got %q and %q with a feed, %q with an error, want some, some and none", l.SentETag, l.SentModified, lines[4].SentETag)
	}
	l := lines[4]
	if l.ETag == nil || *l.ETag != "\"caf\u00e9\"" || l.Since == nil || *l.Since != "yesterday" || !l.Cookie || !l.Referer || l.Agent != "t\u00c3\u00a9st" || l.Status != 400 {
		t.Errorf("fifth line: got %+v, want each header's bytes as characters", l)
	}
	if lines[4].Conn != lines[5].Conn {
		t.Errorf("connections of two requests in a row: got %d and %d, want one", lines[4].Conn, lines[5].Conn)
	}
}

func TestLogKeepsTheClockItIsGiven(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	t.Run("requests", func(t *testing.T) {
		s := start(t, Options{Log: &log, Now: clock})
		mu.Lock()
		now = now.Add(72 * time.Hour)
		mu.Unlock()
		get(t, client(t), "http://"+s.Addr()+"/feed/0.rss")
	})
	var l logLine
	if err := json.Unmarshal(log.Bytes(), &l); err != nil || l.MS != 72*3600*1000 {
		t.Errorf("time of the request: got %v ms, %v, want three days", l.MS, err)
	}
}

func TestRequestsUnderWayAreCountedPerHost(t *testing.T) {
	s := start(t, Options{Feeds: 2, Hosts: 2, Latency: 300 * time.Millisecond})
	if !s.Loopbacks() {
		t.Skip("only one loopback address here")
	}
	c := client(t)
	urls := slices.Collect(s.URLs())
	var wg sync.WaitGroup
	for _, u := range []string{urls[0], urls[0], urls[0], urls[1]} {
		wg.Go(func() { get(t, c, u) })
	}
	wg.Wait()
	if got := s.Requests(); got.MaxPerHost != 3 || got.MaxUnderWay != 4 || got.Connections != 4 {
		t.Errorf("got %+v, want 3 at most per host, 4 in all, 4 connections", got)
	}
}

func TestCacheKeepsItsBound(t *testing.T) {
	s := start(t, Options{Feeds: 50, CacheBytes: 100_000})
	c := client(t)
	for range 2 {
		for u := range s.URLs() {
			get(t, c, u)
		}
	}
	if s.content.cache.size > 100_000 || s.content.cache.size < 50_000 {
		t.Errorf("cache: got %d bytes, want nearly and at most 100000", s.content.cache.size)
	}
	s.AddEpochs(1)
	if s.content.cache.size != 0 {
		t.Errorf("cache after an epoch: got %d bytes, want 0", s.content.cache.size)
	}
}

func TestStopsPromptlyWithStuckClients(t *testing.T) {
	s, err := New(Options{TLS: true, Latency: time.Minute, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	done, cancel := newRun(t, s)
	var conns []net.Conn
	dial := func(addr, request string) {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
	}
	dial(s.Addr(), "")               // connected and mute
	dial(s.Addr(), "GET /feed/0.rs") // half a request
	for _, path := range []string{"/feed/0.rss", "/hostile/silent", "/hostile/drip-body", "/hostile/endless-body", "/hostile/stall-body", "/hostile/endless-gzip"} {
		dial(s.Addr(), "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	silent := strings.TrimPrefix(s.HostileURL("tls-silent"), "https://")
	dial(silent[:strings.IndexByte(silent, '/')], "\x16\x03\x01")
	eventually(t, "six requests under way", func() bool { return s.Requests().Requests == 6 })
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if took := time.Since(began); took > answerLimit/2 {
		t.Errorf("Run ended after %v, want at once and not when the longest answer is over, %v", took, answerLimit)
	}
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("a connection outlived Run: %v", err)
		}
		c.Close()
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("dial after Run: got a connection")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close after Run: got %v, want nil", err)
	}
}

func TestEveryCaseEndsWhenItsClientLeaves(t *testing.T) {
	s := start(t, Options{})
	dialed := int64(0)
	for _, c := range hostile.Cases() {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "GET /hostile/"+c.Name+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		dialed++
	}
	eventually(t, "every connection accepted and ended", func() bool {
		s.counts.mu.Lock()
		defer s.counts.mu.Unlock()
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		return s.conns.accepted.Load() == dialed && s.counts.underWay == 0 && len(s.conns.open) == 0
	})
}

func BenchmarkNotModified(b *testing.B) {
	s := start(b, Options{})
	c := client(b)
	url := "http://" + s.Addr() + "/feed/0.rss"
	resp, _ := get(b, c, url)
	req, _ := http.NewRequest(http.MethodGet, url, nil)
	req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
	benchmark(b, c, func(int) *http.Request { return req }, 304)
}

func BenchmarkOK(b *testing.B) {
	for _, tt := range []struct {
		name, accept string
		cache        int64
	}{{"plain", "", -1}, {"gzip", "gzip", -1}, {"gzip-cached", "gzip", 0}} {
		b.Run(tt.name, func(b *testing.B) {
			s := start(b, Options{CacheBytes: tt.cache, Items: 10, Bytes: 800})
			var reqs []*http.Request
			for u := range s.URLs() {
				req, _ := http.NewRequest(http.MethodGet, u, nil)
				req.Header.Set("Accept-Encoding", tt.accept)
				reqs = append(reqs, req)
			}
			benchmark(b, client(b), func(i int) *http.Request { return reqs[i%len(reqs)] }, 200)
		})
	}
}

func benchmark(b *testing.B, c *http.Client, request func(i int) *http.Request, want int) {
	b.ReportAllocs()
	var bytes int64
	i := 0
	for b.Loop() {
		resp, err := c.Do(request(i))
		if err != nil || resp.StatusCode != want {
			b.Fatalf("got %v, %v, want %d", resp, err, want)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		bytes += n
		i++
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(bytes)/float64(i), "body-B/req")
}

func BenchmarkRender(b *testing.B) {
	s := quiet(b, Options{})
	for _, f := range formats {
		b.Run(string(f), func(b *testing.B) {
			var buf []byte
			n := 0
			for b.Loop() {
				buf = s.content.render(buf[:0], view{number: n, format: f, items: 20, bytes: 1000})
				n++
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
