package fetch

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"feedmill/internal/feeds"
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

// maxAge returns how long after now the answer stays fresh: max-age less the
// Age it already has, else Expires as the distance from Date (RFC 9111,
// section 4.2). no-cache and no-store ask nothing, and neither does what
// cannot be read.
func maxAge(h http.Header, now time.Time) time.Duration {
	age, found := time.Duration(0), false
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache", "no-store":
				return 0
			case "max-age":
				if found {
					continue // the first one counts
				}
				age, found = seconds(strings.Trim(strings.TrimSpace(value), `"`))
			}
		}
	}
	if found {
		spent, _ := seconds(h.Get("Age"))
		return max(0, age-spent)
	}
	value := h.Get("Expires")
	if value == "" {
		return 0
	}
	expires, err := http.ParseTime(value)
	if err != nil {
		return 0 // "0" and the like: already stale
	}
	return clampAsked(expires.Sub(answerDate(h, now)))
}

// retryAfter returns how long the server wants to be left alone, and whether
// it said so: seconds, or a date as the distance from the answer's Date (RFC
// 9110, section 10.2.3). What is in the past asks for 0.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if d, ok := seconds(v); ok {
		return d, true
	}
	if digits, ok := strings.CutPrefix(v, "-"); ok {
		_, ok := seconds(digits)
		return 0, ok
	}
	date, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return clampAsked(date.Sub(answerDate(h, now))), true
}

// answerDate returns the answer's Date, which differences with other dates of
// the same server are taken from, so that its clock may be wrong; now if it has
// none.
func answerDate(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// seconds reads a number of seconds; one that is too large is a long time.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > int64(maxAsked/time.Second) {
		return maxAsked, true
	}
	return time.Duration(n) * time.Second, true
}

func clampAsked(d time.Duration) time.Duration {
	return min(max(d, 0), maxAsked)
}

// rateLimit reports whether an answer asks for a pause, for how long, and in
// what words to say so: any 429, and a 503 that says when to come back.
func rateLimit(resp *http.Response, now time.Time) (limited bool, after time.Duration, why string) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return false, 0, ""
	}
	after, asked := retryAfter(resp.Header, now)
	if !asked {
		return resp.StatusCode == http.StatusTooManyRequests, 0, statusText(resp.StatusCode)
	}
	return true, after, statusText(resp.StatusCode) + ", retry after " + after.String()
}
