package fetch

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/feeds"
)

// A connection is one to a server, and one exchange at a time has it.
type connection struct {
	origin string // that it is to: scheme, host and port
	host   string
	tcp    *flow
	wire   *wire // over tcp
	http   *http.ClientConn
	http2  bool
	direct bool // without a proxy
	reused bool
	once   sync.Once
	by     *transport
}

// connect takes what dialing came to.
func (c *connection) connect(tcp net.Conn, err error) error {
	if err == nil {
		c.tcp = c.by.uplink.over(tcp)
	}
	return err
}

// close ends a connection and gives its token back.
func (c *connection) close() {
	c.once.Do(func() {
		if c.http != nil {
			c.http.Close()
		}
		if c.tcp != nil {
			c.tcp.Close()
		}
		c.by.files.giveBack()
	})
}

// abandon ends a connection, whatever it is at.
func (c *connection) abandon() {
	c.cut()
	c.close()
}

// cut makes whoever reads or writes the connection stop, now.
func (c *connection) cut() {
	if c.tcp != nil {
		c.tcp.SetDeadline(time.Unix(1, 0))
	}
}

// begin notes that a request is made next, and returns how many bytes had been
// read before it.
func (c *connection) begin() int64 {
	if h := c.wire.heads; h != nil {
		h.due.Store(true)
	}
	c.tcp.begin()
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if m := c.wire.frames; m != nil {
		m.answered, m.reset = false, nil // of the last one
	}
	return c.wire.read.Load()
}

// A wire is a connection as HTTP sees it, which watches what is read.
type wire struct {
	net.Conn
	read  atomic.Int64
	reads atomic.Int64
	bound int64   // of headers, in bytes
	heads *mender // nil unless HTTP/1 is spoken, and not with a proxy

	mu     sync.Mutex
	frames *frameMeter    // nil unless HTTP/2 is spoken
	fault  *feeds.Failure // why nothing more is read
	ended  error          // the first error of the connection
	end    chan struct{}  // is closed by then
}

func newWire(c net.Conn, l *limits) *wire {
	return &wire{Conn: c, bound: l.headerBytes, end: make(chan struct{})}
}

func (w *wire) Read(p []byte) (int, error) {
	if w.heads != nil {
		return w.heads.read(p, w.receive)
	}
	return w.receive(p)
}

func (w *wire) receive(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.read.Add(int64(n))
	w.reads.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil && err != nil {
		w.ended = err
		close(w.end)
	}
	if w.frames == nil {
		return n, err
	}
	if w.fault == nil {
		w.fault = w.frames.look(p[:n], w.bound)
	}
	if w.fault != nil {
		return 0, w.fault
	}
	return n, err
}

// A traffic is what has come over a wire.
type traffic struct{ bytes, reads int64 }

// since returns what came since then, and nothing of HTTP/2: others may have sent it,
// and its frames have a meter of their own.
func (w *wire) since(then traffic) traffic {
	if w == nil || w.frames != nil {
		return traffic{}
	}
	return traffic{w.read.Load() - then.bytes, w.reads.Load() - then.reads}
}

// over reports whether the server has ended it, or it broke.
func (w *wire) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended != nil || w.fault != nil
}

// broken returns what was wrong with what the server sent, or nil.
func (w *wire) broken() *feeds.Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}
