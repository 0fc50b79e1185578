package hostile

import (
	"fmt"
	"strings"
)

// The content types of the kit's documents.
const (
	typeRSS  = "application/rss+xml"
	typeAtom = "application/atom+xml"
	typeJSON = "application/feed+json"
	typeXML  = "text/xml"
	typeHTML = "text/html; charset=utf-8"
)

// xmlHead begins the kit's XML documents.
const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// rss returns an RSS 2.0 document around items.
func rss(items ...string) string {
	return xmlHead + bareRSS(items...)
}

// bareRSS is rss without the XML declaration.
func bareRSS(items ...string) string {
	return `<rss version="2.0"><channel><title>A hostile feed</title><link>https://example.org/</link>` +
		`<description>One of the kit</description>` + "\n" + strings.Join(items, "\n") + "\n</channel></rss>\n"
}

// item returns a sound RSS item, with extra elements at its end.
func item(n int, extra ...string) string {
	return fmt.Sprintf(`<item><title>Item %d</title><link>https://example.org/%d</link><guid>https://example.org/%d</guid>`+
		`<pubDate>Wed, 0%d Jan 2025 12:00:00 GMT</pubDate><description>Text of item %d</description>%s</item>`,
		n, n, n, 1+n%9, n, strings.Join(extra, ""))
}

// items returns sound items numbered from first down to last.
func items(first, last int) []string {
	var all []string
	for n := first; n >= last; n-- {
		all = append(all, item(n))
	}
	return all
}

// soundRSS is a feed of three items with nothing wrong.
func soundRSS() string { return rss(items(3, 1)...) }

// atom returns an Atom document around entries.
func atom(entries ...string) string {
	return xmlHead + `<feed xmlns="http://www.w3.org/2005/Atom"><title>A hostile feed</title>` +
		`<id>https://example.org/</id><updated>2025-01-01T12:00:00Z</updated>` + "\n" +
		strings.Join(entries, "\n") + "\n</feed>\n"
}
