package hostile

import (
	"fmt"
	"strings"
)

// identityCases are items that are hard to tell apart.
func identityCases() []Case {
	return []Case{
		{Name: "guid-same", Row: 34, Want: "ok", About: "ten items with one guid", play: document(typeRSS, func() string {
			return rss(many(10, func(b []byte, n int) []byte {
				return fmt.Appendf(b, "<item><guid>same</guid><link>https://example.org/%d</link><title>Item %d</title></item>", n, n)
			}))
		})},
		{Name: "guid-same-all", Row: 34, Want: "ok", About: "ten items with one guid and one link", play: text(typeRSS,
			rss(strings.Repeat("<item><guid>same</guid><link>https://example.org/</link><title>Item</title></item>", 10)))},
		{Name: "guid-none", Row: 34, Want: "ok", About: "items with a link and no guid, with an enclosure alone, and with text alone", play: text(typeRSS,
			rss("<item><title>Link</title><link>https://example.org/1</link></item>",
				`<item><enclosure url="https://example.org/2.mp3" length="1" type="audio/mpeg"/></item>`,
				"<item><description>Text alone</description></item>", "<item><description>Other text</description></item>"))},
		{Name: "guid-empty", Row: 34, Want: "ok", About: "items with nothing in them", play: text(typeRSS,
			rss("<item/>", "<item></item>", "<item><guid> </guid><title/></item>", item(1)))},
		{Name: "guid-churn", Row: 34, Want: "ok", About: "the same items with new guids at each request", play: func(x *exchange) {
			x.send(typeRSS, []byte(rss(many(10, func(b []byte, n int) []byte {
				return fmt.Appendf(b, "<item><guid>%d-%d</guid><title>Item %d</title></item>", x.hit, n, n)
			}))))
		}},
	}
}

// changeCases are feeds that change from one request or epoch to the next.
func changeCases() []Case {
	return []Case{
		{Name: "shrinking", Row: 39, Want: "ok", About: "100 items, then 10, then none; nothing may be deleted", play: func(x *exchange) {
			all := items(100, 1)
			switch x.hit {
			case 1:
			case 2:
				all = all[:10]
			default:
				all = nil
			}
			x.w.Header().Set("ETag", fmt.Sprintf(`"%d"`, min(x.hit, 3)))
			x.send(typeRSS, []byte(rss(all...)))
		}},
		{Name: "edited", Row: 40, Want: "ok", About: "the text of the second item of three is another in each epoch", play: func(x *exchange) {
			e := x.stage.Epoch()
			x.w.Header().Set("ETag", fmt.Sprintf(`"%d"`, e))
			x.send(typeRSS, []byte(rss(item(3), strings.Replace(item(2), "Text of", fmt.Sprintf("Edition %d of", e), 1), item(1))))
		}},
		{Name: "restless-text", Row: 40, Want: "ok", About: "the text of each item has a number that is new at each request", play: func(x *exchange) {
			var all []string
			for _, it := range items(5, 1) {
				all = append(all, strings.Replace(it, "Text of", fmt.Sprintf("Seen %d times, text of", x.hit), 1))
			}
			x.send(typeRSS, []byte(rss(all...)))
		}},
		{Name: "restless-head", Row: 40, Want: "ok", About: "lastBuildDate is new at each request and the items are the same", play: func(x *exchange) {
			x.send(typeRSS, []byte(strings.Replace(soundRSS(), "</description>",
				fmt.Sprintf("</description><lastBuildDate>Wed, 01 Jan 2025 12:00:%02d GMT</lastBuildDate>", x.hit%60), 1)))
		}},
	}
}

// vocabularyCases are documents that are no feed, though they look well.
func vocabularyCases() []Case {
	other := func(name, contentType, about, body string) Case {
		return Case{Name: name, Row: 41, Want: "not_a_feed", About: about, play: text(contentType, body)}
	}
	return []Case{
		other("json-error", typeJSON, "200 with an error object", `{"error":"rate limited"}`),
		other("json-array", typeJSON, "200 with []", `[]`),
		other("json-null", typeJSON, "200 with null", `null`),
		other("json-version", typeJSON, "an object with a version that is not JSON Feed's", `{"version":"2.1","items":[{"id":"1"}]}`),
		other("vocabulary", typeXML, "a feed element of another vocabulary", xmlHead+`<feed><nonsense/></feed>`),
		other("sitemap", typeXML, "a sitemap", xmlHead+`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://example.org/</loc></url></urlset>`),
		other("opml", typeXML, "a subscription list", xmlHead+`<opml version="2.0"><head/><body><outline xmlUrl="https://example.org/feed"/></body></opml>`),
		other("xml-error", typeXML, "an error in XML", xmlHead+`<Error><Code>AccessDenied</Code></Error>`),
		other("plain-text", "text/plain", "a line of text", "not here, sorry\n"),
		other("image", typeRSS, "a picture that is said to be RSS", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"),
		other("zeros", typeRSS, "64 KB of NUL", strings.Repeat("\x00", 64<<10)),
	}
}

// structureCases are feeds whose mark-up is damaged, or only unusual.
func structureCases() []Case {
	shape := func(name string, row int, want, contentType, about, body string) Case {
		return Case{Name: name, Row: row, Want: want, About: about, play: text(contentType, body)}
	}
	sound, long := soundRSS(), strings.Repeat("x", 5000)
	return []Case{
		shape("unclosed-item", 42, "ok parse", typeRSS, "an item that begins inside the one before, which is not closed",
			rss(strings.TrimSuffix(item(3), "</item>"), item(2), item(1))),
		shape("cut-item", 15, "truncated parse", typeRSS, "a document that ends in the middle of its third item, its length declared right",
			sound[:strings.Index(sound, "Text of item 1")]),
		shape("cut-tail", 15, "ok truncated parse", typeRSS, "a document that ends after its last item", sound[:strings.LastIndex(sound, "</item>")+7]),
		shape("bare-less", 42, "ok parse", typeRSS, "a bare < in the text of the second item", strings.Replace(sound, "Text of item 2", "3 < 4 <", 1)),
		shape("tags-crossed", 42, "ok parse", typeRSS, "end tags in the wrong order",
			rss(item(2), "<item><title><b>bold</title></b><guid>crossed</guid></item>", item(1))),
		shape("tags-upper", 0, "ok not_a_feed", typeRSS, "element names in capitals",
			`<RSS version="2.0"><CHANNEL><TITLE>t</TITLE><ITEM><GUID>1</GUID><TITLE>Item</TITLE></ITEM></CHANNEL></RSS>`),
		shape("tail-garbage", 43, "ok", typeRSS, "text after the end of the document", sound+"<!-- served in 3 ms -->\nPHP Warning: garbage <b>here\x00"),
		shape("tail-document", 43, "ok", typeRSS, "a second document after the first", sound+rss(item(9))),
		shape("channels-two", 43, "ok", typeRSS, "two channels in one document",
			strings.Replace(sound, "</rss>", "<channel><title>Second</title>"+item(9)+"</channel></rss>", 1)),
		shape("head-comment", 0, "ok", typeRSS, "a comment of 5,000 bytes before the root", xmlHead+"<!-- "+long+" -->\n"+bareRSS(items(3, 1)...)),
		shape("head-blank", 0, "ok", typeRSS, "8,000 line ends before the document", strings.Repeat("\n", 8000)+sound),
		shape("head-junk", 0, "ok", typeRSS, "a warning of the server's before the document", "<br />\nWarning: something on line 3\n"+sound),
		shape("xml-11", 0, "ok", typeRSS, "XML 1.1", strings.Replace(sound, `"1.0"`, `"1.1"`, 1)),
		shape("instructions", 0, "ok", typeRSS, "20,000 processing instructions between the items",
			rss(item(2), strings.Repeat("<?php x ?>", 20_000), item(1))),
		shape("cdata-cut", 42, "ok", typeRSS, "text in 3,000 pieces of CDATA",
			rss(item(2), "<item><guid>cdata</guid><description>"+strings.Repeat("<![CDATA[piece ]]>", 3000)+"</description></item>", item(1))),
		shape("type-html", 0, "ok", typeHTML, "a sound feed that is said to be HTML", sound),
		shape("type-image", 0, "ok", "image/png", "a sound feed that is said to be a picture", sound),
		shape("type-garbage", 0, "ok", ";;;=", "a sound feed with a Content-Type of garbage", sound),
		shape("atom-default", 0, "ok", typeAtom, "Atom with a prefix for its namespace", xmlHead+
			`<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>t</a:title><a:entry><a:id>1</a:id><a:title>Entry</a:title></a:entry></a:feed>`),
		shape("empty-channel", 39, "ok", typeRSS, "a channel without items", rss()),
		shape("links-unsafe", 45, "ok", typeRSS, "links with javascript:, file: and data:",
			rss("<item><guid>1</guid><link>javascript:alert(1)</link></item>", "<item><guid>2</guid><link>file:///etc/passwd</link></item>",
				"<item><guid>3</guid><link>data:text/html,&lt;script&gt;alert(1)&lt;/script&gt;</link></item>",
				"<item><guid>4</guid><link> jAvAsCrIpT:alert(1)</link></item>", "<item><guid>5</guid><link>//example.org/5</link></item>")),
	}
}

// jsonCases are JSON feeds that are not quite.
func jsonCases() []Case {
	shape := func(name string, row int, want, about, body string) Case {
		return Case{Name: name, Row: row, Want: want, About: about, play: text(typeJSON, `{"version":"https://jsonfeed.org/version/1.1","title":"t",`+body)}
	}
	return []Case{
		shape("json-null-item", 27, "parse ok parser_panic", "an item that is null", `"items":[null]}`),
		shape("json-null-author", 27, "ok parse parser_panic", "an author that is null", `"items":[{"id":"1","content_text":"x","authors":[null]}],"authors":[null]}`),
		shape("json-types", 0, "ok parse", "numbers for ids and a string for tags", `"items":[{"id":1,"title":2,"tags":"one, two","content_text":"x"}]}`),
		shape("json-long", 0, "ok", "a sound JSON feed of 10 KB", `"items":[{"id":"1","content_text":"`+strings.Repeat("long ", 2000)+`"}]}`),
		shape("json-cut", 15, "truncated parse", "a JSON feed that ends in its second item", `"items":[{"id":"1","content_text":"x"},{"id":"2","content_te`),
		shape("json-tail", 43, "ok parse", "text after the end of a JSON feed", `"items":[{"id":"1","content_text":"x"}]} trailing`),
		shape("json-twice", 0, "ok parse", "every name twice", `"items":[],"title":"u","items":[{"id":"1","id":"2","content_text":"x"}]}`),
		shape("json-surrogate", 37, "ok parse", "half of a UTF-16 pair as an escape", `"items":[{"id":"1","content_text":"\ud83d x"}]}`),
	}
}
