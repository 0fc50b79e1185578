package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"sync"

	"feedmill/internal/ipc"

	"golang.org/x/sys/unix"
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
type queue struct {
	maxFrame uint32
	shared   *resultQueue
}

func openQueue(o Options) (Carrier, error) {
	shared, err := newResultQueue()
	return &queue{o.MaxFrame, shared}, err
}

// Join implements Carrier.
func (q *queue) Join(e End) (Line, error) {
	l := &queueLine{
		generation: e.Generation, results: q.shared, messages: make(chan *message, packetsAhead),
		startedC: make(chan struct{}), stdout: newSilence(), lostC: make(chan struct{}),
	}
	if q.shared.isBroken() {
		own, err := newResultQueue()
		if err != nil {
			return nil, err
		}
		l.results, l.own = own, true
	}
	l.Conn = ipc.NewConn(l, e.Stdin, ipc.Options{MaxFrame: q.maxFrame})
	l.results.join(l)
	l.watching.Go(func() { l.awaitEnd(e.Stdout) })
	return l, nil
}

// Close implements Carrier.
func (q *queue) Close() error { return q.shared.close() }

// A resultQueue is the queue out of which the coordinator takes what workers
// say, and gives each line its own.
type resultQueue struct {
	in      *packets
	marks   *packets // the workers' end
	file    *os.File // the same, to be inherited
	self    int
	reading sync.WaitGroup
	brokenC chan struct{} // closed when no message will come any more

	mu       sync.Mutex
	starting map[*queueLine]struct{} // those whose process is not known yet
	byPID    map[int]*queueLine      // those that are not at their end
	lines    map[uint32]*queueLine   // the same, and those that are starting, by generation
}

func newResultQueue() (*resultQueue, error) {
	r := &resultQueue{
		self: os.Getpid(), brokenC: make(chan struct{}),
		starting: make(map[*queueLine]struct{}), byPID: make(map[int]*queueLine), lines: make(map[uint32]*queueLine),
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

func (r *resultQueue) isBroken() bool {
	select {
	case <-r.brokenC:
		return true
	default:
		return false
	}
}

// join has l get what its process says, once that is known.
func (r *resultQueue) join(l *queueLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[l.generation] = l
	r.starting[l] = struct{}{}
}

// started says which process is l's; 0 means that there is none.
func (r *resultQueue) started(l *queueLine, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, l)
	if pid != 0 && r.lines[l.generation] == l {
		r.byPID[pid], l.pid = l, pid
	}
	close(l.startedC)
}

// A message is what came in one piece.
type message struct {
	room [maxPacket]byte
	b    []byte // the unread part
	long bool   // it was longer than any message may be
}

var messages = sync.Pool{New: func() any { return new(message) }}

// read gives each message to the line of its sender, until there are no more.
// A line that is slow makes all others wait, as a slow reader of a queue does;
// but one of Recv and Drain runs for each line until its end, and all of them
// wait for one thing only, which is the store.
func (r *resultQueue) read() {
	defer close(r.brokenC)
	control := make([]byte, credentialSpace)
	for {
		m := messages.Get().(*message)
		pk, err := r.in.receive(m.room[:], control)
		if err != nil {
			// Whoever waits for room must not wait for ever.
			_ = r.in.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RD) })
			return
		}
		m.b, m.long = m.room[:pk.n], pk.longer
		if pk.pid == r.self && r.mark(m.b) {
			messages.Put(m)
			continue
		}
		if l := r.lineOf(pk.pid); l != nil {
			l.received.Add(int64(pk.n))
			l.messages <- m
			continue
		}
		messages.Put(m) // of a process that is gone, or none of ours
	}
}

// mark ends the line that b is a mark for, and reports whether it is a mark.
func (r *resultQueue) mark(b []byte) bool {
	number, ok := bytes.CutPrefix(b, []byte(markOfEnd))
	if !ok || len(number) != 4 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lines[binary.BigEndian.Uint32(number)]; l != nil {
		delete(r.lines, l.generation)
		if r.byPID[l.pid] == l {
			delete(r.byPID, l.pid)
		}
		close(l.messages)
	}
	return true
}

// lineOf returns the line of a process, or nil. A process may speak before it
// is known as a line's, so it waits for those that are just being started.
func (r *resultQueue) lineOf(pid int) *queueLine {
	r.mu.Lock()
	l := r.byPID[pid]
	var wait []*queueLine
	if l == nil {
		for s := range r.starting {
			wait = append(wait, s)
		}
	}
	r.mu.Unlock()
	for _, s := range wait {
		if <-s.startedC; s.pid == pid {
			return s
		}
	}
	return l
}

// signOff puts a mark for l into the queue.
func (r *resultQueue) signOff(l *queueLine) error {
	return r.marks.send(binary.BigEndian.AppendUint32([]byte(markOfEnd), l.generation))
}
