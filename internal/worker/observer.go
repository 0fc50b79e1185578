package worker

import (
	"sync"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// An observable is a Refresher that tells which document it reads.
// *feeds.Refresher is one.
type observable interface{ Observe(feeds.Observer) }

// An observer puts what a refresher tells on the scoreboard, and a document
// that is wanted where it will be found.
type observer struct {
	*lastWord
	specimen *ipc.Specimen
}

// A lastWord puts on the scoreboard which document is read, until it is known
// what the process ends for.
type lastWord struct {
	board *ipc.Scoreboard

	mu    sync.Mutex // guards the field below, and that nobody speaks after the last word
	final bool
}

// document puts the phase of a job's document on the board.
func (w *lastWord) document(p ipc.Phase, job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.final {
		w.board.Document(p, job)
	}
}

// conclude says that the process ends for a job's request, and nothing else is
// to be said of it.
func (w *lastWord) conclude(job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.final = true
	w.board.Document(ipc.PhaseFetch, job)
}

func (o observer) Guarding(job int64, body []byte) {
	// Whether it could be kept changes nothing for whoever reads it next.
	_ = o.specimen.Put(job, body)
	o.document(ipc.PhaseGuard, job)
	crash.At("worker: after fetch")
}

func (o observer) Parsing(job int64) {
	o.document(ipc.PhaseParse, job)
	crash.At("worker: before parse")
}

func (o observer) Parsed(bytes int64) {
	o.board.Bytes(bytes)
	crash.At("worker: in parse")
}

func (o observer) Read() {
	o.document(ipc.PhaseIdle, 0)
	crash.At("worker: after parse")
}
