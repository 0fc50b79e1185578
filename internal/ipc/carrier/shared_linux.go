package carrier

import (
	"io"
	"os"
	"sync"
	"sync/atomic"

	"feedmill/internal/ipc"
)

// In the modes locked-pipe and queue all workers say what they say by one way. One
// goroutine reads that and gives each line what its process has said. Their stdouts
// carry nothing: when one ends, its process is gone, and the coordinator sends itself a
// mark by the way, behind all that the process has said. At the mark the line ends.

// lines are those of one way.
type lines struct {
	mu sync.Mutex
	of map[uint32]*sharedLine // by generation, those that are not at their end; nil when the way is
}

// A sharedLine is one worker's part of a way. Its Conn sends on the process's stdin
// and reads what is given to the line.
type sharedLine struct {
	*ipc.Conn
	generation uint32
	files      []*os.File   // that the process inherits, and the carrier keeps
	free       func([]byte) // takes back a piece that was read; may be nil

	pieces      chan []byte // closed at the end by whoever reads the way
	end         error       // what Read says then; set before
	piece, rest []byte      // what Read is at, and what it has left of that

	stdout    *mute
	gone      atomic.Bool // the process writes nothing any more
	received  atomic.Int64
	listening sync.WaitGroup
}

// join begins a line, for which ahead pieces may wait. mark sends its mark; if it fails,
// the way has ended, and every line with it. join reports false when it has already.
func (s *lines) join(l *sharedLine, e End, ahead int, mark func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		return false
	}
	l.generation, l.pieces, l.stdout = e.Generation, make(chan []byte, ahead), &mute{brokenC: make(chan struct{})}
	l.Conn = ipc.NewConn(l, e.Stdin, ipc.Options{})
	s.of[l.generation] = l
	l.listening.Go(func() {
		l.stdout.listen(e.Stdout)
		l.gone.Store(true)
		mark()
	})
	return true
}

// line returns the line of a generation that is not at its end, or nil.
func (s *lines) line(generation uint32) *sharedLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[generation]
}

// finish ends a line. Like hangUp and give, it is for the goroutine that reads the way.
func (s *lines) finish(l *sharedLine, why error) {
	s.mu.Lock()
	delete(s.of, l.generation)
	s.mu.Unlock()
	l.end = why
	close(l.pieces)
}

// hangUp ends all lines.
func (s *lines) hangUp(why error) {
	s.mu.Lock()
	left := s.of
	s.of = nil
	s.mu.Unlock()
	for _, l := range left {
		l.end = why
		close(l.pieces)
	}
}

// give passes on what a process said, for which so many bytes came. A line that is slow
// makes all others wait; but one of Recv and Drain runs for each until its end, and all
// of them wait for one thing only, which is the store.
func (l *sharedLine) give(piece []byte, bytes int) {
	l.received.Add(int64(bytes))
	l.pieces <- piece
}

// Read implements io.Reader, for the line's own Conn.
func (l *sharedLine) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		l.recycle()
		select {
		case piece, more := <-l.pieces:
			if !more {
				return 0, l.end
			}
			l.piece, l.rest = piece, piece
		case <-l.stdout.brokenC:
			return 0, ipc.NotFrame("stdout, which carries nothing in this mode, says", l.stdout.text)
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// recycle gives back the piece that Read was at.
func (l *sharedLine) recycle() {
	if l.piece != nil && l.free != nil {
		l.free(l.piece)
	}
	l.piece, l.rest = nil, nil
}

// Files implements Line.
func (l *sharedLine) Files() []*os.File { return l.files }

// Started implements Line.
func (l *sharedLine) Started(int) {}

// Received implements Line. It counts what came, also when nobody has read it.
func (l *sharedLine) Received() int64 { return l.received.Load() }

// Drain implements Line.
func (l *sharedLine) Drain() {
	l.recycle()
	for l.piece = range l.pieces {
		l.recycle()
	}
}

// Close implements Line.
func (l *sharedLine) Close() { l.listening.Wait() }

// A mute is a stdout that carries nothing.
type mute struct {
	text    string        // what was said; set before brokenC is closed
	brokenC chan struct{} // closed when something was said
}

// listen returns when stdout ends.
func (s *mute) listen(stdout io.Reader) {
	b := make([]byte, 200)
	if n, _ := stdout.Read(b); n > 0 {
		s.text = string(b[:n])
		close(s.brokenC)
		io.Copy(io.Discard, stdout)
	}
}
