package fetch

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"

	"feedmill/internal/feeds"
)

// maxRedirects bounds the hops of one refresh.
const maxRedirects = 5

// A trail is the way of one refresh over redirects: where it is, what it has
// seen, and what it took along.
type trail struct {
	home feeds.URLParts // the job's URL, with its credentials
	own  string         // the same without them
	at   string         // the URL that is asked now, normalized, without userinfo
	hops int

	seen      map[string]bool // URLs with the cookies they were asked with
	cookies   *cookiejar.Jar  // nil while there are none
	permanent bool            // every hop so far was permanent
	moved     string          // where the leading permanent hops end
}

// newTrail begins a trail at a job's URL.
func newTrail(raw string) (*trail, *feeds.Failure) {
	home, err := feeds.NormalizeURL(raw)
	if err != nil {
		return nil, err.(*feeds.Failure)
	}
	own := feeds.WithoutUser(home)
	return &trail{home: feeds.SplitURL(home), own: own, at: own, permanent: true}, nil
}

// statusText returns a status as people know it, never in the server's words.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return strconv.Itoa(status) + " " + text
	}
	return strconv.Itoa(status)
}

// isRedirect reports whether status leads elsewhere.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow goes on to where resp points, or says why not.
func (t *trail) follow(resp *http.Response, base *url.URL) *feeds.Failure {
	next, f := location(resp, base)
	if f != nil {
		return f
	}
	target, err := url.Parse(next)
	if err != nil { // NormalizeURL has parsed it
		return feeds.Failf(feeds.Redirect, "to what is no URL")
	}
	from, to := feeds.SplitURL(t.at), feeds.SplitURL(next)
	if from.Scheme == "https" && to.Scheme == "http" {
		return &feeds.Failure{Class: feeds.Redirect, Detail: "from https to plain http: " + feeds.Clip(next, 200)}
	}
	if t.hops++; t.hops > maxRedirects {
		return &feeds.Failure{Class: feeds.Redirect, Detail: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	if t.seen == nil {
		t.seen = map[string]bool{t.at + "\x00": true}
	}
	t.keepCookies(resp, base)
	if visit := next + "\x00" + t.cookieHeader(target); t.seen[visit] {
		return &feeds.Failure{Class: feeds.Redirect, Detail: "a loop at " + feeds.Clip(next, 200)}
	} else {
		t.seen[visit] = true
	}
	permanent := resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusPermanentRedirect
	if t.permanent = t.permanent && permanent; t.permanent {
		t.moved = t.withAuth(to)
	}
	t.at = next
	return nil
}

// location returns the normalized target of a redirect, without userinfo: no
// server may make us log in somewhere.
func location(resp *http.Response, base *url.URL) (string, *feeds.Failure) {
	raw := resp.Header.Get("Location")
	if raw == "" {
		return "", &feeds.Failure{Class: feeds.Redirect, Detail: statusText(resp.StatusCode) + " without a Location"}
	}
	if scheme, rest, ok := strings.Cut(raw, ":///"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		raw = scheme + "://" + strings.TrimLeft(rest, "/")
	}
	ref, err := base.Parse(escapeTarget(raw))
	if err != nil {
		return "", &feeds.Failure{Class: feeds.Redirect, Detail: statusText(resp.StatusCode) + " to what is no URL"}
	}
	ref.User = nil
	next, err := feeds.NormalizeURL(ref.String())
	if err != nil {
		f := *err.(*feeds.Failure)
		f.Detail = "redirect to " + f.Detail
		if ref.Scheme == "http" || ref.Scheme == "https" {
			f.Class = feeds.Redirect // only what else is wrong with it
		}
		return "", &f
	}
	return next, nil
}

// withAuth returns a URL with the job's credentials if it is one of theirs.
func (t *trail) withAuth(p feeds.URLParts) string {
	if t.home.HasUser && p.Origin() == t.home.Origin() {
		p.User, p.HasUser = t.home.User, true
	}
	return p.String()
}

// movedTo returns where the leading permanent redirects end, or "" when there
// were none or they came back to the start.
func (t *trail) movedTo() string {
	if t.moved == t.home.String() {
		return ""
	}
	return t.moved
}

// escapeTarget escapes what a URL must not have, byte for byte, and nothing else:
// a server may tell apart %2F and /, or %e9 and %E9. net/url escapes all of a path
// anew as soon as it has one byte that it must.
func escapeTarget(raw string) string {
	const forbidden = "\"<>\\^`{|}" // in a path; a query may have them
	path := true
	var b strings.Builder
	copied := 0
	for i := range len(raw) {
		c := raw[i]
		path = path && c != '?'
		if c > ' ' && c < 0x7f && !(path && strings.IndexByte(forbidden, c) >= 0) {
			continue
		}
		fmt.Fprintf(&b, "%s%%%02X", raw[copied:i], c)
		copied = i + 1
	}
	if copied == 0 {
		return raw
	}
	return b.String() + raw[copied:]
}
