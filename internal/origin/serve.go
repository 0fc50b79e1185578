package origin

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"feedmill/internal/origin/hostile"
)

// Counts are what a Server has done so far.
type Counts struct {
	Requests    int64 `json:"requests"`
	OK          int64 `json:"ok"`           // answered 200
	NotModified int64 `json:"not_modified"` // answered 304
	Other       int64 `json:"other"`        // answered otherwise, past the HTTP server or not at all
	Bytes       int64 `json:"bytes"`        // of bodies, as sent; all bytes where an answer went past the HTTP server
	Connections int64 `json:"connections"`  // accepted
	Refused     int64 `json:"refused"`      // closed because they did not come over a loopback address
	MaxPerHost  int64 `json:"max_per_host"` // most requests under way for one address at a time
	MaxUnderWay int64 `json:"max_under_way"`
}

// counters keep what Counts shows.
type counters struct {
	mu       sync.Mutex
	all      Counts
	hosts    map[netip.Addr]int64 // requests under way
	underWay int64
}

// begin counts a request in and returns how many are under way for host.
func (c *counters) begin(host netip.Addr) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host]++
	c.underWay++
	c.all.Requests++
	c.all.MaxPerHost = max(c.all.MaxPerHost, c.hosts[host])
	c.all.MaxUnderWay = max(c.all.MaxUnderWay, c.underWay)
	return int(c.hosts[host])
}

// end counts a request out.
func (c *counters) end(host netip.Addr, status int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch status {
	case http.StatusOK:
		c.all.OK++
	case http.StatusNotModified:
		c.all.NotModified++
	default:
		c.all.Other++
	}
	c.all.Bytes += bytes
	c.underWay--
	if c.hosts[host]--; c.hosts[host] == 0 {
		delete(c.hosts, host)
	}
}

// A response is a ResponseWriter that keeps account for counters and log.
type response struct {
	http.ResponseWriter
	conn     *conn
	work     *sync.WaitGroup
	began    time.Time
	underWay int
	status   int      // 0 when the answer went past the HTTP server
	bytes    int64    // of the body
	taken    net.Conn // from the HTTP server; nil when it was not
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status.
func (w *response) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes. It keeps back the last one of many: that stays in
// the HTTP server's buffer until the request has ended here.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.writeAll(p)
	w.bytes += int64(n)
	return n, err
}

func (w *response) writeAll(p []byte) (int, error) {
	const buffered = 1 << 10 // less than what the HTTP server keeps back itself
	if len(p) < buffered {
		return w.ResponseWriter.Write(p)
	}
	last := len(p) - 1
	n, err := w.ResponseWriter.Write(p[:last])
	if err != nil {
		return n, err
	}
	m, err := w.ResponseWriter.Write(p[last:])
	return n + m, err
}

// Take takes the connection from the HTTP server. ServeHTTP closes it when the
// request is accounted for, and Run waits for that.
func (w *response) Take() (hostile.Conn, error) {
	w.work.Add(1)
	nc, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		w.work.Done()
		return nil, err
	}
	w.taken = nc
	return &takenConn{nc, w}, nil
}

// A takenConn counts what is written as the response's.
type takenConn struct {
	net.Conn
	rec *response
}

func (c *takenConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.rec.bytes += int64(n)
	return n, err
}

// Reset breaks the connection, below TLS where there is any.
func (c *takenConn) Reset() { c.rec.conn.reset() }
