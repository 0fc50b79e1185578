package pool

import (
	"errors"
	"time"

	"feedmill/internal/ipc/board"
)

// guard ends the process when it owes results and hangs: it is asked for its
// stacks, which are the only trace of where it hung, and killed after grace. It
// returns when that is done, or stop is closed.
func (w *process) guard(every, grace time.Duration, owes func() bool, stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			now := time.Now()
			if gap := now.Sub(last) - every; gap > every {
				w.watch.skip(gap)
			}
			last = now
			w.watch.move(w.line.Received(), now)
			if !owes() {
				continue
			}
			if st, told := w.standing(); told {
				w.watch.read(st.Document.Job, now)
				if st.Answer.Phase == board.PhaseWait {
					w.watch.skip(every) // somebody else holds what it waits for
				}
			}
			wrong := w.watch.check(now)
			if wrong == nil {
				continue
			}
			hang, hangs := errors.AsType[*hangError](wrong)
			if !hangs {
				w.kill(wrong)
				return
			}
			hang.stopped = hang.silent && isStopped(w.cmd.Process.Pid)
			w.signal("SIGQUIT", quit, wrong) // it need not obey
			select {
			case <-w.endC:
			case <-stop:
			case <-time.After(grace):
			}
			w.kill(wrong)
			return
		}
	}
}
