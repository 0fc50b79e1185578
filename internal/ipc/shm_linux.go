package ipc

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The mode shm: a worker builds its frames in memory that the coordinator then
// reads them from, without a copy. It fills arenas (see there), seals each one
// and passes its descriptor over a socket; a Mapped frame on stdout says so.
// Small frames go on stdout themselves.
//
// Rejected: a ring in memory that both map for good, as shared memory is mostly
// used. It costs no page faults, but the worker could change a string while the
// coordinator looks at it. A seal is for ever, so the memory of an arena is new
// each time; huge pages make up for that. Rejected too: a read lease in place of
// the seal for writing (F_SETLEASE), which can be given back with the memory.
// The system takes it away from whoever does not answer for 45 seconds, and it
// says nothing of pages that a call under way will still write to.
func init() { wirings[ModeShm] = wiring{newShm, connectShm} }

// shm is its Carrier, which holds nothing.
type shm struct{ maxFrame uint32 }

func newShm(o CarrierOptions) (Carrier, error) {
	fd, err := memfdCreate("feedmill-probe")
	if err != nil {
		return nil, fmt.Errorf("%w; the mode pipe does without", err)
	}
	unix.Close(fd)
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	return shm{o.MaxFrame}, nil
}

func (s shm) Close() error { return nil }

// socketSpace is SO_SNDBUF of the socket that descriptors go through. It is
// less than the kernel's minimum, and what that is has room for about six: so
// many arenas a worker may be ahead of its coordinator.
const socketSpace = 1

func (s shm) Join(e End) (Line, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, socketSpace); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &shmLine{
		Conn:   NewConn(e.Stdout, e.Stdin, s.maxFrame),
		stdout: e.Stdout, socket: fds[0], theirs: os.NewFile(uintptr(fds[1]), "arenas"),
	}, nil
}

// A shmLine is the line to one process. Its Conn is that over stdin and stdout.
type shmLine struct {
	*Conn
	stdout io.Reader
	socket int      // where descriptors come from; -1 when it is closed
	theirs *os.File // the process's end; nil once it was started

	arena   *arena // being read; nil for none
	held    holding
	carried atomic.Int64 // bytes of frames in the arenas that came
}

// A holding counts what of a process's memory is mapped.
type holding struct {
	arenas atomic.Int64
	bytes  atomic.Int64
}

// The most that a line has mapped, in arenas and as a multiple of the longest
// frame; what comes beyond that is copied. It keeps far away from
// vm.max_map_count, beyond which no Go program lives, and whoever holds messages
// for long, or has a worker that spreads them over many arenas, has them in
// memory that the garbage collector knows.
const (
	maxArenas = 256
	maxMapped = 16
)

func (l *shmLine) Files() []*os.File { return []*os.File{l.theirs} }

func (l *shmLine) Started(int) { l.closeTheirs() }

func (l *shmLine) closeTheirs() {
	l.theirs.Close()
	l.theirs = nil
}

// Received returns what came through stdout and in arenas.
func (l *shmLine) Received() int64 { return l.Conn.Received() + l.carried.Load() }

// Recv implements Line. The arena that a message lies in stays mapped until all
// its messages are released, so here they must be.
func (l *shmLine) Recv() (*Message, error) {
	for {
		if l.arena != nil {
			if m, err := l.next(); m != nil || err != nil {
				return m, err
			}
		}
		m, err := l.Conn.Recv()
		if err != nil || m.Mapped == nil {
			return m, err
		}
		l.recvSeq-- // it announces this number, and has none of its own
		l.arena, err = l.take(m.Mapped)
		if err != nil {
			return nil, l.broken(err)
		}
	}
}

// next returns the next message of the arena, and nil when there is none. The
// first error is final.
func (l *shmLine) next() (*Message, error) {
	frame := l.arena.frame()
	if frame == nil {
		l.leave()
		return nil, nil
	}
	h, ok := parseHeader(frame)
	switch {
	case !ok || int(h.size) != len(frame)-headerSize:
		return nil, l.broken(l.protocol(ErrMapped, "no frame where the index says"))
	case h.size > l.maxFrame:
		return nil, l.broken(l.protocol(ErrFrameTooLarge, "%d bytes, limit %d", h.size, l.maxFrame))
	case h.kind == kindMapped || h.kind == kindHello:
		return nil, l.broken(l.protocol(ErrMapped, "%s in an arena", h.kind))
	}
	m, err := l.message(h, frame[headerSize:], l.arena.chunk)
	if err != nil {
		return nil, l.broken(err)
	}
	l.recvSeq++
	return m, nil
}

// broken makes err final.
func (l *shmLine) broken(err error) error {
	l.leave()
	l.recvErr = err
	return err
}

// leave lets go of the arena that is being read.
func (l *shmLine) leave() {
	if l.arena != nil {
		l.arena.chunk.drop()
		l.arena = nil
	}
}

// take receives the descriptor that was announced and maps its memory.
func (l *shmLine) take(said *Mapped) (*arena, error) {
	fd, err := receiveDescriptor(l.socket)
	if err != nil {
		return nil, l.protocol(ErrMapped, "%v", err)
	}
	defer closeDescriptor(fd)
	limit := 2*int64(l.maxFrame) + arenaUnit
	size, err := checkArena(fd, limit)
	if err != nil {
		return nil, l.protocol(ErrMapped, "%v", err)
	}
	c, err := l.enter(fd, size)
	if err != nil {
		return nil, fmt.Errorf("map arena: %w", err)
	}
	a := &arena{chunk: c}
	if err := a.open(said); err != nil {
		a.chunk.drop()
		return nil, l.protocol(ErrMapped, "%v", err)
	}
	l.carried.Add(said.Bytes)
	return a, nil
}

// enter returns the memory of a sealed memfd as a chunk.
func (l *shmLine) enter(fd int, size int64) (*chunk, error) {
	if l.held.arenas.Load() >= maxArenas || l.held.bytes.Load()+size > maxMapped*int64(l.maxFrame) {
		b := make([]byte, size)
		_, err := unix.Pread(fd, b, 0) // all of it, as it is in memory
		return foreignChunk(b, func() {}), os.NewSyscallError("pread", err)
	}
	memory, unmap, err := mapSealed(fd, int(size))
	if err != nil {
		return nil, err
	}
	l.held.arenas.Add(1)
	l.held.bytes.Add(size)
	return foreignChunk(memory, func() {
		unmap()
		l.held.arenas.Add(-1)
		l.held.bytes.Add(-size)
	}), nil
}

// Drain implements Line. A process that waits for room in the socket is told
// that nobody is there.
func (l *shmLine) Drain() {
	l.leave()
	l.hangUp()
	io.Copy(io.Discard, l.stdout)
}

// Close implements Line. What is mapped stays until it is released.
func (l *shmLine) Close() {
	l.leave()
	l.hangUp()
	if l.theirs != nil {
		l.closeTheirs()
	}
}

// maxUnderWay is more than a socket holds.
const maxUnderWay = 1000

// hangUp closes the socket, with the descriptors that are still in it.
func (l *shmLine) hangUp() {
	if l.socket < 0 {
		return
	}
	for range maxUnderWay {
		fd, err := receiveDescriptor(l.socket)
		if err == errNone {
			break
		}
		if err == nil {
			closeDescriptor(fd)
		}
	}
	unix.Close(l.socket)
	l.socket = -1
}

// An arena is what was handed over, while it is read.
type arena struct {
	chunk *chunk
	index []arenaEntry // of the frames that were not taken
}

// open looks at the index, which must agree with what was announced. The frames
// lie one behind the other, so none is there twice.
func (a *arena) open(said *Mapped) error {
	size := len(a.chunk.b)
	index := (*arenaIndex)(unsafe.Pointer(&a.chunk.b[0]))
	count := int(index.count.Load())
	switch {
	case index.magic != arenaMagic:
		return fmt.Errorf("an arena of another kind, %08x", index.magic)
	case count != said.Frames || count == 0 || count > maxEntries:
		return fmt.Errorf("%d frames, %d announced", count, said.Frames)
	case said.Bytes > int64(size) || int64(size) > max(2*said.Bytes, int64(roundUp(int(said.Bytes), pageSize))):
		return fmt.Errorf("an arena of %d bytes for frames up to %d", size, said.Bytes)
	}
	end := int64(arenaHead)
	for i, e := range index.entries[:count] {
		if int64(e.offset) != end || e.length < headerSize || end+int64(e.length) > int64(size) {
			return fmt.Errorf("frame %d of an arena of %d bytes is %d bytes at %d, want it at %d", i, size, e.length, e.offset, end)
		}
		end += int64(e.length)
	}
	if end != said.Bytes {
		return fmt.Errorf("frames up to %d, %d announced", end, said.Bytes)
	}
	a.index = index.entries[:count]
	return nil
}

// frame returns the next frame, or nil.
func (a *arena) frame() []byte {
	if len(a.index) == 0 {
		return nil
	}
	e := a.index[0]
	a.index = a.index[1:]
	return a.chunk.b[e.offset : e.offset+e.length : e.offset+e.length]
}

// connectShm returns a worker's end.
func connectShm(w WorkerEnd) (*Conn, error) {
	domain, err := unix.GetsockoptInt(CarrierFD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_UNIX {
		return nil, fmt.Errorf("descriptor %d is no socket of the coordinator's", CarrierFD)
	}
	unix.CloseOnExec(CarrierFD)
	return connectArenas(w.Stdin, w.Stdout, CarrierFD)
}

// connectArenas returns the end of a worker whose arenas go to socket.
func connectArenas(stdin io.Reader, stdout io.Writer, socket int) (*Conn, error) {
	out, err := newArenaSink(stream{w: stdout}, socket)
	if err != nil {
		return nil, err
	}
	c := newConn(stdin, out, 0)
	c.unchecked = true
	return c, nil
}
