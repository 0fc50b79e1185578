package worker

import (
	"sync"
	"sync/atomic"
	"time"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc/board"
)

// An observable is a Refresher that tells which document it reads.
// *feeds.Refresher is one.
type observable interface{ Observe(feeds.Observer) }

// An observer puts what a refresher tells on the scoreboard, and a document
// that is wanted where it will be found.
type observer struct {
	*lastWord
	capture *board.Capture
}

// A lastWord puts on the scoreboard which document is read, until it is known
// what the process ends for. Where there is no scoreboard it is told in frames.
type lastWord struct {
	board *board.Board
	tell  func() // sends what now returns; nil where the board says it

	mu    sync.Mutex // guards the fields below, and that nobody speaks after the last word
	final bool
	work  board.Work // but for its bytes

	bytes atomic.Int64 // of the document, taken by whoever reads it
}

// now returns what was put last.
func (w *lastWord) now() board.Work {
	w.mu.Lock()
	defer w.mu.Unlock()
	work := w.work
	work.Bytes = w.bytes.Load()
	return work
}

// document puts the phase of a job's document on the board. After what is final
// nothing else is said.
func (w *lastWord) document(p board.Phase, job int64, final bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.final {
		return
	}
	w.final = final
	w.board.Document(p, job)
	w.work = board.Work{Phase: p, Job: job}
	w.bytes.Store(0)
}

// conclude says that the process ends for a job's request. It waits no longer than
// a moment for whoever sends something.
func (s *server) conclude(job int64) {
	s.word.document(board.PhaseFetch, job, true)
	if s.word.tell == nil {
		return
	}
	told := make(chan struct{})
	go func() {
		s.word.tell()
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(time.Second):
	}
}

func (o observer) Guarding(job int64, body []byte) {
	// Whether it could be kept changes nothing for whoever reads it next.
	_ = o.capture.Put(job, body)
	o.document(board.PhaseGuard, job, false)
	if o.tell != nil {
		o.tell()
	}
	crash.At("worker: after fetch")
}

func (o observer) Parsing(job int64) {
	o.document(board.PhaseParse, job, false)
	crash.At("worker: before parse")
}

func (o observer) Parsed(bytes int64) {
	o.board.Bytes(bytes)
	o.bytes.Store(bytes)
	crash.At("worker: in parse")
}

func (o observer) Read() {
	o.document(board.PhaseIdle, 0, false)
	crash.At("worker: after parse")
}
