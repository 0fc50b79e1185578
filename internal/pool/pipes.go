package pool

import (
	"os"

	"feedmill/internal/ipc"
)

// A pipe is both ends of a pipe.
type pipe struct{ r, w *os.File }

// pipes are the three pipes of a process.
type pipes struct{ stdin, stdout, stderr pipe }

// openPipes opens three pipes, or none.
func openPipes() (*pipes, error) {
	ps := new(pipes)
	for _, p := range []*pipe{&ps.stdin, &ps.stdout, &ps.stderr} {
		var err error
		if p.r, p.w, err = os.Pipe(); err != nil {
			ps.closeChildEnds()
			ps.closeOurEnds()
			return nil, err
		}
	}
	ipc.Widen(ps.stdout.r)
	return ps, nil
}

// closeChildEnds closes the ends that the child has, or would have had. Closing
// a file that was never opened does nothing.
func (ps *pipes) closeChildEnds() {
	ps.stdin.r.Close()
	ps.stdout.w.Close()
	ps.stderr.w.Close()
}

// closeOurEnds closes the ends that the coordinator has.
func (ps *pipes) closeOurEnds() {
	ps.stdin.w.Close()
	ps.stdout.r.Close()
	ps.stderr.r.Close()
}
