package origin

import "slices"

// A Format is how a generated feed is written. It is also the extension of
// its URL: /feed/17.atom is feed 17 in Atom, whatever its own format is.
type Format string

// The formats.
const (
	RSS  Format = "rss"  // RSS 2.0
	Atom Format = "atom" // Atom 1.0 (RFC 4287)
	RDF  Format = "rdf"  // RSS 1.0
	JSON Format = "json" // JSON Feed 1.1
)

// formats has the formats in the order of their numbers in tags.
var formats = []Format{RSS, Atom, RDF, JSON}

// defaultFormats is roughly the mix of the web.
var defaultFormats = []Format{RSS, Atom, RSS, JSON, RSS, Atom, RSS, RDF}

func (f Format) known() bool { return slices.Contains(formats, f) }

func (f Format) contentType() string {
	switch f {
	case Atom:
		return "application/atom+xml; charset=utf-8"
	case RDF:
		return "application/rdf+xml; charset=utf-8"
	case JSON:
		return "application/feed+json"
	}
	return "application/rss+xml; charset=utf-8"
}
