package origin

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strconv"
)

// A hostPlan says which feeds are on which host. Feeds are numbered from 0,
// and those of one host follow each other, as in a sorted list of real URLs.
type hostPlan struct {
	counts []int // feeds of each host
	feeds  int
}

func planHosts(o Options) hostPlan {
	if len(o.HostCounts) > 0 {
		return hostPlan{counts: append([]int(nil), o.HostCounts...), feeds: o.Feeds}
	}
	counts := make([]int, o.Hosts)
	for i := range counts {
		counts[i] = o.Feeds*(i+1)/o.Hosts - o.Feeds*i/o.Hosts
	}
	return hostPlan{counts: counts, feeds: o.Feeds}
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
func (s *Server) host(i int) netip.Addr {
	if !s.loopbacks {
		return s.base.Addr()
	}
	b := s.base.Addr().As4()
	n := (uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) + uint32(i)
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}

// appendURL appends the URL of path on host number i.
func (s *Server) appendURL(b []byte, host netip.Addr, path string) []byte {
	b = append(b, "http://"...)
	b = netip.AddrPortFrom(host, s.base.Port()).AppendTo(b)
	return append(b, path...)
}

// format returns the format of feed number n.
func (s *Server) format(n int) Format { return s.opts.Formats[n%len(s.opts.Formats)] }

// URLs yields the URL of every feed: the generated ones by number, then the
// files of Options.Dir by name.
func (s *Server) URLs() iter.Seq[string] {
	return func(yield func(string) bool) {
		var b []byte
		n := 0
		for i, count := range s.plan.counts {
			host := s.host(i)
			for range count {
				b = append(s.appendURL(b[:0], host, "/feed/"), strconv.Itoa(n)...)
				b = append(append(b, '.'), s.format(n)...)
				if !yield(string(b)) {
					return
				}
				n++
			}
		}
		for i, name := range s.files() {
			host := s.host(i % len(s.plan.counts))
			if !yield(string(s.appendURL(nil, host, dirPath(name)))) {
				return
			}
		}
	}
}

// List writes the URLs to w, one a line.
func (s *Server) List(w io.Writer) error {
	b := bufio.NewWriter(w)
	for u := range s.URLs() {
		b.WriteString(u)
		b.WriteByte('\n')
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write feed list: %w", err)
	}
	return nil
}
