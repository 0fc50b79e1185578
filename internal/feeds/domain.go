package feeds

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Domain returns the registrable domain of a URL's host, in lower case and in
// its ASCII form: what politeness is counted by. Only the ICANN section of the
// public suffix list counts, because one operator serves all of bearblog.dev
// or github.io however many people write there. An IP address is its own
// domain, written without brackets, port or zone, and so is a host of a single
// label. Domain returns "" when rawURL has no host.
func Domain(rawURL string) string {
	return HostDomain(SplitURL(rawURL).Hostname())
}

// HostDomain returns the registrable domain of a host name or address.
func HostDomain(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		var b [64]byte
		name := addr.Unmap().WithZone("").AppendTo(b[:0])
		if string(name) == host { // the usual case costs no memory
			return host
		}
		return string(name)
	}
	host = strings.TrimRight(ASCIIHost(host), ".")
	suffix, icann := publicsuffix.PublicSuffix(host)
	for !icann {
		// A private suffix: go up to the one it was registered under. A name
		// without a dot is a top-level domain that the list does not know.
		_, parent, ok := strings.Cut(suffix, ".")
		if !ok {
			break
		}
		suffix, icann = publicsuffix.PublicSuffix(parent)
	}
	rest, ok := strings.CutSuffix(host, "."+suffix)
	if !ok {
		return host // the suffix itself
	}
	return host[strings.LastIndexByte(rest, '.')+1:]
}

// ASCIIHost returns host in lower case and, if it has other letters than
// ASCII's, in its ASCII form. A name that has none is returned in lower case.
func ASCIIHost(host string) string {
	if isASCII(host) {
		return strings.ToLower(host)
	}
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		return ascii
	}
	return strings.ToLower(host)
}

// isASCII reports whether s has only bytes below 0x80.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
