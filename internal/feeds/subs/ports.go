package subs

import (
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/feeds"
)

// webPorts are allowed whatever the feeds: a redirect from http to https, or
// to another host, is an everyday thing.
var webPorts = []uint16{80, 443}

// ConnectPorts returns the ports that refreshing refs with these options
// connects to, for Options.Ports: 80 and 443, those of the URLs, those that
// o.Ports allows already, and a proxy's. Where every request goes through a
// proxy that o names, its port is the only one. The ports are sorted and each
// is there once; name lookups, on port 53, are not among them.
func ConnectPorts(refs []feeds.Ref, o feeds.Options) []uint16 {
	if o.Proxy != "" && o.Proxy != "env" {
		if port := proxyPort(o.Proxy); port != 0 {
			return []uint16{port}
		}
	}
	ports := make(map[uint16]bool)
	for _, p := range append(webPorts[:len(webPorts):len(webPorts)], o.Ports...) {
		ports[p] = true
	}
	for i := range refs {
		if text := feeds.SplitURL(refs[i].URL).Port; text != "" {
			if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
				ports[uint16(n)] = true
			}
		}
	}
	if o.Proxy == "env" {
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
			if port := proxyPort(os.Getenv(name)); port != 0 {
				ports[port] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ports))
}

// proxyPort returns the port of a proxy as a flag or the environment spells
// it, where a scheme may be missing; 0 when it cannot be told.
func proxyPort(proxy string) uint16 {
	if proxy == "" {
		return 0
	}
	u, err := url.Parse(proxy)
	if err != nil || !strings.Contains(proxy, "://") {
		if u, err = url.Parse("http://" + proxy); err != nil {
			return 0
		}
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(n)
	}
	switch u.Scheme {
	case "https":
		return 443
	case "socks5", "socks5h":
		return 1080
	}
	return 80
}
