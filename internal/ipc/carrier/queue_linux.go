package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
)

// The mode queue: one queue into which all workers put what they say, as they do
// into a multiprocessing.Queue. The kernel keeps each message whole, so it needs
// no lock that a dead process could hold.
//
// What a worker says is the same stream of frames as on a pipe, a frame to a
// message, a long one cut to as many as it needs. The kernel puts the sender's
// number on each, so no envelope has to be believed, and nothing that a worker
// sends can be taken for another one's.
//
// Its stdout carries nothing; the end of it is the sign that the process is
// gone. Then the coordinator sends itself a mark through the queue, behind all
// that the process has said.
//
// One thing a worker can do to all others: end the queue, with shutdown(2).
// Then every line ends with errQueueBroken, and from then on each worker gets a
// queue of its own, by which the one that does it again is known.
//
// Rejected: a second queue, out of which workers take jobs. What a domain is
// owed, one request at a time, then needs a claim and a grant for each batch,
// which is a second protocol; and the plan gives jobs to whoever is free without
// one.
func init() { wirings[Queue] = wiring{openQueue, connectQueue} }

const (
	packetsAhead = 4 // messages that wait for the one who takes those of a line

	// maxPacket is the longest message that goes through a queue, in bytes. Linux
	// takes what net.core.wmem_max allows, 212,992 bytes or more, unless somebody
	// has set it lower.
	maxPacket = 128 << 10

	// A mark is this and the generation whose end it says, in four bytes. No
	// frame begins so.
	markOfEnd = "end "
)

// errQueueBroken says that a queue came to an end while workers used it.
var errQueueBroken = errors.New("the queue that workers share was shut down")

// A queue is the Carrier.
type queue struct{ shared *resultQueue }

func openQueue(Options) (Carrier, error) {
	shared, err := newResultQueue(errQueueBroken)
	return &queue{shared}, err
}

// Join implements Carrier.
func (q *queue) Join(e End) (Line, error) {
	if l := q.shared.begin(e); l != nil {
		return l, nil
	}
	own, err := newResultQueue(&ipc.ProtocolError{Kind: ipc.ErrNotFrame, Detail: "it has shut down its queue"})
	if err != nil {
		return nil, err
	}
	l := own.begin(e)
	if l == nil {
		return nil, errors.Join(&LostError{errQueueBroken}, own.close())
	}
	l.own = true
	return l, nil
}

// Close implements Carrier.
func (q *queue) Close() error { return q.shared.close() }

// A resultQueue is the queue out of which the coordinator takes what workers
// say, and gives each line its own.
type resultQueue struct {
	lines
	broken  error // what its lines end with when it is shut down
	in      *packets
	marks   *packets // the workers' end
	file    *os.File // the same, to be inherited
	self    int
	reading sync.WaitGroup

	starting map[*queueLine]struct{} // those whose process is not known yet; guarded by mu
	byPID    map[int]*sharedLine     // those whose process is, and that are not at their end; guarded by mu
}

func newResultQueue(broken error) (*resultQueue, error) {
	r := &resultQueue{
		lines: lines{of: make(map[uint32]*sharedLine)}, broken: broken, self: os.Getpid(),
		starting: make(map[*queueLine]struct{}), byPID: make(map[int]*sharedLine),
	}
	var err error
	if r.in, r.marks, err = newPackets(); err != nil {
		return nil, err
	}
	if r.file, err = r.marks.again(); err != nil {
		return nil, errors.Join(err, r.in.close(), r.marks.close())
	}
	r.reading.Go(r.read)
	return r, nil
}

func (r *resultQueue) close() error {
	r.in.hurry()
	r.reading.Wait()
	return errors.Join(r.in.close(), r.marks.close(), r.file.Close())
}

// A queueLine is one process's part of a queue.
type queueLine struct {
	sharedLine
	results  *resultQueue
	own      bool          // nobody else has results
	startedC chan struct{} // closed when it is known which process it is
}

// begin returns the line of a process that is about to be started, or nil when the
// queue is broken.
func (r *resultQueue) begin(e End) *queueLine {
	l := &queueLine{results: r, startedC: make(chan struct{})}
	l.files, l.free = []*os.File{r.file}, freeRoom
	r.mu.Lock()
	r.starting[l] = struct{}{}
	r.mu.Unlock()
	mark := binary.BigEndian.AppendUint32([]byte(markOfEnd), e.Generation)
	if !r.join(&l.sharedLine, e, packetsAhead, func() { _ = r.marks.send(mark) }) {
		l.Started(0)
		return nil
	}
	return l
}

// Started implements Line. The files stay the carrier's.
func (l *queueLine) Started(pid int) {
	r := l.results
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, l)
	if pid != 0 && r.of[l.generation] == &l.sharedLine {
		r.byPID[pid] = &l.sharedLine
	}
	close(l.startedC)
}

// Close implements Line.
func (l *queueLine) Close() {
	l.sharedLine.Close()
	if l.own {
		_ = l.results.close()
	}
}

// rooms are what messages are received into.
var rooms = sync.Pool{New: func() any { return new([maxPacket]byte) }}

func freeRoom(b []byte) { rooms.Put((*[maxPacket]byte)(b[:maxPacket])) }

// read gives each message to the line of its sender, until there are no more. No
// honest one is empty, or longer than may be.
func (r *resultQueue) read() {
	control := make([]byte, credentialSpace)
	for {
		room := rooms.Get().(*[maxPacket]byte)
		pk, err := r.in.receive(room[:], control)
		if err != nil {
			// Whoever waits for room must not wait for ever.
			_ = r.in.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RD) })
			r.hangUp(r.broken)
			return
		}
		b := room[:pk.n]
		if pk.pid == r.self && r.mark(b) {
			freeRoom(b)
			continue
		}
		switch l := r.lineOf(pk.pid); {
		case l == nil:
			freeRoom(b) // of a process that is gone, or none of ours
		case pk.longer:
			r.end(l, &ipc.ProtocolError{Kind: ipc.ErrFrameTooLarge, Detail: fmt.Sprintf("a message of more than %d bytes", maxPacket)})
		case pk.n == 0:
			r.end(l, &ipc.ProtocolError{Kind: ipc.ErrNotFrame, Detail: "an empty message"})
		default:
			l.give(b, pk.n)
		}
	}
}

// mark ends the line that b is a mark for, and reports whether it is a mark.
func (r *resultQueue) mark(b []byte) bool {
	number, ok := bytes.CutPrefix(b, []byte(markOfEnd))
	if !ok || len(number) != 4 {
		return false
	}
	if l := r.line(binary.BigEndian.Uint32(number)); l != nil {
		r.end(l, io.EOF)
	}
	return true
}

// end ends a line. What its process still says is nobody's.
func (r *resultQueue) end(l *sharedLine, why error) {
	r.mu.Lock()
	maps.DeleteFunc(r.byPID, func(_ int, of *sharedLine) bool { return of == l })
	r.mu.Unlock()
	r.finish(l, why)
}

// lineOf returns the line of a process, or nil. A process may speak before it
// is known as a line's, so it waits for those that are being started now. It does not
// for any that begin later, or a stranger could hold up all the others.
func (r *resultQueue) lineOf(pid int) *sharedLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.byPID[pid]; l != nil {
		return l
	}
	starting := slices.Collect(maps.Keys(r.starting))
	r.mu.Unlock()
	for _, l := range starting {
		<-l.startedC
	}
	r.mu.Lock()
	return r.byPID[pid]
}

// connectQueue returns a worker's end.
func connectQueue(w Worker) (*ipc.Conn, error) {
	out, err := inheritedPackets(FD)
	if err != nil {
		return nil, err
	}
	sink := &queueWriter{out: out, longest: maxPacket, stdout: w.Stdout}
	return ipc.NewConn(w.Stdin, sink, ipc.Options{Piece: maxPacket - ipc.HeaderSize}), nil
}

// A queueWriter sends each frame as a message, or as several when it is long.
type queueWriter struct {
	out     *packets
	longest int       // message that is tried
	stdout  io.Writer // kept so that nobody closes it: its end says that the worker is gone
}

// Write implements io.Writer.
func (s *queueWriter) Write(frame []byte) (int, error) {
	for b := frame; len(b) > 0; {
		n := min(len(b), s.longest)
		switch err := s.out.send(b[:n]); {
		case err == unix.EMSGSIZE && s.longest > 1<<10:
			s.longest /= 2 // there is little room, or somebody took it away
		case err != nil:
			return 0, os.NewSyscallError("send", err)
		default:
			b = b[n:]
		}
	}
	return len(frame), nil
}

// queueRoom is how much a queue is to hold, in bytes, with what the kernel adds
// to each message. Linux allows twice net.core.wmem_max to everybody, which is
// 425,984 bytes unless it was changed.
const queueRoom = 1 << 20

// packets is one end of a SOCK_SEQPACKET pair: what is sent in one piece comes
// in one piece, also when many processes send and receive at either end.
//
// The flags of an end are shared by all who have inherited it, and so each call
// says for itself that it does not want to wait. It is the runtime's poller that
// waits, which costs no thread.
type packets struct {
	file *os.File
	raw  syscall.RawConn
}

// newPackets returns a pair: what is sent to w comes out of r, and nothing goes
// the other way. r learns who sent a message.
func newPackets() (r, w *packets, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	err = unix.Shutdown(fds[0], unix.SHUT_WR)
	err = errors.Join(err, unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("setsockopt", err)
	}
	// Where this is not allowed there is less room, and that is all.
	_ = unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, queueRoom)
	if r, err = asPackets(fds[0]); err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	if w, err = asPackets(fds[1]); err != nil {
		r.close()
		return nil, nil, err
	}
	return r, w, nil
}

// asPackets returns the end that fd is, which it owns from then on.
func asPackets(fd int) (*packets, error) {
	p := &packets{file: os.NewFile(uintptr(fd), "queue")}
	var err error
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// inheritedPackets returns the end that a process has inherited as fd.
func inheritedPackets(fd int) (*packets, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, errors.New("what was inherited is no queue")
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return asPackets(fd)
}

// again returns another file for the same end, to be inherited.
func (p *packets) again() (f *os.File, err error) {
	failed := p.raw.Control(func(fd uintptr) {
		var n int
		if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			f = os.NewFile(uintptr(n), "queue")
		}
	})
	return f, os.NewSyscallError("fcntl", errors.Join(failed, err))
}

func (p *packets) close() error { return p.file.Close() }

// hurry makes whoever waits in send or receive return, now and for ever.
func (p *packets) hurry() { p.file.SetDeadline(time.Unix(1, 0)) }

// send sends b as one message, and waits while there is no room for it. It
// returns unix.EMSGSIZE for a message that is too long, and unix.EPIPE when
// nothing can be sent any more.
func (p *packets) send(b []byte) error {
	var failed error
	err := p.raw.Write(func(fd uintptr) bool {
		for {
			failed = unix.Send(int(fd), b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if failed != unix.EINTR {
				return failed != unix.EAGAIN
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// credentialSpace is how much the kernel writes to say who sent a message. With
// room for no more than that it passes on no descriptor that a sender may have
// put beside it.
var credentialSpace = unix.CmsgSpace(unix.SizeofUcred)

// A packet is one message.
type packet struct {
	n      int  // its bytes
	pid    int  // of the process that sent it
	longer bool // than there was room for
}

// receive waits for a message, puts it into b and what the kernel says of it
// into control. io.EOF means that there will be none.
func (p *packets) receive(b, control []byte) (pk packet, err error) {
	failed := p.raw.Read(func(fd uintptr) bool {
		pk, err = receiveNow(int(fd), b, control)
		return err != unix.EAGAIN
	})
	if failed != nil {
		return packet{}, failed
	}
	return pk, err
}

// receiveNow is receive without the waiting; it returns unix.EAGAIN instead.
func receiveNow(fd int, b, control []byte) (packet, error) {
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, b, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return packet{}, err
		case err != nil:
			return packet{}, os.NewSyscallError("recvmsg", err)
		}
		pk := packet{n: n, pid: credentials(control[:oobn]), longer: flags&unix.MSG_TRUNC != 0}
		// An end and an empty message look the same, but the latter has a
		// sender.
		if n == 0 && pk.pid == 0 {
			return packet{}, io.EOF
		}
		return pk, nil
	}
}

// credentials returns the process that the kernel says has sent a message, or 0.
func credentials(control []byte) int {
	if len(control) < unix.CmsgLen(unix.SizeofUcred) {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_CREDENTIALS {
		return 0
	}
	return int((*unix.Ucred)(unsafe.Pointer(&control[unix.CmsgLen(0)])).Pid)
}
