package carrier

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"feedmill/internal/ipc"

	"golang.org/x/sys/unix"
)

// A queueLine is one process's part of a queue. Its Conn sends on the process's
// stdin and receives what the queue has of it.
type queueLine struct {
	*ipc.Conn
	results    *resultQueue
	own        bool // nobody else has results
	generation uint32

	messages chan *message // closed at the end
	current  *message      // the one that Read is at, nil when at none
	failed   error         // what Read has ended with
	watching sync.WaitGroup

	startedC chan struct{} // closed when pid is known
	pid      int           // 0 when there is no process; guarded by the resultQueue's mu until startedC is closed

	stdout   *silence
	lostC    chan struct{} // closed when the process is gone and the queue too
	received atomic.Int64
}

// Files implements Line.
func (l *queueLine) Files() []*os.File { return []*os.File{l.results.file} }

// Started implements Line. The files stay the carrier's.
func (l *queueLine) Started(pid int) { l.results.started(l, pid) }

// Received implements Line. It counts what came, also when nobody has read it.
func (l *queueLine) Received() int64 { return l.received.Load() }

// awaitEnd waits for the process to be gone and puts the mark of its end into the
// queue.
func (l *queueLine) awaitEnd(stdout io.Reader) {
	l.stdout.watch(stdout)
	if err := l.results.signOff(l); err != nil {
		close(l.lostC) // the queue is broken, so the mark will not come
	}
}

// Read implements io.Reader, for the line's own Conn.
func (l *queueLine) Read(p []byte) (int, error) {
	for l.failed == nil && (l.current == nil || len(l.current.b) == 0) {
		l.recycle()
		l.failed = l.next()
	}
	if l.failed != nil {
		return 0, l.failed
	}
	n := copy(p, l.current.b)
	l.current.b = l.current.b[n:]
	return n, nil
}

// next waits for a message.
func (l *queueLine) next() error {
	select {
	case m, more := <-l.messages:
		return l.open(m, more)
	case <-l.stdout.brokenC:
		return l.stdout.err()
	case <-l.results.brokenC:
	}
	select { // what came before the queue broke
	case m, more := <-l.messages:
		return l.open(m, more)
	default:
	}
	if l.own {
		return &ipc.ProtocolError{Kind: ipc.ErrNotFrame, Detail: "it has shut down its queue"}
	}
	return errQueueBroken
}

// open makes m the current message. No honest one is empty, or longer than may
// be.
func (l *queueLine) open(m *message, more bool) error {
	if !more {
		return io.EOF
	}
	l.current = m
	switch {
	case m.long:
		return &ipc.ProtocolError{Kind: ipc.ErrFrameTooLarge, Detail: fmt.Sprintf("a message of more than %d bytes", maxPacket)}
	case len(m.b) == 0:
		return &ipc.ProtocolError{Kind: ipc.ErrNotFrame, Detail: "an empty message"}
	}
	return nil
}

// recycle gives the current message back.
func (l *queueLine) recycle() {
	if l.current != nil {
		messages.Put(l.current)
		l.current = nil
	}
}

// Drain implements Line.
func (l *queueLine) Drain() {
	l.recycle()
	for {
		select {
		case m, more := <-l.messages:
			if !more {
				return
			}
			messages.Put(m)
		case <-l.lostC:
			return
		}
	}
}

// Close implements Line.
func (l *queueLine) Close() {
	l.watching.Wait()
	if l.own {
		_ = l.results.close()
	}
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
