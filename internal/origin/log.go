package origin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A requestLog writes a request when it has ended.
type requestLog struct {
	start time.Time
	now   func() time.Time

	mu sync.Mutex
	w  *bufio.Writer // nil without a log
}

// A request is one as a line of JSON. Each byte of a header is one character
// of its string, so that no byte a client sent is lost.
type request struct {
	MS       float64    `json:"ms"`   // when it came, in milliseconds since the Server was made
	Took     float64    `json:"took"` // how long its answer needed, likewise
	Conn     uint64     `json:"conn"` // connections are numbered from 1
	Addr     netip.Addr `json:"addr"`
	UnderWay int        `json:"under_way"` // requests to the same address at that moment, this one included
	Method   string     `json:"method"`
	Host     string     `json:"host"`
	Path     string     `json:"path"`
	Status   int        `json:"status"` // 0 for an answer that did not go through the HTTP server
	Bytes    int64      `json:"bytes"`

	IfNoneMatch     *string `json:"if_none_match,omitempty"` // nil where there is no such header
	IfModifiedSince *string `json:"if_modified_since,omitempty"`
	AIM             *string `json:"a_im,omitempty"`
	SentETag        *string `json:"sent_etag,omitempty"`
	SentModified    *string `json:"sent_modified,omitempty"`
	AcceptEncoding  string  `json:"accept_encoding"`
	UserAgent       string  `json:"user_agent"`
	Cookie          bool    `json:"cookie"`
	Referer         bool    `json:"referer"`
	Authorization   bool    `json:"authorization"`
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
	h, sent := r.Header, rec.Header()
	line, err := json.Marshal(request{
		MS: millis(rec.began.Sub(l.start)), Took: millis(l.now().Sub(rec.began)), Conn: rec.conn.id, Addr: rec.conn.host, UnderWay: rec.underWay,
		Method: characters(r.Method), Host: characters(r.Host), Path: characters(r.RequestURI), Status: rec.status, Bytes: rec.bytes,
		IfNoneMatch: joined(h["If-None-Match"]), IfModifiedSince: joined(h["If-Modified-Since"]), AIM: joined(h["A-Im"]),
		SentETag: joined(sent["Etag"]), SentModified: joined(sent["Last-Modified"]),
		AcceptEncoding: characters(h.Get("Accept-Encoding")), UserAgent: characters(h.Get("User-Agent")),
		Cookie: h["Cookie"] != nil, Referer: h["Referer"] != nil, Authorization: h["Authorization"] != nil,
	})
	if err != nil {
		panic(err) // of such fields it cannot fail
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w.Write(append(line, '\n')) // the error sticks and close reports it
}

// flush hands on what is buffered, and returns the first error of the log's life.
func (l *requestLog) flush() error {
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

// millis returns milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }

// joined returns a header's values as one.
func joined(values []string) *string {
	if len(values) == 0 {
		return nil
	}
	all := characters(strings.Join(values, ", "))
	return &all
}

// characters returns a string in which each character stands for one byte of s.
func characters(s string) string {
	all := make([]rune, len(s))
	for i := range len(s) {
		all[i] = rune(s[i])
	}
	return string(all)
}
