package hostile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// zip returns s as one gzip member.
func zip(s string) []byte {
	var b bytes.Buffer
	w := gzipTo(&b)
	io.WriteString(w, s) // to memory: cannot fail
	w.Close()
	return b.Bytes()
}

// coded plays a body that is labelled with a Content-Encoding, whatever it
// is and whatever the client accepts.
func coded(label string, build func() []byte) func(*exchange) {
	return func(x *exchange) {
		x.w.Header().Set("Content-Encoding", label)
		x.send(typeRSS, build())
	}
}

// packed plays a large document in gzip to who accepts it, so that it passes
// the reader's bound on what comes over the wire.
func packed(contentType string, build func() string) func(*exchange) {
	return func(x *exchange) {
		body := []byte(build())
		if strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
			x.w.Header().Set("Content-Encoding", "gzip")
			body = zip(string(body))
		}
		x.send(contentType, body)
	}
}

// codingCases are faults of Content-Encoding.
func codingCases() []Case {
	return []Case{
		{Name: "gzip-bomb", Row: 11, Want: "bomb_ratio too_large", About: "100 KB of gzip that expand to 100 MiB",
			play: coded("gzip", gzipBomb)},
		{Name: "gzip-nested", Row: 11, Want: "bomb_ratio too_large", About: "the same bomb in gzip again, labelled once",
			play: coded("gzip", func() []byte { return zip(string(gzipBomb())) })},
		{Name: "br-bomb", Row: 11, Want: "bomb_ratio too_large encoding", About: "brotli that expands to 100 MiB",
			play: coded("br", brotliBomb)},
		{Name: "zstd-bomb", Row: 11, Want: "bomb_ratio too_large encoding", About: "zstd that expands to 100 MiB",
			play: coded("zstd", zstdBomb)},
		{Name: "zstd-window", Row: 11, Want: "encoding bomb_ratio too_large", About: "a zstd frame that asks for a window of 3.75 TiB",
			// Magic number, a frame header without content size, and the
			// largest window descriptor that there is (RFC 8878, 3.1.1.1.2).
			play: coded("zstd", func() []byte { return []byte("\x28\xb5\x2f\xfd\x00\xff\x19\x00\x00abc") })},
		{Name: "gzip-lie", Row: 12, Want: "encoding", About: "Content-Encoding: gzip on a plain body",
			play: coded("gzip", func() []byte { return []byte(soundRSS()) })},
		{Name: "encoding-unknown", Row: 12, Want: "ok", About: "Content-Encoding: x-rot13 on a plain body",
			play: coded("x-rot13", func() []byte { return []byte(soundRSS()) })},
		{Name: "gzip-cut", Row: 12, Want: "truncated encoding", About: "gzip that ends in the middle, its length declared right",
			play: coded("gzip", func() []byte { b := zip(soundRSS()); return b[:len(b)/2] })},
		{Name: "gzip-sum", Row: 12, Want: "encoding truncated", About: "gzip with a wrong checksum",
			play: coded("gzip", func() []byte {
				b := zip(soundRSS())
				b[len(b)-8] ^= 0xff
				return b
			})},
		{Name: "gzip-tail", Want: "ok", About: "gzip, and garbage after its end",
			play: coded("gzip", func() []byte { return append(zip(soundRSS()), "garbage"...) })},
		{Name: "gzip-members", Want: "ok", About: "one document in a hundred gzip members",
			play: coded("gzip", func() []byte {
				var b []byte
				s := soundRSS()
				for len(s) > 0 {
					n := min(len(s), 10)
					b = append(b, zip(s[:n])...)
					s = s[n:]
				}
				return b
			})},
		{Name: "gzip-twice", Want: "ok", About: "Content-Encoding: gzip, gzip, and so it is",
			play: coded("gzip, gzip", func() []byte { return zip(string(zip(soundRSS()))) })},
		{Name: "gzip-unlabelled", Want: "ok", About: "gzip without Content-Encoding, as feed.xml.gz is served",
			play: func(x *exchange) { x.send("application/gzip", zip(soundRSS())) }},
		{Name: "gzip-empty", Row: 20, Want: "not_a_feed", About: "gzip of nothing",
			play: coded("gzip", func() []byte { return zip("") })},
		{Name: "gzip-upper", Want: "ok", About: "Content-Encoding: GZIP",
			play: coded("GZIP", func() []byte { return zip(soundRSS()) })},
		{Name: "endless-gzip", Row: 11, Want: "bomb_ratio too_large", About: "gzip whose spaces never end",
			play: raw(func(w *wire, x *exchange) {
				w.print(okHead + "Content-Encoding: gzip\r\n\r\n")
				block := zip(strings.Repeat(" ", 1<<20)) // a member of its own
				w.send(zip(fmt.Sprintf("%s<rss version=\"2.0\"><channel>", xmlHead)))
				w.flood(1<<20, func() []byte { return block })
			})},
		idle("br", "empty blocks of metadata (RFC 7932, 9.2)", "\x0c", "\x06"),
		idle("zstd", "skippable frames with nothing in them (RFC 8878, 3.1.2)", "", "\x50\x2a\x4d\x18\x00\x00\x00\x00"),
		idle("deflate", "stored blocks of no byte (RFC 1951, 3.2.4)", "\x78\x9c", "\x00\x00\x00\xff\xff"),
		idle("gzip", "compressed blocks of no byte", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x02\x08\x20\x80\x00"),
	}
}

// idle returns the case of a coding that goes on and brings nothing: what repeats is
// legal as often as one likes, and a decoder that looks for a byte reads all of it.
func idle(coding, what, begin, repeated string) Case {
	return Case{Name: coding + "-idle", Row: 12, Want: "encoding", About: coding + " of nothing but " + what,
		play: raw(func(w *wire, x *exchange) {
			w.print(okHead + "Content-Encoding: " + coding + "\r\n\r\n" + begin)
			many := bytes.Repeat([]byte(repeated), 64<<10/len(repeated))
			w.flood(40<<20, func() []byte { return many })
		})}
}
