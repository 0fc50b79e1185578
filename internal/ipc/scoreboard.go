package ipc

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"feedmill/internal/feeds"
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

// A Scoreboard says what a worker does, in memory that it shares with the
// coordinator: a page of a memfd, which the worker gets as file descriptor 3.
// Writing to it is a few stores, and what was written is still there when the
// worker was killed in the middle of its next instruction.
//
// The memfd is sealed: its size cannot be changed, so that no worker can make
// the coordinator die of a page that is gone. What a worker writes is taken
// for no more than its word: whom it accuses must be one of its own jobs, and
// gets a trial.
//
// All methods may be called on a nil Scoreboard, which says nothing.
//
// Rejected: one memfd for all workers of a pool. It would save a page each, but
// any of them could write into the others' slots.
type Scoreboard struct {
	slot   *slot
	memory []byte // what slot lies in
	file   descriptor
}

// slotMagic begins a slot, and changes with its layout.
const slotMagic = 0x66_6d_73_01 // "fms", 1

// A slot is two cache lines: the first is written when jobs come and go, the
// second for each document and answer. Numbers are in the machine's own byte
// order, as it never leaves the machine.
type slot struct {
	magic       uint32
	incarnation uint32        // by the coordinator, before the worker starts
	pid         atomic.Uint32 // by the worker, last when it begins
	_           uint32
	owed        atomic.Int64 // jobs taken and not answered
	_           [40]byte

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

const slotSize = int64(unsafe.Sizeof(slot{}))

// A Work is a job in a phase.
type Work struct {
	Phase Phase
	Job   int64
	Bytes int64 // of the document taken by the parser, or of the frame being written
}

// A Standing is what a Scoreboard says at one moment.
type Standing struct {
	PID         int    // 0 until the worker wrote to it
	Incarnation uint32 // as given to NewScoreboard
	Owed        int    // jobs taken and not answered
	Tick        uint64 // grows with every change of Document or Answer
	Document    Work   // PhaseGuard or PhaseParse, or PhaseFetch of a request that did not end; zero when no document is read
	Answer      Work   // PhaseEncode or PhaseWrite; zero when none is sent
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

// Standing returns what the scoreboard says. It is the zero Standing when no
// worker has written to it.
func (b *Scoreboard) Standing() Standing {
	if b == nil {
		return Standing{}
	}
	s := b.slot
	st := Standing{PID: int(s.pid.Load()), Incarnation: s.incarnation, Owed: int(s.owed.Load())}
	if st.PID == 0 {
		return Standing{}
	}
	// A worker that was killed within a change leaves an odd number for ever,
	// so this does not wait for an even one.
	for range 100 {
		st.Tick = s.change.Load()
		st.Document, st.Answer = s.document.load(), s.answer.load()
		if st.Tick%2 == 0 && s.change.Load() == st.Tick {
			break
		}
	}
	return st
}

func (w *work) load() Work {
	return Work{Phase: Phase(w.phase.Load()), Job: w.job.Load(), Bytes: w.bytes.Load()}
}

// enter puts what is done into one of the slot's works.
func (s *slot) enter(w *work, p Phase, job, bytes int64) {
	s.change.Add(1)
	w.phase.Store(uint32(p))
	w.job.Store(job)
	w.bytes.Store(bytes)
	s.change.Add(1)
}

// Begin says that process pid is the one that writes from now on.
func (b *Scoreboard) Begin(pid int) {
	if b != nil {
		b.slot.pid.Store(uint32(pid))
	}
}

// Owe adds n, which may be negative, to the jobs that the worker has taken and
// not answered.
func (b *Scoreboard) Owe(n int) {
	if b != nil {
		b.slot.owed.Add(int64(n))
	}
}

// Document says that the document of a job is in a phase. Phase idle says that
// no document is.
func (b *Scoreboard) Document(p Phase, job int64) {
	if b != nil {
		b.slot.enter(&b.slot.document, p, job, 0)
	}
}

// Bytes says how far the parser is in the document.
func (b *Scoreboard) Bytes(n int64) {
	if b != nil {
		b.slot.document.bytes.Store(n)
	}
}

// send says that the answer to a job is in a phase.
func (b *Scoreboard) send(p Phase, job, bytes int64) {
	if b != nil {
		b.slot.enter(&b.slot.answer, p, job, bytes)
	}
}

// subject returns the job that a worker's message is about; 0 when none.
func (m *Message) subject() int64 {
	switch {
	case m.Result != nil:
		return m.Result.ID
	case m.Items != nil:
		return m.Items.ID
	case m.Call != nil:
		return m.Call.ID
	}
	return 0
}

// A Specimen holds a copy of the one document that is wanted, in a memfd that
// a worker gets as file descriptor 4: the body of a feed that is suspected of
// killing its workers, kept by the next one before it reads it. It costs
// nothing for all other documents, and only the workers that try suspects get
// one.
//
// All methods may be called on a nil Specimen, which holds nothing.
type Specimen struct{ file descriptor }

// A specimenHead is how a specimen begins: the job that the coordinator wants,
// and the document that the worker put after the head.
type specimenHead struct {
	magic  int64
	wanted int64
	job    int64
	size   int64
}

const (
	specimenMagic = slotMagic<<8 | 's'
	headSize      = int64(unsafe.Sizeof(specimenHead{}))
)

// MaxSpecimen is how much of a document a Specimen keeps, in bytes.
const MaxSpecimen = feeds.DefaultMaxBody

// bytes returns h as the machine has it.
func (h *specimenHead) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(h)), headSize)
}
