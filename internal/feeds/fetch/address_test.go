package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	r, err := New(feeds.Options{}, read.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for host, hint := range map[string]string{
		"127.0.0.1":                "127.0.0.0/8",
		"127.9.9.9":                "127.0.0.0/8",
		"0.0.0.0":                  "0.0.0.0/32",
		"10.1.2.3":                 "10.1.2.3/32",
		"100.64.0.1":               "100.64.0.1/32",
		"169.254.169.254":          "169.254.169.254/32",
		"172.16.0.1":               "172.16.0.1/32",
		"192.168.1.5":              "192.168.1.5/32",
		"198.18.0.1":               "198.18.0.1/32",
		"224.0.0.1":                "224.0.0.1/32",
		"240.0.0.1":                "240.0.0.1/32",
		"255.255.255.255":          "255.255.255.255/32",
		"[::1]":                    "::1/128",
		"[::]":                     "::/128",
		"[fd00:ec2::254]":          "fd00:ec2::254/128",
		"[fe80::1]":                "fe80::1/128",
		"[ff02::1]":                "ff02::1/128",
		"[::ffff:127.0.0.1]":       "127.0.0.0/8",
		"[64:ff9b::7f00:1]":        "127.0.0.0/8",
		"[2002:7f00:1::]":          "2002:7f00:1::/128",
		"[2001:db8::1]":            "2001:db8::1/128",
		"localhost":                "127.0.0.0/8 or ::1/128",
		"2130706433":               "write the address as 127.0.0.1",
		"0x7f000001":               "write the address as 127.0.0.1",
		"0177.0.0.1":               "write the address as 127.0.0.1",
		"127.1":                    "write the address as 127.0.0.1",
		"0x7f.1":                   "write the address as 127.0.0.1",
		"134744072":                "write the address as 8.8.8.8",
		"0":                        "write the address as 0.0.0.0",
		"0x":                       "write the address as 0.0.0.0",
		"u:p@127.0.0.1":            "127.0.0.0/8",
		"127.0.0.1:22":             "127.0.0.0/8",
		"[0:0:0:0:0:ffff:7f00:1]":  "127.0.0.0/8",
		"[::ffff:169.254.169.254]": "169.254.169.254/32",
	} {
		res := get(t, r, "http://"+host+"/")
		wantClass(t, res, feeds.BlockedAddress)
		hint = strings.TrimPrefix(hint, "add --allow-net ")
		found := false
		for h := range strings.SplitSeq(hint, " or ") {
			found = found || strings.HasSuffix(res.Hint, h)
		}
		if !found {
			t.Errorf("%s: hint %q, want %q", host, res.Hint, hint)
		}
	}
}

func TestPublicAddressesPass(t *testing.T) {
	g := newAddressPolicy(nil, nil)
	for _, addr := range []string{"8.8.8.8:80", "93.184.216.34:8443", "[2606:4700::1111]:443"} {
		network := "tcp4"
		if addr[0] == '[' {
			network = "tcp6"
		}
		if err := g.control(t.Context(), network, addr, nil); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestHintAllowsTheAddress(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, feedBody(1)) })
	mapped := strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
	closed, err := New(feeds.Options{}, read.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	for _, url := range []string{s.URL, mapped} {
		res := get(t, closed, url)
		wantClass(t, res, feeds.BlockedAddress)
		prefix, ok := strings.CutPrefix(res.Hint, "add --allow-net ")
		if !ok {
			t.Fatalf("hint %q", res.Hint)
		}
		open, err := New(feeds.Options{AllowNet: []netip.Prefix{netip.MustParsePrefix(prefix)}}, read.Read)
		if err != nil {
			t.Fatal(err)
		}
		wantClass(t, get(t, open, url), feeds.OK)
		open.Close()
	}
}

func TestNamesAreNoVeiledAddresses(t *testing.T) {
	for _, host := range []string{"example.org", "1.example", "a.1", "256.1.1.1.1", "1.2.3.256", "256.1", "08.1", "", "."} {
		if addr, ok := oddIPv4(host); ok {
			t.Errorf("%q was taken for %s", host, addr)
		}
	}
}

// TestARedirectToAnotherPortIsRefused unless it was allowed, which the hint
// says how to do.
func TestARedirectToAnotherPortIsRefused(t *testing.T) {
	asked := 0
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		io.WriteString(w, feedBody(1))
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) })
	port := func(s *httptest.Server) uint16 { return s.Listener.Addr().(*net.TCPAddr).AddrPort().Port() }
	own := []uint16{port(s)}
	both := []uint16{port(s), port(target)}

	res := get(t, refresher(t, feeds.Options{Ports: own}), s.URL)
	wantClass(t, res, feeds.BlockedAddress)
	u, _ := url.Parse(target.URL)
	if want := "add --allow-port " + u.Port(); res.Hint != want || !strings.Contains(res.Detail, u.Port()) || asked > 0 {
		t.Errorf("detail %q, hint %q, asked %d times, want the hint %q and no request", res.Detail, res.Hint, asked, want)
	}

	also := refresher(t, feeds.Options{Ports: both})
	wantClass(t, get(t, also, s.URL), feeds.OK)
}

// TestNAT64IsJudgedByTheAddressInside: a network without IPv4 reaches it by
// addresses that have the IPv4 one in them, under its own prefix or the common one.
func TestNAT64IsJudgedByTheAddressInside(t *testing.T) {
	g := newAddressPolicy([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, nil)
	asked := 0
	g.nat64.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		asked++
		if name != "ipv4only.arpa" {
			t.Errorf("asked for %s", name)
		}
		return []netip.Addr{netip.MustParseAddr("192.0.0.170"), netip.MustParseAddr("2a00:64:0:1:c0:0:aa00:0"), netip.MustParseAddr("2a00:96::192.0.0.171")}, nil
	}
	for host, want := range map[string]string{
		"64:ff9b::8.8.8.8": "", "64:ff9b::10.0.0.1": "10.0.0.1", "64:ff9b::127.0.0.1": "127.0.0.1", "64:ff9b::10.1.2.3": "",
		"2a00:96::8.8.8.8": "", "2a00:96::192.168.1.1": "192.168.1.1", "2a00:64:0:1:c0:a801:100::": "192.168.1.1", "2a00:64:0:1:8:808:800::": "",
		"2a00:99::192.168.1.1": "", "64:ff9b:1::a00:1": "64:ff9b:1::a00:1",
	} {
		f := g.literal(host)
		if got := f != nil; got != (want != "") || f != nil && !strings.HasPrefix(f.Detail, want+" ") {
			t.Errorf("%s: %v, want it refused as %q", host, f, want)
		}
	}
	if asked != 1 {
		t.Errorf("the prefix was looked up %d times, want once", asked)
	}
	err := g.control(t.Context(), "tcp4", "0.0.0.0:80", nil)
	if f, ok := errors.AsType[*feeds.Failure](err); !ok || f.Hint != "" || !strings.Contains(f.Detail, "blocks this name") {
		t.Errorf("0.0.0.0 from a name server: %v, want it named as that", err)
	}
}

// TestThePrefixIsLookedUpThoughItsAskerIsGone: another address may have been reached
// first, and everybody after it goes by what was found.
func TestThePrefixIsLookedUpThoughItsAskerIsGone(t *testing.T) {
	g := newAddressPolicy(nil, nil)
	g.nat64.lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return []netip.Addr{netip.MustParseAddr("2a00:96::192.0.0.171")}, nil
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	g.judge(gone, netip.MustParseAddr("2a00:1::1"))
	if f := g.literal("2a00:96::192.168.1.1"); f == nil {
		t.Error("an address inside 192.168.0.0/16 passes, want it refused")
	}
}
