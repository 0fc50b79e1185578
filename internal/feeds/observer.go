package feeds

import (
	"bytes"
	"io"
	"math"
)

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

// Observe makes r tell o what it does, which it must be asked for before it is
// given jobs.
func (r *Refresher) Observe(o Observer) { r.observer = o }

// A watch tells an Observer of one document. Its zero value tells nobody.
type watch struct {
	observer Observer
	job      int64
}

func (w watch) guarding(body []byte) {
	if w.observer != nil {
		w.observer.Guarding(w.job, body)
	}
}

func (w watch) read() {
	if w.observer != nil {
		w.observer.Read()
	}
}

// tellEvery is how many bytes a guard goes over before it says so again.
const tellEvery = 4 << 10

// A position is how far a guard has got, for whoever watches it.
type position struct {
	watch  watch
	untold int // where to speak up next
}

// tell says that the guard is at pos, and puts the next time off.
func (p *position) tell(pos int) {
	if p.watch.observer == nil {
		p.untold = math.MaxInt
		return
	}
	p.untold = pos + tellEvery
	p.watch.observer.Parsed(int64(pos))
}

// parser says that the parser gets text, and returns what to give it. That
// reads as it likes; the position is as exact as its buffer.
func (w watch) parser(text []byte) io.Reader {
	if w.observer == nil {
		return bytes.NewReader(text)
	}
	w.observer.Parsing(w.job)
	return &watchedReader{rest: text, observer: w.observer}
}

// A watchedReader says how far it was read.
type watchedReader struct {
	rest     []byte
	taken    int64
	observer Observer
}

func (r *watchedReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.taken += int64(n)
	r.observer.Parsed(r.taken)
	return n, nil
}
