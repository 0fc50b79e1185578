package pool

import (
	"os/exec"
	"runtime"
	"sync"
)

// A starter starts processes, one after the other, on one thread that lives
// until the last of them is gone. On Linux a process is then killed with its
// coordinator (PR_SET_PDEATHSIG), also when it was stopped and would not see
// the end of its stdin. The kernel means by a parent the thread that started
// the process: on any other thread the runtime might end it, and the workers
// with it (golang.org/issue/27505).
type starter struct {
	cmds chan *exec.Cmd
	errs chan error
	done sync.WaitGroup
}

// newStarter returns a starter that must be closed, when all that it started
// is gone.
func newStarter() *starter {
	s := &starter{cmds: make(chan *exec.Cmd), errs: make(chan error)}
	s.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for cmd := range s.cmds {
			s.errs <- cmd.Start()
		}
	})
	return s
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
