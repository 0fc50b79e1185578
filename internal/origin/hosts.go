package origin

import (
	"net/netip"
)

// hosts says where hosts are and which feeds each has. Feeds are numbered from
// 0, and those of one host follow each other, as in a sorted list of real URLs.
type hosts struct {
	base      netip.AddrPort // of the first
	loopbacks bool           // the others have addresses of their own
	scheme    string         // of generated feeds and files
	counts    []int          // feeds of each host
}

// spread returns how many of a number of feeds each host has, evenly.
func spread(feeds, hosts int) []int {
	counts := make([]int, hosts)
	for i := range counts {
		counts[i] = feeds*(i+1)/hosts - feeds*i/hosts
	}
	return counts
}

// webShares are the feeds, in 36,515, of the hosts that have most of them: the
// registrable domains of a list of personal sites. Nearly all others have one.
var webShares = []int{1869, 1325, 1119, 699, 452, 447, 247, 57, 45, 45, 40, 37, 33, 28, 26, 25, 25, 24, 23, 20}

// WebSkew returns counts for Options.HostCounts that spread feeds over hosts
// as unevenly as a list of 36,515 real feeds does: the largest host has 5 % of
// them, the first seven 17 %, and nearly every other host has one.
func WebSkew(feeds int) []int {
	var counts []int
	left := feeds
	for _, share := range webShares {
		if n := min(feeds*share/36515, left); n > 1 {
			counts = append(counts, n)
			left -= n
		}
	}
	for range left {
		counts = append(counts, 1)
	}
	return counts
}

// host returns the address of host number i.
func (h *hosts) host(i int) netip.Addr {
	if !h.loopbacks {
		return h.base.Addr()
	}
	b := h.base.Addr().As4()
	n := (uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) + uint32(i)
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}

// appendURL appends the URL of a path on a host.
func (h *hosts) appendURL(b []byte, scheme string, host netip.Addr, path string) []byte {
	b = append(append(b, scheme...), "://"...)
	b = netip.AddrPortFrom(host, h.base.Port()).AppendTo(b)
	return append(b, path...)
}
