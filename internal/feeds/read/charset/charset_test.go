package charset

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"feedmill/internal/feeds"
)

// FuzzCharset promises that what comes out is UTF-8 without what XML forbids,
// that doing it twice changes nothing, that the input stays as it was, and
// that text which was fine comes out as it went in.
func FuzzCharset(f *testing.F) {
	for _, s := range []string{
		"", "<rss/>", "\xef\xbb\xbf\xef\xbb\xbf<rss/>", "\x01\xef\xbb\xbfx", "\xff\xfe<\x00r\x00", "\xfe\xff\x00<\x00r", "<\x00r\x00\xd8\xd8<\x00",
		"\x00\x00\x00<\x00\x00\x00r", "\xff\xfe\x00\x00<\x00\x00\x00", "{\x00\"\x00", "caf\xe9", "na\xefve \x93quoted\x94", "\xe6\xb1", "\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd",
		"\x1b$B$\"\x1b(B", `<?xml version="1.0" encoding="iso-2022-jp"?>` + "\x1b$B", `<?xml encoding='windows-1251'?>` + "\xcf\xf0",
		`<?xml encoding="utf-7"?>`, `<?xml encoding="x-user-defined"?>` + "\xff", "1234567\x1f", "1234567\n\x0b\n", strings.Repeat("a\r\n\t", 20) + "\x7f\x00",
	} {
		f.Add([]byte(s), "text/xml")
		f.Add([]byte(s), "text/xml; charset=koi8-r")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		before := bytes.Clone(body)
		text, sanitized, err := ToUTF8(body, contentType)
		if !bytes.Equal(body, before) {
			t.Fatalf("body changed from %q to %q", before, body)
		}
		if err != nil {
			if err.Class != feeds.Charset {
				t.Fatalf("%q: class %s, want %s", body, err.Class, feeds.Charset)
			}
			return
		}
		if !utf8.Valid(text) {
			t.Fatalf("%q became %q, which is not UTF-8", body, text)
		}
		for _, r := range string(text) {
			if r < 0x20 && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				t.Fatalf("%q became %q, with %U in it", body, text, r)
			}
		}
		if !sanitized && bytes.Equal(text, body) {
			return
		}
		again, _, err := ToUTF8(text, "")
		if err == nil && !bytes.Equal(again, text) {
			t.Fatalf("%q became %q and then %q", body, text, again)
		}
	})
}

func TestSanitizeKeepsEverythingAllowed(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a\tb\nc\rd\x7f\u0080\u0085\ufdd0\ufffd\U0010ffff", "a\tb\nc\rd\x7f\u0080\u0085\ufdd0\ufffd\U0010ffff"},
		{"\x00a\x08\x0bb\x1f", "ab"},
		{"12345678\x01", "12345678"},
		{"1234567\x01", "1234567"},
		{"a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"}, // a surrogate
		{"a\ufffeb\uffffc", "abc"},
	} {
		got, changed := Sanitize([]byte(c.in))
		if string(got) != c.want || changed != (c.in != c.want) {
			t.Errorf("%q: got %q, changed %v; want %q", c.in, got, changed, c.want)
		}
	}
}
