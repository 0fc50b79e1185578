// Package board is what a worker leaves behind when it dies: a scoreboard, which
// says what it did in its last moment, and a captured document. Both lie in
// memory that outlives the process. Neither is believed further than a worker's
// word goes: whom it accuses must be one of its own jobs, and gets a trial.
package board

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"feedmill/internal/ipc"
)

// A Phase is what a worker does with a job.
type Phase uint32

// The phases, in the order in which a job goes through them.
const (
	PhaseIdle   Phase = iota
	PhaseFetch        // requests are under way and nothing else is
	PhaseGuard        // a document is being looked through
	PhaseParse        // a document is being parsed, and compared with what is known
	PhaseEncode       // an answer is being encoded
	PhaseWrite        // an answer is being written to where answers go
	PhaseWait         // an answer, or less, waits for its turn on a pipe that is shared
)

var phaseNames = [...]string{
	PhaseIdle: "idle", PhaseFetch: "fetch", PhaseGuard: "guard", PhaseParse: "parse", PhaseEncode: "encode", PhaseWrite: "write", PhaseWait: "wait",
}

func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint32(p))
}

// A Board says what a worker does, in memory that it shares with the
// coordinator: a page of a memfd, which the worker gets as file descriptor 3.
// Writing to it is a few stores, and what was written is still there when the
// worker was killed in the middle of its next instruction.
//
// A Board is an ipc.Probe: a Conn that is told of it says which answer is sent.
//
// All methods may be called on a nil Board, which says nothing.
//
// Rejected: one memfd for all workers of a pool. It would save a page each, but
// any of them could write into the others' records.
type Board struct {
	record *record
	memory []byte // what record lies in
	file   descriptor

	answers bool // an answer is being sent; of the goroutine that sends
}

var _ ipc.Probe = (*Board)(nil)

// recordMagic begins a record, and changes with its layout.
const recordMagic = 0x66_6d_73_02 // "fms", 2

// A record is two cache lines: the first is written when jobs come and go, the
// second for each document and answer. Numbers are in the machine's own byte
// order, as it never leaves the machine.
type record struct {
	magic uint32
	pid   atomic.Uint32 // by the worker, last when it begins
	owed  atomic.Int64  // jobs taken and not answered
	_     [48]byte

	// change is odd while document and answer are being changed, and counts
	// how often they were.
	change   atomic.Uint64
	document work
	answer   work
	_        [8]byte
}

// A work is one job in a phase. Only one document is read at a time and only
// one answer is sent, but both may happen at once.
type work struct {
	job   atomic.Int64
	bytes atomic.Int64
	phase atomic.Uint32
	_     uint32
}

const recordSize = int64(unsafe.Sizeof(record{}))

// A Work is a job in a phase.
type Work struct {
	Phase Phase
	Job   int64
	Bytes int64 // of the document taken by the parser, or of the frame being written
}

// A Standing is what a Board says at one moment.
type Standing struct {
	PID      int    // 0 until the worker wrote to it
	Owed     int    // jobs taken and not answered
	Changes  uint64 // grows with every change of Document or Answer
	Document Work   // PhaseGuard or PhaseParse, or PhaseFetch of a request that did not end; zero when no document is read
	Answer   Work   // PhaseEncode or PhaseWrite; zero when none is sent
}

// Now returns the one thing to say of a worker: the document that it reads,
// else the answer that it sends, else that it fetches or is idle.
func (s Standing) Now() Work {
	switch {
	case s.Document.Job != 0:
		return s.Document
	case s.Answer.Job != 0:
		return s.Answer
	case s.Owed > 0:
		return Work{Phase: PhaseFetch}
	}
	return Work{}
}

// String returns the phase and, where there is one, the job and the byte.
func (w Work) String() string {
	if w.Job == 0 {
		return w.Phase.String()
	}
	return fmt.Sprintf("%s of feed %d at byte %d", w.Phase, w.Job, w.Bytes)
}

// Standing returns what the board says. It is the zero Standing when no worker
// has written to it.
func (b *Board) Standing() Standing {
	if b == nil {
		return Standing{}
	}
	s := b.record
	st := Standing{PID: int(s.pid.Load()), Owed: int(s.owed.Load())}
	if st.PID == 0 {
		return Standing{}
	}
	// A worker that was killed within a change leaves an odd number for ever,
	// so this does not wait for an even one.
	for range 100 {
		st.Changes = s.change.Load()
		st.Document, st.Answer = s.document.load(), s.answer.load()
		if st.Changes%2 == 0 && s.change.Load() == st.Changes {
			break
		}
	}
	return st
}

func (w *work) load() Work {
	return Work{Phase: Phase(w.phase.Load()), Job: w.job.Load(), Bytes: w.bytes.Load()}
}

// enter puts what is done into one of the record's works.
func (s *record) enter(w *work, p Phase, job, bytes int64) {
	s.change.Add(1)
	w.phase.Store(uint32(p))
	w.job.Store(job)
	w.bytes.Store(bytes)
	s.change.Add(1)
}

// Enter says that process pid is the one that writes from now on.
func (b *Board) Enter(pid int) {
	if b != nil {
		b.record.pid.Store(uint32(pid))
	}
}

// Owe adds n, which may be negative, to the jobs that the worker has taken and
// not answered.
func (b *Board) Owe(n int) {
	if b != nil {
		b.record.owed.Add(int64(n))
	}
}

// Document says that the document of a job is in a phase. PhaseIdle says that
// no document is.
func (b *Board) Document(p Phase, job int64) {
	if b != nil {
		b.record.enter(&b.record.document, p, job, 0)
	}
}

// Bytes says how far the parser is in the document.
func (b *Board) Bytes(n int64) {
	if b != nil {
		b.record.document.bytes.Store(n)
	}
}

// Begin implements ipc.Probe.
func (b *Board) Begin(s ipc.Stage, job int64, bytes int) {
	if b == nil || job == 0 {
		return
	}
	phase := PhaseEncode
	if s == ipc.StageWrite {
		phase = PhaseWrite
	}
	b.answers = true
	b.record.enter(&b.record.answer, phase, job, int64(bytes))
}

// End implements ipc.Probe.
func (b *Board) End(s ipc.Stage) {
	// The stage first: what reads in the meantime has no part in answers, which
	// belongs to whoever sends.
	if b != nil && (s == ipc.StageEncode || s == ipc.StageWrite) && b.answers {
		b.answers = false
		b.record.enter(&b.record.answer, PhaseIdle, 0, 0)
	}
}

// Wait says that what is being written waits for its turn, or does so no more.
func (b *Board) Wait(waits bool) {
	if b == nil {
		return
	}
	now := b.record.answer.load()
	p := PhaseIdle
	switch {
	case waits:
		p = PhaseWait
	case now.Job != 0:
		p = PhaseWrite
	}
	b.record.enter(&b.record.answer, p, now.Job, now.Bytes)
}
