package fetch

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
)

const (
	// maxValidator bounds an ETag or Last-Modified, in bytes.
	maxValidator = 1 << 10
	// maxAsked bounds what a server may ask for here, so that no sum with it
	// overflows. Whoever plans the next request has closer bounds.
	maxAsked = 366 * 24 * time.Hour
)

// renew returns the validators to store after a 200 or 226: those of the
// answer, which url gave if that is not the feed's own, and none where it has none.
// Sending back an old one would make the server compare with what it does not serve
// any more.
func renew(h http.Header, url string) feeds.Validators {
	v := feeds.Validators{ETag: usable(h.Get("Etag")), LastModified: usable(h.Get("Last-Modified"))}
	if v != (feeds.Validators{}) {
		v.URL = url
	}
	return v
}

// confirm returns the validators to store after a 304: each that the answer
// renews, and else the one that was sent (RFC 9111, section 4.3.4).
func confirm(sent feeds.Validators, h http.Header) feeds.Validators {
	sent.ETag = cmp.Or(usable(h.Get("Etag")), sent.ETag)
	sent.LastModified = cmp.Or(usable(h.Get("Last-Modified")), sent.LastModified)
	return sent
}

// usable returns v if it may be sent in a header, byte for byte, and else "". A value
// with white space around it would not arrive as it is.
func usable(v string) string {
	if len(v) > maxValidator || !httpguts.ValidHeaderFieldValue(v) || strings.TrimSpace(v) != v {
		return ""
	}
	return v
}

// maxAge returns how long after now the answer stays fresh: max-age, or else
// Expires as the distance from Date, less the Age it already has (RFC 9111,
// section 4.2). no-cache and no-store ask nothing, unless it is of some headers
// alone, and neither does what cannot be read.
func maxAge(h http.Header, now time.Time) time.Duration {
	age, found := time.Duration(0), false
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache", "no-store":
				if value == "" {
					return 0
				}
			case "max-age":
				if found {
					continue // the first one counts
				}
				age, found = seconds(strings.Trim(strings.TrimSpace(value), `"`))
			}
		}
	}
	if expires, ok := parseDate(h.Get("Expires")); ok && !found { // "0" and the like: already stale
		age = clampAsked(expires.Sub(answerDate(h, now)))
	}
	spent, _ := seconds(h.Get("Age"))
	return clampAsked(age - spent)
}

// retryAfter returns how long the server wants to be left alone, and whether
// it said so: seconds, or a date as the distance from the answer's Date (RFC
// 9110, section 10.2.3). What is in the past asks for 0.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.Trim(h.Get("Retry-After"), `" `)
	if d, ok := seconds(strings.TrimPrefix(v, "-")); ok && !strings.ContainsAny(v, "mMhHyY") { // as minutes, hours and days have
		if v[0] == '-' {
			d = 0
		}
		return d, true
	}
	date, ok := parseDate(v)
	if !ok {
		return 0, false
	}
	return clampAsked(date.Sub(answerDate(h, now))), true
}

// answerDate returns the answer's Date, which differences with other dates of
// the same server are taken from, so that its clock may be wrong; now if it has
// none.
func answerDate(h http.Header, now time.Time) time.Time {
	if date, ok := parseDate(h.Get("Date")); ok {
		return date
	}
	return now
}

// parseDate reads a date in any form that servers write it in: HTTP has three, and
// what writes cookies or sends people away has more. What has no time of day is none:
// a number alone, as of seconds, would be a year.
func parseDate(s string) (time.Time, bool) {
	unix, ok := new(date.Reader).Read(s)
	return time.Unix(unix, 0), ok && strings.Contains(s, ":")
}

// seconds reads a number of whole seconds, behind which there may be parts of one, a
// word or the number again, as long as it is no date. One that is too large is a long
// time.
func seconds(s string) (time.Duration, bool) {
	end := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if end == 0 || end < len(s) && !strings.ContainsAny(s[end:end+1], " .,;") || strings.Contains(s, ":") {
		return 0, false
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil || n > int64(maxAsked/time.Second) {
		return maxAsked, true
	}
	return time.Duration(n) * time.Second, true
}

func clampAsked(d time.Duration) time.Duration {
	return min(max(d, 0), maxAsked)
}

// rateLimit reports whether an answer asks for a pause, for how long, and in
// what words to say so: any 429, and any other error that says when to come back,
// as GitHub does with 403, unless it is about a document that is not there, or of
// somebody on the way to the server.
func rateLimit(resp *http.Response, now time.Time) (limited bool, after time.Duration, why string) {
	switch s := resp.StatusCode; {
	case s < 400, s == http.StatusNotFound, s == http.StatusGone, s == http.StatusProxyAuthRequired, s == http.StatusNetworkAuthenticationRequired:
		return false, 0, ""
	}
	after, asked := retryAfter(resp.Header, now)
	if !asked {
		return resp.StatusCode == http.StatusTooManyRequests, 0, statusText(resp.StatusCode)
	}
	return true, after, statusText(resp.StatusCode) + ", retry after " + after.String()
}
