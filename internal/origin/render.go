package origin

import (
	"net/http"
	"strconv"
	"time"
)

func (g *generator) renderRSS(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(g.seed, 7, uint64(v.number)))
	full, zone := d.below(3) > 0, [...]string{"GMT", "+0000"}[d.below(2)]
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel>
<title>`...)
	b = append(appendTitle(b, &d), "</title>\n<link>"...)
	b = append(append(b, home...), "/</link>\n<description>"...)
	b = append(appendTitle(b, &d), "</description>\n<language>en</language>\n<lastBuildDate>"...)
	b = append(rssDate(b, g.itemTime(v, v.version), zone), "</lastBuildDate>\n"...)
	for i := range v.items {
		e := g.entry(v, home, i)
		b = g.rssItem(b, &e, full, zone)
	}
	return append(b, "</channel>\n</rss>\n"...)
}

// rssItem appends one item; with full, its HTML is in content:encoded and the
// description is a plain line, else the HTML is the description.
func (g *generator) rssItem(b []byte, e *entry, full bool, zone string) []byte {
	end := len(b) + e.bytes
	b = append(b, "<item>\n<title>"...)
	b = append(appendTitle(b, &e.draw), "</title>\n<link>"...)
	b = append(e.link(b), "</link>\n<guid isPermaLink=\""...)
	b = append(strconv.AppendBool(b, e.linkIDs), `">`...)
	b = append(e.id(b), "</guid>\n<pubDate>"...)
	b = append(rssDate(b, e.at, zone), "</pubDate>\n"...)
	if e.rich {
		b = append(append(append(b, "<dc:creator>"...), e.author...), "</dc:creator>\n"...)
		for _, t := range e.topics {
			if t != "" {
				b = append(appendEscaped(append(b, "<category>"...), t), "</category>\n"...)
			}
		}
	}
	if e.audio {
		b = e.media(append(b, `<enclosure url="`...))
		b = strconv.AppendInt(append(b, `" length="`...), e.serial*7, 10)
		b = append(b, "\" type=\"audio/mpeg\"/>\n"...)
	}
	if !full || !e.rich {
		b = g.content(append(b, "<description>"...), e, end-len("</description>\n</item>\n"), inText)
		return append(b, "</description>\n</item>\n"...)
	}
	b = append(appendTitle(append(b, "<description>"...), &e.draw), "</description>\n<content:encoded><![CDATA["...)
	b = g.content(b, e, end-len("]]></content:encoded>\n</item>\n"), inCDATA)
	return append(b, "]]></content:encoded>\n</item>\n"...)
}

// rssDate appends a date as RSS writes it (RFC 822, with four digits of year).
func rssDate(b []byte, t time.Time, zone string) []byte {
	b = t.AppendFormat(b, http.TimeFormat)
	return append(b[:len(b)-len("GMT")], zone...)
}
