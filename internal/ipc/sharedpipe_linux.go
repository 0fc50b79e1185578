package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The modes locked-pipe and unsafe-pipe: one pipe to which all workers write
// what they say, with a lock around each frame or without one.
//
// A frame travels in an envelope that says whose it is; the two are again
// valid msgpack:
//
//	92 | ce incarnation32 | frame
//
// The kernel keeps a write whole only up to 4,096 bytes (PIPE_BUF), so two
// writers without a lock tear each other's frames, and a writer that is killed
// leaves the beginning of one. The reader finds out by the checksum, and looks
// for the next envelope from the byte after the last one's first on, in what it
// has read: the beginning of a frame never costs the whole one that follows.
//
// The lock is a file lock (flock), which ends with the process that holds it.
// Every process opens the file anew, through /proc, because a lock belongs to
// an open file and not to a process: on an inherited one it would exclude
// nobody. Rejected: a lock word in shared memory, which a dead process would
// hold for ever unless someone else frees it; and POSIX semaphores for the same
// reason, which is CPython's own bug (github.com/python/cpython/issues/96062).

const (
	markEnvelope = 0x92 // at 0: array of two
	markSender   = 0xce // at 1: uint32
	envelopeSize = 6

	// endOfLine is the kind of the frame with which the coordinator itself
	// says that an incarnation is gone: it is in nobody's vocabulary.
	endOfLine kind = 0

	sharedRoom  = 64 << 10 // what is read at a time, at least
	sharedAhead = 64       // frames that wait for the one who takes a line's messages
)

func init() {
	wirings[ModeLockedPipe] = wiring{
		func(o CarrierOptions) (Carrier, error) { return newSharedPipe(o, true) },
		func(w WorkerEnd) (*Conn, error) { return connectSharedPipe(w, true) },
	}
	wirings[ModeUnsafePipe] = wiring{
		func(o CarrierOptions) (Carrier, error) { return newSharedPipe(o, false) },
		func(w WorkerEnd) (*Conn, error) { return connectSharedPipe(w, false) },
	}
}

// A sharedPipe is the coordinator's side: it reads the pipe and gives each line
// its frames.
type sharedPipe struct {
	maxFrame uint32
	r, w     *os.File  // w is what the workers inherit
	lock     *fileLock // nil in the mode that has none
	torn     atomic.Int64
	reading  sync.WaitGroup

	mu    sync.Mutex
	lines map[uint32]*sharedLine // those that are not at their end
}

func newSharedPipe(o CarrierOptions, locked bool) (*sharedPipe, error) {
	s := &sharedPipe{maxFrame: o.MaxFrame, lines: make(map[uint32]*sharedLine)}
	if s.maxFrame == 0 {
		s.maxFrame = DefaultMaxFrame
	}
	var err error
	if locked {
		if s.lock, err = newFileLock(); err != nil {
			return nil, err
		}
	}
	if s.r, s.w, err = os.Pipe(); err != nil {
		s.lock.close()
		return nil, err
	}
	Widen(s.r)
	s.reading.Go(s.read)
	return s, nil
}

// Torn returns how many times something that is no whole frame was found where
// one should begin. It may be called at any time.
func (s *sharedPipe) Torn() int64 { return s.torn.Load() }

// Join implements Carrier.
func (s *sharedPipe) Join(e End) (Line, error) {
	l := &sharedLine{
		Conn:   newConn(nil, &stream{w: e.Stdin}, s.maxFrame),
		shared: s, incarnation: e.Incarnation, frames: make(chan sharedFrame, sharedAhead), printedC: make(chan struct{}),
	}
	s.mu.Lock()
	s.lines[e.Incarnation] = l
	s.mu.Unlock()
	l.watching.Go(func() { l.awaitEnd(e.Stdout) })
	return l, nil
}

// Close implements Carrier.
func (s *sharedPipe) Close() error {
	err := s.r.Close()
	s.reading.Wait()
	return errors.Join(err, s.w.Close(), s.lock.close())
}

// line returns the line of an incarnation that is still to say something.
func (s *sharedPipe) line(incarnation uint32) *sharedLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines[incarnation]
}

// end closes a line's way, at the sign that the coordinator itself has sent
// through the pipe.
func (s *sharedPipe) end(l *sharedLine) {
	s.mu.Lock()
	delete(s.lines, l.incarnation)
	s.mu.Unlock()
	close(l.frames)
}

// read reads the pipe until it is closed.
func (s *sharedPipe) read() {
	var in sharedInlet
	defer in.close()
	broken := false // what comes before the next frame was counted as torn
	for {
		n, err := s.r.Read(in.room())
		in.to += n
		for in.from < in.to {
			f, used := s.cut(in.b[in.from:in.to])
			if used == 0 {
				break // the rest of it is still to come
			}
			if f.kind == notAFrame {
				if !broken {
					s.torn.Add(1)
				}
				broken = true
			} else {
				broken = false
				s.route(f, in.chunk)
			}
			in.from += used
		}
		if err != nil {
			s.hangUp()
			return
		}
	}
}

// A sharedInlet is the memory that a shared pipe is read into, and that the
// messages then lie in, so that no frame is copied that is not cut.
type sharedInlet struct {
	b        []byte
	chunk    *chunk // that b is of; nil when b belongs to the garbage collector
	from, to int    // what was read and not taken
}

// room returns where to read to.
func (in *sharedInlet) room() []byte {
	if in.from == in.to && in.chunk != nil && in.chunk.unused() {
		in.from, in.to = 0, 0 // what is warm in the cache
	}
	if len(in.b)-in.to >= sharedRoom {
		return in.b[in.to:]
	}
	left := in.b[in.from:in.to]
	old := in.chunk
	switch {
	case old != nil && old.unused() && len(left)+sharedRoom <= len(in.b):
		in.from, in.to = 0, copy(in.b, left)
		return in.b[in.to:]
	case len(left)+sharedRoom <= chunkSize:
		in.chunk = newChunk()
		in.b = in.chunk.b
	default: // a frame that is longer than a chunk
		in.chunk, in.b = nil, make([]byte, 2*len(left))
	}
	in.from, in.to = 0, copy(in.b, left)
	if old != nil {
		old.drop()
	}
	return in.b[in.to:]
}

func (in *sharedInlet) close() {
	if in.chunk != nil {
		in.chunk.drop()
	}
}

// hangUp ends all lines: nobody will read the pipe any more.
func (s *sharedPipe) hangUp() {
	s.mu.Lock()
	left := s.lines
	s.lines = nil
	s.mu.Unlock()
	for _, l := range left {
		close(l.frames)
	}
}

// A sharedFrame is an intact frame, or the sign of a torn one.
type sharedFrame struct {
	header
	sender  uint32
	payload []byte
	chunk   *chunk // that it lies in, of which it is a user; nil when that is not used again
	size    int    // of frame and envelope
}

// drop lets go of the frame's memory.
func (f *sharedFrame) drop() {
	if f.chunk != nil {
		f.chunk.drop()
	}
}

// notAFrame is the kind of what cut skips.
const notAFrame kind = 0xff

// cut takes the frame at the beginning of b, or what is in the way of the next
// one. It returns 0 when more must come before it can be told.
func (s *sharedPipe) cut(b []byte) (f sharedFrame, used int) {
	skip := func() (sharedFrame, int) {
		if i := bytes.IndexByte(b[1:], markEnvelope); i >= 0 {
			return sharedFrame{header: header{kind: notAFrame}}, i + 1
		}
		return sharedFrame{header: header{kind: notAFrame}}, len(b)
	}
	if b[0] != markEnvelope || len(b) > 1 && b[1] != markSender {
		return skip()
	}
	if len(b) < envelopeSize+headerSize {
		return f, 0 // also when it is cut: the next envelope is what comes then
	}
	h, ok := parseHeader(b[envelopeSize:])
	if !ok || h.size > s.maxFrame {
		return skip()
	}
	f = sharedFrame{header: h, sender: binary.BigEndian.Uint32(b[2:]), size: envelopeSize + headerSize + int(h.size)}
	l := s.line(f.sender)
	if l == nil {
		return skip() // nobody who is alive has begun this
	}
	if len(b) < f.size {
		if l.gone.Load() && bytes.Contains(b, signOff(f.sender)) {
			return skip() // its writer is dead, and this is not the rest of it
		}
		return f, 0
	}
	frame := b[envelopeSize:f.size:f.size]
	f.payload = frame[headerSize:]
	if checksum(headChecksum(frame), f.payload) != h.crc {
		return skip() // if its writer lives, its next frame is out of sequence
	}
	return f, f.size
}

// route gives a frame, which lies in a chunk, to the line of its sender.
func (s *sharedPipe) route(f sharedFrame, in *chunk) {
	l := s.line(f.sender)
	if f.kind == endOfLine && l.gone.Load() {
		s.end(l)
		return
	}
	l.in.read.Add(int64(f.size))
	if f.chunk = in; in != nil {
		in.users.Add(1)
	}
	l.frames <- f // Recv or Drain takes it: one of them runs until the end
}

// signOff returns the sign of the end of a line.
func signOff(incarnation uint32) []byte {
	b := make([]byte, envelopeSize+headerSize)
	putEnvelope(b, incarnation)
	sealFrame(b[envelopeSize:], endOfLine, 0)
	return b
}

// signOff puts the sign of the end of a line through the pipe, behind all that
// its process has said.
func (s *sharedPipe) signOff(l *sharedLine) error {
	return s.lock.around(func() error {
		_, err := s.w.Write(signOff(l.incarnation))
		return err
	})
}

// putEnvelope fills in the envelope at the beginning of b.
func putEnvelope(b []byte, incarnation uint32) {
	b[0], b[1] = markEnvelope, markSender
	binary.BigEndian.PutUint32(b[2:], incarnation)
}

// A sharedLine is one worker's part of a sharedPipe. Its Conn sends on the
// worker's stdin, receives nothing itself, and does the counting.
type sharedLine struct {
	*Conn
	shared      *sharedPipe
	incarnation uint32
	frames      chan sharedFrame // closed at the end
	gone        atomic.Bool      // the process writes nothing any more
	watching    sync.WaitGroup

	printed  string        // what its stdout said, though it carries nothing; set before printedC is closed
	printedC chan struct{} // closed when it said something
}

// Files implements Line: the pipe, the lock, and the process's own number.
func (l *sharedLine) Files() []*os.File {
	files := []*os.File{l.shared.w}
	if l.shared.lock != nil {
		files = append(files, l.shared.lock.file)
	}
	return files
}

// Started implements Line.
func (l *sharedLine) Started(int) {}

// awaitEnd waits for the process to be gone, which the end of its stdout says.
// Whatever it writes there does not belong there.
func (l *sharedLine) awaitEnd(stdout io.Reader) {
	b := make([]byte, excerptLen)
	if n, _ := stdout.Read(b); n > 0 {
		l.printed = strconv.Quote(string(b[:n]))
		close(l.printedC)
		io.Copy(io.Discard, stdout)
	}
	l.gone.Store(true)
	// An error means that the pipe is closed, and then the line is ended by
	// the one who read it.
	_ = l.shared.signOff(l)
}

// Recv implements Line.
func (l *sharedLine) Recv() (*Message, error) {
	if l.recvErr != nil {
		return nil, l.recvErr
	}
	m, err := l.recv()
	if err != nil {
		l.recvErr = err
	}
	return m, err
}

// recv returns the next frame's message, if it is the sender's next one.
func (l *sharedLine) recv() (*Message, error) {
	var f sharedFrame
	select {
	case frame, more := <-l.frames:
		if !more {
			return nil, io.EOF
		}
		f = frame
		defer f.drop()
	case <-l.printedC:
		return nil, &ProtocolError{Kind: ErrNotFrame, Detail: "stdout, which carries nothing in this mode, says", Text: l.printed}
	}
	if f.seq != l.recvSeq && l.shared.lock != nil {
		return nil, l.protocol(ErrSequence, "%s has number %d", f.kind, f.seq)
	}
	l.recvSeq = f.seq + 1
	if !f.kind.known() {
		return nil, l.protocol(ErrUnknownKind, "%d", f.kind)
	}
	m, err := decodeMessage(f.kind, f.payload, f.chunk)
	if err != nil {
		return nil, l.protocol(ErrMalformed, "%s of %d bytes: %v", f.kind, f.header.size, err)
	}
	if m.Hello != nil && m.Hello.MaxFrame != 0 {
		l.peerMax.Store(m.Hello.MaxFrame)
	}
	return m, nil
}

// Drain implements Line.
func (l *sharedLine) Drain() {
	for f := range l.frames {
		f.drop()
	}
}

// Close implements Line.
func (l *sharedLine) Close() { l.watching.Wait() }

// connectSharedPipe returns a worker's end.
func connectSharedPipe(w WorkerEnd, locked bool) (*Conn, error) {
	out, err := inheritedPipe(CarrierFD)
	if err != nil {
		return nil, err
	}
	s := &sharedSink{w: out, stdout: w.Stdout, incarnation: w.Incarnation}
	if locked {
		if s.lock, err = openFileLock(CarrierFD + 1); err != nil {
			return nil, err
		}
	}
	return newConn(w.Stdin, s, 0), nil
}

// inheritedPipe returns the file of a descriptor that must be a pipe.
func inheritedPipe(fd int) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("descriptor %d is no pipe", fd)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "shared pipe"), nil
}

// A sharedSink writes each frame, in its envelope, to the shared pipe.
type sharedSink struct {
	w           *os.File
	stdout      io.Writer // kept so that nobody closes it: its end says that the worker is gone
	lock        *fileLock // nil in the mode that has none
	incarnation uint32
	board       *Scoreboard
	job         int64  // that the frame being built is about
	next        []byte // for the next envelope and frame
}

func (s *sharedSink) show(b *Scoreboard) { s.board = b }

func (s *sharedSink) buffer(m *Message) []byte {
	s.job = m.subject()
	if cap(s.next) == 0 {
		s.next = make([]byte, 0, 4<<10)
	}
	return s.next[envelopeSize:envelopeSize]
}

func (s *sharedSink) put(frame []byte) error {
	whole := s.next[:envelopeSize]
	if &whole[:envelopeSize+1][envelopeSize] == &frame[0] {
		whole = whole[:envelopeSize+len(frame)]
	} else { // it has outgrown its buffer
		whole = append(make([]byte, envelopeSize, envelopeSize+cap(frame)), frame...)
	}
	if s.next = whole; cap(whole) > keepBuffer {
		s.next = nil
	}
	putEnvelope(whole, s.incarnation)
	if s.job == 0 { // else who sends the answer says when it is done
		defer s.board.send(PhaseIdle, 0, 0)
	}
	s.board.send(PhaseWait, s.job, 0)
	return s.lock.around(func() error {
		s.board.send(PhaseWrite, s.job, int64(len(whole)))
		_, err := s.w.Write(whole)
		return err
	})
}
