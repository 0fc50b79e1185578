package worker

import (
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
	board    *ipc.Scoreboard
	specimen *ipc.Specimen
}

func (o observer) Guarding(job int64, body []byte) {
	// Whether it could be kept changes nothing for whoever reads it next.
	_ = o.specimen.Put(job, body)
	o.board.Document(ipc.PhaseGuard, job)
	crash.At("worker: after fetch")
}

func (o observer) Parsing(job int64) {
	o.board.Document(ipc.PhaseParse, job)
	crash.At("worker: before parse")
}

func (o observer) Parsed(bytes int64) {
	o.board.Bytes(bytes)
	crash.At("worker: in parse")
}

func (o observer) Read() {
	o.board.Document(ipc.PhaseIdle, 0)
	crash.At("worker: after parse")
}
