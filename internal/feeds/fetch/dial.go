package fetch

import (
	"context"
	"net"
	"net/netip"
	"strconv"
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
	var conn net.Conn
	if len(addrs) == 1 {
		conn, err = d.net.DialContext(limited, "tcp", netip.AddrPortFrom(addrs[0], uint16(n)).String())
		if l := lackOf(err, addrs[0].Is6()); l != nil {
			err = l
		}
	} else {
		conn, err = d.race(limited, alternate(addrs), uint16(n))
	}
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

// An attempt is what became of one address.
type attempt struct {
	conn net.Conn
	addr netip.Addr
	err  error
}

// race tries the addresses in order, two at a time at most, and returns the
// first connection. Of the errors it returns the first, unless it is about
// something that we lack.
func (d *dialer) race(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan attempt)
	next, under := 0, 0
	start := func() {
		addr := addrs[next]
		next, under = next+1, under+1
		go func() {
			conn, err := d.net.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
			results <- attempt{conn, addr, err}
		}()
	}
	var first error
	start()
	second := false // a token for a second descriptor is held
	timer := time.NewTimer(raceAfter)
	defer timer.Stop()
	var won net.Conn
	for under > 0 {
		select {
		case <-timer.C:
			if won == nil && next < len(addrs) && !second {
				select {
				case d.files.connections <- struct{}{}:
					second = true
					start()
				default: // no descriptor to spare: one after the other
				}
			}
			continue
		case a := <-results:
			under--
			switch {
			case a.err == nil && won == nil:
				won = a.conn
				stop()
			case a.err == nil:
				a.conn.Close()
			default:
				if l := lackOf(a.err, a.addr.Is6()); l != nil {
					first = l
				} else if first == nil {
					first = a.err
				}
				if won == nil && under == 0 && next < len(addrs) && ctx.Err() == nil {
					start()
					timer.Reset(raceAfter)
				}
			}
		}
	}
	if second {
		<-d.files.connections
	}
	if won != nil {
		return won, nil
	}
	return nil, first
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
