package subs

import (
	"slices"
	"testing"

	"feedmill/internal/feeds"
)

func TestPortsAreThoseOfTheRound(t *testing.T) {
	t.Setenv("HTTP_PROXY", "proxy.example:3128")
	t.Setenv("HTTPS_PROXY", "socks5://proxy.example")
	t.Setenv("ALL_PROXY", "socks5://proxy.example:1081")
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "")
	}
	refs := []feeds.Ref{
		{URL: "https://a.example/feed"}, {URL: "http://b.example:8080/feed"}, {URL: "http://u:p@[2001:db8::1]:81/"},
		{URL: "http://c.example:8080/:9/"}, {URL: "http://d.example/x:99/"}, {URL: "no URL"},
	}
	for _, tt := range []struct {
		o    feeds.Options
		want []uint16
	}{
		{feeds.Options{}, []uint16{80, 81, 443, 8080}},
		{feeds.Options{Ports: []uint16{8443, 80}}, []uint16{80, 81, 443, 8080, 8443}},
		{feeds.Options{Proxy: "env"}, []uint16{80, 81, 443, 1080, 1081, 3128, 8080}},
		{feeds.Options{Proxy: "http://user:word@proxy.example:3129"}, []uint16{3129}},
		{feeds.Options{Proxy: "https://proxy.example", Ports: []uint16{8443}}, []uint16{443}},
		{feeds.Options{Proxy: "http://proxy.example/"}, []uint16{80}},
		{feeds.Options{Proxy: "socks5h://proxy.example"}, []uint16{1080}},
	} {
		if got := ConnectPorts(refs, tt.o); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: ports %d, want %d", tt.o, got, tt.want)
		}
	}
	if got := ConnectPorts(nil, feeds.Options{}); !slices.Equal(got, []uint16{80, 443}) {
		t.Errorf("no feeds: ports %d, want those of the web", got)
	}
}
