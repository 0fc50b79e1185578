package fetch

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// maxCookies bounds those of one answer. RFC 6265, section 6.1, wants 50 of a domain.
const maxCookies = 64

// keepCookies keeps what a redirect set, for this trail only. Some sites send
// every visitor without a cookie in circles, also by way of another host.
func (t *trail) keepCookies(resp *http.Response, from *url.URL) {
	lines := resp.Header["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	if t.cookies == nil {
		// The options are right, and then there is no error.
		t.cookies, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	}
	var set []*http.Cookie
	for _, line := range lines[:min(len(lines), maxCookies)] {
		if c := readCookie(line); c.Name != "" {
			set = append(set, c)
		}
	}
	t.cookies.SetCookies(from, set)
}

// cookieHeader returns the Cookie header for a request, or "".
func (t *trail) cookieHeader(to *url.URL) string {
	if t.cookies == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range t.cookies.Cookies(to) {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.Name + "=" + c.Value)
	}
	return b.String()
}

// readCookie reads a Set-Cookie line as a browser does (RFC 6265, section 5.2): the
// value is whatever stands there. A line that sets none has no name.
//
// Rejected: http.ParseSetCookie. It drops a value with a quote, a backslash or a letter
// beyond ASCII in it, as when it is JSON, puts others in quotes, and reads two forms of
// the dates by which cookies are deleted.
func readCookie(line string) *http.Cookie {
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return new(http.Cookie)
	}
	c := &http.Cookie{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path":
			c.Path = value
		case "domain":
			c.Domain = value
		case "secure":
			c.Secure = true
		case "max-age":
			if strings.Trim(strings.TrimPrefix(value, "-"), "0123456789") == "" && value != "" {
				n, _ := strconv.ParseInt(value, 10, 64) // one that is too large is as large as there are
				c.MaxAge = int(min(max(n, 0), int64(maxAsked/time.Second)))
				if n <= 0 {
					c.MaxAge = -1
				}
			}
		case "expires":
			if date, ok := parseDate(value); ok {
				c.Expires = date
			}
		}
	}
	return c
}
