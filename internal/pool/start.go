package pool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"feedmill/internal/ipc"
)

// ExitRefused is the exit status with which a worker says that it will never
// run as it was asked to: a flag or the protocol version does not fit, or the
// sandbox that it must have is not to be had. It is not started again.
const ExitRefused = 64

// ExitInternal is the exit status with which a worker says that it failed, or
// that the coordinator broke the protocol. It is started again.
const ExitInternal = 70

// ExitCPU is the exit status with which a worker says that one document took
// more CPU time than it may, or that a request does not end; the stacks are on stderr. It is started again.
const ExitCPU = 71

// ExitCarrier is the exit status with which a worker says that what it shares
// with others to bring its lists back is gone. It is started again, and nobody
// is blamed.
const ExitCarrier = 72

// A StartError says that the worker program could not be made to work: it is
// missing, it is no worker, it is one of another version, or it ends before it
// has said Hello.
type StartError struct {
	Path   string // the program; empty when none was found
	What   string // what happened, lower case, no full stop
	Hint   string // what the user could type; may be empty
	Stderr string // the end of what the last process wrote to stderr, at most 64 KiB
	Code   int    // exit status of the last process; -1 when there is none
	Tries  int    // processes that failed in a row; 0 when none was started
	Err    error  // the cause, when there is one

	said      string // the line of Stderr that tells most
	permanent bool   // another try would end the same
}

// Error returns one line: the program, what happened, and a line of stderr:
// that with which the Go runtime gave up, else the last one.
func (e *StartError) Error() string {
	var b strings.Builder
	b.WriteString("start worker")
	if e.Path != "" {
		b.WriteString(" " + e.Path)
	}
	b.WriteString(": " + e.What)
	if e.Tries > 1 {
		fmt.Fprintf(&b, " (%d times in a row)", e.Tries)
	}
	if e.said != "" {
		b.WriteString(": " + e.said)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// lastLine returns the last line of s that is not blank, at most 200 bytes of
// it.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	line := s[strings.LastIndexByte(s, '\n')+1:]
	return strings.ToValidUTF8(line[:min(len(line), 200)], "")
}

const (
	hintPath  = "give the worker program with --worker, or build it with make build"
	hintExec  = "in the mode queue the worker must be the process that was started: a script has to end in exec worker \"$@\""
	hintBuild = "build coordinator and worker from the same source: make build"
)

// Find returns the worker program: path when it is given, else the file worker
// beside the program that runs now, else worker in $PATH. It fails with a
// [StartError].
func Find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", notFound(path, err)
		}
		return found, nil
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		if found, err := exec.LookPath(filepath.Join(filepath.Dir(self), "worker")); err == nil {
			return found, nil
		}
	}
	found, err := exec.LookPath("worker")
	if err != nil {
		return "", notFound("", err)
	}
	return found, nil
}

// notFound returns the error for a program that is not there.
func notFound(path string, err error) *StartError {
	what := "not found beside the coordinator or in $PATH"
	if path != "" {
		what = cause(err)
	}
	return &StartError{Path: path, What: what, Hint: hintPath, Code: -1, Err: err, permanent: true}
}

// cause returns the innermost message of an error of os or exec, which names
// no path again.
func cause(err error) string {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// notStarted returns the error for a program that the system did not start.
// That the system is short of something may pass, the rest does not.
func notStarted(path string, err error) *StartError {
	passing := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
	e := &StartError{Path: path, What: cause(err), Code: -1, Err: err, permanent: !passing}
	if !passing {
		e.Hint = hintPath
	}
	return e
}

// noHello returns the error for a process that ended, or was killed, because
// of err before the conversation began.
func noHello(path string, mode ipc.Mode, err error, p *process) *StartError {
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
		if mode == ipc.ModeQueue { // which knows who speaks by the process
			e.Hint = hintExec
		}
	case e.Code == ExitRefused:
		e.What, e.permanent = "it refuses to run (exit status 64)", true
	default:
		e.What = "it ended before it was ready"
		if p.state != nil {
			e.What += ": " + p.state.String()
		}
	}
	return e
}
