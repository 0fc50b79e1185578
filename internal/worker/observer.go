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
	work  board.Work

	bytes atomic.Int64 // of the document, taken by the parser
}

// now returns what was put last.
func (w *lastWord) now() board.Work {
	w.mu.Lock()
	defer w.mu.Unlock()
	work := w.work
	if work.Phase == board.PhaseParse {
		work.Bytes = w.bytes.Load()
	}
	return work
}

// document puts the phase of a job's document on the board.
func (w *lastWord) document(p board.Phase, job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.final {
		return
	}
	w.board.Document(p, job)
	w.bytes.Store(0)
	if w.work = (board.Work{Phase: p, Job: job}); job == 0 {
		w.work = board.Work{}
	}
}

// conclude says that the process ends for a job's request. It waits no longer than
// a moment for whoever sends something.
func (s *server) conclude(job int64) {
	s.word.conclude(job)
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

// conclude says that the process ends for a job's request, and nothing else is
// to be said of it.
func (w *lastWord) conclude(job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.final = true
	w.board.Document(board.PhaseFetch, job)
	w.work = board.Work{Phase: board.PhaseFetch, Job: job}
}

func (o observer) Guarding(job int64, body []byte) {
	// Whether it could be kept changes nothing for whoever reads it next.
	_ = o.capture.Put(job, body)
	o.document(board.PhaseGuard, job)
	if o.tell != nil {
		o.tell()
	}
	crash.At("worker: after fetch")
}

func (o observer) Parsing(job int64) {
	o.document(board.PhaseParse, job)
	crash.At("worker: before parse")
}

func (o observer) Parsed(bytes int64) {
	o.board.Bytes(bytes)
	o.bytes.Store(bytes)
	crash.At("worker: in parse")
}

func (o observer) Read() {
	o.document(board.PhaseIdle, 0)
	crash.At("worker: after parse")
}
