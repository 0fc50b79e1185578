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

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
)

// leastMaxFrame is the smallest limit that a worker may set for what it is
// sent, in bytes: a job with thousands of known items fits into it.
const leastMaxFrame = 1 << 20

// mostStderr bounds what a process may write to stderr, in bytes: stacks of all
// goroutines and warnings are a thousandth of it.
const mostStderr = 16 << 20

// A process is a worker process as the coordinator sees it. It is started by
// start, used by one slot, and gone when stop returns; stop must be called
// once, also when the process ended by itself.
type process struct {
	log    *slog.Logger
	cmd    *exec.Cmd
	stdin  *os.File     // written by the slot only, closed by stop
	stdout *os.File     // read by read only, closed by stop
	stderr *os.File     // read by a goroutine of start only, closed by stop
	line   carrier.Line // closed by stop
	tail   *tail        // may be read once stop has returned
	watch  *watch

	begun   time.Time
	owner   atomic.Pointer[slot] // hears what it says
	link    link
	sending sync.Mutex // held while a message is sent

	board   *board.Board   // nil where there is none; closed by release
	capture *board.Capture // nil but for a process that is to try suspects; closed by release

	readers sync.WaitGroup
	helloC  chan error    // gets one value: what came of the worker's Hello
	hello   *ipc.Hello    // valid after a nil from helloC
	byeC    chan struct{} // closed by read when the worker said Bye
	endC    chan struct{} // closed by read when no message will come any more

	drained atomic.Bool // Drain was sent, or is about to be
	grown   atomic.Bool // it has more memory than it should

	mu      sync.Mutex // guards the fields below
	cause   error      // why the coordinator killed it; nil when it did not
	waiting bool       // Wait has begun: the group may not be signalled

	state *os.ProcessState // set by stop; nil when Wait failed
}

// greet waits for the worker's Hello and answers it, with options.
func (w *process) greet(ctx context.Context, within time.Duration, answer *ipc.Hello, options feeds.Options) error {
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
	if options.Leash == 0 && w.link.elsewhere {
		options.Leash = defaultLeash
	}
	w.link.leash = options.Leash
	answer.Options = ipc.EncodeOptions(options)
	if err := w.send(answer); err != nil {
		return fmt.Errorf("answer Hello: %w", err)
	}
	if w.link.leash > 0 {
		w.readers.Go(w.answer)
	}
	return nil
}

// read reads stdout until it ends: the Hello, then messages for its slot. After
// a message that breaks the protocol the worker is killed, and what else it
// wrote is thrown away, so that it is never stuck on a full pipe.
func (w *process) read() {
	err := w.readHello()
	w.helloC <- err
	for err == nil {
		var m ipc.Message
		w.watch.listen(w.line.Received(), time.Now())
		m, err = w.line.Recv()
		w.watch.hear(time.Now())
		if err == nil {
			err = w.owner.Load().handle(w, m)
		}
	}
	_, broken := errors.AsType[*ipc.ProtocolError](err)
	_, cut := errors.AsType[*carrier.LostError](err)
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
	if w.hello, err = ipc.CheckHello(m); err != nil {
		return err
	}
	_, here := w.standing() // by its scoreboard
	w.link.elsewhere, w.link.heard = !here, time.Now()
	if w.hello.MaxFrame < leastMaxFrame {
		return ipc.Unexpected("worker accepts only %d bytes, want %d or more", w.hello.MaxFrame, leastMaxFrame)
	}
	return nil
}

// answer answers heartbeats until the worker says nothing more.
func (w *process) answer() {
	for {
		select {
		case <-w.endC:
			return
		case at := <-w.link.beatC:
			if err := w.send(&ipc.Heartbeat{At: at}); err != nil {
				w.log.Debug("answer heartbeat", "err", err)
				return
			}
		}
	}
}

// send sends a message.
func (w *process) send(m ipc.Message) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	return w.line.Send(m)
}

// watchFor says which job's document is to be kept: that of one that is alone
// in the process.
func (w *process) watchFor(id int64, alone bool) {
	if !alone {
		id = 0
	}
	if err := w.capture.Want(id); err != nil {
		w.log.Debug("no document will be kept", "err", err)
	}
}

// release gives back what was shared with the process, which is gone.
func (w *process) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.board.Close()
	w.capture.Close()
	w.board, w.capture = nil, nil
}

// kill ends the process and its group at once, because of cause. The first
// cause counts.
func (w *process) kill(cause error) { w.signal("SIGKILL", killGroup, cause) }

// signal sends a signal, because of cause, unless it might reach somebody else.
// That nobody is left to get it is fine.
func (w *process) signal(name string, send func(*os.Process) error, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
	}
	if w.waiting {
		return
	}
	err := send(w.cmd.Process)
	if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, os.ErrProcessDone) {
		w.log.Debug("signal worker", "signal", name, "err", err)
	}
}

// killed returns why the coordinator killed the process, or nil.
func (w *process) killed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// sayBye notes that the worker said Bye, which it may do once, and when asked.
func (w *process) sayBye() error {
	if !w.drained.Load() || w.parted() {
		return ipc.Unexpected("Bye that was not asked for")
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

// standing returns what the worker says that it does, on its scoreboard or in
// frames, and whether it says anything.
func (w *process) standing() (board.Standing, bool) {
	if w.link.elsewhere {
		w.link.mu.Lock()
		defer w.link.mu.Unlock()
		return board.Standing{Document: w.link.work}, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.board.Standing()
	return st, st.PID != 0
}

// cost returns the CPU time that the worker has used, as far as that is known.
func (w *process) cost() time.Duration {
	if w.link.elsewhere {
		w.link.mu.Lock()
		defer w.link.mu.Unlock()
		return min(w.link.cpu, time.Since(w.begun)) // it has one processor
	}
	if w.state == nil {
		return 0
	}
	return w.state.UserTime() + w.state.SystemTime()
}

// dismiss gets rid of a process that owes nothing.
func (s *slot) dismiss(ctx context.Context, w *process) {
	s.drain(ctx, w)
	s.end(w)
	w.release()
}

// drain asks a process to finish and waits for its Bye, for as long as its
// jobs may take.
func (s *slot) drain(ctx context.Context, w *process) {
	s.running.set("waits for a worker to finish")
	w.drained.Store(true)
	crash.At("coordinator: before drain")
	if err := w.send(&ipc.Drain{}); err != nil {
		w.log.Debug("send drain", "err", err)
		return
	}
	grace := s.shared.o.Refresh.DrainGrace + s.shared.o.StopGrace
	if ctx.Err() == nil && s.owes() {
		grace += s.shared.o.patience() // it has only grown; its watch ends it if it hangs
	}
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case <-w.byeC:
	case <-w.endC:
	case <-limit.C:
		w.log.Info("worker has not finished in time")
	}
}

// end stops a process and adds up what it has cost.
func (s *slot) end(w *process) {
	s.running.set("stops a worker")
	w.stop(s.shared.o.StopGrace)
	s.shared.count.bill(w.line.Sent(), w.line.Received(), w.cost())
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
		{"SIGTERM", func() { w.signal("SIGTERM", terminateGroup, nil) }},
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
	w.kill(nil)
	w.mu.Lock()
	w.waiting = true
	w.mu.Unlock()
	still := time.AfterFunc(grace+time.Second, func() { w.log.Warn("killed worker is still not reaped") })
	defer still.Stop()
	// An error other than an exit status leaves no state; there is nothing else that
	// could be done about it.
	w.cmd.Wait()
	w.state = w.cmd.ProcessState
}
