package feeds

import "strings"

// A format is a vocabulary that feeds are written in.
type format uint8

const (
	formatRSS format = iota + 1 // RSS 0.91, 0.92, 0.93 and 2.0
	formatRDF                   // RSS 0.90 and 1.0
	formatAtom
	formatJSON
)

// The namespaces of the formats, as gofeed knows them.
const (
	atom10 = "http://www.w3.org/2005/Atom"
	atom03 = "http://purl.org/atom/ns#"
)

// isNative reports whether gofeed reads elements of the namespace uri as the
// format's own.
func (f format) isNative(uri []byte) bool {
	switch string(uri) {
	case "":
		return true
	case atom10, atom03:
		return f == formatAtom
	case "rss", "rdf",
		"http://www.w3.org/1999/02/22-rdf-syntax-ns#",
		"http://purl.org/rss/1.0/",
		"http://channel.netscape.com/rdf/simple/0.9/",
		"http://my.netscape.com/rdf/simple/0.9/":
		return f != formatAtom
	}
	return false
}

// hasChild reports whether a root of the format has children of that name.
func (f format) hasChild(local []byte) bool {
	switch strings.ToLower(string(local)) {
	case "channel", "item":
		return f != formatAtom
	case "entry", "title", "id", "updated", "modified", "link", "author", "subtitle", "tagline", "generator":
		return f == formatAtom
	}
	return false
}

// isOwn reports whether a root in the namespace uri is enough to tell a feed
// of the format.
func (f format) isOwn(uri []byte) bool {
	return f == formatAtom && (string(uri) == atom10 || string(uri) == atom03)
}
