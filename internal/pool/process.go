package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"feedmill/internal/ipc"
)

// errNoHello says that a process was given up because it said nothing.
var errNoHello = errors.New("it said no Hello")

// leastMaxFrame is the smallest limit that a worker may set for what it is
// sent, in bytes: a job with thousands of known items fits into it.
const leastMaxFrame = 1 << 20

// A process is a worker process as the coordinator sees it. It is started by
// start, used by one slot, and gone when stop returns; stop must be called
// once, also when the process ended by itself.
type process struct {
	log    *slog.Logger
	cmd    *exec.Cmd
	stdin  *os.File // written by the slot only, closed by stop
	stdout *os.File // read by read only, closed by stop
	stderr *os.File // read by a goroutine of start only, closed by stop
	line   ipc.Line // closed by stop
	tail   *tail    // may be read once stop has returned
	watch  *watch

	board    *ipc.Scoreboard // nil where there is none; closed by release
	trial    bool            // it was started to try a suspect
	specimen *ipc.Specimen   // nil but for a process that is to try suspects; closed by release

	readers sync.WaitGroup
	helloC  chan error    // gets one value: what came of the worker's Hello
	hello   *ipc.Hello    // valid after a nil from helloC
	byeC    chan struct{} // closed by read when the worker said Bye
	endC    chan struct{} // closed by read when no message will come any more

	drained atomic.Bool // Drain was sent, or is about to be
	grown   atomic.Bool // it has more memory than it should
	retired atomic.Bool // another process stands ready in its place

	mu      sync.Mutex // guards the fields below
	cause   error      // why the coordinator killed it; nil when it did not
	waiting bool       // Wait has begun: the group may not be signalled

	may     bool  // take a batch out of the queue; guarded by the slot's mu
	claimed int64 // the batch that it says to have taken, 0 for none; guarded by the slot's mu

	state *os.ProcessState // set by stop; nil when Wait failed
}

// start starts the worker program with three pipes and what it may share. Its
// output is being read when start returns. handle gets every message after the
// Hello, on one goroutine; an error from it means that the worker broke the
// protocol. With trial, the process can keep the document of a job.
func (p *Pool) start(r *run, log *slog.Logger, trial bool, handle func(*process, *ipc.Message) error) (*process, error) {
	incarnation := p.incarnation()
	cmd := exec.Command(p.o.Path, p.o.args(incarnation)...)
	cmd.Env = environ(p.o.MemLimit, p.o.Refresh.Proxy, p.o.Env)
	attributes(cmd)
	pipes, err := openPipes()
	if err != nil {
		return nil, notStarted(p.o.Path, err)
	}
	// Rejected: cmd.StdoutPipe and its like. Wait closes their ends, with
	// what is still in them.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes.stdin.r, pipes.stdout.w, pipes.stderr.w
	w := &process{
		cmd: cmd, stdin: pipes.stdin.w, stdout: pipes.stdout.r, stderr: pipes.stderr.r,
		watch:  &watch{silence: p.o.HangAfter, parse: parsePatience * p.o.HangAfter, stall: p.o.patience()},
		helloC: make(chan error, 1), byeC: make(chan struct{}), endC: make(chan struct{}),
	}
	w.trial = trial
	w.share(p, incarnation, log, trial)
	w.line, err = r.carrier.Join(ipc.End{Incarnation: incarnation, Stdin: w.stdin, Stdout: w.stdout})
	if err == nil {
		if l, ok := w.line.(interface{ Probe(ipc.Probe) }); ok && p.o.Probe != nil {
			l.Probe(p.o.Probe())
		}
		w.inherit(w.line.Files())
		err = r.starter.start(cmd)
		pid := 0
		if err == nil {
			pid = cmd.Process.Pid
		}
		w.line.Started(pid)
	}
	pipes.closeChildEnds()
	w.board.CloseFile()
	if err != nil {
		pipes.closeOurEnds()
		if w.line != nil {
			w.line.Close()
		}
		w.release()
		return nil, notStarted(p.o.Path, err)
	}
	p.spawned()
	w.log = log.With("pid", cmd.Process.Pid)
	w.tail = &tail{log: w.log}
	w.readers.Go(func() {
		io.Copy(w.tail, w.stderr)
		w.tail.end()
	})
	w.readers.Go(func() { w.read(handle) })
	return w, nil
}

// share gives the process that is about to be started a scoreboard, as its
// file descriptor 3, and, if it is to try suspects, a place for the document
// that it dies of, as 4. It does without what is not to be had.
func (w *process) share(p *Pool, incarnation uint32, log *slog.Logger, trial bool) {
	if p.o.NoScoreboard {
		return
	}
	board, err := ipc.NewScoreboard(incarnation)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			log.Warn("worker gets no scoreboard", "err", err)
		}
		return
	}
	w.board = board
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, board.File())
	if !trial || p.o.KeepPoison == "" {
		return
	}
	if w.specimen, err = ipc.NewSpecimen(); err != nil {
		log.Warn("no document will be kept", "err", err)
		return
	}
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, w.specimen.File())
}

// inherit gives the process files from descriptor ipc.CarrierFD on. Those below
// that it has no file for are closed in it.
func (w *process) inherit(files []*os.File) {
	if len(files) == 0 {
		return
	}
	for len(w.cmd.ExtraFiles) < ipc.CarrierFD-3 {
		w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, nil)
	}
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, files...)
}

// watchFor says which job's document is to be kept: that of one that is alone
// in the process.
func (w *process) watchFor(id int64, alone bool) {
	if !alone {
		id = 0
	}
	if err := w.specimen.Want(id); err != nil {
		w.log.Debug("no document will be kept", "err", err)
	}
}

// release gives back what was shared with the process, which is gone.
func (w *process) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.board.Close()
	w.specimen.Close()
	w.board, w.specimen = nil, nil
}

// read reads stdout until it ends: the Hello, then messages for handle. After
// a message that breaks the protocol the worker is killed, and what else it
// wrote is thrown away, so that it is never stuck on a full pipe.
func (w *process) read(handle func(*process, *ipc.Message) error) {
	err := w.readHello()
	w.helloC <- err
	for err == nil {
		var m *ipc.Message
		w.watch.listen(time.Now())
		m, err = w.line.Recv()
		w.watch.hear(time.Now())
		if err == nil {
			if err = handle(w, m); err != nil {
				m.Release() // nobody has it
			}
		}
	}
	_, broken := errors.AsType[*ipc.ProtocolError](err)
	_, cut := errors.AsType[*ipc.CarrierError](err)
	if broken || cut {
		w.kill(err)
	}
	if err != io.EOF {
		w.log.Debug("worker is not listened to any more", "err", err)
	}
	close(w.endC)
	w.line.Drain()
}

// readHello reads the first message.
func (w *process) readHello() error {
	m, err := w.line.Recv()
	if err != nil {
		return err
	}
	w.hello = m.Hello
	if err := ipc.CheckHello(m.Hello); err != nil {
		return err
	}
	if m.Hello.MaxFrame < leastMaxFrame {
		return unexpected(fmt.Sprintf("worker accepts only %d bytes, want %d or more", m.Hello.MaxFrame, leastMaxFrame))
	}
	return nil
}

// greet waits for the worker's Hello and answers it.
func (w *process) greet(ctx context.Context, within time.Duration, answer *ipc.Hello) error {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case err := <-w.helloC:
		if err != nil {
			return err
		}
	case <-limit.C:
		return fmt.Errorf("%w within %v", errNoHello, within)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := w.line.Send(&ipc.Message{Hello: answer}); err != nil {
		return fmt.Errorf("answer Hello: %w", err)
	}
	return nil
}

// kill ends the process and its group at once, because of cause. The first
// cause counts.
func (w *process) kill(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
	}
	if !w.waiting {
		w.sent("SIGKILL", killGroup(w.cmd.Process))
	}
}

// interrogate asks the process for its stacks and to end, because of cause. It
// need not obey.
func (w *process) interrogate(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
	}
	if !w.waiting {
		w.sent("SIGQUIT", quit(w.cmd.Process))
	}
}

// terminate asks the process and its group to end.
func (w *process) terminate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waiting {
		w.sent("SIGTERM", terminateGroup(w.cmd.Process))
	}
}

// sent logs what came of a signal. That nobody is left to get it is fine.
func (w *process) sent(signal string, err error) {
	if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, os.ErrProcessDone) {
		w.log.Debug("signal worker", "signal", signal, "err", err)
	}
}

// sayBye notes that the worker said Bye, which it may do once, and when asked.
func (w *process) sayBye() error {
	if !w.drained.Load() || w.parted() {
		return unexpected("Bye that was not asked for")
	}
	close(w.byeC)
	return nil
}

// parted reports whether the worker said Bye.
func (w *process) parted() bool {
	select {
	case <-w.byeC:
		return true
	default:
		return false
	}
}

// killed returns why the coordinator killed the process, or nil.
func (w *process) killed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// stop gets rid of the process, by the ladder that the package comment
// describes, and returns when it is reaped, both readers are done and all
// pipes are closed.
func (w *process) stop(grace time.Duration) {
	quietC := make(chan struct{})
	go func() {
		w.readers.Wait()
		close(quietC)
	}()
	w.stdin.Close()
	rungs := []struct {
		name  string
		climb func()
	}{
		{"SIGTERM", w.terminate},
		{"SIGKILL", func() { w.kill(nil) }},
		{"close pipes", func() {
			w.stdout.Close()
			w.stderr.Close()
		}},
	}
	for _, rung := range rungs {
		select {
		case <-quietC:
		case <-time.After(grace):
			w.log.Info("worker still there", "after", grace, "next", rung.name)
			rung.climb()
		}
	}
	<-quietC
	w.reap(grace)
	w.stdout.Close()
	w.stderr.Close()
	w.line.Close()
}

// reap kills what is left of the group and waits for the process. Both its
// pipes have ended, so it has nothing more to say; if that is because it is
// exiting, its exit status is settled already and a signal changes nothing.
func (w *process) reap(grace time.Duration) {
	w.mu.Lock()
	w.sent("SIGKILL", killGroup(w.cmd.Process))
	w.waiting = true
	w.mu.Unlock()
	still := time.NewTicker(grace + time.Second)
	defer still.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// An error other than an exit status leaves no state; there is
		// nothing else that could be done about it.
		w.cmd.Wait()
	}()
	for {
		select {
		case <-done:
			w.state = w.cmd.ProcessState
			return
		case <-still.C:
			w.log.Warn("killed worker is still not reaped")
		}
	}
}

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
			if st, told := w.standing(); told && st.Answer.Phase == ipc.PhaseWait {
				w.watch.skip(every) // somebody else holds what it waits for
			}
			hang := w.watch.check(now)
			if hang == nil {
				continue
			}
			w.interrogate(hang)
			select {
			case <-w.endC:
			case <-stop:
			case <-time.After(grace):
			}
			w.kill(hang)
			return
		}
	}
}
