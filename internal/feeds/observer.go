package feeds

// An Observer is told where a Refresher is with the document that it reads, so
// that whoever finds the process dead knows which document it was. Its methods
// are called by the goroutine that reads, for one document at a time, and the
// parser waits for them.
type Observer interface {
	// Guarding says that the document of a job is read from here on, and is
	// being looked through. body is what came, decoded; it must not be kept.
	Guarding(job int64, body []byte)
	// Parsing says that the guard let it through and gofeed has it. The fast
	// reader goes along with the guard, and of what it reads nobody says this.
	Parsing(job int64)
	// Parsed says how many bytes of it the guard has gone over, or gofeed has
	// taken, since either was last spoken of: every few KiB.
	Parsed(bytes int64)
	// Read says that the document is read, and its items are known.
	Read()
}

// Status is what a Refresher does at one moment.
type Status struct {
	Parsing int64 // the job whose document is being parsed; 0 when none is
	// Overdue is a job whose exchange was ended by a limit ten seconds ago and
	// goes on all the same; 0 when there is none. Nothing ends it any more but
	// the end of the process.
	Overdue int64
}
