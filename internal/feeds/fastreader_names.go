package feeds

import "bytes"

// A vocabulary is one that feeds put elements of into their items, as gofeed
// names it: by the namespace where it knows that, and else by the prefix.
type vocabulary uint8

const (
	vocabularyOther  vocabulary = iota
	vocabularyNative            // the format's own
	vocabularyContent
	vocabularyDC
	vocabularyITunes
	vocabularyMedia
	vocabularySyndication
	vocabularyAtom   // in RSS
	vocabularyAtom10 // in RSS, and only by a prefix that nothing declares
	vocabularyAtom03 // in RSS
)

const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// wellKnown returns the vocabulary of a namespace that gofeed knows whatever
// its prefix.
func wellKnown(uri []byte) vocabulary {
	switch string(uri) {
	case "http://purl.org/rss/1.0/modules/content/":
		return vocabularyContent
	case "http://purl.org/dc/elements/1.1/":
		return vocabularyDC
	case "http://www.itunes.com/DTDs/PodCast-1.0.dtd", "http://example.com/DTDs/PodCast-1.0.dtd": // both are on gofeed's list
		return vocabularyITunes
	case "http://search.yahoo.com/mrss/", "http://search.yahoo.com/mrss":
		return vocabularyMedia
	case "http://purl.org/rss/1.0/modules/syndication/":
		return vocabularySyndication
	case atom10:
		return vocabularyAtom
	case atom03:
		return vocabularyAtom03
	}
	return vocabularyOther
}

// customary holds the namespaces that gofeed knows only by the prefix which
// feeds give them: spellings that are not on its list.
var customary = map[string]vocabulary{
	"http://www.itunes.com/dtds/podcast-1.0.dtd":    vocabularyITunes, // that of nearly all podcasts
	"http://www.itunes.com/dtds/Podcast-1.0.dtd":    vocabularyITunes,
	"https://www.itunes.com/dtds/podcast-1.0.dtd":   vocabularyITunes,
	"http://www.rssboard.org/media-rss":             vocabularyMedia, // of Squarespace
	"https://search.yahoo.com/mrss/":                vocabularyMedia,
	"https://purl.org/rss/1.0/modules/content/":     vocabularyContent,
	"https://purl.org/dc/elements/1.1/":             vocabularyDC,
	"https://purl.org/rss/1.0/modules/syndication/": vocabularySyndication,
	"https://www.w3.org/2005/Atom":                  vocabularyAtom,
}

// byPrefix returns the vocabulary of a prefix that counts by itself.
func byPrefix(prefix []byte) vocabulary {
	switch string(prefix) {
	case "content":
		return vocabularyContent
	case "dc":
		return vocabularyDC
	case "itunes":
		return vocabularyITunes
	case "media":
		return vocabularyMedia
	case "sy":
		return vocabularySyndication
	case "atom":
		return vocabularyAtom
	case "atom10":
		return vocabularyAtom10
	case "atom03":
		return vocabularyAtom03
	}
	return vocabularyOther
}

// rootNamespaces are those that feeds in RSS put their root into and that
// gofeed takes for RSS then, as it does with any that is none of its own list.
var rootNamespaces = map[string]bool{
	"http://backend.userland.com/rss2":          true,
	"http://backend.userland.com/RSS2":          true,
	"http://backend.userland.com/rss091":        true,
	"http://backend.userland.com/rss092":        true,
	"http://blogs.law.harvard.edu/tech/rss":     true,
	"http://cyber.law.harvard.edu/rss/":         true,
	"http://cyber.law.harvard.edu/rss/rss.html": true,
}

// openRoot takes in the start tag of the root.
func (f *fastReader) openRoot(g *guard) {
	if f.format == formatAtom {
		f.enter(scopeFeed)
		return
	}
	f.enter(scopeRoot)
	switch {
	case f.format.isNative(g.rootURI), wellKnown(g.rootURI) != vocabularyOther:
	case rootNamespaces[string(g.rootURI)]:
		f.rootURI = g.rootURI
	default:
		f.decline(DeclineNamespace)
	}
}

// knowsBindings reports whether the namespaces that e declares are bound so
// that vocabularyOf tells what gofeed makes of their elements.
func (f *fastReader) knowsBindings(g *guard, e *element) bool {
	for i := range g.attrs {
		a := &g.attrs[i]
		if bytes.HasPrefix(a.name.full, []byte("xmlns")) && bytes.IndexByte(a.value, '&') >= 0 {
			return false
		}
	}
	for _, b := range g.bindings[len(g.bindings)-e.declared:] {
		isXML := string(b.uri) == xmlNamespace
		switch {
		case string(b.prefix) == "xml", isXML:
			if string(b.prefix) != "xml" || !isXML {
				return false
			}
		case string(b.prefix) == "xmlns", len(b.prefix) > 0 && len(b.uri) == 0, byPrefix(b.uri) != vocabularyOther:
			return false
		case customary[string(b.uri)] != vocabularyOther:
			if customary[string(b.uri)] != byPrefix(b.prefix) {
				return false
			}
		case byPrefix(b.prefix) != vocabularyOther && wellKnown(b.uri) == vocabularyOther:
			return false
		}
	}
	return true
}

// vocabularyOf returns the vocabulary that e belongs to. A prefix that nothing
// declares stands for itself, which no namespace here is like: see knowsBindings.
func (f *fastReader) vocabularyOf(e *element) vocabulary {
	if f.format.isNative(e.uri) || f.rootURI != nil && bytes.Equal(e.uri, f.rootURI) {
		return vocabularyNative
	}
	if v := wellKnown(e.uri); v != vocabularyOther {
		return v
	}
	if v := byPrefix(e.uri); v != vocabularyOther {
		return v
	}
	return customary[string(e.uri)]
}
