package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/memfd"
)

// The mode locked-pipe: one pipe to which all workers write what they say, with a
// lock around each frame.
//
// A frame travels in an envelope that says whose it is; the two are again
// valid msgpack:
//
//	92 | ce generation32 | frame
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
func init() {
	wirings[LockedPipe] = wiring{func(Options) (Carrier, error) { return openSharedPipe() }, connectSharedPipe}
}

const (
	markEnvelope = 0x92 // at 0: array of two
	markSender   = 0xce // at 1: uint32
	envelopeSize = 6

	// markEnd stands in an envelope where a frame should: the coordinator's own
	// word that a generation is gone.
	markEnd = 0xc0

	sharedRoom  = 64 << 10 // what is read at a time, at least
	sharedAhead = 64       // frames that wait for the one who takes a line's messages
)

// A sharedPipe is the coordinator's side: it reads the pipe and gives each line
// its frames.
type sharedPipe struct {
	lines
	r, w    *os.File // w is what the workers inherit
	lock    *fileLock
	reading sync.WaitGroup
}

func openSharedPipe() (*sharedPipe, error) {
	s := &sharedPipe{lines: lines{of: make(map[uint32]*sharedLine)}}
	var err error
	if s.lock, err = newFileLock(); err != nil {
		return nil, err
	}
	if s.r, s.w, err = os.Pipe(); err != nil {
		s.lock.close()
		return nil, err
	}
	Widen(s.r)
	s.reading.Go(s.read)
	return s, nil
}

// Join implements Carrier.
func (s *sharedPipe) Join(e End) (Line, error) {
	l := &sharedLine{files: []*os.File{s.w, s.lock.file}}
	ok := s.join(l, e, sharedAhead, func() {
		_ = s.lock.around(func() error {
			_, err := s.w.Write(endMark(e.Generation))
			return err
		})
	})
	if !ok {
		return nil, &LostError{os.ErrClosed}
	}
	return l, nil
}

// Close implements Carrier.
func (s *sharedPipe) Close() error {
	err := s.r.Close()
	s.reading.Wait()
	return errors.Join(err, s.w.Close(), s.lock.close())
}

// read reads the pipe until it is closed.
func (s *sharedPipe) read() {
	var b []byte // what was read and not taken, with room behind it
	for {
		if cap(b)-len(b) < sharedRoom {
			b = append(make([]byte, 0, max(4*sharedRoom, 2*len(b))), b...)
		}
		n, err := s.r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		for len(b) > 0 {
			l, frame, used := s.cut(b)
			if used == 0 {
				break // the rest of it is still to come
			}
			switch {
			case l == nil: // what a dead writer has left
			case frame == nil:
				s.finish(l, io.EOF)
			default:
				l.give(frame, used)
			}
			b = b[used:]
		}
		if err != nil {
			s.hangUp(io.EOF)
			return
		}
	}
}

// cut takes the frame at the beginning of b and the line that it is of, with no
// frame where b begins with the mark of the line's end, or with no line what is
// in the way of the next envelope. used is 0 when more must come before it can
// be told.
func (s *sharedPipe) cut(b []byte) (l *sharedLine, frame []byte, used int) {
	next := len(b) // where the next envelope may begin
	if i := bytes.IndexByte(b[1:], markEnvelope); i >= 0 {
		next = i + 1
	}
	if b[0] != markEnvelope || len(b) > 1 && b[1] != markSender {
		return nil, nil, next
	}
	if len(b) <= envelopeSize {
		return nil, nil, 0 // also when it is cut: the next envelope is what comes then
	}
	if l = s.line(binary.BigEndian.Uint32(b[2:])); l == nil {
		return nil, nil, next // nobody who is alive has begun this
	}
	gone := l.gone.Load()
	if b[envelopeSize] == markEnd && gone {
		return l, nil, envelopeSize + 1
	}
	if len(b) < envelopeSize+ipc.HeaderSize {
		if gone && bytes.Contains(b[1:], endMark(l.generation)) {
			return nil, nil, next
		}
		return nil, nil, 0
	}
	size := ipc.FrameSize(b[envelopeSize:], ipc.DefaultMaxFrame)
	switch {
	case size == 0:
		return nil, nil, next
	case len(b) < envelopeSize+size && gone && bytes.Contains(b, endMark(l.generation)):
		return nil, nil, next // its writer is dead, and this is not the rest of it
	case len(b) < envelopeSize+size:
		return nil, nil, 0
	}
	used = envelopeSize + size
	if frame = b[envelopeSize:used:used]; !ipc.Intact(frame) {
		return nil, nil, next // if its writer lives, its next frame is out of sequence
	}
	return l, frame, used
}

// endMark returns the mark of the end of a generation.
func endMark(generation uint32) []byte {
	return append(appendEnvelope(nil, generation), markEnd)
}

func appendEnvelope(b []byte, generation uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, markEnvelope, markSender), generation)
}

// connectSharedPipe returns a worker's end.
func connectSharedPipe(w Worker) (*ipc.Conn, error) {
	var st unix.Stat_t
	if err := unix.Fstat(FD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("descriptor %d is no pipe", FD)
	}
	lock, err := openFileLock(FD + 1)
	if err != nil {
		return nil, err
	}
	s := &sharedWriter{memfd.Inherit(FD, "shared pipe"), w.Stdout, lock, w.Generation, w.Board, nil}
	return ipc.NewConn(w.Stdin, s, ipc.Options{}), nil
}

// A sharedWriter writes each frame, in its envelope, to the shared pipe.
type sharedWriter struct {
	w          io.Writer
	stdout     io.Writer // kept so that nobody closes it: its end says that the worker is gone
	lock       *fileLock
	generation uint32
	board      *board.Board
	next       []byte // for the next envelope and frame
}

// Write implements io.Writer.
func (s *sharedWriter) Write(frame []byte) (int, error) {
	whole := append(appendEnvelope(s.next[:0], s.generation), frame...)
	if s.next = whole; cap(whole) > 1<<20 {
		s.next = nil
	}
	s.board.Wait(true)
	err := s.lock.around(func() error {
		s.board.Wait(false)
		_, err := s.w.Write(whole)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(frame), nil
}

// A fileLock excludes everybody else who has opened the same file.
type fileLock struct {
	file *os.File // what the workers inherit, to open it anew
	own  *os.File // opened anew
	mu   sync.Mutex
}

// newFileLock makes a lock that nobody else knows the name of.
func newFileLock() (*fileLock, error) {
	file, err := memfd.New("feedmill-lock", 0, nil)
	if err != nil {
		return nil, err
	}
	own, err := reopen(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &fileLock{file: file, own: own}, nil
}

// openFileLock returns the lock on the file that was inherited as fd, which it
// closes.
func openFileLock(fd int) (*fileLock, error) {
	file := os.NewFile(uintptr(fd), "lock")
	own, err := reopen(file)
	if err != nil {
		return nil, err
	}
	return &fileLock{own: own}, file.Close()
}

// reopen opens the file that f is once more, so that it can be locked apart
// from f.
func reopen(f *os.File) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
}

// around calls f while it holds the lock.
func (l *fileLock) around(f func() error) error {
	l.mu.Lock() // goroutines of one process share its open file
	defer l.mu.Unlock()
	if err := flock(l.own, unix.LOCK_EX); err != nil {
		return err
	}
	return errors.Join(f(), flock(l.own, unix.LOCK_UN))
}

func (l *fileLock) close() error {
	return errors.Join(l.file.Close(), l.own.Close())
}

// flock locks or unlocks f, and waits as long as it must.
func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}
