package origin

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A requestLog writes one line of JSON when a request ends:
//
//	{"ms":12.345,"took":0.210,"conn":3,"addr":"127.0.0.9","under_way":1,
//	 "method":"GET","host":"127.0.0.9:8080","path":"/feed/8.atom","status":304,"bytes":0,
//	 "if_none_match":"\"a1\"","if_modified_since":"Wed, 01 Jan 2025 00:00:00 GMT",
//	 "a_im":"feed","sent_etag":"\"a2\"","sent_modified":"Wed, 01 Jan 2025 01:00:00 GMT",
//	 "accept_encoding":"gzip","user_agent":"feedmill","cookie":false,"referer":false,"authorization":false}
//
// ms is when the request came, in milliseconds since the Server was made, and
// took how long its answer needed. conn numbers connections from 1. under_way
// counts the requests to the same address at that moment, this one included.
// status is 0 for an answer that did not go through the HTTP server. The
// headers a_im, if_none_match and if_modified_since are left out when absent,
// and so are sent_etag and sent_modified, which are the answer's; each byte of a
// header is one character of its string, so that no byte a client sent is lost.
type requestLog struct {
	start time.Time
	now   func() time.Time

	mu  sync.Mutex
	w   *bufio.Writer // nil without a log
	buf []byte
}

func newRequestLog(w io.Writer, now func() time.Time) *requestLog {
	l := &requestLog{start: now(), now: now}
	if w != nil {
		l.w = bufio.NewWriterSize(w, 64<<10)
	}
	return l
}

// write adds the line of a request that has ended.
func (l *requestLog) write(r *http.Request, rec *response) {
	if l.w == nil {
		return
	}
	end := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(l.buf[:0], `{"ms":`...)
	b = appendMillis(b, rec.began.Sub(l.start))
	b = appendMillis(append(b, `,"took":`...), end.Sub(rec.began))
	b = strconv.AppendUint(append(b, `,"conn":`...), rec.conn.id, 10)
	b = rec.conn.host.AppendTo(append(b, `,"addr":"`...))
	b = strconv.AppendInt(append(b, `","under_way":`...), int64(rec.underWay), 10)
	b = appendRaw(append(b, `,"method":`...), r.Method)
	b = appendRaw(append(b, `,"host":`...), r.Host)
	b = appendRaw(append(b, `,"path":`...), r.RequestURI)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(rec.status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), rec.bytes, 10)
	b = appendHeader(b, `,"if_none_match":`, r.Header["If-None-Match"])
	b = appendHeader(b, `,"if_modified_since":`, r.Header["If-Modified-Since"])
	b = appendHeader(b, `,"a_im":`, r.Header["A-Im"])
	b = appendHeader(b, `,"sent_etag":`, rec.Header()["Etag"])
	b = appendHeader(b, `,"sent_modified":`, rec.Header()["Last-Modified"])
	b = appendRaw(append(b, `,"accept_encoding":`...), r.Header.Get("Accept-Encoding"))
	b = appendRaw(append(b, `,"user_agent":`...), r.Header.Get("User-Agent"))
	b = strconv.AppendBool(append(b, `,"cookie":`...), r.Header["Cookie"] != nil)
	b = strconv.AppendBool(append(b, `,"referer":`...), r.Header["Referer"] != nil)
	b = strconv.AppendBool(append(b, `,"authorization":`...), r.Header["Authorization"] != nil)
	b = append(b, "}\n"...)
	l.buf = b
	l.w.Write(b) // the error sticks and close reports it
}

// flush hands on what is buffered.
func (l *requestLog) flush() {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w.Flush()
}

// close flushes and returns the first error of the log's life.
func (l *requestLog) close() error {
	if l.w == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("write request log: %w", err)
	}
	return nil
}

func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// appendHeader appends a header's values, joined by ", ", when there are any.
func appendHeader(b []byte, key string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	joined := values[0]
	for _, v := range values[1:] {
		joined += ", " + v
	}
	return appendRaw(append(b, key...), joined)
}

// appendRaw appends s as a JSON string in which each character stands for one
// byte of s.
func appendRaw(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
