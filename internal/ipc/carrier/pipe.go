package carrier

import (
	"io"
	"os"

	"feedmill/internal/ipc"
)

// The mode pipe: each worker's stdin and stdout, one owner an end, so nothing
// needs a lock.

// pipes is its Carrier, which holds nothing.
type pipes struct{}

func openPipe(Options) (Carrier, error) { return pipes{}, nil }

func (pipes) Join(e End) (Line, error) {
	return &pipeLine{ipc.NewConn(e.Stdout, e.Stdin, ipc.Options{}), e.Stdout}, nil
}

func (pipes) Close() error { return nil }

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
