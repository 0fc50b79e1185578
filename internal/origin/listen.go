package origin

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/origin/hostile"
)

// answerLimit is the longest that any answer takes, hostile ones included.
const answerLimit = hostile.AnswerLimit

// haveLoopbacks reports whether addresses of 127.0.0.0/8 other than the first
// are this machine's own. Trying is the only way that holds on every system.
func haveLoopbacks() bool {
	ln, err := net.Listen("tcp4", "127.66.0.1:0")
	if err != nil {
		return false
	}
	ln.Close()
	return true
}

// listen listens on every IPv4 address of the machine, since no other way
// gives all of 127.0.0.0/8 with one socket; the listener sorts out what did not come
// over a loopback address, and where the system can, it keeps out the rest of
// the network already (see bindLoopback). Without loopbacks it listens on host
// alone.
//
// Rejected: a listener for each host. 36,000 of them are past the usual limit
// of open files.
func listen(host netip.Addr, port uint16, loopbacks bool) (net.Listener, error) {
	var config net.ListenConfig
	name := host.String()
	if loopbacks {
		config.Control = bindLoopback
		name = "0.0.0.0"
	}
	return config.Listen(context.Background(), "tcp4", net.JoinHostPort(name, strconv.Itoa(int(port))))
}

// isLoopback is the accept filter: it reports whether a connection that
// arrived at local may be served.
func isLoopback(local net.Addr) bool {
	tcp, ok := local.(*net.TCPAddr)
	return ok && tcp.AddrPort().Addr().Unmap().IsLoopback()
}

// A listener accepts connections over loopback addresses and closes others at
// once, unread.
type listener struct {
	net.Listener
	set *connSet
}

// Accept returns the next connection that may be served, a *conn.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !isLoopback(c.LocalAddr()) {
			l.set.refused.Add(1)
			c.Close()
			continue
		}
		return l.set.add(c), nil
	}
}

// A conn is an open connection that its connSet knows.
type conn struct {
	net.Conn
	set  *connSet
	id   uint64     // from 1, in the order of arrival
	host netip.Addr // the host that was asked

	peeked []byte // read and not given out
}

// peek returns the first byte, which stays to be read.
func (c *conn) peek() (byte, error) {
	c.Conn.SetReadDeadline(time.Now().Add(answerLimit))
	first := make([]byte, 1)
	if _, err := io.ReadFull(c.Conn, first); err != nil {
		return 0, err
	}
	c.Conn.SetReadDeadline(time.Time{})
	c.peeked = first
	return first[0], nil
}

// Read returns what was peeked at first.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.peeked) > 0 {
		n := copy(p, c.peeked)
		c.peeked = c.peeked[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
}

// reset closes the connection so that the peer sees it broken, not ended.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// A connSet knows every open connection, those taken from the HTTP server
// included, so that all can be closed at the end.
type connSet struct {
	accepted atomic.Int64
	refused  atomic.Int64

	mu     sync.Mutex
	open   map[*conn]struct{}
	closed bool
}

func (s *connSet) add(nc net.Conn) *conn {
	c := &conn{Conn: nc, set: s, id: uint64(s.accepted.Add(1))}
	if tcp, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		c.host = tcp.AddrPort().Addr().Unmap()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		nc.Close()
		return c
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[c] = struct{}{}
	return c
}

func (s *connSet) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// closeAll closes what is open and whatever is added later.
func (s *connSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		c.Conn.Close()
	}
	clear(s.open)
}

// connKey is the context key of a request's *conn.
type connKey struct{}
