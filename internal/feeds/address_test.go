package feeds

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	r, err := NewRefresher(Options{})
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
		"[64:ff9b::7f00:1]":        "64:ff9b::7f00:1/128",
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
		wantClass(t, res, BlockedAddress)
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
	g := newAddressGuard(nil, nil)
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
	closed, err := NewRefresher(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	for _, url := range []string{s.URL, mapped} {
		res := get(t, closed, url)
		wantClass(t, res, BlockedAddress)
		prefix, ok := strings.CutPrefix(res.Hint, "add --allow-net ")
		if !ok {
			t.Fatalf("hint %q", res.Hint)
		}
		open, err := NewRefresher(Options{AllowNet: []netip.Prefix{netip.MustParsePrefix(prefix)}})
		if err != nil {
			t.Fatal(err)
		}
		wantClass(t, get(t, open, url), OK)
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
