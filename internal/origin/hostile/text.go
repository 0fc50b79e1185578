package hostile

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// utf16Bytes returns s in UTF-16 of a byte order, with or without its mark.
func utf16Bytes(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// utf32Bytes is utf16Bytes for UTF-32.
func utf32Bytes(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint32(b, 0xfeff)
	}
	for _, r := range s {
		b = order.AppendUint32(b, uint32(r))
	}
	return string(b)
}

// declared returns a feed that declares a charset and has bytes as the title
// of an item.
func declared(charset, bytes string) string {
	return `<?xml version="1.0" encoding="` + charset + `"?>` + "\n" + bareRSS(
		"<item><title>"+bytes+"</title><guid>https://example.org/charset</guid></item>", item(1))
}

// wide is a title that needs more than Latin letters.
const wide = "Prüfung 日本 🚲"

// charsetCases are feeds in many encodings, rightly and wrongly declared.
func charsetCases() []Case {
	charset := func(name, want, contentType, about, body string) Case {
		return Case{Name: name, Row: 36, Want: want, About: about, play: text(contentType, body)}
	}
	le, be := binary.LittleEndian, binary.BigEndian
	u16, u32 := declared("utf-16", wide), declared("utf-32", wide)
	cases := []Case{
		charset("utf-8-mark", "ok", typeRSS, "UTF-8 with a byte order mark", "\ufeff"+declared("utf-8", wide)),
		charset("utf-16-le-mark", "ok", typeRSS, "UTF-16, little end first, with its mark", utf16Bytes(u16, le, true)),
		charset("utf-16-be-mark", "ok", typeRSS, "UTF-16, big end first, with its mark", utf16Bytes(u16, be, true)),
		charset("utf-16-le", "ok", typeRSS, "UTF-16, little end first, unmarked", utf16Bytes(u16, le, false)),
		charset("utf-16-be", "ok", typeRSS, "UTF-16, big end first, unmarked", utf16Bytes(u16, be, false)),
		charset("utf-16-odd", "ok charset truncated parse", typeRSS, "UTF-16 with half a character at its end", utf16Bytes(u16, le, true)+"x"),
		charset("utf-16-half", "ok", typeRSS, "UTF-16 with half of a pair in a title",
			strings.Replace(utf16Bytes(u16, le, true), "\x3d\xd8\xb2\xde", "\x3d\xd8x\x00", 1)),
		charset("utf-32-le-mark", "ok", typeRSS, "UTF-32, little end first, with its mark", utf32Bytes(u32, le, true)),
		charset("utf-32-be-mark", "ok", typeRSS, "UTF-32, big end first, with its mark", utf32Bytes(u32, be, true)),
		charset("utf-32-le", "ok", typeRSS, "UTF-32, little end first, unmarked", utf32Bytes(u32, le, false)),
		charset("utf-32-be", "ok", typeRSS, "UTF-32, big end first, unmarked", utf32Bytes(u32, be, false)),
		charset("lie-latin", "ok", typeRSS, "declares iso-8859-1 and is UTF-8", declared("iso-8859-1", wide)),
		charset("lie-utf-16", "ok", typeRSS, "declares utf-16 and is UTF-8", declared("utf-16", wide)),
		charset("lie-utf-8", "ok", typeRSS, "declares utf-8 and is windows-1252", declared("utf-8", "na\xefve \x93quoted\x94")),
		charset("lie-http", "ok", "text/xml; charset=us-ascii", "UTF-8 that HTTP calls us-ascii", declared("utf-8", wide)),
		charset("http-only", "ok", "application/rss+xml; charset=windows-1251", "windows-1251 that only HTTP declares",
			strings.Replace(declared("", "\xcf\xf0\xe8\xe2\xe5\xf2"), ` encoding=""`, "", 1)),
		charset("bogus", "ok", typeRSS, "declares x-bogus and is UTF-8", declared("x-bogus", wide)),
		charset("bogus-bytes", "ok", typeRSS, "declares x-bogus and is nothing that is told", declared("x-bogus", "\xcf\xf0\xe8 \xff\xfe")),
		charset("utf-7", "ok charset", typeRSS, "declares utf-7", declared("utf-7", "caf+AOk-")),
		charset("hz", "ok charset", typeRSS, "declares hz-gb-2312", declared("hz-gb-2312", "~{HU1>~}")),
	}
	for _, c := range []struct{ label, bytes string }{
		{"iso-8859-1", "Pr\xfcfung"}, {"windows-1252", "na\xefve \x93quoted\x94"}, {"iso-8859-15", "10 \xa4"},
		{"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2"}, {"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4"},
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B"}, {"shift_jis", "\x93\xfa\x96{"}, {"euc-jp", "\xc6\xfc\xcb\xdc"},
		{"gb2312", "\xc8\xd5\xb1\xbe"}, {"gb18030", "\xc8\xd5\xb1\xbe \x95\x32\x82\x36"}, {"big5", "\xa4\xe9\xa5\xbb"}, {"euc-kr", "\xc7\xd1\xb1\xb9"},
	} {
		cases = append(cases, charset(c.label, "ok", typeRSS, "in "+c.label+", rightly declared", declared(c.label, c.bytes)))
	}
	return cases
}

// characterCases are sound feeds but for a few characters that XML forbids,
// or that harm who shows them.
func characterCases() []Case {
	titled := func(name string, row int, want, about, title string) Case {
		return Case{Name: name, Row: row, Want: want, About: about, play: text(typeRSS,
			rss(item(2), "<item><title>"+title+"</title><guid>https://example.org/odd</guid></item>", item(1)))}
	}
	return []Case{
		titled("byte-invalid", 37, "ok", "one byte that is no UTF-8", "bad \xff byte"),
		titled("utf-8-long", 37, "ok", "a slash in three bytes, which UTF-8 forbids", "\xe0\x80\xaf"),
		titled("utf-8-surrogate", 37, "ok", "half of a UTF-16 pair in UTF-8", "\xed\xa0\xbd"),
		titled("reference-nul", 37, "ok", "&#0;", "nul &#0; here"),
		titled("reference-surrogate", 37, "ok", "&#xD800; and &#x110000;", "&#xD800; &#x110000;"),
		titled("reference-endless", 37, "ok", "&#99999999999999999999;", "&#99999999999999999999;"),
		titled("control", 37, "ok", "control characters as they are: backspace, NUL, escape", "a\x08b\x00c\x1bd"),
		titled("entity-html", 37, "ok", "entities of HTML that XML has not, a bare &", "caf&eacute;&nbsp;&amp; R&D &unknown; &copy"),
		titled("escapes", 44, "ok", "terminal escapes, bidirectional overrides, a shell command, NDJSON breakers",
			"\x1b]0;owned\x07\u009b31m \u202eevil\u202c $(rm -rf /) `id` \u2028\u2029\"}\n{\"type\":\"feed\"} | cat"),
		{Name: "escapes-json", Row: 44, Want: "ok", About: "the same in JSON, where escapes are legal", play: text(typeJSON,
			`{"version":"https://jsonfeed.org/version/1.1","title":"\u001b[2J","items":[{"id":"1","title":"\u001b]0;owned\u0007 \u202eevil","content_text":"\u0000\u2028"}]}`)},
		{Name: "guid-odd", Row: 35, Want: "ok", About: "guids with 4-byte UTF-8, and in two normal forms that must stay two items", play: text(typeRSS,
			rss("<item><guid>🚲-1</guid></item>", "<item><guid>caf\u00e9</guid></item>", "<item><guid>cafe\u0301</guid></item>",
				"<item><guid> padded </guid></item>", "<item><guid>PADDED</guid></item>"))},
		{Name: "guid-nul", Row: 35, Want: "ok", About: "ids with NUL and control characters, in JSON", play: text(typeJSON,
			`{"version":"https://jsonfeed.org/version/1.1","title":"t","items":[{"id":"a\u0000b","content_text":"1"},{"id":"a\u0001b","content_text":"2"},{"id":"ab","content_text":"3"}]}`)},
	}
}

// dateCases are feeds with absurd dates. The items must be kept, without
// them, and in the order in which they came.
func dateCases() []Case {
	dates := []string{
		"Mon, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "yesterday", "", "0",
		"Wed, 01 Jan 2999 00:00:00 GMT", "Thu, 32 Feb 2025 25:61:61 GMT", "2025-02-30T24:00:00Z",
		"Wed, 01 Jan 2025 12:00:00 +9999", "1735732800", "Mi, 01 Jän 2025 12:00:00 MEZ", strings.Repeat("9", 10_000),
	}
	var all []string
	for i, d := range dates {
		all = append(all, fmt.Sprintf("<item><guid>date-%d</guid><title>%d</title><pubDate>%s</pubDate></item>", i, i, d))
	}
	return []Case{{Name: "dates", Row: 38, Want: "ok", About: "the years 0, 2999 and 99999, words, nothing, days that are not", play: text(typeRSS, rss(all...))}}
}
