package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// The mode queue: two queues that all workers share, as multiprocessing.Queue
// is shared. Into one the coordinator puts batches of jobs, and whoever has
// room takes the next; out of the other one it takes what they all say. The
// kernel keeps each message whole, so neither needs a lock that a dead process
// could hold.
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

func init() {
	wirings[ModeQueue] = wiring{newQueue, connectQueue}
}

const (
	resultFD = CarrierFD     // a worker's end of the queue for what it says
	jobFD    = CarrierFD + 1 // a worker's end of the queue for jobs

	packetsAhead = 4 // messages that wait for the one who takes those of a line

	// A mark is this and the incarnation whose end it says, in four bytes. No
	// frame begins so.
	markEnd = "end "
)

// errQueueBroken says that a queue came to an end while workers used it.
var errQueueBroken = errors.New("the queue that workers share was shut down")

// A queue is the Carrier.
type queue struct {
	maxFrame uint32

	offers  *packets // where batches go in
	taken   *packets // where they come out, for the workers and for Withdraw
	jobFile *os.File // the same, to be inherited
	shared  *resultQueue

	offering sync.Mutex // held while a batch is offered
	next     []byte     // for the next batch; guarded by offering
}

func newQueue(o CarrierOptions) (Carrier, error) {
	q := &queue{maxFrame: o.MaxFrame}
	var err error
	if q.taken, q.offers, err = newPackets(false); err != nil {
		return nil, err
	}
	if q.jobFile, err = q.taken.again(); err == nil {
		q.shared, err = newResultQueue()
	}
	if err != nil {
		q.closeJobs()
		return nil, err
	}
	return q, nil
}

// Join implements Carrier.
func (q *queue) Join(e End) (Line, error) {
	l := &queueLine{
		jobFile: q.jobFile, incarnation: e.Incarnation, results: q.shared,
		messages: make(chan *message, packetsAhead), startedC: make(chan struct{}),
		printedC: make(chan struct{}), lostC: make(chan struct{}),
	}
	if q.shared.isBroken() {
		own, err := newResultQueue()
		if err != nil {
			return nil, err
		}
		l.results, l.own = own, true
	}
	l.Conn = NewConn(l, e.Stdin, q.maxFrame)
	l.results.join(l)
	l.watching.Go(func() { l.awaitEnd(e.Stdout) })
	return l, nil
}

// Offer implements JobQueue.
func (q *queue) Offer(ctx context.Context, b *Batch) (int, error) {
	q.offering.Lock()
	defer q.offering.Unlock()
	frame, err := appendMessage(reserveHeader(q.next[:0]), &Message{Batch: b})
	q.next = frame
	if err != nil {
		return 0, fmt.Errorf("encode batch: %w", err)
	}
	if len(frame) > maxPacket {
		return 0, tooLarge("Batch", int64(len(frame)), maxPacket)
	}
	sealFrame(frame, kindBatch, 0)
	defer context.AfterFunc(ctx, q.offers.hurry)()
	switch err := q.offers.send(frame); {
	case err == unix.EMSGSIZE:
		return 0, tooLarge("Batch", int64(len(frame)), int64(len(frame)-1))
	case err != nil:
		return 0, fmt.Errorf("offer batch: %w", err)
	}
	return len(frame), nil
}

// Withdraw implements JobQueue.
func (q *queue) Withdraw() (numbers []int64) {
	b := make([]byte, maxPacket)
	_ = q.taken.raw.Control(func(fd uintptr) {
		for {
			pk, err := receiveNow(int(fd), b, nil)
			if err != nil {
				return
			}
			if batch, err := decodeBatchFrame(b[:pk.n]); err == nil {
				numbers = append(numbers, batch.Number)
			}
		}
	})
	return numbers
}

// Close implements Carrier.
func (q *queue) Close() error { return errors.Join(q.closeJobs(), q.shared.close()) }

func (q *queue) closeJobs() error {
	err := errors.Join(q.offers.close(), q.taken.close())
	if q.jobFile != nil {
		err = errors.Join(err, q.jobFile.Close())
	}
	return err
}

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
	lines    map[uint32]*queueLine   // the same, and those that are starting, by incarnation
}

func newResultQueue() (*resultQueue, error) {
	r := &resultQueue{
		self: os.Getpid(), brokenC: make(chan struct{}),
		starting: make(map[*queueLine]struct{}), byPID: make(map[int]*queueLine), lines: make(map[uint32]*queueLine),
	}
	var err error
	if r.in, r.marks, err = newPackets(true); err != nil {
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
	r.lines[l.incarnation] = l
	r.starting[l] = struct{}{}
}

// started says which process is l's; 0 means that there is none.
func (r *resultQueue) started(l *queueLine, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, l)
	if pid != 0 && r.lines[l.incarnation] == l {
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
	number, ok := bytes.CutPrefix(b, []byte(markEnd))
	if !ok || len(number) != 4 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lines[binary.BigEndian.Uint32(number)]; l != nil {
		delete(r.lines, l.incarnation)
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
	return r.marks.send(binary.BigEndian.AppendUint32([]byte(markEnd), l.incarnation))
}
