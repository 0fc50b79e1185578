package fetch

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// TestSloppyHeadsAreRead: what is wrong with the head of an answer, and what curl
// reads nevertheless, costs nothing, in one piece as byte for byte.
func TestSloppyHeadsAreRead(t *testing.T) {
	const get200 = "HTTP/1.1 200 OK\r\n"
	doc := feedBody(3)
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(doc), doc)
	sized := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(doc), doc)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, doc)
	z.Close()
	for name, text := range map[string]string{
		"Transfer-Encoding identity, to the end":   get200 + "Transfer-Encoding: identity\r\n\r\n" + doc,
		"Transfer-Encoding identity with a length": get200 + "transfer-encoding:Identity\r\n" + sized,
		"Transfer-Encoding of nothing":             get200 + "Transfer-Encoding:\r\n" + sized,
		"chunked behind a tab":                     get200 + "Transfer-Encoding: identity,\tchunked\r\n\r\n" + chunks,
		"identity, chunked":                        get200 + "Transfer-Encoding: identity, chunked\r\n\r\n" + chunks,
		"chunked in two lines":                     get200 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"chunked twice in one":                     get200 + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunks,
		"gzip, chunked":                            get200 + "Transfer-Encoding: gzip, chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", packed.Len(), packed.String()),
		"gzip":                                     get200 + "Transfer-Encoding: gzip\r\n\r\n" + packed.String(),
		"a name beyond ASCII":                      get200 + "X-Größe: 3\r\n" + sized,
		"no name":                                  get200 + ": 3\r\n" + sized,
		"control characters":                       get200 + "X-A: \x01\x7f\r\n" + sized,
		"one that goes on":                         get200 + "X-A: \x01\r\n goes on\r\n" + sized,
		"a first line that goes on":                get200 + " goes on\r\n" + sized,
		"a length twice in a line":                 get200 + fmt.Sprintf("Content-Length: %d, %[1]d\r\n\r\n%s", len(doc), doc),
		"a length with a sign":                     get200 + fmt.Sprintf("Content-Length: +%d\r\n\r\n%s", len(doc), doc),
		"a length with more behind it":             get200 + fmt.Sprintf("Content-Length: %d; bytes\r\n\r\n%s", len(doc), doc),
		"a length with a part of a byte":           get200 + fmt.Sprintf("Content-Length: %d.0\r\n\r\n%s", len(doc), doc),
		"a length that no number is as large as":   get200 + "Content-Length: 99999999999999999999\r\n\r\n" + doc,
		"chunked that goes on":                     get200 + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks,
		"chunked with a parameter":                 get200 + "Transfer-Encoding: \"chunked\";q=1\r\n\r\n" + chunks,
		"chunked over HTTP/1.0":                    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"a status with its text":                   "HTTP/1.1 200OK\r\n" + sized,
		"a version without a minor":                "HTTP/2 200\r\n" + sized,
		"a version in small letters":               "http/1.1 200 OK\r\n" + sized,
		"behind interim answers":                   "HTTP/1.1 103 Early Hints\r\nX-ß: 1\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + get200 + "X-ß: 1\r\n" + sized,
		"with bare line ends":                      "HTTP/1.1 200 OK\nTransfer-Encoding: identity\nX-ß: 1\n\n" + doc,
	} {
		for _, step := range []int{1 << 20, 1} {
			url := serveRaw(t, func(conn net.Conn) {
				for rest := text; rest != ""; {
					n := min(step, len(rest))
					io.WriteString(conn, rest[:n])
					rest = rest[n:]
				}
			})
			if res := get(t, refresher(t, feeds.Options{}), url); res.Class != feeds.OK || res.New != 3 || res.Detail != "" || res.Attempts != 1 {
				t.Errorf("%s, %d bytes at a time: %s (%s) with %d items after %d requests, want ok, 3, 1", name, step, res.Class, res.Detail, res.New, res.Attempts)
			}
		}
	}
}

// TestWhatIsNoHTTPIsNamedSo: where curl gives up, or reads what has no head, the
// class says that something answered.
func TestWhatIsNoHTTPIsNamedSo(t *testing.T) {
	for _, text := range []string{
		feedBody(1), // HTTP/0.9
		"ICY 200 OK\r\n\r\n" + feedBody(1),
		"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
		"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabcd",
		"HTTP/3 200 OK\r\n\r\n",
	} {
		res := get(t, refresher(t, feeds.Options{}), serveRaw(t, answer(text)))
		if res.Class != feeds.HTTPError || res.Attempts != 1 {
			t.Errorf("%.40q: %s (%s) after %d requests, want http_error, 1", text, res.Class, res.Detail, res.Attempts)
		}
	}
}

// TestAMendedConnectionIsNotKept: where a server is wrong about its head it may be
// about the end of its answer, and the next feed's answer begins there.
func TestAMendedConnectionIsNotKept(t *testing.T) {
	for _, sloppy := range []bool{false, true} {
		connections := 0
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for connections++; ; {
				odd := map[bool]string{true: "X-ß: 1\r\n"}[sloppy]
				fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", odd, len(feedBody(1)), feedBody(1))
				rw.Flush()
				if _, err := http.ReadRequest(rw.Reader); err != nil {
					return
				}
			}
		}))
		s.Start()
		r := refresher(t, feeds.Options{})
		for range 3 {
			wantClass(t, get(t, r, s.URL), feeds.OK)
		}
		r.Close()
		s.Close()
		if want := map[bool]int{false: 1, true: 3}[sloppy]; connections != want {
			t.Errorf("sloppy %v: %d connections, want %d", sloppy, connections, want)
		}
	}
}

// TestMoreTimeIsForAllThatAServerDoes: whoever raises the time for a request lets
// servers pause in the middle of a body, too.
func TestMoreTimeIsForAllThatAServerDoes(t *testing.T) {
	pausing := func(w http.ResponseWriter, _ *http.Request) {
		body := feedBody(1)
		io.WriteString(w, body[:100])
		http.NewResponseController(w).Flush()
		time.Sleep(25 * time.Second)
		io.WriteString(w, body[100:])
	}
	for limit, want := range map[time.Duration]feeds.Class{0: feeds.Slow, time.Minute: feeds.OK} {
		t.Run(limit.String(), func(t *testing.T) {
			inBubble(t, feeds.Options{Timeout: limit}, pausing, func(t *testing.T, r *Refresher) {
				wantClass(t, get(t, r, "http://a.example/"), want)
			})
		})
	}
}
