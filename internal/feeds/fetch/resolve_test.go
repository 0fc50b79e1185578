package fetch

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

// A zone answers questions for the addresses of a name, in textual form; ok is
// false for a server failure, and no addresses at all for an unknown name.
type zone func(name string) (addrs []string, ok bool)

// noNames knows no name.
func noNames(string) ([]string, bool) { return nil, true }

// serveDNS starts a name server on loopback and returns its address.
func serveDNS(t *testing.T, z zone) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := z.reply(buf[:n]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

// reply answers one question, or returns nil to say nothing.
func (z zone) reply(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	if name := q.Name.String(); strings.HasPrefix(name, "silent.") || strings.HasPrefix(name, "silent6.") && q.Type == dnsmessage.TypeAAAA {
		return nil
	}
	addrs, ok := z(strings.TrimSuffix(q.Name.String(), "."))
	m.Response, m.Additionals = true, nil
	switch {
	case !ok:
		m.RCode = dnsmessage.RCodeServerFailure
	case len(addrs) == 0:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		addr := netip.MustParseAddr(a)
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		if q.Type == dnsmessage.TypeA && addr.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		}
		if q.Type == dnsmessage.TypeAAAA && !addr.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// dnsPatience is how long a Refresher of withDNS waits for an address. It waits
// in full for a server that is silent.
const dnsPatience = 3 * time.Second

// withDNS returns a Refresher that resolves names with the server at dns and
// may ask only the addresses in allow.
func withDNS(t *testing.T, dns string, allow ...string) *Refresher {
	t.Helper()
	var o feeds.Options
	for _, a := range allow {
		o.AllowNet = append(o.AllowNet, netip.MustParsePrefix(a))
	}
	l := newLimits(o, cap(files().connections))
	l.lookup = dnsPatience
	r, err := newRefresher(o, l, read.Read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	r.transport.dialer.names.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var plain net.Dialer
		return plain.DialContext(ctx, "udp", dns)
	}
	return r
}

func TestNamesAreJudgedByTheirAddress(t *testing.T) {
	url := listenOn(t, "127.0.0.2", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	port := url[strings.LastIndexByte(url, ':'):]
	asked := 0
	dns := serveDNS(t, func(name string) ([]string, bool) {
		switch name {
		case "good.example.net", "silent6.example.net":
			return []string{"127.0.0.2"}, true
		case "private.example.net":
			return []string{"10.0.0.1", "fd00:ec2::254"}, true
		case "metadata.example.net":
			return []string{"169.254.169.254"}, true
		case "mapped.example.net":
			return []string{"::ffff:127.0.0.1"}, true
		case "nat64.example.net":
			return []string{"64:ff9b::7f00:1", "2002:7f00:1::"}, true
		case "mixed.example.net":
			return []string{"127.0.0.9", "127.0.0.2", "64:ff9b::7f00:1"}, true
		case "rebinding.example.org":
			if asked++; asked <= 2 { // A and AAAA of the first look-up
				return []string{"127.0.0.2"}, true
			}
			return []string{"127.0.0.1"}, true
		case "broken.example.com":
			return nil, false
		}
		return nil, true
	})
	var all sync.WaitGroup // at once, since some wait for an answer that does not come
	for _, tt := range []struct {
		host string
		want feeds.Class
	}{
		{"good.example.net", feeds.OK},
		{"private.example.net", feeds.BlockedAddress},
		{"metadata.example.net", feeds.BlockedAddress},
		{"mapped.example.net", feeds.BlockedAddress},
		{"nat64.example.net", feeds.BlockedAddress},
		{"mixed.example.net", feeds.OK},
		{"unknown.example.net", feeds.DNS},
		{"broken.example.com", feeds.DNS},
		{"silent.example.org", feeds.DNS},
		{"silent6.example.net", feeds.OK}, // to questions for IPv6
	} {
		all.Go(func() {
			t.Run(tt.host, func(t *testing.T) {
				r := withDNS(t, dns, "127.0.0.2/32")
				start := time.Now()
				res := get(t, r, "http://"+tt.host+port+"/")
				wantClass(t, res, tt.want)
				if d := time.Since(start); d > 10*time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
	all.Wait()
	r := withDNS(t, dns, "127.0.0.2/32")
	// A resolver that asks again on a busy machine is told the private address
	// already here.
	if res := get(t, r, "http://rebinding.example.org"+port+"/"); res.Class != feeds.BlockedAddress {
		wantClass(t, res, feeds.OK)
	}
	wantClass(t, get(t, withDNS(t, dns, "127.0.0.2/32"), "http://rebinding.example.org"+port+"/"), feeds.BlockedAddress)
}

// TestABlockingResolverIsNamed: who answers 0.0.0.0 or :: blocks a name, and no
// --allow-net is what helps.
func TestABlockingResolverIsNamed(t *testing.T) {
	dns := serveDNS(t, func(name string) ([]string, bool) {
		return map[string][]string{"four.example": {"0.0.0.0"}, "six.example": {"::"}}[name], true
	})
	for _, host := range []string{"four.example", "six.example"} {
		res := get(t, withDNS(t, dns), "http://"+host+"/feed")
		wantClass(t, res, feeds.BlockedAddress)
		if !strings.Contains(res.Detail, "it blocks this name") || res.Hint != "" {
			t.Errorf("%s: detail %q, hint %q; want that the name server blocks it, and no hint", host, res.Detail, res.Hint)
		}
	}
}
