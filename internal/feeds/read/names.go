package read

import (
	"bytes"
	"strings"
)

// A vocabulary is one that feeds are written in or put elements of into their
// items.
type vocabulary uint8

const (
	vocabOther  vocabulary = iota
	vocabNative            // the format's own
	vocabRSS
	vocabAtom
	vocabContent
	vocabDC
	vocabITunes
	vocabMedia
	vocabSyndication
	vocabFeedBurner
	vocabGooglePlay
	vocabXHTML
	vocabDrawing // SVG and MathML, which HTML has without a prefix
	vocabEnclosure
)

// namespaces holds the vocabularies by URI, as namespaceOf spells it.
var namespaces = map[string]vocabulary{
	"www.w3.org/1999/02/22-rdf-syntax-ns": vocabRSS,
	"purl.org/rss/1.0":                    vocabRSS,
	"channel.netscape.com/rdf/simple/0.9": vocabRSS,
	"my.netscape.com/rdf/simple/0.9":      vocabRSS,
	"backend.userland.com/rss2":           vocabRSS,
	"backend.userland.com/rss":            vocabRSS,
	"backend.userland.com/rss091":         vocabRSS,
	"backend.userland.com/rss092":         vocabRSS,
	"blogs.law.harvard.edu/tech/rss":      vocabRSS,
	"cyber.law.harvard.edu/rss":           vocabRSS,
	"www.rssboard.org/rss-specification":  vocabRSS,

	"www.w3.org/2005/atom": vocabAtom,
	"purl.org/atom/ns":     vocabAtom,

	"purl.org/rss/1.0/modules/content":         vocabContent,
	"purl.org/dc/elements/1.1":                 vocabDC,
	"purl.org/dc/elements/1.0":                 vocabDC,
	"purl.org/rss/1.0/modules/dc":              vocabDC,
	"purl.org/dc/terms":                        vocabDC,
	"www.itunes.com/dtds/podcast-1.0.dtd":      vocabITunes,
	"search.yahoo.com/mrss":                    vocabMedia,
	"www.rssboard.org/media-rss":               vocabMedia,
	"video.search.yahoo.com/mrss":              vocabMedia,
	"purl.org/rss/1.0/modules/syndication":     vocabSyndication,
	"rssnamespace.org/feedburner/ext/1.0":      vocabFeedBurner,
	"www.pheedo.com/namespace/pheedo":          vocabFeedBurner,
	"www.google.com/schemas/play-podcasts/1.0": vocabGooglePlay,
	"www.w3.org/1999/xhtml":                    vocabXHTML,
	"www.w3.org/2000/svg":                      vocabDrawing,
	"www.w3.org/1998/math/mathml":              vocabDrawing,
	"purl.oclc.org/net/rss_2.0/enc":            vocabEnclosure,
}

// prefixes holds the vocabularies by the prefixes that feeds give them. One counts
// where it is not declared, or declared as something unknown: feeds misspell
// namespaces more often than they take a well-known prefix for something else.
var prefixes = map[string]vocabulary{
	"rss": vocabRSS, "rdf": vocabRSS, "atom": vocabAtom, "atom10": vocabAtom, "atom03": vocabAtom, "a10": vocabAtom,
	"content": vocabContent, "dc": vocabDC, "dcterms": vocabDC, "itunes": vocabITunes, "media": vocabMedia,
	"sy": vocabSyndication, "feedburner": vocabFeedBurner, "pheedo": vocabFeedBurner, "googleplay": vocabGooglePlay,
	"xhtml": vocabXHTML, "svg": vocabDrawing, "math": vocabDrawing, "mml": vocabDrawing, "enc": vocabEnclosure,
}

// namespaceOf returns the vocabulary of a namespace. Case, scheme and what stands
// at the end do not count: "https://www.W3.org/2005/Atom/" is in use, too, and so
// are the names of Atom's drafts.
func namespaceOf(uri []byte) vocabulary {
	c := strings.ToLower(strings.TrimSpace(string(uri)))
	c = strings.TrimRight(strings.TrimPrefix(strings.TrimPrefix(c, "http://"), "https://"), "/#")
	if v, ok := namespaces[c]; ok {
		return v
	}
	if strings.HasPrefix(c, "purl.org/atom/ns#draft") || strings.HasPrefix(c, "www.w3.org/2005/atom") {
		return vocabAtom
	}
	return vocabOther
}

// lower appends a name in small letters to dst.
func lower(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// isItemName reports whether an element of that name is an item or an entry.
func isItemName(local []byte) bool {
	return bytes.EqualFold(local, []byte("item")) || bytes.EqualFold(local, []byte("entry"))
}

// isFieldName reports whether an element without a prefix may be a field of a feed
// or an item.
func isFieldName(local []byte) bool {
	switch string(local) {
	case "item", "entry", "title", "link", "guid", "id", "pubDate", "description", "author", "category", "enclosure",
		"comments", "source", "updated", "published", "summary", "content", "channel", "image", "language",
		"copyright", "generator", "docs", "ttl", "lastBuildDate":
		return true
	}
	return false
}

// isPartName reports whether an element of that name is a part of another, such as an
// author.
func isPartName(local []byte) bool {
	switch string(local) {
	case "name", "email", "uri", "url":
		return true
	}
	return false
}

// isOptional reports whether an element of that name may do without its end tag in
// HTML, and is seldom closed.
func isOptional(local []byte) bool {
	return len(local) <= 2 && strings.Contains(" p li td tr dt dd ", " "+strings.ToLower(string(local))+" ")
}
