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

func (g *generator) renderAtom(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(g.seed, 7, uint64(v.number)))
	xhtml := d.below(6) == 0
	b = append(b, `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<title>`...)
	b = append(appendTitle(b, &d), "</title>\n<subtitle>"...)
	b = append(appendTitle(b, &d), "</subtitle>\n<id>"...)
	b = append(append(b, home...), "/</id>\n<link href=\""...)
	b = append(append(b, home...), "/\"/>\n<updated>"...)
	b = append(isoDate(b, g.itemTime(v, v.version)), "</updated>\n"...)
	for i := range v.items {
		e := g.entry(v, home, i)
		b = g.atomEntry(b, &e, xhtml)
	}
	return append(b, "</feed>\n"...)
}

// atomEntry appends one entry, its content as XHTML or as escaped HTML.
func (g *generator) atomEntry(b []byte, e *entry, xhtml bool) []byte {
	end := len(b) + e.bytes
	b = append(b, "<entry>\n<title>"...)
	b = append(appendTitle(b, &e.draw), "</title>\n<link rel=\"alternate\" href=\""...)
	b = append(e.link(b), "\"/>\n<id>"...)
	b = append(e.id(b), "</id>\n<published>"...)
	b = append(isoDate(b, e.at), "</published>\n<updated>"...)
	b = append(isoDate(b, e.at), "</updated>\n"...)
	b = append(append(append(b, "<author><name>"...), e.author...), "</name></author>\n"...)
	if e.rich {
		for _, t := range e.topics {
			if t != "" {
				b = append(appendEscaped(append(b, `<category term="`...), t), "\"/>\n"...)
			}
		}
		b = append(appendTitle(append(b, "<summary>"...), &e.draw), "</summary>\n"...)
	}
	if e.audio {
		b = e.media(append(b, `<link rel="enclosure" type="audio/mpeg" href="`...))
		b = strconv.AppendInt(append(b, `" length="`...), e.serial*7, 10)
		b = append(b, "\"/>\n"...)
	}
	if xhtml {
		b = append(b, "<content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\">\n"...)
		b = g.content(b, e, end-len("</div></content>\n</entry>\n"), inCDATA)
		return append(b, "</div></content>\n</entry>\n"...)
	}
	b = g.content(append(b, `<content type="html">`...), e, end-len("</content>\n</entry>\n"), inText)
	return append(b, "</content>\n</entry>\n"...)
}

func (g *generator) renderRDF(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(g.seed, 7, uint64(v.number)))
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel rdf:about="`...)
	b = append(append(b, home...), "/\">\n<title>"...)
	b = append(appendTitle(b, &d), "</title>\n<link>"...)
	b = append(append(b, home...), "/</link>\n<description>"...)
	b = append(appendTitle(b, &d), "</description>\n<dc:date>"...)
	b = append(isoDate(b, g.itemTime(v, v.version)), "</dc:date>\n<items><rdf:Seq>\n"...)
	for i := range v.items {
		e := g.entry(v, home, i)
		b = append(e.link(append(b, `<rdf:li rdf:resource="`...)), "\"/>\n"...)
	}
	b = append(b, "</rdf:Seq></items>\n</channel>\n"...)
	for i := range v.items {
		e := g.entry(v, home, i)
		b = g.rdfItem(b, &e)
	}
	return append(b, "</rdf:RDF>\n"...)
}

func (g *generator) rdfItem(b []byte, e *entry) []byte {
	end := len(b) + e.bytes
	b = append(e.link(append(b, `<item rdf:about="`...)), "\">\n<title>"...)
	b = append(appendTitle(b, &e.draw), "</title>\n<link>"...)
	b = append(e.link(b), "</link>\n<dc:date>"...)
	b = append(isoDate(b, e.at), "</dc:date>\n"...)
	if e.rich {
		b = append(append(append(b, "<dc:creator>"...), e.author...), "</dc:creator>\n<dc:subject>"...)
		b = append(appendEscaped(b, e.topics[0]), "</dc:subject>\n<description>"...)
		b = append(appendTitle(b, &e.draw), "</description>\n"...)
	}
	b = append(b, "<content:encoded><![CDATA["...)
	b = g.content(b, e, end-len("]]></content:encoded>\n</item>\n"), inCDATA)
	return append(b, "]]></content:encoded>\n</item>\n"...)
}

func (g *generator) renderJSON(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(g.seed, 7, uint64(v.number)))
	b = append(b, "{\n\"version\": \"https://jsonfeed.org/version/1.1\",\n\"title\": \""...)
	b = append(appendTitle(b, &d), "\",\n\"description\": \""...)
	b = append(appendTitle(b, &d), "\",\n\"home_page_url\": \""...)
	b = append(append(b, home...), "/\",\n\"items\": ["...)
	for i := range v.items {
		if i > 0 {
			b = append(b, ',')
		}
		e := g.entry(v, home, i)
		b = g.jsonItem(b, &e)
	}
	return append(b, "\n]\n}\n"...)
}

func (g *generator) jsonItem(b []byte, e *entry) []byte {
	end := len(b) + e.bytes
	b = append(e.id(append(b, "\n{\"id\": \""...)), "\",\n\"url\": \""...)
	b = append(e.link(b), "\",\n\"title\": \""...)
	b = append(appendTitle(b, &e.draw), "\",\n\"date_published\": \""...)
	b = append(isoDate(b, e.at), "\",\n"...)
	if e.rich {
		b = append(append(append(b, `"authors": [{"name": "`...), e.author...), "\"}],\n\"tags\": [\""...)
		b = append(b, e.topics[0]...)
		if e.topics[1] != "" {
			b = append(append(b, `", "`...), e.topics[1]...)
		}
		b = append(appendTitle(append(b, "\"],\n\"summary\": \""...), &e.draw), "\",\n"...)
	}
	if e.audio {
		b = e.media(append(b, `"attachments": [{"url": "`...))
		b = strconv.AppendInt(append(b, `", "mime_type": "audio/mpeg", "size_in_bytes": `...), e.serial*7, 10)
		b = append(b, "}],\n"...)
	}
	b = g.content(append(b, `"content_html": "`...), e, end-len("\"}"), inString)
	return append(b, "\"}"...)
}
