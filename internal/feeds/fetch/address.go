package fetch

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"feedmill/internal/feeds"
)

// An addressPolicy refuses addresses that are not public. It is asked after the name
// was resolved and before each connection, so a name that changes its address
// in between, or has a public and a private one, gains nothing.
type addressPolicy struct {
	guardian *ssrf.Guardian
	allow    []netip.Prefix
	ports    []uint16 // empty allows any
	nat64    nat64
}

// newAddressPolicy returns one that allows public addresses and those in
// allow, on the given ports; none given means any.
func newAddressPolicy(allow []netip.Prefix, ports []uint16) *addressPolicy {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p.Masked())
		} else {
			v6 = append(v6, p.Masked())
		}
	}
	return &addressPolicy{allow: allow, ports: ports, guardian: ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...),
	)}
}

// control is a net.Dialer's ControlContext.
func (g *addressPolicy) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &feeds.Failure{Class: feeds.BlockedAddress, Detail: "an address that cannot be judged", Err: err}
	}
	if f := g.judge(ctx, ap.Addr()); f != nil {
		if ap.Addr().IsUnspecified() {
			f.Detail, f.Hint = "the name server answers "+ap.Addr().String()+": it blocks this name", ""
		}
		return f
	}
	if !g.connects(ap.Port()) {
		return blockedPort(ap.Port())
	}
	return nil
}

// judge says why an address must not be asked; nil when it may be. One that stands
// for an IPv4 address is judged by that.
func (g *addressPolicy) judge(ctx context.Context, addr netip.Addr) *feeds.Failure {
	if g.allows(addr) {
		return nil
	}
	if v4, ok := g.nat64.inside(ctx, addr); ok {
		addr = v4
	}
	if err := g.guardian.SafeAddr(addr); err != nil {
		return blockedAddress(addr, err)
	}
	return nil
}

// literal checks a host that is written as an address. A name is not looked
// up and passes.
func (g *addressPolicy) literal(host string) *feeds.Failure {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Is4In6() && g.allows(addr.Unmap()) {
			return nil
		}
		return g.judge(context.Background(), addr)
	}
	if addr, ok := oddIPv4(host); ok {
		return &feeds.Failure{
			Class:  feeds.BlockedAddress,
			Detail: strconv.QuoteToASCII(feeds.Clip(host, 64)) + " is a veiled spelling of " + addr.String(),
			Hint:   "write the address as " + addr.String(),
		}
	}
	return nil
}

// allows reports whether the user allowed addr by name.
func (g *addressPolicy) allows(addr netip.Addr) bool {
	return slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// blockedAddress returns the failure of an address that is refused.
func blockedAddress(addr netip.Addr, cause error) *feeds.Failure {
	return &feeds.Failure{
		Class:  feeds.BlockedAddress,
		Detail: addr.String() + " is not a public address",
		Hint:   "add --allow-net " + allowHint(addr),
		Err:    cause,
	}
}

// allowHint returns the prefix that would allow addr: all of the loopback
// range, else the address alone.
func allowHint(addr netip.Addr) string {
	addr = addr.WithZone("").Unmap()
	bits := addr.BitLen()
	if addr.Is4() && addr.IsLoopback() {
		bits = 8
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

// oddIPv4 reports whether host is an IPv4 address in one of the old spellings
// that inet_aton takes (decimal, octal, hexadecimal, fewer than four parts),
// and which. Go does not read them, but a resolver that the question is passed
// on to may, so they are refused before anything is sent. Source: the WHATWG
// URL standard, IPv4 parser.
func oddIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := anyBase(part)
		last := i == len(parts)-1
		switch {
		case !ok, !last && n > 255, last && n >= 1<<(8*(5-len(parts))):
			return netip.Addr{}, false
		case last:
			value |= n
		default:
			value |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// anyBase reads one part of an IPv4 address as inet_aton does.
func anyBase(part string) (uint64, bool) {
	base := 10
	switch {
	case len(part) > 1 && (part[:2] == "0x" || part[:2] == "0X"):
		base, part = 16, part[2:]
		if part == "" {
			return 0, true
		}
	case len(part) > 1 && part[0] == '0':
		base, part = 8, part[1:]
	}
	n, err := strconv.ParseUint(part, base, 32)
	return n, err == nil
}

// connects reports whether port may be connected to.
func (g *addressPolicy) connects(port uint16) bool {
	return len(g.ports) == 0 || slices.Contains(g.ports, port)
}

// errBlockedPort says that an address is public and its port is not allowed.
var errBlockedPort = errors.New("port is not allowed")

// blockedPort returns the failure of a port that is refused.
func blockedPort(port uint16) *feeds.Failure {
	text := strconv.FormatUint(uint64(port), 10)
	return &feeds.Failure{
		Class:  feeds.BlockedAddress,
		Detail: "port " + text + " is not one of those that the feeds of this round are at",
		Hint:   "add --allow-port " + text,
		Err:    errBlockedPort,
	}
}

// wellKnownNAT64 is the prefix under which networks without IPv4 reach it (RFC 6052,
// section 2.1). Other networks have one of their own.
var wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")

// A nat64 knows under which prefixes IPv6 addresses stand for IPv4 ones in this
// network.
type nat64 struct {
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)

	once     sync.Once
	prefixes []netip.Prefix
}

// inside returns the IPv4 address that addr stands for. The network's own prefix is
// looked up once, when the first IPv6 address is asked about: without it, an address
// that looks public could lead to a private one.
func (n *nat64) inside(ctx context.Context, addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() || addr.Is4In6() {
		return addr, false
	}
	if wellKnownNAT64.Contains(addr) {
		return embedded(addr, 96), true
	}
	if n.lookup == nil || !addr.IsGlobalUnicast() {
		return addr, false
	}
	n.once.Do(func() {
		// Whoever asks first may be gone before there is an answer, which is all the
		// others'.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer stop()
		n.prefixes = ownPrefixes(n.lookup(ctx, "ipv4only.arpa"))
	})
	for _, p := range n.prefixes {
		if p.Contains(addr) {
			return embedded(addr, p.Bits()), true
		}
	}
	return addr, false
}

// ownPrefixes finds the prefixes in what a network's name server says of
// ipv4only.arpa, which has no IPv6 address but those it makes (RFC 7050, RFC 8880).
func ownPrefixes(addrs []netip.Addr, _ error) (found []netip.Prefix) {
	known := []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}
	for _, addr := range addrs {
		for _, bits := range []int{96, 64, 56, 48, 40, 32} {
			if p, err := addr.Prefix(bits); err == nil && addr.Is6() && slices.Contains(known, embedded(addr, bits)) {
				found = append(found, p)
				break
			}
		}
	}
	return found
}

// embedded returns the IPv4 address behind a prefix of so many bits. The ninth byte
// is none of its (RFC 6052, section 2.2).
func embedded(addr netip.Addr, bits int) netip.Addr {
	b, at := addr.As16(), bits/8
	var v4 [4]byte
	for i := range v4 {
		if at == 8 {
			at++
		}
		v4[i] = b[at]
		at++
	}
	return netip.AddrFrom4(v4)
}
