package main

import (
	"cmp"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpguts"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
	"feedmill/internal/version"
)

// fetchFlags say how requests are made, whichever command makes them.
type fetchFlags struct {
	allowNet  list[netip.Prefix]
	allowPort list[uint16]
	timeout   time.Duration
	maxBody   size
	userAgent string
	http1     bool
	contact   string
	proxy     string
}

func (r *fetchFlags) register(f *pflag.FlagSet) {
	r.allowNet.kind, r.allowNet.parse = "CIDR", parsePrefix
	r.allowPort.kind, r.allowPort.parse = "PORT", parsePort
	f.Var(&r.allowNet, "allow-net", "allow private or loopback addresses, as 127.0.0.0/8; repeatable")
	f.Var(&r.allowPort, "allow-port", "let redirects lead to this port, too: not only to 80, 443 and those of the feeds; repeatable")
	f.DurationVar(&r.timeout, "timeout", feeds.DefaultTimeout, "a whole request may take `TIME`")
	f.BoolVar(&r.http1, "http1", false, "speak HTTP/1.1 to every server, never HTTP/2")
	f.Var(&r.maxBody, "max-body", "largest body, decompressed [default: 50MiB]")
	f.StringVar(&r.contact, "contact", "", "tell servers that this `URL` says who asks; a kindness [default: $"+contactVariable+"]")
	f.StringVar(&r.userAgent, "user-agent", "", "the `NAME` that servers see [default: feedmill/"+version.Release()+" (+contact)]")
	f.StringVar(&r.proxy, "proxy", "", "go through the http, https or socks5 proxy at `URL`, or env [default: none]")
}

// contactVariable is the environment's --contact: for whoever runs this from
// cron, and says once who asks.
const contactVariable = "FEEDMILL_CONTACT"

// check refuses what no request could be made with.
func (r *fetchFlags) check() error {
	if r.timeout < time.Millisecond || r.timeout > time.Hour {
		return usage("", "--timeout %v: want 1ms to 1h", r.timeout)
	}
	if !httpguts.ValidHeaderFieldValue(r.userAgent) {
		return usage("", "user agent %q: no header may have that", r.userAgent)
	}
	// Every worker would find it out by itself, and end.
	if check, err := fetch.New(feeds.Options{Proxy: r.proxy}, read.Read); err != nil {
		return usage("", "%w", err)
	} else {
		check.Close()
	}
	name := "--contact"
	if set := os.Getenv(contactVariable); r.contact == "" || r.contact == set {
		name, r.contact = contactVariable, set
	}
	if r.contact == "" {
		return nil
	}
	// Blanks and parentheses would end the comment of the header that it stands in.
	if u, err := url.Parse(r.contact); err != nil || u.Scheme == "" || u.User != nil || strings.ContainsAny(r.contact, " ()\\") ||
		!httpguts.ValidHeaderFieldValue(r.contact) {
		return usage("", "%s %q: want a URL, as https://example.org/about or mailto:me@example.org", name, feeds.RedactURL(r.contact))
	}
	return nil
}

// options returns what a Refresher is told.
func (r *fetchFlags) options() feeds.Options {
	return feeds.Options{
		Timeout: r.timeout, MaxBody: int64(r.maxBody),
		AllowNet: r.allowNet.all, Ports: r.allowPort.all, UserAgent: r.agent(), Proxy: r.proxy, HTTP1: r.http1,
	}
}

// agent returns the User-Agent. Rejected: an address of this program's own in
// it by default. An operator wants to reach whoever runs it, and an address that
// leads elsewhere is worse than none; doctor says when there is none.
func (r *fetchFlags) agent() string {
	own := "feedmill/" + version.Release()
	if r.contact != "" {
		own += " (+" + r.contact + ")"
	}
	return cmp.Or(r.userAgent, own)
}
