package pool

import (
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"feedmill/internal/ipc/carrier"
)

// A starter starts processes, one after the other, on one thread that lives
// until the last of them is gone. On Linux a process is then killed with its
// coordinator (PR_SET_PDEATHSIG), also when it was stopped and would not see
// the end of its stdin. The kernel means by a parent the thread that started
// the process: on any other thread the runtime might end it, and the workers
// with it (golang.org/issue/27505). With Options.Enclose that thread encloses what
// it starts.
type starter struct {
	// making is held while the files of a process are made, until those that
	// only the process needs are closed here: with few descriptors, several
	// starts at once would not have enough.
	making sync.Mutex

	cmds chan *exec.Cmd
	errs chan error
	done sync.WaitGroup
}

// newStarter returns a starter that must be closed, when all that it started
// is gone.
func newStarter(log *slog.Logger, enclosed bool) *starter {
	s := &starter{cmds: make(chan *exec.Cmd), errs: make(chan error)}
	s.done.Go(func() { s.run(log, enclosed) })
	return s
}

// run starts what is to be started, on a thread of its own. Where that cannot be
// enclosed it hands over to another thread: this one may be half of an enclosure.
func (s *starter) run(log *slog.Logger, enclosed bool) {
	runtime.LockOSThread() // and the thread ends with this goroutine, since it is sealed
	if err := sealDeathSignal(); err != nil {
		log.Debug("the death signal of workers is not sealed", "err", err)
	}
	admit := func(*exec.Cmd) {}
	if enclosed {
		in, err := enclose()
		if err != nil {
			log.Debug("what workers start may outlive them", "err", err)
			s.done.Go(func() { s.run(log, false) })
			return
		}
		defer in.close()
		admit = in.admit
	}
	for cmd := range s.cmds {
		admit(cmd)
		s.errs <- cmd.Start()
	}
}

// start starts cmd. It may be called by several goroutines.
func (s *starter) start(cmd *exec.Cmd) error {
	s.cmds <- cmd
	return <-s.errs
}

func (s *starter) close() {
	close(s.cmds)
	s.done.Wait()
}

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
	carrier.Widen(ps.stdout.r)
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
