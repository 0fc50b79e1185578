package read

import (
	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// Bounds on a document, so that reading it costs time and memory in proportion to
// its size. Over one of them a document is refused, except that of too many items
// the newest are read.
const (
	// maxDepth bounds how deep elements, arrays and objects nest. Elements
	// that are open take memory until they are closed.
	maxDepth = 256

	// maxItems bounds the items that are read. Feeds list the newest first, so
	// it is the end of the document that is left out.
	maxItems = 100_000

	// maxElements bounds the elements of XML and the values of JSON, which
	// are what a document of nothing but tags costs.
	maxElements = 2_000_000

	// maxNames bounds the authors of an item: each is looked for among those
	// before it. The others are left out.
	maxNames = 1000

	// maxRoots bounds the empty feeds that may stand in front of the one that is
	// meant.
	maxRoots = 8

	// maxGrowth bounds what a document may become larger by, in bytes, where links
	// are made absolute and an author is inherited.
	maxGrowth = 32 << 20
)

// tooManyAttributes describes a start tag that a scanner gave up.
func tooManyAttributes() *feeds.Failure {
	return feeds.Failf(feeds.LimitNamespace, "an element has more than %d attributes", scan.MaxAttributes)
}

// overgrown describes a document over maxGrowth.
func overgrown() *feeds.Failure {
	return feeds.Failf(feeds.LimitSize, "links and names that would add more than %d MiB", maxGrowth>>20)
}

// tooManyElements describes a document over that bound.
func tooManyElements(bound int) *feeds.Failure {
	return feeds.Failf(feeds.LimitSize, "more than %d elements", bound)
}

// limits are the bounds that a walker keeps.
type limits struct {
	depth      int // how deep elements nest
	elements   int // in all
	declared   int // namespaces that one element declares
	scoped     int // those in scope, among which a prefix is looked for
	namespaces int // different ones in all
}

// usualLimits are those of every document.
var usualLimits = limits{depth: maxDepth, elements: maxElements, declared: 64, scoped: 512, namespaces: 1000}
