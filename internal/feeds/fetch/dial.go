package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"feedmill/internal/feeds"
)

// raceAfter is how long one address of a host is tried alone before the next
// one is tried beside it (RFC 8305, section 5).
const raceAfter = 250 * time.Millisecond

// errNoConnection says that none came about in time.
var errNoConnection = errors.New("no connection in time")

// A dialer makes TCP connections by name, under the address policy.
type dialer struct {
	names *names
	files *fileCount
	link  *uplink
	net   net.Dialer
	limit time.Duration // for connecting, once the name is known
}

func newDialer(l *limits, g *addressPolicy, f *fileCount, k *uplink) *dialer {
	names := newNames(l.lookup, f, k)
	g.nat64.lookup = names.lookup
	return &dialer{
		names: names,
		files: f,
		link:  k,
		limit: l.dial,
		net: net.Dialer{
			KeepAlive:      -1, // four system calls a connection, for what the clock does
			ControlContext: g.control,
		},
	}
}

// dial connects to a host and port. The caller has a token for the connection.
// The error is a *shortage, a *Failure, a *net.DNSError, a *net.OpError, or ctx's
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
	limited, stop := within(ctx, d.limit, d.link)
	defer stop()
	done := d.link.connecting()
	conn, err := d.race(limited, alternate(addrs), uint16(n))
	done()
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, &feeds.Failure{Class: feeds.Connect, Detail: fmt.Sprintf("no connection within %v: %s", d.limit, net.JoinHostPort(host, port)), Err: errNoConnection}
	}
	return nil, err
}

// one connects to an address.
func (d *dialer) one(ctx context.Context, addr netip.Addr, port uint16) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
	if l := shortageOf(err, addr.Is6()); l != nil {
		return nil, l
	}
	return conn, err
}

// maxRacing bounds the addresses of a host that are tried at a time.
const maxRacing = 8

// race tries the addresses in order, each when the one before it has failed or been
// silent for a while, and returns the first connection. Of the errors it returns the
// first, unless it is about something that we lack. Beside the first one an address
// needs a token of its own: where there is none they are tried one after the other.
func (d *dialer) race(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.one(ctx, addrs[0], port)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		conn net.Conn
		err  error
	}
	outcomes, under, next := make(chan outcome), 0, 0
	try := func() {
		addr := addrs[next]
		next, under = next+1, under+1
		go func() {
			conn, err := d.one(ctx, addr, port)
			outcomes <- outcome{conn, err}
		}()
	}
	var won net.Conn
	var failed error
	for try(); under > 0; {
		var silent <-chan time.Time
		if next < len(addrs) && under < maxRacing {
			silent = time.After(raceAfter)
		}
		select {
		case o := <-outcomes:
			_, isShortage := o.err.(*shortage)
			switch {
			case o.err == nil && won == nil:
				won, next = o.conn, len(addrs)
				stop()
			case o.err == nil:
				o.conn.Close()
			case failed == nil || isShortage:
				failed = o.err
			}
			if under--; next < len(addrs) && ctx.Err() == nil {
				try() // in its place
			} else if under > 0 {
				<-d.files.connections
			}
		case <-silent:
			select {
			case d.files.connections <- struct{}{}:
				try()
			default:
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, failed
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
