package origin

import "slices"

// A format is how a generated feed is written. It is also the extension of
// its URL: /feed/17.atom is feed 17 in Atom, whatever its own format is.
type format string

// The formats.
const (
	rss      format = "rss"  // RSS 2.0
	atom     format = "atom" // Atom 1.0 (RFC 4287)
	rdf      format = "rdf"  // RSS 1.0
	jsonFeed format = "json" // JSON Feed 1.1
)

// formats has the formats in the order of their numbers in tags.
var formats = []format{rss, atom, rdf, jsonFeed}

// mixed is given to the feeds in turn: roughly that of the web.
var mixed = []format{rss, atom, rss, jsonFeed, rss, atom, rss, rdf}

// formatOf returns the format of feed number n.
func formatOf(n int) format { return mixed[n%len(mixed)] }

func (f format) known() bool { return slices.Contains(formats, f) }

func (f format) contentType() string {
	switch f {
	case atom:
		return "application/atom+xml; charset=utf-8"
	case rdf:
		return "application/rdf+xml; charset=utf-8"
	case jsonFeed:
		return "application/feed+json"
	}
	return "application/rss+xml; charset=utf-8"
}
