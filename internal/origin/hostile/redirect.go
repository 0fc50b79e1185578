package hostile

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// at returns a link that is the same for every server: an address elsewhere.
func at(url string) func(Stage, netip.Addr, string) string {
	return func(Stage, netip.Addr, string) string { return url }
}

// addressCases are URLs that a careful reader does not even dial. They name
// port 9, so that a careless one meets nobody: the addresses are the point, and
// what may live there is not to be woken by a test.
func addressCases() []Case {
	return []Case{
		{Name: "address-unspecified", Row: 1, Want: "blocked_address", About: "0.0.0.0, which is this machine on many systems",
			link: func(s Stage, _ netip.Addr, path string) string {
				return s.URL(netip.IPv4Unspecified(), path)
			}, play: (*exchange).sendRSS},
		{Name: "address-v6", Row: 1, Want: "blocked_address", About: "::1, when only IPv4 loopback is allowed",
			link: at("http://[::1]:9/feed")},
		{Name: "address-mapped", Row: 4, Want: "blocked_address", About: "a private IPv4 address written as IPv6",
			link: at("http://[::ffff:10.0.0.1]:9/feed")},
		{Name: "address-nat64", Row: 4, Want: "blocked_address", About: "10.0.0.1 behind the NAT64 prefix",
			link: at("http://[64:ff9b::a00:1]:9/feed")},
		{Name: "address-metadata", Row: 2, Want: "blocked_address", About: "169.254.169.254, where clouds keep credentials",
			link: at("http://169.254.169.254:9/feed")},
		{Name: "address-private", Row: 1, Want: "blocked_address", About: "10.0.0.1",
			link: at("http://10.0.0.1:9/feed")},
		{Name: "port-closed", Row: 25, Want: "connect", About: "port 1 of the host, where nothing listens",
			link: func(_ Stage, host netip.Addr, path string) string { return "http://" + host.String() + ":1" + path }},
	}
}

// redirect plays a redirect to a fixed place.
func redirect(code int, location string) func(*exchange) {
	return func(x *exchange) { x.redirect(code, location) }
}

func (x *exchange) redirect(code int, location string) {
	x.w.Header().Set("Location", location)
	x.w.WriteHeader(code)
}

// next redirects to a step of the case.
func (x *exchange) next(code int, step string) { x.redirect(code, x.path(step)) }

// elsewhere returns the URL of a step of the case on another host, or on
// another name of the same one where there is but one.
func (x *exchange) elsewhere(step string) string {
	other := x.stage.Host(FirstHost + 1<<12)
	url := x.stage.URL(other, x.path(step))
	if other == x.c.host {
		return strings.Replace(url, other.String(), "localhost", 1)
	}
	return url
}

// chain plays a number of redirects and then a feed.
func chain(hops int) func(*exchange) {
	return func(x *exchange) {
		n, _ := strconv.Atoi(x.step) // the first request has no step and is 0
		if n >= hops {
			x.sendRSS()
			return
		}
		x.next(http.StatusFound, strconv.Itoa(n+1))
	}
}

// via plays a redirect of that status to a step of the case, and then what is there.
func via(code int, there func(*exchange)) func(*exchange) {
	return steps(func(x *exchange) { x.next(code, "there") }, there)
}

// abroad redirects to another host of the origin, where there answers.
func abroad(code int, there func(*exchange)) func(*exchange) {
	return steps(func(x *exchange) { x.redirect(code, x.elsewhere("there")) }, there)
}

// steps plays first what the case begins with, and then what its steps have.
func steps(first, then func(*exchange)) func(*exchange) {
	return func(x *exchange) {
		if x.step == "" {
			first(x)
		} else {
			then(x)
		}
	}
}

// unless plays a feed to who does not send a header, and 400 to who does.
func unless(header, why string) func(*exchange) {
	return func(x *exchange) {
		if x.r.Header[header] != nil {
			x.fail(http.StatusBadRequest, why)
			return
		}
		x.sendRSS()
	}
}

// redirectCases are redirects that lead nowhere, and how far one is followed.
func redirectCases() []Case {
	return []Case{
		{Name: "redirect-private", Row: 5, Want: "blocked_address redirect", About: "302 to 10.0.0.1",
			play: redirect(302, "http://10.0.0.1:9/feed")},
		{Name: "redirect-metadata", Row: 5, Want: "blocked_address redirect", About: "302 to 169.254.169.254",
			play: redirect(302, "http://169.254.169.254:9/feed")},
		{Name: "redirect-file", Row: 5, Want: "blocked_scheme redirect", About: "302 to file:///etc/passwd",
			play: redirect(302, "file:///etc/passwd")},
		{Name: "redirect-gopher", Row: 5, Want: "blocked_scheme redirect", About: "302 to gopher:",
			play: redirect(302, "gopher://127.0.0.1:70/1feed")},
		{Name: "redirect-ftp", Row: 5, Want: "blocked_scheme redirect", About: "302 to ftp:",
			play: redirect(302, "ftp://127.0.0.1/feed.xml")},
		{Name: "redirect-loop", Row: 6, Want: "redirect", About: "302 to itself, by way of another path",
			play: via(302, func(x *exchange) { x.redirect(302, "/hostile/"+x.c.Name) })},
		{Name: "redirect-chain", Row: 6, Want: "redirect", About: "six redirects, then a feed", play: chain(6)},
		{Name: "redirect-five", Want: "ok", About: "five redirects, then a feed", play: chain(5)},
		{Name: "redirect-nowhere", Want: "redirect http_error", About: "302 without Location",
			play: func(x *exchange) { x.w.WriteHeader(302) }},
		{Name: "redirect-garbage", Want: "redirect http_error", About: "302 to something that is no URL",
			play: redirect(302, "http://[broken:%zz/")},
		{Name: "redirect-huge", Want: "redirect header_too_large", About: "302 to a URL of 60,000 bytes, again and again",
			play: func(x *exchange) { x.next(302, "x?"+strings.Repeat("x", 60_000)) }},
	}
}

// movedCases are redirects to a feed, and what may be asked and believed there.
func movedCases() []Case {
	return []Case{
		{Name: "moved", Row: 7, Want: "ok", About: "301 to another path", play: via(301, (*exchange).sendRSS)},
		{Name: "moved-308", Row: 7, Want: "ok", About: "308 to another path", play: via(308, (*exchange).sendRSS)},
		{Name: "found", Row: 7, Want: "ok", About: "302 to another path, which must not become the feed's URL", play: via(302, (*exchange).sendRSS)},
		{Name: "see-other", Row: 7, Want: "ok", About: "303 to another path", play: via(303, (*exchange).sendRSS)},
		{Name: "moved-host", Row: 7, Want: "ok", About: "301 to another host", play: abroad(301, (*exchange).sendRSS)},
		{Name: "moved-error", Row: 7, Want: "http_error", About: "301 to an error page, which must not become the feed's URL",
			play: via(301, answers(404))},
		{Name: "redirect-cookie", Want: "ok", About: "302 that sets a cookie and expects it at the other end",
			play: func(x *exchange) {
				if c, err := x.r.Cookie("seen"); x.step != "" && err == nil && c.Value == "1" {
					x.sendRSS()
					return
				}
				http.SetCookie(x.w, &http.Cookie{Name: "seen", Value: "1", Path: "/"})
				x.next(302, "there")
			}},
		{Name: "redirect-referer", Want: "ok", About: "302 to a place that answers 400 to a Referer",
			play: via(302, unless("Referer", "no Referer, please"))},
		{Name: "redirect-credentials", Want: "ok", About: "302 to another host, which answers 400 to the password of the first",
			link: withPassword, play: abroad(302, unless("Authorization", "not my password"))},
	}
}

// withPassword returns the usual URL with a name and a password in it.
func withPassword(s Stage, host netip.Addr, path string) string {
	return strings.Replace(s.URL(host, path), "http://", "http://reader:secret@", 1)
}
