package origin

import (
	"net/http"
	"strconv"
	"time"
)

// An entry is one generated item, in what all formats share. It is a function
// of the seed, the feed's number and the item's, so an item keeps its content
// as long as it is in the feed.
type entry struct {
	serial  int64  // appears in guid and link; grows by one from item to item
	home    string // of the feed, without a slash at the end
	at      time.Time
	draw    dice // for what is drawn while the item is written
	bytes   int  // how many are wanted
	rich    bool // there is room for author, categories, summary
	author  string
	topics  [2]string // the second may be empty
	audio   bool      // has an enclosure
	linkIDs bool      // the link is the guid
}

// render appends the document of a view.
func (s *Server) render(b []byte, v view) []byte {
	switch v.format {
	case Atom:
		return s.renderAtom(b, v)
	case RDF:
		return s.renderRDF(b, v)
	case JSON:
		return s.renderJSON(b, v)
	}
	return s.renderRSS(b, v)
}

// home returns the home page of a feed. It is on a reserved domain, so that
// content does not depend on the address that a Server happens to have.
func home(n int) string { return "https://n" + strconv.Itoa(n) + ".example.org" }

// entry returns the item at place i of a view, 0 being the newest.
func (s *Server) entry(v view, home string, i int) entry {
	item := v.version - i
	e := entry{
		serial: 1_000_000 + int64(item),
		home:   home,
		at:     s.itemTime(v, item),
		draw:   dice(mix(s.opts.Seed, 5, uint64(v.number), uint64(item))),
		rich:   v.bytes >= 500,
	}
	// Real items differ in length: from three quarters to five quarters.
	e.bytes = v.bytes*3/4 + e.draw.below(v.bytes/2+1)
	e.author = authors[e.draw.below(len(authors))]
	e.topics[0] = topics[e.draw.below(len(topics))]
	if e.draw.below(2) == 0 {
		e.topics[1] = topics[e.draw.below(len(topics))]
	}
	e.audio = e.rich && e.draw.below(10) == 0
	e.linkIDs = mix(s.opts.Seed, 6, uint64(v.number))%3 == 0
	return e
}

// link appends the item's link.
func (e *entry) link(b []byte) []byte {
	b = append(append(b, e.home...), "/posts/"...)
	return strconv.AppendInt(b, e.serial, 10)
}

// id appends the item's guid.
func (e *entry) id(b []byte) []byte {
	if e.linkIDs {
		return e.link(b)
	}
	b = append(append(b, "tag:"...), e.home[len("https://"):]...)
	return strconv.AppendInt(append(b, ",2025:"...), e.serial, 10)
}

// media appends the URL of the item's enclosure.
func (e *entry) media(b []byte) []byte {
	return append(e.link(b), ".mp3"...)
}

// A form is how HTML stands in a document.
type form int

const (
	inCDATA form = iota
	inText
	inString
)

// content appends HTML until b is as long as until, roughly: to the nearest
// end of a paragraph. It begins with the item's number, so that no two items
// are alike.
func (s *Server) content(b []byte, e *entry, until int, f form) []byte {
	lead := [...][2]string{{"<p>No. ", "</p>\n"}, {"&lt;p&gt;No. ", "&lt;/p&gt;\n"}, {"<p>No. ", `</p>\n`}}[f]
	b = strconv.AppendInt(append(b, lead[0]...), e.serial, 10)
	b = append(b, lead[1]...)
	for {
		p := &s.prose.paragraphs[e.draw.below(proseSize)]
		next := [...][]byte{p.html, p.escaped, p.json}[f]
		if until-len(b) < len(next)/2 {
			return b
		}
		b = append(b, next...)
	}
}

func (s *Server) renderRSS(b []byte, v view) []byte {
	home := home(v.number)
	d := dice(mix(s.opts.Seed, 7, uint64(v.number)))
	full, zone := d.below(3) > 0, [...]string{"GMT", "+0000"}[d.below(2)]
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel>
<title>`...)
	b = append(appendTitle(b, &d), "</title>\n<link>"...)
	b = append(append(b, home...), "/</link>\n<description>"...)
	b = append(appendTitle(b, &d), "</description>\n<language>en</language>\n<lastBuildDate>"...)
	b = append(rssDate(b, s.itemTime(v, v.version), zone), "</lastBuildDate>\n"...)
	for i := range v.items {
		e := s.entry(v, home, i)
		b = s.rssItem(b, &e, full, zone)
	}
	return append(b, "</channel>\n</rss>\n"...)
}

// rssItem appends one item; with full, its HTML is in content:encoded and the
// description is a plain line, else the HTML is the description.
func (s *Server) rssItem(b []byte, e *entry, full bool, zone string) []byte {
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
		b = s.content(append(b, "<description>"...), e, end-len("</description>\n</item>\n"), inText)
		return append(b, "</description>\n</item>\n"...)
	}
	b = append(appendTitle(append(b, "<description>"...), &e.draw), "</description>\n<content:encoded><![CDATA["...)
	b = s.content(b, e, end-len("]]></content:encoded>\n</item>\n"), inCDATA)
	return append(b, "]]></content:encoded>\n</item>\n"...)
}

// rssDate appends a date as RSS writes it (RFC 822, with four digits of year).
func rssDate(b []byte, t time.Time, zone string) []byte {
	b = t.AppendFormat(b, http.TimeFormat)
	return append(b[:len(b)-len("GMT")], zone...)
}

func isoDate(b []byte, t time.Time) []byte { return t.AppendFormat(b, time.RFC3339) }
