package pool

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
)

// A finding is how a process died.
type finding struct {
	class    feeds.Class // for the job that is to blame
	detail   string      // for people
	work     board.Work  // what it did, where its scoreboard tells
	suspects []int64     // jobs to be tried for it; none when they are not known
	alibi    alibi       // of all jobs
	breach   int         // how much the worker itself is at fault
}

// An alibi is what a process died of that no job can cause.
type alibi int

const (
	noAlibi         alibi = iota
	linkLost              // it may be the link alone that ended, or the coordinator was not heard
	stoppedBySignal       // it did nothing because a signal had stopped it
	endedOutside          // somebody killed it, or what it shares with others is gone
)

// An evidence is what is left of a process.
type evidence struct {
	cause  error          // why the coordinator killed it; nil when it did not
	code   int            // exit status; -1 when a signal ended it
	signal syscall.Signal // that ended it; 0 when none did
	words  string         // both in words
	reason string         // the line with which it gave up, if it wrote one
	last   string         // the last line of stderr
	oom    bool           // meanwhile the system killed somebody for want of memory
	marks  bool           // it died in the runtime's collector, see collectorFault

	elsewhere bool // it was the link to a worker, and need not say of that
	leashed   bool // it was to end when it heard nothing
}

// examine says how a process died that has been stopped.
func (w *process) examine(oom bool) finding {
	e := evidence{cause: w.killed(), code: -1, words: "unknown end", reason: w.tail.reason, last: lastLine(w.tail.text()), oom: oom,
		elsewhere: w.link.elsewhere, leashed: w.link.leash > 0}
	e.marks = strings.HasPrefix(e.reason, "SIGSEGV: ") && strings.Contains(w.tail.text(), collectorFault)
	if w.state != nil {
		e.words, e.code, e.signal = w.state.String(), w.state.ExitCode(), endSignal(w.state)
	}
	st, told := w.standing()
	f := judge(e)
	f.work = st.Now()
	if f.work.Job != 0 {
		f.detail += fmt.Sprintf(" (%s, byte %d)", f.work.Phase, f.work.Bytes)
	}
	if f.alibi == noAlibi {
		f.suspects, f.alibi = accuse(e, f.breach > 0, st, told)
	}
	return f
}

// judge says how a process died.
//
// The runtime's words are all that tells a stack overflow from a panic: each
// ends a process with status 2.
func judge(e evidence) finding {
	if e.elsewhere && e.lostLink() {
		f := finding{class: feeds.Cancelled, detail: "the link to its worker ended: " + e.words, alibi: linkLost}
		if e.cause != nil {
			f.detail = "the link to its worker " + e.cause.Error()
		} else if e.last != "" {
			f.detail += ": " + e.last
		}
		return f
	}
	if e.cause == nil && e.code == ipc.ExitUnanswered && e.leashed {
		return finding{class: feeds.Cancelled, detail: "its worker heard nothing of the coordinator any more", alibi: linkLost}
	}
	if hang, ok := errors.AsType[*hangError](e.cause); ok {
		f := finding{class: feeds.WorkerCPU, detail: "its worker " + hang.Error(), breach: hang.breach}
		if f.breach > 0 {
			f.class = feeds.WorkerProtocol
		}
		return f
	}
	if broken, ok := errors.AsType[*ipc.ProtocolError](e.cause); ok {
		return finding{class: feeds.WorkerProtocol, detail: broken.Error(), breach: 1}
	}
	switch {
	case e.code == 2 && e.reason != "":
		if e.marks {
			return finding{class: feeds.WorkerMemory, detail: "its worker crashed in its collector, which got no memory: " + e.reason}
		}
		return finding{class: runtimeClass(e.reason), detail: "its worker crashed: " + e.reason}
	case e.code == ipc.ExitCPU:
		return finding{class: feeds.WorkerCPU, detail: "its worker gave up: " + strings.TrimPrefix(e.reason, workerError)}
	case e.signal == sigsys:
		return finding{class: feeds.WorkerSignal, detail: "its worker was killed by its sandbox: " + e.words}
	case e.oom && e.signal == syscall.SIGKILL:
		return finding{class: feeds.WorkerMemory, detail: "its worker was killed when the system ran out of memory"}
	}
	detail := "its worker ended: " + e.words
	if e.code >= 0 && e.last != "" {
		detail += ": " + e.last
	}
	if e.code == 0 || e.code == ipc.ExitRefused || e.code == ipc.ExitInternal || e.code == ipc.ExitUnanswered {
		return finding{class: feeds.WorkerProtocol, detail: detail, breach: 1}
	}
	return finding{class: feeds.WorkerSignal, detail: detail}
}

// lostLink reports whether a process that was a link ended, or was ended, as one
// does that is lost. ssh ends with 255 then, others with 0 or 1, which a worker
// uses only when it was told to end.
func (e evidence) lostLink() bool {
	if hang, ok := e.cause.(*hangError); ok {
		return hang.silent
	}
	if e.cause != nil {
		return false
	}
	switch e.signal {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE:
		return true
	}
	return e.code == 0 || e.code == 1 || e.code == 255
}

// collectorFault is in the stack of a process that got no memory for the
// collector's own lists: Go 1.26 then follows a nil pointer in about every tenth
// case, before it comes to say that memory is out.
const collectorFault = "runtime.(*spanQueue)"

// runtimeClass returns the class for a reason that the Go runtime gave.
func runtimeClass(reason string) feeds.Class {
	switch {
	case strings.Contains(reason, "goroutine stack exceeds"), strings.Contains(reason, "stack overflow"):
		return feeds.WorkerStack
	case strings.Contains(reason, "out of memory"), strings.Contains(reason, "cannot allocate memory"):
		return feeds.WorkerMemory
	}
	return feeds.WorkerSignal
}

// accuse says who is to be tried for the death of a process, or why nobody is.
// What its scoreboard says, if it has one, is what it did in its last moment. That
// is no evidence when the worker itself was at fault: a worker that lies would
// name others.
func accuse(e evidence, breach bool, st board.Standing, told bool) (suspects []int64, _ alibi) {
	if _, cut := errors.AsType[*carrier.LostError](e.cause); cut || e.cause == nil && e.code == ipc.ExitCarrier {
		return nil, endedOutside
	}
	if breach || !told {
		return nil, noAlibi
	}
	for _, w := range []board.Work{st.Document, st.Answer} {
		if w.Job != 0 {
			suspects = append(suspects, w.Job)
		}
	}
	if len(suspects) > 0 {
		return suspects, noAlibi
	}
	// No feed can send SIGKILL or SIGSTOP, and where the system killed for want of
	// memory, the one that it ran out with was being read.
	if hang, _ := errors.AsType[*hangError](e.cause); hang != nil && hang.stopped {
		return nil, stoppedBySignal
	}
	if e.cause == nil && e.signal == syscall.SIGKILL {
		return nil, endedOutside
	}
	return nil, noAlibi
}
