package fetch

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"feedmill/internal/feeds"
)

// raceAfter is how long one address of a host is tried alone before the next
// one is tried beside it (RFC 8305, section 5).
const raceAfter = 250 * time.Millisecond

// A dialer makes TCP connections by name, under the address guard.
type dialer struct {
	names *names
	files *fileCount
	net   net.Dialer
	limit time.Duration // for connecting, once the name is known
}

func newDialer(l *limits, g *addressGuard, f *fileCount) *dialer {
	names := newNames(l.lookup, f)
	g.nat64.lookup = names.lookup
	return &dialer{
		names: names,
		files: f,
		limit: l.dial,
		net: net.Dialer{
			KeepAlive:      -1, // four system calls a connection, for what the clock does
			ControlContext: g.control,
		},
	}
}

// dial connects to a host and port. The caller has a token for the connection.
// The error is a *lack, a *Failure, a *net.DNSError, a *net.OpError, or ctx's
// cause.
func (d *dialer) dial(ctx context.Context, host, port string) (net.Conn, error) {
	addrs, err := d.names.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, feeds.Failf(feeds.BlockedScheme, "unusable URL: not a port: %s", feeds.Clip(port, 16))
	}
	limited, stop := context.WithTimeout(ctx, d.limit)
	defer stop()
	conn, err := d.race(limited, alternate(addrs), uint16(n))
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

// one connects to an address.
func (d *dialer) one(ctx context.Context, addr netip.Addr, port uint16) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
	if l := lackOf(err, addr.Is6()); l != nil {
		return nil, l
	}
	return conn, err
}

// race tries the addresses in order, two at a time at most, and returns the
// first connection. Of the errors it returns the first, unless it is about
// something that we lack.
func (d *dialer) race(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.one(ctx, addrs[0], port)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex // guards addrs and what follows
	var won net.Conn
	var failed error
	next := func() (addr netip.Addr, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(addrs) == 0 || ctx.Err() != nil {
			return addr, false
		}
		addr, addrs = addrs[0], addrs[1:]
		return addr, true
	}
	try := func() {
		for addr, ok := next(); ok; addr, ok = next() {
			conn, err := d.one(ctx, addr, port)
			mu.Lock()
			_, isLack := err.(*lack)
			switch {
			case err == nil && won == nil:
				won = conn
				stop()
			case err == nil:
				conn.Close()
			case failed == nil || isLack:
				failed = err
			}
			mu.Unlock()
		}
	}
	alone, end := context.WithCancel(ctx)
	var second sync.WaitGroup
	second.Go(func() {
		if sleep(alone, raceAfter) != nil {
			return // it was quick
		}
		select {
		case d.files.connections <- struct{}{}:
			try()
			<-d.files.connections
		default: // no descriptor to spare: one after the other
		}
	})
	try()
	end()
	second.Wait()
	if won == nil && failed == nil {
		failed = context.Cause(ctx) // it ended before the first
	}
	if won != nil {
		failed = nil
	}
	return won, failed
}

// alternate orders addresses so that the families take turns, beginning with
// the first one's, and each keeps its order (RFC 8305, section 4).
func alternate(addrs []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	out := addrs[:0:0]
	for i := range max(len(same), len(other)) {
		if i < len(same) {
			out = append(out, same[i])
		}
		if i < len(other) {
			out = append(out, other[i])
		}
	}
	return out
}
