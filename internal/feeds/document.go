package feeds

// A Document is what a feed's body says.
type Document struct {
	Title  string
	Link   string // the home page, absolute where it can be made so
	Items  []Item // the oldest of the document first; Key and Hash set, each key once
	Pacing Pacing // TTL, SkipHours and SkipDays only

	Reader Reader // who read it

	// Notes are short remarks for people on what was odd about the document
	// and did not keep it from being read, such as "trailing data".
	Notes []string
}

// A Body is what came for a job, to be read as a document.
type Body struct {
	Bytes       []byte // decoded; nobody keeps a reference to them
	ContentType string // the header; may be empty
	URL         string // where it came from, after redirects; may be empty
	Parser      Parser

	Observer Observer // told how far reading has got; nil for nobody
	Job      int64    // what the observer knows it by
}

// A Parser says who reads a document. Its zero value is ParserAuto.
type Parser uint8

// The two ways to read.
const (
	ParserAuto   Parser = iota // the own reader, and gofeed where that panics
	ParserGofeed               // gofeed alone, but for JSON that it refuses
)

// A Reader is one of the two that read documents.
type Reader uint8

// The readers.
const (
	ReaderNone   Reader = iota // no document was read
	ReaderFast                 // the own reader did
	ReaderGofeed               // gofeed did
)
