package fetch

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// headers reads "Key: value" lines.
func headers(lines string) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(lines, "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok {
			h.Add(k, strings.TrimSpace(v))
		}
	}
	return h
}

func TestFreshnessIsCountedFromTheAnswer(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		headers string
		want    time.Duration
	}{
		{"", 0},
		{"Cache-Control: max-age=60", time.Minute},
		{"Cache-Control: public, MAX-AGE = \"60\"", time.Minute},
		{"Cache-Control: public\nCache-Control: max-age=60", time.Minute},
		{"Cache-Control: max-age=60, max-age=90", time.Minute},
		{"Cache-Control: max-age=60, no-cache", 0},
		{"Cache-Control: no-store\nExpires: Fri, 02 Jan 2026 04:04:05 GMT", 0},
		{"Cache-Control: max-age=0\nExpires: Fri, 02 Jan 2026 04:04:05 GMT", 0},
		{"Cache-Control: max-age=soon\nExpires: Fri, 02 Jan 2026 04:04:05 GMT", time.Hour},
		{"Cache-Control: max-age=-1", 0},
		{"Cache-Control: s-maxage=60", 0},
		{"Cache-Control: max-age=99999999999999999999", maxAsked},
		{"Cache-Control: max-age=3600\nAge: 600", 50 * time.Minute},
		{"Cache-Control: max-age=60\nAge: 600", 0},
		{"Expires: Fri, 02 Jan 2026 04:04:05 GMT", time.Hour},
		{"Expires: Fri, 02 Jan 2026 04:04:05 GMT\nDate: Fri, 02 Jan 2026 04:00:00 GMT", 4*time.Minute + 5*time.Second},
		{"Expires: Fri, 02 Jan 2026 04:04:05 GMT\nDate: whenever", time.Hour},
		{"Expires: Fri, 02 Jan 2026 04:04:05 GMT\nAge: 600", 50 * time.Minute},
		{"Expires: Fri, 02-Jan-26 04:04:05 GMT", time.Hour},
		{"Expires: Fri, 02 Jan 2026 04:04:05 UTC\nDate: Fri, 2 Jan 2026 4:03:05", time.Minute},
		{"Expires: 0", 0}, {"Expires: 3600", 0}, {"Expires: 1924992000", 0}, {"Expires: 20301231", 0},
		{"Expires: Fri, 02 Jan 2026 04:04:05 GMT\nDate: 2020", time.Hour},
		{"Cache-Control: no-cache=\"Set-Cookie, X-A\", max-age=60", time.Minute},
		{"Cache-Control: max-age=60 must-revalidate", time.Minute},
		{"Expires: Fri, 02 Jan 1970 04:04:05 GMT", 0},
		{"Expires: Fri, 02 Jan 9999 04:04:05 GMT", maxAsked},
	} {
		if got := maxAge(headers(tt.headers), now); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.headers, got, tt.want)
		}
	}
}

func TestRetryAfterIsCountedFromTheAnswer(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		headers string
		want    time.Duration
		ok      bool
	}{
		{"", 0, false},
		{"Retry-After:", 0, false},
		{"Retry-After: soon", 0, false},
		{"Retry-After: -", 0, false},
		{"Retry-After: 2h", 0, false}, {"Retry-After: 10 minutes", 0, false}, {"Retry-After: 1 hour", 0, false}, {"Retry-After: 2 Days", 0, false},
		{"Retry-After: 2026-01-02T04:04:05Z", time.Hour, true},
		{"Retry-After: 120.5", 2 * time.Minute, true},
		{"Retry-After: 120, 120", 2 * time.Minute, true},
		{"Retry-After: \"120\"", 2 * time.Minute, true},
		{"Retry-After: 120 seconds", 2 * time.Minute, true},
		{"Retry-After: -0.5", 0, true},
		{"Retry-After: Fri, 02 Jan 2026 04:04:05 UTC", time.Hour, true},
		{"Retry-After: 2 Jan 2026 04:04:05", time.Hour, true},
		{"Retry-After: Fri, 02 Jan 2026 06:04:05 +0200", time.Hour, true},
		{"Retry-After: 120", 2 * time.Minute, true},
		{"Retry-After: 0", 0, true},
		{"Retry-After: -5", 0, true},
		{"Retry-After: 1000000000000", maxAsked, true},
		{"Retry-After: Fri, 02 Jan 2026 04:04:05 GMT", time.Hour, true},
		{"Retry-After: Fri, 02 Jan 2026 04:04:05 GMT\nDate: Fri, 02 Jan 2026 04:04:00 GMT", 5 * time.Second, true},
		{"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", 0, true},
	} {
		if got, ok := retryAfter(headers(tt.headers), now); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v; want %v, %v", tt.headers, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzCaching(f *testing.F) {
	f.Add("max-age=60", "1", "Fri, 02 Jan 2026 04:04:05 GMT", "Fri, 02 Jan 2026 04:04:05 GMT", `W/"x"`)
	f.Add("no-cache,,=,max-age=\"", "-1", "0", "", "\x00")
	f.Fuzz(func(t *testing.T, control, after, expires, date, tag string) {
		h := http.Header{"Cache-Control": {control}, "Retry-After": {after}, "Expires": {expires}, "Date": {date}, "Age": {after}, "Etag": {tag}}
		if d := maxAge(h, time.Now()); d < 0 || d > maxAsked {
			t.Errorf("max age %v of %q", d, h)
		}
		if d, ok := retryAfter(h, time.Now()); d < 0 || d > maxAsked || !ok && d != 0 {
			t.Errorf("retry after %v, %v of %q", d, ok, h)
		}
		v := renew(h, "")
		if v.ETag != "" && v.ETag != tag {
			t.Errorf("ETag %q became %q", tag, v.ETag)
		}
		if v.ETag != usable(v.ETag) {
			t.Errorf("stored %q, but would not send it", v)
		}
	})
}
