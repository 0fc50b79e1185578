package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
)

// begin starts a process and exchanges Hellos with it. When that fails nothing
// of the process is left.
func (s *slot) begin(ctx context.Context) (*process, error) {
	s.running.set("starts a worker")
	s.mu.Lock()
	trial := s.ledger.suspect()
	s.elsewhere = true // until it has said where it is
	s.mu.Unlock()
	w, err := s.start(trial)
	if err != nil {
		return nil, err
	}
	o := s.shared.o
	bury := func() { s.shared.starter.last.take(w.cmd, s.shared.starter.mark, w.log) }
	late := time.AfterFunc(o.HelloWithin/10, bury)
	err = w.greet(ctx, o.HelloWithin, &ipc.Hello{
		Version: ipc.Version, Build: o.Build, MaxFrame: ipc.DefaultMaxFrame,
	}, o.Refresh)
	late.Stop()
	bury()
	if err == nil {
		s.shared.count.note(func(st *Stats) { st.Sandbox = w.hello.Sandbox })
		s.shared.reached.Store(true)
		s.mu.Lock()
		s.elsewhere = w.link.elsewhere
		s.mu.Unlock()
		s.shared.announce()
		w.log.Debug("worker ready", "build", w.hello.Build, "sandbox", w.hello.Sandbox)
		return w, nil
	}
	if errors.Is(err, errNoHello) || ctx.Err() != nil {
		w.kill(err)
	}
	s.end(w)
	w.release()
	return nil, noHello(o.Path, o.Mode, err, w)
}

// start starts the worker program with three pipes and what it may share. Its
// output is being read when start returns, and its slot gets every message after
// the Hello. With trial, the process can keep the document of a job.
func (s *slot) start(trial bool) (*process, error) {
	r, o, log := s.shared, s.shared.o, s.log
	generation := r.count.generation()
	cmd := exec.Command(o.Path, o.args(generation)...)
	cmd.Env = append(environ(o.MemLimit, o.Refresh.Proxy, o.Env), fmt.Sprintf("%s=%d", envWorker, s.n))
	attributes(cmd)
	r.starter.making.Lock()
	defer r.starter.making.Unlock()
	pipes, err := openPipes()
	if err != nil {
		return nil, notStarted(o.Path, err)
	}
	// Rejected: cmd.StdoutPipe and its like. Wait closes their ends, with
	// what is still in them.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes.stdin.r, pipes.stdout.w, pipes.stderr.w
	w := &process{
		cmd: cmd, stdin: pipes.stdin.w, stdout: pipes.stdout.r, stderr: pipes.stderr.r,
		watch:  &watch{silence: o.HangAfter, parse: parsePatience * o.HangAfter, stall: o.patience(), most: o.mostOfAJob()},
		helloC: make(chan error, 1), byeC: make(chan struct{}), endC: make(chan struct{}),
		begun: time.Now(), link: link{beatC: make(chan time.Duration, 1)},
	}
	w.owner.Store(s)
	w.share(o, log, trial)
	w.line, err = r.carrier.Join(carrier.End{Generation: generation, Stdin: w.stdin, Stdout: w.stdout})
	if err == nil {
		if l, ok := w.line.(interface{ Probe(ipc.Probe) }); ok && o.Probe != nil {
			l.Probe(o.Probe())
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
		return nil, notStarted(o.Path, err)
	}
	r.count.note(func(st *Stats) { st.Spawns++ })
	w.log = log.With("pid", cmd.Process.Pid)
	w.tail = &tail{log: w.log}
	w.readers.Go(func() {
		if n, _ := io.Copy(w.tail, io.LimitReader(w.stderr, mostStderr)); n == mostStderr {
			w.kill(ipc.Unexpected("%d bytes to stderr", n))
			io.Copy(io.Discard, w.stderr) // so that it is never stuck on a full pipe
		}
		w.tail.end()
	})
	w.readers.Go(w.read)
	return w, nil
}

// share gives the process that is about to be started a scoreboard, as its
// file descriptor 3, and, if it is to try suspects, a place for the document
// that it dies of, as 4. It does without what is not to be had.
func (w *process) share(o *Options, log *slog.Logger, trial bool) {
	if o.NoScoreboard {
		return
	}
	seen, err := board.New()
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			log.Warn("worker gets no scoreboard", "err", err)
		}
		return
	}
	w.board = seen
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, seen.File())
	if !trial || o.KeepPoison == "" {
		return
	}
	if w.capture, err = board.NewCapture(); err != nil {
		log.Warn("no document will be kept", "err", err)
		return
	}
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, w.capture.File())
}

// inherit gives the process files from descriptor carrier.FD on. Those below
// that it has no file for are closed in it.
func (w *process) inherit(files []*os.File) {
	if len(files) == 0 {
		return
	}
	for len(w.cmd.ExtraFiles) < carrier.FD-3 {
		w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, nil)
	}
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, files...)
}

// noHello returns the error for a process that ended, or was killed, because
// of err before the conversation began.
func noHello(path string, mode carrier.Mode, err error, p *process) *StartError {
	e := &StartError{Path: path, Code: -1, Stderr: p.tail.text(), Err: err}
	e.said = cmp.Or(p.tail.reason, lastLine(e.Stderr))
	if p.state != nil {
		e.Code = p.state.ExitCode()
	}
	version, otherVersion := errors.AsType[*ipc.VersionError](err)
	broken, noWorker := errors.AsType[*ipc.ProtocolError](err)
	switch {
	case otherVersion:
		e.What, e.Hint, e.permanent = version.Error(), hintBuild, true
	case noWorker:
		e.What, e.Hint = "it is no worker: "+broken.Error(), hintPath
	case errors.Is(err, errNoHello):
		e.What = err.Error()
		if mode == carrier.Queue { // which knows who speaks by the process
			e.Hint = hintExec
		}
	case e.Code == ipc.ExitRefused:
		e.What, e.permanent = "it refuses to run (exit status 64)", true
	default:
		e.What = "it ended before it was ready"
		if p.state != nil {
			e.What += ": " + p.state.String()
		}
	}
	return e
}

// startFailed decides what a process means that failed before its Hello: nil when
// another one may be started, else why not.
func (s *slot) startFailed(err error) error {
	s.mu.Lock()
	s.fails++
	s.away++
	away := s.away
	s.mu.Unlock()
	e, ok := errors.AsType[*StartError](err)
	if !ok {
		return err
	}
	e.Tries = away
	bad := away >= maxStartFailures && !s.shared.reached.Load() && !e.unreachable()
	if e.permanent || bad || s.shared.hopeless() {
		return e
	}
	s.log.Warn("worker failed to start", "err", e)
	return nil
}

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

	mark mark       // of all that it starts
	last undertaker // of that
	cmds chan *exec.Cmd
	errs chan error // gets one value when the thread is ready, then one for each of cmds
	done sync.WaitGroup
}

// newStarter returns a starter that must be closed, when all that it started
// is gone.
func newStarter(log *slog.Logger, enclosed bool) *starter {
	s := &starter{mark: newMark(), cmds: make(chan *exec.Cmd), errs: make(chan error)}
	mark{}.put(func() error {
		s.done.Go(func() { s.run(log, enclosed) })
		return <-s.errs
	})
	return s
}

// run starts what is to be started, on a thread of its own. Where that cannot be
// enclosed it hands over to another thread: this one may be half of an enclosure.
func (s *starter) run(log *slog.Logger, enclosed bool) {
	runtime.LockOSThread() // and the thread ends with this goroutine, since it is sealed
	if isMainThread() {
		// It never ends, and its bonds would be those of this process.
		other := make(chan struct{})
		s.done.Go(func() {
			close(other)
			s.run(log, enclosed)
		})
		<-other // while this one is not to be had
		runtime.UnlockOSThread()
		return
	}
	if err := s.mark.seal(); err != nil {
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
		admit, s.mark = in.admit, mark{} // the system ends what is in there
	}
	s.errs <- nil
	for cmd := range s.cmds {
		admit(cmd)
		s.errs <- cmd.Start()
	}
}

// start starts cmd. It may be called by several goroutines.
func (s *starter) start(cmd *exec.Cmd) error {
	return s.mark.put(func() error {
		s.cmds <- cmd
		return <-s.errs
	})
}

// close ends what is left of all that was started.
func (s *starter) close() {
	close(s.cmds)
	s.done.Wait()
	s.last.close(s.mark)
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
