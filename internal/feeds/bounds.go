package feeds

import "fmt"

// Bounds on a document, so that what is given to the parser costs it time and
// memory in proportion to its size. Over one of them a document is refused,
// except that of too many items the newest are read.
const (
	// maxDepth bounds how deep elements, arrays and objects nest. gofeed goes
	// into some of them by recursion, and a goroutine whose stack overflows takes
	// the process with it.
	maxDepth = 256

	// maxDeclared and maxNamespaces bound the namespaces that one element
	// declares and the different ones that a document does. gofeed copies all
	// that are in scope for every element.
	maxDeclared   = 64
	maxNamespaces = 1000

	// maxNamespaceWork bounds the sum over all elements of the namespaces in
	// scope, which is what those copies cost: about 150 ns each.
	maxNamespaceWork = 32 << 20

	// maxItems bounds the items that are read. Feeds list the newest first, so
	// it is the end of the document that is left out.
	maxItems = 100_000

	// maxElements bounds the elements of XML and the values of JSON, at about
	// 2 µs each in the parser.
	maxElements = 2_000_000

	// maxForeign bounds the memory that gofeed needs for elements of other
	// vocabularies, in bytes by the estimate of guard.weigh: it keeps them all,
	// with two maps for each.
	maxForeign = 128 << 20

	// maxNames bounds the authors of an item: each is looked for among those
	// before it. The others are left out.
	maxNames = 1000

	// maxDate bounds a date, in bytes, and maxNoDates how often in a document
	// gofeed's hundred layouts are tried on what is none of them, at 0.1 ms
	// each. What is longer, or comes later, is no date unless it has one of the
	// two usual forms.
	maxDate    = 128
	maxNoDates = 5000

	// maxOddDates bounds the texts in neither of these two forms that gofeed itself
	// is given for a date. Which of them are dates only trying them would say.
	maxOddDates = 20_000

	// maxBaseWork bounds what links grow by when they become absolute, in bytes:
	// for every place within an xml:base where one may be, as much as the base is
	// long. Tags and texts with HTML are counted each on their own.
	maxBaseWork = 32 << 20

	// maxReopened bounds the elements that the HTML parser opens again in the
	// texts of a document, by the estimate of reopened, at about 200 bytes and as
	// many nanoseconds each. The fast reader keeps to it. What it leaves to gofeed
	// is not looked through for this, which would cost as much as all the rest
	// of the guard: there the worker's memory is the bound.
	maxReopened = 1 << 20

	// maxTextWork bounds the bytes that gofeed copies while it puts together
	// the text of such elements. It copies all it has for every piece, so that
	// text in very many pieces costs the square of its size.
	maxTextWork = 512 << 20
)

// limit describes a bound that is not kept.
func limit(class Class, format string, args ...any) *Failure {
	return &Failure{Class: class, Detail: fmt.Sprintf(format, args...)}
}

// tooManyAttributes describes a start tag that a scanner gave up.
func tooManyAttributes() *Failure {
	return limit(LimitNamespace, "an element has more than %d attributes", maxAttributes)
}
