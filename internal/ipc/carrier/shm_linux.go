package carrier

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/memfd"
)

// The mode shm: a worker and the coordinator have a ring of memory mapped, into
// which the worker copies the stream of its frames. On stdout goes a notice of
// each frame, which is valid msgpack too:
//
//	92 | cf position64 | ce length32
//
// The position counts the bytes of the stream's laps round the ring, so it says
// where the frame is: at position modulo ringSize, never around the end. A frame
// that is short, or longer than what is free, follows its notice on stdout; then
// the position is all ones. So nobody ever waits for room in the ring: a slow
// coordinator slows its workers by the pipe, as in every mode.
//
// Shared memory needs synchronisation, and this is all of it: the notice, which
// comes after the bytes; and taken, the position up to which the coordinator has
// copied the stream out, below which the worker may write again. A worker that
// writes elsewhere spoils its own frames only: they are copied before they are
// looked at, and have their checksums.
//
// Rejected: memory that is sealed and handed over frame by frame, to be read in
// place. The coordinator then copies nothing, but the memory is new each time,
// and whoever has an item must say when it is done with it: five hundred lines
// more, and a round cost more than by pipe.
func init() { wirings[Shm] = wiring{openShm, connectShm} }

const (
	ringSize = 4 << 20
	ringHead = 4096 // what comes before it: magic and taken

	noticeSize = 1 + 9 + 5
	inline     = ^uint64(0) // the position of a frame that follows on stdout

	// inlineMax is the longest frame that is not worth the ring, in bytes.
	inlineMax = 16 << 10

	ringMagic = 0x66_6d_72_01 // "fmr", 1
)

// A ring is the memory.
type ring struct {
	memory []byte
	taken  *atomic.Uint64
	bytes  []byte // ringSize of them
}

func ringStart() []byte {
	magic := uint64(ringMagic)
	return memfd.Bytes(&magic)
}

func newRing(memory []byte) ring {
	return ring{memory, (*atomic.Uint64)(unsafe.Pointer(&memory[64])), memory[ringHead:]}
}

// shm is the Carrier, which holds nothing.
type shm struct{}

func openShm(Options) (Carrier, error) {
	f, err := memfd.New("feedmill-ring", 8, ringStart())
	if err != nil {
		return nil, fmt.Errorf("%w; the mode pipe does without", err)
	}
	return shm{}, f.Close()
}

func (shm) Close() error { return nil }

func (shm) Join(e End) (Line, error) {
	f, err := memfd.New("feedmill-ring", ringHead+ringSize, ringStart())
	if err != nil {
		return nil, err
	}
	memory, err := memfd.MapFile(f, ringHead+ringSize)
	if err != nil {
		f.Close()
		return nil, err
	}
	in := &ringReader{ring: newRing(memory), stdout: bufio.NewReaderSize(e.Stdout, inlineMax)}
	return &shmLine{ipc.NewConn(in, e.Stdin, ipc.Options{}), f, in}, nil
}

// A shmLine is the line to one process.
type shmLine struct {
	*ipc.Conn
	file *os.File
	in   *ringReader
}

func (l *shmLine) Files() []*os.File { return []*os.File{l.file} }
func (l *shmLine) Started(int)       { l.file.Close() }
func (l *shmLine) Drain()            { io.Copy(io.Discard, l.in.stdout) }

func (l *shmLine) Close() {
	l.file.Close()
	memfd.Unmap(l.in.ring.memory)
}

// A ringReader is the stream of a process's frames. It waits on stdout only.
type ringReader struct {
	ring   ring
	stdout *bufio.Reader
	at     uint64 // of what remains of the frame: its position; inline when it is on stdout
	left   int    // bytes that remain of it
}

// Read implements io.Reader.
func (r *ringReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		if err := r.notice(); err != nil {
			return 0, err
		}
	}
	p = p[:min(len(p), r.left)]
	if r.at == inline {
		n, err := r.stdout.Read(p)
		r.left -= n
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	n := copy(p, r.ring.bytes[r.at%ringSize:])
	r.left -= n
	r.at += uint64(n)
	if r.left == 0 {
		r.ring.taken.Store(r.at)
	}
	return n, nil
}

// notice reads the next notice.
func (r *ringReader) notice() error {
	b, err := r.stdout.Peek(1)
	if err != nil {
		return err
	}
	if b[0] != 0x92 {
		b, _ = r.stdout.Peek(min(r.stdout.Buffered(), 200))
		return ipc.NotFrame("where a notice should begin stands", string(b))
	}
	if b, err = r.stdout.Peek(noticeSize); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	r.at, r.left = binary.BigEndian.Uint64(b[2:]), int(binary.BigEndian.Uint32(b[11:]))
	if b[1] != 0xcf || b[10] != 0xce || r.left < ipc.HeaderSize ||
		r.at != inline && (r.left > ringSize || r.at%ringSize+uint64(r.left) > ringSize) {
		return ipc.NotFrame("a notice of bytes that the ring has not", string(b))
	}
	_, err = r.stdout.Discard(noticeSize)
	return err
}

// connectShm returns a worker's end.
func connectShm(w Worker) (*ipc.Conn, error) {
	if err := memfd.Check(FD, ringHead+ringSize, ringStart()); err != nil {
		return nil, fmt.Errorf("descriptor %d is no ring: %w", FD, err)
	}
	memory, err := memfd.Map(FD, ringHead+ringSize)
	if err != nil {
		return nil, err
	}
	err = memfd.Inherit(FD, "ring").Close()
	return ipc.NewConn(w.Stdin, &ringWriter{ring: newRing(memory), stdout: w.Stdout}, ipc.Options{}), err
}

// A ringWriter takes frames, one a Write.
type ringWriter struct {
	ring    ring
	stdout  io.Writer
	written uint64 // position behind the last frame
	next    []byte // for the next notice, with the frame where that is inline
}

// Write implements io.Writer.
func (w *ringWriter) Write(frame []byte) (int, error) {
	at, ok := w.place(len(frame))
	b := append(w.next[:0], 0x92, 0xcf)
	b = binary.BigEndian.AppendUint64(b, at)
	b = append(b, 0xce)
	b = binary.BigEndian.AppendUint32(b, uint32(len(frame)))
	if ok {
		copy(w.ring.bytes[at%ringSize:], frame)
		w.written = at + uint64(len(frame))
	} else if b = append(b, frame...); cap(b) <= ringSize {
		w.next = b
	}
	n, err := w.stdout.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, err
	}
	return len(frame), nil
}

// place returns the position for a frame of n bytes, and whether it goes into
// the ring.
func (w *ringWriter) place(n int) (uint64, bool) {
	if n <= inlineMax || n > ringSize {
		return inline, false
	}
	at := w.written
	if at%ringSize+uint64(n) > ringSize {
		at += ringSize - at%ringSize // to the next lap
	}
	if at+uint64(n)-w.ring.taken.Load() > ringSize {
		return inline, false
	}
	return at, true
}
