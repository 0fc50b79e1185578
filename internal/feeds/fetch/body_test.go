package fetch

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"feedmill/internal/feeds"
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

// deflated compresses with zlib's header or without one.
func deflated(s string, raw bool) []byte {
	var b bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&b)
	if raw {
		w, _ = flate.NewWriter(&b, flate.BestSpeed)
	}
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

// stored packs s without making it smaller.
func stored(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.NoCompression)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

func inChannel(items string) string {
	return "<rss version='2.0'><channel><title>t</title>" + items + "</channel></rss>"
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
	r := refresher(t, feeds.Options{})
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
		// Words that are no coding, and codings that nobody spoke of.
		{"aws-chunked", []byte(feed)}, {"aws-chunked,gzip", gzipped(feed)}, {"ISO-8859-1", []byte(feed)}, {"text/xml", []byte(feed)},
		{"gzip; charset=utf-8", gzipped(feed)}, {"gzip, gzip", gzipped(feed)}, {"snappy", []byte(feed)}, {"", gzipped(feed)}, {"utf-8", gzipped(feed)},
		{"deflate", deflated(feed, false)}, {"deflate", deflated(feed, true)},
		{"gzip, br", brotlied(string(gzipped(feed)))}, {"gzip, gzip", gzipped(string(gzipped(feed)))}, {"gzip", gzipped(string(gzipped(feed)))},
	} {
		for range 2 { // the second time with a reused decoder
			res := get(t, r, encoded(t, tt.coding, tt.body))
			wantClass(t, res, feeds.OK)
			if res.Seen != 500 || res.Cost.Wire != int64(len(tt.body)) || res.BodyHash != bodyHash([]byte(feed)) {
				t.Errorf("%q: %d items, %d wire, hash %x; want 500, %d and the hash of the feed", tt.coding, res.Seen, res.Cost.Wire, res.BodyHash, len(tt.body))
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
		{"plain body", "deflate", []byte(feed)}, {"too often", "gzip, br, gzip, br", []byte(feed)},
		{"checksum", "gzip", flipped},
		{"junk after the end of a part", "gzip", append(gzipped(feed[:2000]), "junk, quite some of it"...)},
		{"junk after the end of a part", "br", append(brotlied(feed[:2000]), "junk, quite some of it"...)},
		{"window of 16 MiB", "zstd", zstded(strings.Repeat("x", 20<<20), zstd.WithWindowSize(16<<20))},
	} {
		t.Run(tt.coding+" "+tt.name, func(t *testing.T) {
			wantClass(t, get(t, refresher(t, feeds.Options{}), encoded(t, tt.coding, tt.body)), feeds.Encoding)
		})
	}
}

func TestEmptyEncodedBodyIsAnEmptyBody(t *testing.T) {
	for _, coding := range []string{"", "gzip", "br", "zstd"} {
		res := get(t, refresher(t, feeds.Options{}), encoded(t, coding, nil))
		if res.Class.OK() || res.Class == feeds.Encoding || res.Class == feeds.Truncated {
			t.Errorf("%q: class %s (%s), want what an empty document gives", coding, res.Class, res.Detail)
		}
	}
}

func TestBombIsStoppedByItsRatio(t *testing.T) {
	zeros := strings.Repeat("\x00", 3<<20)
	for coding, body := range map[string][]byte{"gzip": gzipped(zeros), "br": brotlied(zeros), "zstd": zstded(zeros)} {
		r := refresher(t, feeds.Options{})
		r.read = func(b *feeds.Body) (*feeds.Document, error) {
			t.Errorf("%s: %d bytes of it were read", coding, len(b.Bytes))
			return nil, nil
		}
		wantClass(t, get(t, r, encoded(t, coding, body)), feeds.BombRatio)
	}
}

// TestWhatBringsNothingIsEnded: a coding, chunks and pieces of a connection may be legal
// for ever, and cost a worker time for each byte of the document that does not come.
func TestWhatBringsNothingIsEnded(t *testing.T) {
	const sent = 4 * idleBytes
	for name, tt := range map[string]struct {
		coding, begin, repeated string
		class                   feeds.Class
	}{
		"brotli":  {"br", "\x0c", "\x06", feeds.Encoding},
		"zstd":    {"zstd", "", "\x50\x2a\x4d\x18\x00\x00\x00\x00", feeds.Encoding},
		"deflate": {"deflate", "\x78\x9c", "\x00\x00\x00\xff\xff", feeds.Encoding},
		"gzip":    {"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x02\x08\x20\x80\x00", feeds.Encoding},
		"unsaid":  {"identity", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x02\x08\x20\x80\x00", feeds.Encoding},
		"chunks":  {"", "", "1\r\n \r\n", feeds.HTTPError},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			head := "HTTP/1.1 200 OK\r\nContent-Encoding: " + tt.coding + "\r\n\r\n"
			if tt.coding == "" {
				head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			}
			rw.WriteString(head + tt.begin)
			for wrote := 0; wrote < sent && err == nil; wrote += len(tt.repeated) {
				_, err = rw.WriteString(tt.repeated)
			}
		})
		res := get(t, refresher(t, feeds.Options{}), s.URL)
		if wantClass(t, res, tt.class); !strings.Contains(res.Detail, "bytes") {
			t.Errorf("%s: got %q, want what it took", name, res.Detail)
		}
	}
	w := &wire{end: make(chan struct{})}
	m := &meter{r: strings.NewReader(strings.Repeat("x", 1<<20)), bound: 1 << 20, wire: w}
	var err error
	for ; err == nil && m.n.Load() < 2*leastPiece*manyPieces; _, err = m.Read(make([]byte, leastPiece-1)) {
		w.reads.Add(1) // of records of TLS, say
	}
	if fail, ok := errors.AsType[*feeds.Failure](err); !ok || fail.Class != feeds.HTTPError || w.reads.Load() <= manyPieces {
		t.Errorf("small pieces: got %v after %d of them", err, w.reads.Load())
	}
	for piece, most := range map[int64]int64{leastPiece + 1: 40_000, 64: 40_000, 400: 150_000, 1000: 0} { // 0: the bound on a body comes first
		pieces := int64(1)
		for pieces*piece <= feeds.DefaultMaxBody && !areCrumbs(pieces, pieces*piece) {
			pieces++
		}
		if ended := pieces*piece <= feeds.DefaultMaxBody; ended && (most == 0 || pieces > most) || !ended && most != 0 && pieces > most {
			t.Errorf("pieces of %d bytes: ended %v after %d, want %d at most", piece, ended, pieces, most)
		}
	}
	frames, frame := new(frameMeter), append([]byte{0, 0x40, 0, frameData, 0, 0, 0, 0, 1}, make([]byte, 16<<10)...)
	var fail *feeds.Failure
	for at := 0; fail == nil && at < len(frame); at++ {
		fail = frames.look(frame[at:at+1], 1<<16)
	}
	if fail == nil || fail.Class != feeds.HTTPError || frames.reads != manyPieces+1 {
		t.Errorf("small pieces of a frame: got %v after %d of them", fail, frames.reads)
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
			r := refresher(t, feeds.Options{MaxBody: 100 << 10})
			res := get(t, r, serve(t, tt.serve).URL)
			wantClass(t, res, feeds.TooLarge)
			if res.Hint == "" || res.Seen != 0 {
				t.Errorf("hint %q, %d items; want a hint and none", res.Hint, res.Seen)
			}
		})
	}
}

func TestBodyOfExactlyTheBoundIsRead(t *testing.T) {
	feed := feedBody(1000)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feed) })
	wantClass(t, get(t, refresher(t, feeds.Options{MaxBody: int64(len(feed))}), s.URL), feeds.OK)
	wantClass(t, get(t, refresher(t, feeds.Options{MaxBody: int64(len(feed)) - 1}), s.URL), feeds.TooLarge)
}

// TestALargeBodyNeedsNoCompression: the bound is on what a body is, not on how it
// is sent, and what is sent for nothing is bounded, too.
func TestALargeBodyNeedsNoCompression(t *testing.T) {
	item := "<item><guid>1</guid><description>" + strings.Repeat("x", 12<<20) + "</description></item>"
	for coding, body := range map[string][]byte{"": []byte(inChannel(item)), "deflate": stored(inChannel(item))} {
		res := get(t, refresher(t, feeds.Options{MaxBody: 13 << 20}), encoded(t, coding, body))
		wantClass(t, res, feeds.OK)
	}
	empty := bytes.Repeat(gzipped(""), 20_000) // half a megabyte of nothing
	res := get(t, refresher(t, feeds.Options{MaxBody: 100 << 10}), encoded(t, "gzip", empty))
	wantClass(t, res, feeds.TooLarge)
}

func TestCutBodyKeepsItsWholeItems(t *testing.T) {
	feed := feedBody(100)
	cut := feed[:strings.Index(feed, "Item 50")]
	packed := gzipped(feed)
	for _, tt := range []struct{ name, text string }{
		{"Content-Length", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(feed), cut)},
		{"chunked", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(feed), cut)},
		{"gzip, length right", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed)/2, packed[:len(packed)/2])},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := serveRaw(t, answer("HTTP/1.1 200 OK\r\nETag: \"x\"\r\nCache-Control: max-age=60\r\n"+tt.text))
			res := get(t, refresher(t, feeds.Options{}), url)
			wantClass(t, res, feeds.Truncated)
			if res.Pacing != (feeds.Pacing{}) {
				t.Errorf("pacing %+v, want none", res.Pacing)
			}
			if n := len(res.Items); n < 40 || n != res.New || n != res.Seen {
				t.Errorf("%d items, %d new, %d seen; want those before the cut (%s)", n, res.New, res.Seen, res.Detail)
			}
		})
	}
}

// TestAWholeDocumentInABrokenWrappingIsRead: what is wrong with it is a note.
func TestAWholeDocumentInABrokenWrappingIsRead(t *testing.T) {
	feed := feedBody(100)
	packed := gzipped(feed)
	for _, tt := range []struct{ name, text, note string }{
		{"chunked without its end", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(feed), feed), "broke after"},
		{"length too long", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(feed)+10, feed), "broke after"},
		{"gzip without its checksum", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed)-4, packed[:len(packed)-4]), "ends early"},
		{"gzip with a line end", fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s\n", len(packed)+1, packed), "after the end"},
		{"brotli with a line end", fmt.Sprintf("Content-Encoding: br\r\n\r\n%s\n", brotlied(feed)), "after the end"},
		{"brotli with junk", fmt.Sprintf("Content-Encoding: br\r\n\r\n%s<!-- %s -->", brotlied(feed), strings.Repeat("x", 9000)), "after the end"},
		{"zstd with junk", fmt.Sprintf("Content-Encoding: zstd\r\n\r\n%s<!-- %s -->", zstded(feed), strings.Repeat("x", 9000)), "after the end"},
		{"gzip with junk", fmt.Sprintf("Content-Encoding: gzip\r\n\r\n%s<!-- %s -->", packed, strings.Repeat("x", 9000)), "after the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := serveRaw(t, answer("HTTP/1.1 200 OK\r\nETag: \"x\"\r\nConnection: close\r\n"+tt.text))
			r := refresher(t, feeds.Options{})
			res := get(t, r, url)
			wantClass(t, res, feeds.OK)
			if len(res.Items) != 100 || res.Validators.ETag != `"x"` || !strings.Contains(res.Detail, tt.note) {
				t.Errorf("%d items, ETag %q, notes %q; want all 100, the ETag, and %q", len(res.Items), res.Validators.ETag, res.Detail, tt.note)
			}
			again := r.Refresh(t.Context(), feeds.Job{ID: 2, URL: url, BodyHash: res.BodyHash})
			wantClass(t, again, feeds.Unchanged)
		})
	}
}

func TestResetInTheBodyIsTruncated(t *testing.T) {
	url := serveRaw(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+feedBody(5)[:400])
		conn.(*net.TCPConn).SetLinger(0)
	})
	res := get(t, refresher(t, feeds.Options{}), url)
	if res.Class != feeds.Truncated && res.Class != feeds.Connect { // the reset may overtake the headers
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
	r := refresher(t, feeds.Options{}, func(l *limits) { l.slowAfter, l.lookEvery = 60*time.Millisecond, 10*time.Millisecond })
	// With the default limits it would be slow after 5 s, and cut by the time of
	// a request after 30.
	res := get(t, r, s.URL)
	wantClass(t, res, feeds.Slow)
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
		{"headers, whole request", silent, func(l *limits) { l.total = 50 * time.Millisecond }},
		{"body, whole request", body, func(l *limits) { l.total = 100 * time.Millisecond }},
		{"TLS", strings.Replace(silent, "http:", "https:", 1), func(l *limits) { l.tls = 50 * time.Millisecond }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, refresher(t, feeds.Options{}, tt.change), tt.url)
			wantClass(t, res, feeds.Timeout)
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
			wantClass(t, get(t, refresher(t, feeds.Options{}), url), feeds.HeaderTooLarge)
		})
	}
}

func TestLargeBodiesWaitForEachOther(t *testing.T) {
	feed := feedBody(1) + strings.Repeat(" ", 3<<20)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feed) })
	r := refresher(t, feeds.Options{PerHost: 8, Fetches: 8}, func(l *limits) { l.slowAfter = time.Hour })
	jobs := make(chan feeds.Job, 8)
	for id := range int64(8) {
		jobs <- feeds.Job{ID: id + 1, URL: s.URL}
	}
	close(jobs)
	r.Run(t.Context(), jobs, func(res feeds.Result) {
		if res.Class != feeds.OK {
			t.Errorf("job %d: %s (%s)", res.ID, res.Class, res.Detail)
		}
	})
	if n := len(r.bodies.large); n != 0 {
		t.Errorf("%d places for large bodies were not given back", n)
	}
}
