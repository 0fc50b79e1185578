package feeds

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects bounds the hops of one refresh.
const maxRedirects = 5

// A trail is the way of one refresh over redirects: where it is, what it has
// seen, and what it took along.
type trail struct {
	home urlParts // the job's URL, with its credentials
	at   string   // the URL that is asked now, normalized, without userinfo
	hops int

	seen      map[string]bool // URLs with the cookies they were asked with
	cookies   map[string][]*http.Cookie
	permanent bool   // every hop so far was permanent
	moved     string // where the leading permanent hops end
}

// newTrail begins a trail at a normalized URL.
func newTrail(raw string) *trail {
	home := splitURL(raw)
	t := &trail{home: home, at: raw, permanent: true}
	if home.hasUser {
		home.user, home.hasUser = "", false
		t.at = home.String()
	}
	return t
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
func (t *trail) follow(resp *http.Response, base *url.URL) *Failure {
	next, f := location(resp, base)
	if f != nil {
		return f
	}
	from, to := splitURL(t.at), splitURL(next)
	if from.scheme == "https" && to.scheme == "http" {
		return &Failure{Class: Redirect, Detail: "from https to plain http: " + clip(next, 200)}
	}
	if t.hops++; t.hops > maxRedirects {
		return &Failure{Class: Redirect, Detail: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	if t.seen == nil {
		t.seen = map[string]bool{t.at + "\x00": true}
	}
	t.keepCookies(resp, from.host)
	if visit := next + "\x00" + t.cookieHeader(to); t.seen[visit] {
		return &Failure{Class: Redirect, Detail: "a loop at " + clip(next, 200)}
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
func location(resp *http.Response, base *url.URL) (string, *Failure) {
	raw := resp.Header.Get("Location")
	if raw == "" {
		return "", &Failure{Class: Redirect, Detail: statusText(resp.StatusCode) + " without a Location"}
	}
	ref, err := base.Parse(raw)
	if err != nil {
		return "", &Failure{Class: Redirect, Detail: statusText(resp.StatusCode) + " to what is no URL"}
	}
	ref.User = nil
	next, err := NormalizeURL(ref.String())
	if err != nil {
		f := *err.(*Failure)
		f.Detail = "redirect to " + f.Detail
		if ref.Scheme == "http" || ref.Scheme == "https" {
			f.Class = Redirect // only what else is wrong with it
		}
		return "", &f
	}
	return next, nil
}

// withAuth returns a URL with the job's credentials if it is one of theirs.
func (t *trail) withAuth(p urlParts) string {
	if t.home.hasUser && p.origin() == t.home.origin() {
		p.user, p.hasUser = t.home.user, true
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

// Bounds on what a redirect may make us carry.
const (
	maxCookies   = 16
	maxCookieLen = 4 << 10
)

// keepCookies keeps what a redirect set, for its host and for this trail only.
// Some sites send every visitor without a cookie in circles.
func (t *trail) keepCookies(resp *http.Response, host string) {
	if len(resp.Header["Set-Cookie"]) == 0 {
		return
	}
	if t.cookies == nil {
		t.cookies = make(map[string][]*http.Cookie)
	}
	for _, c := range resp.Cookies() {
		kept := t.cookies[host][:0]
		for _, old := range t.cookies[host] {
			if old.Name != c.Name {
				kept = append(kept, old)
			}
		}
		if c.MaxAge >= 0 && len(kept) < maxCookies && len(c.Name)+len(c.Value) <= maxCookieLen {
			kept = append(kept, c)
		}
		t.cookies[host] = kept
	}
}

// cookieHeader returns the Cookie header for a request, or "".
func (t *trail) cookieHeader(to urlParts) string {
	var b strings.Builder
	for _, c := range t.cookies[to.host] {
		if c.Secure && to.scheme != "https" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.Name + "=" + c.Value)
	}
	return b.String()
}
