package feeds

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// An addressGuard refuses addresses that are not public. It is asked after the name
// was resolved and before each connection, so a name that changes its address
// in between, or has a public and a private one, gains nothing.
type addressGuard struct {
	guardian *ssrf.Guardian
	allow    []netip.Prefix
	ports    []uint16 // empty allows any
}

// newAddressGuard returns a guard that allows public addresses and those in
// allow, on the given ports; none given means any.
func newAddressGuard(allow []netip.Prefix, ports []uint16) *addressGuard {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p.Masked())
		} else {
			v6 = append(v6, p.Masked())
		}
	}
	return &addressGuard{allow: allow, ports: ports, guardian: ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...),
	)}
}

// control is a net.Dialer's ControlContext.
func (g *addressGuard) control(_ context.Context, network, address string, c syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Failure{Class: BlockedAddress, Detail: "an address that cannot be judged", Err: err}
	}
	if err := g.guardian.Safe(network, address, c); err != nil {
		return blockedAddress(ap.Addr(), err)
	}
	if !g.connects(ap.Port()) {
		return blockedPort(ap.Port())
	}
	return nil
}

// literal checks a host that is written as an address. A name is not looked
// up and passes.
func (g *addressGuard) literal(host string) *Failure {
	if addr, err := netip.ParseAddr(host); err == nil {
		err := g.guardian.SafeAddr(addr)
		if err == nil || addr.Is4In6() && g.allows(addr.Unmap()) {
			return nil
		}
		return blockedAddress(addr, err)
	}
	if addr, ok := oddIPv4(host); ok {
		return &Failure{
			Class:  BlockedAddress,
			Detail: strconv.QuoteToASCII(clip(host, 64)) + " is a veiled spelling of " + addr.String(),
			Hint:   "write the address as " + addr.String(),
		}
	}
	return nil
}

// allows reports whether the user allowed addr by name.
func (g *addressGuard) allows(addr netip.Addr) bool {
	return slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// blockedAddress returns the failure of an address that is refused.
func blockedAddress(addr netip.Addr, cause error) *Failure {
	return &Failure{
		Class:  BlockedAddress,
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
