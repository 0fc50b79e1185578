package carrier

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
)

// isCut reports whether an error says that a stream ended within a frame.
func isCut(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// TestAStrangerInTheQueueIsNotHeard: what comes from a process that is nobody's
// is dropped, and what stdout says is an error.
func TestAStrangerInTheQueueIsNotHeard(t *testing.T) {
	q := open(t, Queue)
	stranger := start(t, q, Queue, 1, 1, 100, 10, false)
	if m, err := stranger.Recv(); err != io.EOF {
		t.Errorf("got %v, %v, want nothing but an end", m, err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, err := q.Join(End{Generation: 2, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Started(os.Getpid())
	fmt.Fprint(w, "usage: something else")
	if m, err := l.Recv(); !errors.Is(err, ipc.ErrNotFrame) || !strings.Contains(err.Error(), "usage: something else") {
		t.Errorf("got %v, %v, want an error with what stdout says", m, err)
	}
	w.Close()
	l.Drain()
}

// TestAStrangerWaitsForNoStartAfterIt: where one process after the other is being
// started, somebody's message is nobody's all the same, and the next one's turn comes.
func TestAStrangerWaitsForNoStartAfterIt(t *testing.T) {
	r, err := newResultQueue(errQueueBroken)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	begin := func(generation uint32) *queueLine {
		return r.begin(End{Generation: generation, Stdin: io.Discard, Stdout: strings.NewReader("")})
	}
	end := func(l *queueLine) {
		l.Started(0)
		l.Drain()
		l.Close()
	}
	now := begin(0)
	found := make(chan *sharedLine, 1)
	go func() { found <- r.lineOf(1) }() // no child of this process is init
	for n := uint32(1); ; n++ {
		next := begin(n) // so that there is always one
		end(now)
		now = next
		select {
		case l := <-found:
			if end(now); l != nil {
				t.Errorf("a stranger has line %d", l.generation)
			}
			return
		default:
		}
		if n == 100_000 {
			end(now)
			t.Fatalf("a stranger waits for %d starts, want those that were there before it", n)
		}
	}
}

// TestAQueueThatIsShutDownEndsAllLinesAndTheNextHaveTheirOwn: and so whoever
// does it again is known.
func TestAQueueThatIsShutDownEndsAllLinesAndTheNextHaveTheirOwn(t *testing.T) {
	q := open(t, Queue).(*queue)
	first := start(t, q, Queue, 1, 1, 100, 1<<30, true) // it is at it until the end
	if _, err := first.Recv(); err != nil {
		t.Fatal(err)
	}
	_ = q.shared.marks.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	err := error(nil)
	for err == nil { // what came before is not lost
		_, err = first.Recv()
	}
	if !errors.Is(err, errQueueBroken) {
		t.Errorf("a line whose queue is broken ends with %v, want %v", err, errQueueBroken)
	}
	next := start(t, q, Queue, 2, 1, 100, 1, true)
	if _, err := next.Recv(); err != nil {
		t.Errorf("the next line: %v", err)
	}
	own := next.Line.(*queueLine).results
	if own == q.shared {
		t.Fatal("the next line has the broken queue")
	}
	_ = own.marks.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	if _, err := next.Recv(); err != io.EOF && !errors.Is(err, ipc.ErrNotFrame) {
		t.Errorf("who shuts down its own queue: got %v, want that it broke the protocol, or an end", err)
	}
}
