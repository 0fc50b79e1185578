package hostile

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// okHead begins an answer whose end is the end of the connection.
const okHead = "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\n"

// maxFlood is how many bytes an answer without end has in the end.
const maxFlood = 256 << 20

// wireCases are answers that are late, slow, cut or never end.
func wireCases() []Case {
	s := soundRSS()
	sized := func(length, sent int) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, length, s[:sent])
	}
	const chunked = okHead + "Transfer-Encoding: chunked\r\n\r\n"
	return []Case{
		{Name: "silent", Row: 8, Want: "timeout", About: "takes the request and never answers",
			play: raw(func(w *wire, x *exchange) { w.hold() })},
		{Name: "half-head", Row: 8, Want: "timeout", About: "stops in the middle of the response headers",
			play: raw(func(w *wire, x *exchange) { w.print("HTTP/1.1 200 OK\r\nContent-Ty"); w.hold() })},
		{Name: "drip-head", Row: 8, Want: "timeout", About: "sends the response headers at one byte a second",
			play: raw(func(w *wire, x *exchange) { w.drip(okHead + "X-Filler: " + strings.Repeat("x", 100)) })},
		{Name: "drip-body", Row: 9, Want: "slow timeout", About: "sends the body at one byte a second",
			play: raw(func(w *wire, x *exchange) { w.print(okHead + "\r\n"); w.drip(s) })},
		{Name: "stall-body", Row: 9, Want: "slow timeout", About: "sends half of the body and no more, and holds the connection",
			play: raw(func(w *wire, x *exchange) { w.print(okHead + "\r\n" + s[:len(s)/2]); w.hold() })},
		{Name: "close-early", Row: 15, Want: "connect", About: "closes the connection instead of an answer",
			play: raw(func(w *wire, x *exchange) {})},
		{Name: "reset-early", Row: 15, Want: "connect", About: "resets the connection instead of an answer",
			play: raw(func(w *wire, x *exchange) { w.Reset() })},
		{Name: "reset-body", Row: 15, Want: "truncated connect", About: "resets the connection in the middle of the body",
			play: raw(func(w *wire, x *exchange) {
				w.print(sized(len(s), len(s)/2))
				w.wait(200 * time.Millisecond) // else the reset overtakes the bytes
				w.Reset()
			})},
		{Name: "length-long", Row: 14, Want: "ok", About: "Content-Length is larger than the body, which is a whole feed",
			play: prints(sized(len(s)+100, len(s)))},
		{Name: "length-short", Row: 14, Want: "truncated parse", About: "Content-Length is smaller than the body, and cuts it in an item",
			play: prints(sized(len(s)-60, len(s)))},
		{Name: "length-negative", Want: "http_error truncated", About: "Content-Length: -1",
			play: prints(sized(-1, len(s)))},
		{Name: "chunked-cut", Row: 14, Want: "ok", About: "the connection ends in the middle of a chunk, after a whole feed",
			play: prints(chunked + "1000\r\n" + s)},
		{Name: "chunks-of-one", Row: 13, Want: "http_error", About: "40 MiB of a body in chunks of a byte each",
			play: raw(func(w *wire, x *exchange) {
				w.print(chunked + "5\r\n<rss>\r\n")
				many := bytes.Repeat([]byte("1\r\n \r\n"), 8<<10)
				w.flood(240<<20, func() []byte { return many })
			})},
		{Name: "chunked-bad", Row: 15, Want: "truncated", About: "the length of a chunk is no number",
			play: prints(chunked + "5\r\n<rss>\r\nzz\r\n</rss>")},
		{Name: "not-http", Want: "http_error", About: "answers with a line that is no HTTP",
			play: prints("220 mail.example.org ESMTP ready\r\n")},
	}
}

// sizeOfAnswerCases are answers of too many bytes, in the headers or after.
func sizeOfAnswerCases() []Case {
	return []Case{
		{Name: "endless-body", Row: 10, Want: "too_large", About: "a feed whose items never end, without Content-Length",
			play: raw(func(w *wire, x *exchange) {
				head, _, _ := strings.Cut(rss("\x00"), "\x00")
				w.print(okHead + "\r\n" + head)
				n := 0
				w.flood(maxFlood, func() []byte {
					var b []byte
					for range 200 {
						n++
						b = append(b, item(n)...)
					}
					return b
				})
			})},
		{Name: "length-huge", Row: 10, Want: "too_large", About: "announces a terabyte and begins to send it",
			play: raw(func(w *wire, x *exchange) {
				w.print(okHead + "Content-Length: 1099511627776\r\n\r\n")
				block := []byte(strings.Repeat(item(1), 400))
				w.flood(64<<20, func() []byte { return block })
			})},
		{Name: "headers-10mb", Row: 13, Want: "header_too_large", About: "ten headers of a megabyte each",
			play: raw(func(w *wire, x *exchange) {
				w.print(okHead)
				for i := range 10 {
					w.print(fmt.Sprintf("X-Filler-%d: %s\r\n", i, strings.Repeat("x", 1<<20)))
				}
				w.print("\r\n" + soundRSS())
			})},
		{Name: "headers-100k", Row: 13, Want: "header_too_large", About: "a hundred thousand header lines",
			play: raw(func(w *wire, x *exchange) {
				w.print(okHead)
				for i := 0; i < 100_000 && w.ok(); i += 100 {
					var b []byte
					for n := range 100 {
						b = fmt.Appendf(b, "X-%d: y\r\n", i+n)
					}
					w.send(b)
				}
				w.print("\r\n" + soundRSS())
			})},
		{Name: "endless-1xx", Row: 13, Want: "header_too_large connect timeout", About: "interim responses (103) without end",
			play: raw(func(w *wire, x *exchange) {
				block := []byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n", 50))
				w.flood(maxFlood, func() []byte { return block })
			})},
	}
}
