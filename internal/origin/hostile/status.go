package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// answers plays a bare status with headers, given as name, value, ...
func answers(code int, headers ...string) func(*exchange) {
	return func(x *exchange) {
		for i := 0; i+1 < len(headers); i += 2 {
			x.w.Header().Set(headers[i], headers[i+1])
		}
		x.fail(code, http.StatusText(code))
	}
}

// status plays a body with another status than 200, though it is all there.
func status(code int, contentType, body string) func(*exchange) {
	return func(x *exchange) {
		x.w.Header().Set("Content-Type", contentType)
		x.w.WriteHeader(code)
		x.w.Write([]byte(body))
	}
}

// validated plays a feed with a validator, and 304 to who sends back just that.
func validated(name, value, asked string) func(*exchange) {
	return func(x *exchange) {
		if x.r.Header.Get(asked) == value {
			x.w.WriteHeader(304)
			return
		}
		x.w.Header().Set(name, value)
		x.sendRSS()
	}
}

// loginPage is a page that links to a feed and is none.
const loginPage = `<!DOCTYPE html>
<html lang="en"><head><title>Please log in</title>
<link rel="alternate" type="application/rss+xml" title="Posts" href="/hostile/moved/there">
</head><body><form method="post"><input name="password" type="password"></form></body></html>
`

// challengePage looks like what protects sites from robots.
const challengePage = `<!DOCTYPE html>
<html><head><title>Just a moment...</title><noscript>Enable JavaScript and cookies to continue</noscript></head></html>
`

// limitedCases are servers that ask to be left alone.
func limitedCases() []Case {
	limited := func(name, value, about string) Case {
		return Case{Name: name, Row: 16, Want: "rate_limited", About: "429 with Retry-After: " + about,
			play: answers(429, "Retry-After", value)}
	}
	return []Case{
		limited("limited-hour", "3600", "3600"),
		limited("limited-aeon", "1000000000000", "1000000000000"),
		limited("limited-negative", "-5", "-5"),
		limited("limited-1970", "Thu, 01 Jan 1970 00:00:00 GMT", "a date in 1970"),
		limited("limited-words", "soon", "soon"),
		{Name: "limited-date", Row: 16, Want: "rate_limited", About: "429 with Retry-After: a date in an hour, by a clock that is a day slow",
			play: func(x *exchange) {
				now := time.Now().Add(-24 * time.Hour).UTC()
				x.w.Header().Set("Date", now.Format(http.TimeFormat))
				x.w.Header().Set("Retry-After", now.Add(time.Hour).Format(http.TimeFormat))
				x.fail(429, "later")
			}},
		{Name: "limited-bare", Row: 16, Want: "rate_limited", About: "429 without Retry-After", play: answers(429)},
		{Name: "busy-hour", Row: 16, Want: "rate_limited", About: "503 with Retry-After: 3600", play: answers(503, "Retry-After", "3600")},
	}
}

// statusCases are other statuses than 200, and 200 where it is no feed.
func statusCases() []Case {
	return []Case{
		{Name: "busy", Row: 17, Want: "http_error", About: "503 without Retry-After", play: answers(503)},
		{Name: "error-500", Row: 17, Want: "http_error", About: "500", play: answers(500)},
		{Name: "error-404", Row: 17, Want: "http_error", About: "404", play: answers(404)},
		{Name: "error-401", Row: 17, Want: "http_error", About: "401 to whoever has no password", play: answers(401, "WWW-Authenticate", `Basic realm="feeds"`)},
		{Name: "error-feed", Row: 17, Want: "http_error", About: "500 with a whole feed as its body",
			play: status(500, typeRSS, soundRSS())},
		{Name: "status-999", Row: 17, Want: "http_error", About: "status 999, which some sites send to robots",
			play: prints("HTTP/1.1 999 Request denied\r\nConnection: close\r\n\r\n")},
		{Name: "status-206", Row: 17, Want: "http_error truncated parse", About: "206 with a part that nobody asked for",
			play: func(x *exchange) {
				x.w.Header().Set("Content-Range", "bytes 0-199/9999")
				x.w.WriteHeader(206)
				x.w.Write([]byte(soundRSS())[:200])
			}},
		{Name: "status-204", Row: 20, Want: "not_a_feed http_error", About: "204", play: func(x *exchange) { x.w.WriteHeader(204) }},
		{Name: "challenge", Row: 17, Want: "http_error", About: "403 with a page that tells robots from people",
			play: status(403, typeHTML, challengePage)},
		{Name: "password", Want: "ok", About: "401, except to the name and password in the URL", link: withPassword,
			play: func(x *exchange) {
				if name, password, ok := x.r.BasicAuth(); ok && name == "reader" && password == "secret" {
					x.sendRSS()
					return
				}
				x.w.Header().Set("WWW-Authenticate", `Basic realm="feeds"`)
				x.fail(401, "who are you?")
			}},
		{Name: "gone", Row: 18, Want: "gone", About: "410", play: answers(410)},
		{Name: "unasked-304", Row: 19, Want: "http_error", About: "304 although the request had no validators",
			play: func(x *exchange) { x.w.WriteHeader(304) }},
		{Name: "body-304", Row: 19, Want: "ok not_modified", About: "a feed with an ETag, then 304 with a body that must not be there",
			play: func(x *exchange) {
				if x.r.Header["If-None-Match"] == nil {
					x.w.Header().Set("ETag", `"304"`)
					x.sendRSS()
					return
				}
				raw(func(w *wire, x *exchange) {
					w.print("HTTP/1.1 304 Not Modified\r\nETag: \"304\"\r\nContent-Length: 5\r\n\r\n<rss>")
				})(x)
			}},
		{Name: "empty", Row: 20, Want: "not_a_feed", About: "200 with an empty body", play: text(typeRSS, "")},
		{Name: "blank", Row: 20, Want: "not_a_feed", About: "200 with white space alone", play: text(typeRSS, strings.Repeat(" \n", 500))},
		{Name: "login", Row: 21, Want: "not_a_feed", About: "200 with a page to log in, which links to a feed", play: text(typeHTML, loginPage)},
		{Name: "login-as-rss", Row: 21, Want: "not_a_feed", About: "the same page, said to be RSS", play: text(typeRSS, loginPage)},
		{Name: "captcha", Row: 21, Want: "not_a_feed", About: "200 with a page that tells robots from people", play: text(typeHTML, challengePage)},
	}
}

// validatorCases are odd ETags and dates, and cookies. They are feeds.
func validatorCases() []Case {
	tagged := func(name string, row int, want, about, etag string) Case {
		return Case{Name: name, Row: row, Want: want, About: about, play: prints(okHead + "ETag: " + etag + "\r\n\r\n" + soundRSS())}
	}
	return []Case{
		tagged("etag-1mb", 22, "header_too_large ok", "an ETag of 1 MB", `"`+strings.Repeat("x", 1<<20)+`"`),
		tagged("etag-2kb", 22, "ok", "an ETag of 2 KB, too long to be sent back", `"`+strings.Repeat("x", 2<<10)+`"`),
		tagged("etag-illegal", 22, "http_error ok", "an ETag with control characters", "\"a\x01b\x7fc\""),
		tagged("etag-bytes", 22, "ok", "an ETag with bytes above 127 and no quotes", "caf\xe9-\xff"),
		tagged("etag-folded", 22, "ok http_error", "an ETag over two lines", "\"a\r\n b\""),
		{Name: "etag-weak", Want: "ok", About: "an ETag of w/\"1\", expected back as it is", play: validated("ETag", `w/"1"`, "If-None-Match")},
		{Name: "modified-words", Row: 22, Want: "ok", About: "Last-Modified: yesterday, expected back as it is",
			play: validated("Last-Modified", "yesterday", "If-Modified-Since")},
		{Name: "etag-restless", Row: 23, Want: "ok unchanged", About: "the same body each time, with a new ETag",
			play: func(x *exchange) {
				x.w.Header().Set("ETag", fmt.Sprintf(`"%d"`, x.hit))
				x.sendRSS()
			}},
		{Name: "latched-304", Row: 19, Want: "ok not_modified", About: "new items each time, but 304 for ever to who sends an ETag",
			play: func(x *exchange) {
				if x.r.Header["If-None-Match"] != nil {
					x.w.WriteHeader(304)
					return
				}
				x.w.Header().Set("ETag", `"latched"`)
				x.send(typeRSS, []byte(rss(items(int(x.hit)+2, int(x.hit))...)))
			}},
		{Name: "delta-226", Want: "ok", About: "226 with the new item alone to who sends A-IM: feed and an ETag",
			play: func(x *exchange) {
				x.w.Header().Set("ETag", fmt.Sprintf(`"%d"`, x.hit))
				n := int(x.hit)
				if x.r.Header["If-None-Match"] == nil || !strings.Contains(x.r.Header.Get("A-IM"), "feed") {
					x.send(typeRSS, []byte(rss(items(n+2, n)...)))
					return
				}
				x.w.Header().Set("IM", "feed")
				x.w.Header().Set("Content-Type", typeRSS)
				x.w.WriteHeader(226)
				x.w.Write([]byte(rss(item(n + 2))))
			}},
		{Name: "cookie", Want: "ok unchanged", About: "sets a cookie and answers 400 to who brings it back",
			play: func(x *exchange) {
				http.SetCookie(x.w, &http.Cookie{Name: "track", Value: "me", Path: "/"})
				unless("Cookie", "no cookies, please")(x)
			}},
	}
}
