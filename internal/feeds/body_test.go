package feeds

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

func brotlied(s string) []byte {
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

func zstded(s string, o ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

// encoded serves a body with a Content-Encoding.
func encoded(t *testing.T, coding string, body []byte) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", coding)
		w.Write(body)
	}).URL
}

func TestEncodingsAreDecoded(t *testing.T) {
	feed := feedBody(500)
	r := refresher(t, Options{})
	for _, tt := range []struct {
		coding string
		body   []byte
	}{
		{"gzip", gzipped(feed)}, {"x-gzip", gzipped(feed)}, {"GZIP", gzipped(feed)},
		{"br", brotlied(feed)}, {"zstd", zstded(feed)},
		{"identity", []byte(feed)}, {"", []byte(feed)}, {"identity, gzip", gzipped(feed)},
		{"UTF-8", []byte(feed)}, {"none", []byte(feed)}, {"chunked", []byte(feed)}, {"8bit, gzip", gzipped(feed)},
		// Two members are one body (RFC 1952, section 2.2).
		{"gzip", append(gzipped(feed[:1000]), gzipped(feed[1000:])...)},
	} {
		for range 2 { // the second time with a reused decoder
			res := get(t, r, encoded(t, tt.coding, tt.body))
			wantClass(t, res, OK)
			if res.Seen != 500 || res.Cost.Wire != int64(len(tt.body)) || res.Cost.Decoded != int64(len(feed)) {
				t.Errorf("%q: %d items, %d wire, %d decoded; want 500, %d, %d", tt.coding, res.Seen, res.Cost.Wire, res.Cost.Decoded, len(tt.body), len(feed))
			}
		}
	}
}

func TestBrokenEncodingIsNamed(t *testing.T) {
	feed := feedBody(50)
	flipped := gzipped(feed)
	flipped[len(flipped)-6] ^= 1 // the checksum
	for _, tt := range []struct {
		name   string
		coding string
		body   []byte
	}{
		{"plain body", "gzip", []byte(feed)}, {"plain body", "br", []byte(feed)}, {"plain body", "zstd", []byte(feed)},
		{"unknown", "snappy", []byte(feed)}, {"twice", "gzip, gzip", gzipped(string(gzipped(feed)))},
		{"checksum", "gzip", flipped},
		{"junk after the end", "gzip", append(gzipped(feed), "junk, quite some of it"...)},
		{"junk after the end", "br", append(brotlied(feed), "junk, quite some of it"...)},
		{"window of 16 MiB", "zstd", zstded(strings.Repeat("x", 20<<20), zstd.WithWindowSize(16<<20))},
	} {
		t.Run(tt.coding+" "+tt.name, func(t *testing.T) {
			wantClass(t, get(t, refresher(t, Options{}), encoded(t, tt.coding, tt.body)), Encoding)
		})
	}
}

func TestGzipWithinGzipIsLeftAsItIs(t *testing.T) {
	res := get(t, refresher(t, Options{}), encoded(t, "gzip", gzipped(string(gzipped(feedBody(3))))))
	if res.Class.OK() || res.Seen != 0 {
		t.Errorf("class %s with %d items, want a failure", res.Class, res.Seen)
	}
}

func TestEmptyEncodedBodyIsAnEmptyBody(t *testing.T) {
	for _, coding := range []string{"", "gzip", "br", "zstd"} {
		res := get(t, refresher(t, Options{}), encoded(t, coding, nil))
		if res.Class.OK() || res.Class == Encoding || res.Class == Truncated {
			t.Errorf("%q: class %s (%s), want what an empty document gives", coding, res.Class, res.Detail)
		}
	}
}

func TestBombIsStoppedByItsRatio(t *testing.T) {
	zeros := strings.Repeat("\x00", 3<<20)
	for coding, body := range map[string][]byte{"gzip": gzipped(zeros), "br": brotlied(zeros), "zstd": zstded(zeros)} {
		res := get(t, refresher(t, Options{}), encoded(t, coding, body))
		wantClass(t, res, BombRatio)
		if res.Cost.Decoded != 0 {
			t.Errorf("%s: %d bytes kept", coding, res.Cost.Decoded)
		}
	}
}

func TestBodyOverTheBoundIsNeverCutSilently(t *testing.T) {
	feed := feedBody(2000) // about 160 KiB
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
	}{
		{"announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(feed)))
			io.WriteString(w, feed)
		}},
		{"chunked", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, feed[:10])
			w.(http.Flusher).Flush()
			io.WriteString(w, feed[10:])
		}},
		{"gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped(feed))
		}},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, feed); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := refresher(t, Options{MaxBody: 100 << 10})
			res := get(t, r, serve(t, tt.serve).URL)
			wantClass(t, res, TooLarge)
			if res.Hint == "" || res.Seen != 0 {
				t.Errorf("hint %q, %d items; want a hint and none", res.Hint, res.Seen)
			}
		})
	}
}

func TestBodyOfExactlyTheBoundIsRead(t *testing.T) {
	feed := feedBody(1000)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feed) })
	wantClass(t, get(t, refresher(t, Options{MaxBody: int64(len(feed))}), s.URL), OK)
	wantClass(t, get(t, refresher(t, Options{MaxBody: int64(len(feed)) - 1}), s.URL), TooLarge)
}

func TestWireBoundFollowsMaxBody(t *testing.T) {
	for _, tt := range []struct{ body, wire, want int64 }{
		{0, 0, DefaultMaxWire},
		{DefaultMaxBody, 0, DefaultMaxWire},
		{50 << 20, 0, 50 << 20},
		{1 << 20, 0, 1 << 20},
		{50 << 20, 1 << 20, 1 << 20},
	} {
		if got := (Options{MaxBody: tt.body, MaxWire: tt.wire}).maxWire(); got != tt.want {
			t.Errorf("MaxBody %d, MaxWire %d: %d, want %d", tt.body, tt.wire, got, tt.want)
		}
	}
}

func TestCutBodyKeepsItsWholeItems(t *testing.T) {
	feed := feedBody(100)
	cut := feed[:strings.Index(feed, "Item 50")]
	packed := gzipped(feed)
	for _, tt := range []struct{ name, text string }{
		{"Content-Length", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(feed), cut)},
		{"chunked", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(feed), cut)},
		{"chunked without its end", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(feed), feed)},
		{"gzip, length right", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed)/2, packed[:len(packed)/2])},
		{"gzip without its checksum", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed)-4, packed[:len(packed)-4])},
		{"whole XML, length wrong", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(feed)+10, feed)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := serveRaw(t, answer("HTTP/1.1 200 OK\r\nETag: \"x\"\r\nCache-Control: max-age=60\r\n"+tt.text))
			res := get(t, refresher(t, Options{}), url)
			wantClass(t, res, Truncated)
			if res.Pacing != (Pacing{}) {
				t.Errorf("pacing %+v, want none", res.Pacing)
			}
			if n := len(res.Items); n < 40 || n != res.New || n != res.Seen {
				t.Errorf("%d items, %d new, %d seen; want those before the cut (%s)", n, res.New, res.Seen, res.Detail)
			}
		})
	}
}

func TestResetInTheBodyIsTruncated(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+feedBody(5))
		conn.(*net.TCPConn).SetLinger(0)
	})
	res := get(t, refresher(t, Options{}), url)
	if res.Class != Truncated && res.Class != Connect { // the reset may overtake the headers
		t.Errorf("class %s (%s), want truncated", res.Class, res.Detail)
	}
}

func TestSlowBodyEnds(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	r := refresher(t, Options{}, func(l *limits) { l.slowAfter, l.slowEvery = 60*time.Millisecond, 10*time.Millisecond })
	// With the default limits it would be slow after 5 s, and cut by the time of
	// a request after 30.
	res := get(t, r, s.URL)
	wantClass(t, res, Slow)
	if usual := 5 * time.Second; res.Cost.Fetch >= usual {
		t.Errorf("took %v, want about 60ms", res.Cost.Fetch)
	}
}

func TestSilentServerTimesOut(t *testing.T) {
	silent := serveRaw(t, untilClosed)
	body := serveRaw(t, func(conn net.Conn) { // fast enough, but without end
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		for err == nil {
			_, err = io.WriteString(conn, strings.Repeat("x", 100))
			time.Sleep(time.Millisecond)
		}
	})
	for _, tt := range []struct {
		name, url string
		change    func(*limits)
	}{
		{"headers", silent, func(l *limits) { l.header = 50 * time.Millisecond }},
		{"headers, whole request", silent, func(l *limits) { l.total = 50 * time.Millisecond }},
		{"body, whole request", body, func(l *limits) { l.total = 100 * time.Millisecond }},
		{"TLS", strings.Replace(silent, "http:", "https:", 1), func(l *limits) { l.tls = 50 * time.Millisecond }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, refresher(t, Options{}, tt.change), tt.url)
			wantClass(t, res, Timeout)
			if res.Attempts != 1 {
				t.Errorf("%d attempts, want 1", res.Attempts)
			}
		})
	}
}

func TestHeadersOverTheBoundAreRefused(t *testing.T) {
	for name, write := range map[string]func(w io.Writer) error{
		"one long header": func(w io.Writer) error {
			_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 100<<10))
			return err
		},
		"many headers": func(w io.Writer) error {
			_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 100_000))
			return err
		},
		"endless 1xx": func(w io.Writer) error {
			for {
				if _, err := io.WriteString(w, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serveRaw(t, func(conn net.Conn) { write(conn) })
			wantClass(t, get(t, refresher(t, Options{}), url), HeaderTooLarge)
		})
	}
}

func TestLargeBodiesWaitForEachOther(t *testing.T) {
	feed := feedBody(1) + strings.Repeat(" ", 3<<20)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feed) })
	r := refresher(t, Options{PerHost: 8, Fetches: 8}, func(l *limits) { l.slowAfter = time.Hour })
	jobs := make(chan Job, 8)
	for id := range int64(8) {
		jobs <- Job{ID: id + 1, URL: s.URL}
	}
	close(jobs)
	r.Run(t.Context(), jobs, func(res Result) {
		if res.Class != OK {
			t.Errorf("job %d: %s (%s)", res.ID, res.Class, res.Detail)
		}
	})
	if n := len(r.bodies.large); n != 0 {
		t.Errorf("%d places for large bodies were not given back", n)
	}
}
