package pool

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A finding is how a process died.
type finding struct {
	class  feeds.Class // for the job that is to blame
	detail string      // for people
	work   ipc.Work    // what it did, where its scoreboard tells
	blame  blame       // who is to be tried for it
}

// An end is what is left of a process.
type end struct {
	cause  error          // why the coordinator killed it; nil when it did not
	code   int            // exit status; -1 when a signal ended it
	signal syscall.Signal // that ended it; 0 when none did
	words  string         // both in words
	reason string         // the line with which it gave up, if it wrote one
	last   string         // the last line of stderr
	oom    bool           // meanwhile the system killed somebody for want of memory
}

// autopsy says how a process died that has been stopped.
func (w *process) autopsy(oom bool) finding {
	e := end{cause: w.killed(), code: -1, words: "unknown end", reason: w.tail.reason, last: lastLine(w.tail.text()), oom: oom}
	if w.state != nil {
		e.words, e.code, e.signal = w.state.String(), w.state.ExitCode(), endSignal(w.state)
	}
	f := judge(e)
	st, told := w.standing()
	f.work = st.Now()
	if f.work.Job != 0 {
		f.detail += fmt.Sprintf(" (%s, byte %d)", f.work.Phase, f.work.Bytes)
	}
	f.blame = accuse(e, st, told, w.watch.suspect())
	return f
}

// standing returns what the process's scoreboard says, and whether it is there
// and was this process's own.
func (w *process) standing() (ipc.Standing, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.board.Standing()
	return st, st.PID != 0 && st.PID == w.cmd.Process.Pid
}

// judge says how a process died.
//
// The runtime's words are all that tells a stack overflow from a panic: each
// ends a process with status 2.
func judge(e end) finding {
	if hang, ok := errors.AsType[*hangError](e.cause); ok {
		return finding{class: feeds.WorkerCPU, detail: "its worker " + hang.Error()}
	}
	if broken, ok := errors.AsType[*ipc.ProtocolError](e.cause); ok {
		return finding{class: feeds.WorkerProtocol, detail: broken.Error()}
	}
	switch {
	case e.code == 2 && e.reason != "":
		return finding{class: runtimeClass(e.reason), detail: "its worker crashed: " + e.reason}
	case e.code == ExitCPU:
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
	if e.code == 0 || e.code == ExitRefused || e.code == ExitInternal {
		return finding{class: feeds.WorkerProtocol, detail: detail}
	}
	return finding{class: feeds.WorkerSignal, detail: detail}
}

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

// accuse says who is to be tried for the death of a process. suspect is what
// its last Tick named, and may be out of date; what its scoreboard says, if it
// has one, is what it did in its last moment.
//
// That is no evidence when its last moment has nothing to do with the fault:
// the coordinator found out later that it broke the protocol, or lost patience
// with all its jobs together, or it left on its own account.
func accuse(e end, st ipc.Standing, told bool, suspect int64) blame {
	if _, cut := errors.AsType[*ipc.CarrierError](e.cause); cut || e.cause == nil && e.code == ExitCarrier {
		return blame{nobody: true}
	}
	if !told {
		if suspect == 0 {
			return blame{}
		}
		return blame{jobs: []int64{suspect}}
	}
	var jobs []int64
	for _, w := range []ipc.Work{st.Document, st.Answer} {
		if w.Job != 0 {
			jobs = append(jobs, w.Job)
		}
	}
	_, broken := errors.AsType[*ipc.ProtocolError](e.cause)
	hang, hung := errors.AsType[*hangError](e.cause)
	left := e.cause == nil && (e.code == 0 || e.code == ExitRefused || e.code == ExitInternal)
	return blame{jobs: jobs, sure: len(jobs) > 0 && !broken && !left && !(hung && hang.all)}
}
