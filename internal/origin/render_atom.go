package origin

import "strconv"

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
