package carrier

import (
	"io"
	"os"

	"feedmill/internal/ipc"
)

// The mode pipe: each worker's stdin and stdout, one owner an end, so nothing
// needs a lock.

// pipes is its Carrier, which holds nothing.
type pipes struct{ o Options }

func openPipe(o Options) (Carrier, error) { return pipes{o}, nil }

func (p pipes) Join(e End) (Line, error) {
	return &pipeLine{ipc.NewConn(e.Stdout, e.Stdin, ipc.Options{MaxFrame: p.o.MaxFrame}), e.Stdout}, nil
}

func (p pipes) Close() error { return nil }

// A pipeLine is the Conn over a process's stdin and stdout.
type pipeLine struct {
	*ipc.Conn
	stdout io.Reader
}

func (l *pipeLine) Files() []*os.File { return nil }
func (l *pipeLine) Started(int)       {}
func (l *pipeLine) Drain()            { io.Copy(io.Discard, l.stdout) }
func (l *pipeLine) Close()            {}

func connectPipe(w Worker) (*ipc.Conn, error) {
	return ipc.NewConn(w.Stdin, w.Stdout, ipc.Options{}), nil
}

// A silence watches a stdout that carries nothing: its end says that the process
// is gone, and whatever stands there does not belong there.
type silence struct {
	text    string        // what was said; set before brokenC is closed
	brokenC chan struct{} // closed when something was said
}

func newSilence() *silence { return &silence{brokenC: make(chan struct{})} }

// watch returns when stdout ends.
func (s *silence) watch(stdout io.Reader) {
	b := make([]byte, 200)
	if n, _ := stdout.Read(b); n > 0 {
		s.text = string(b[:n])
		close(s.brokenC)
		io.Copy(io.Discard, stdout)
	}
}

// err returns the error for what was said.
func (s *silence) err() error {
	return ipc.NotFrame("stdout, which carries nothing in this mode, says", s.text)
}
