package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"feedmill/internal/ipc"
)

// errNoHello says that a process was given up because it said nothing.
var errNoHello = errors.New("it said no Hello")

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

// Refused reports whether the worker will never run as it was asked to.
func (e *StartError) Refused() bool { return e.Code == ipc.ExitRefused }

// unreachable reports whether a process that failed before its Hello did so as a
// link does that reaches nobody.
func (e *StartError) unreachable() bool { return e.Code == 255 || errors.Is(e.Err, errNoHello) }

const (
	hintPath  = "give the worker program with --worker, or build it with make build"
	hintExec  = "in the mode queue the worker must be the process that was started: a script has to end in exec worker \"$@\""
	hintBuild = "build coordinator and worker from the same source: make build"
)

// notFound returns the error for a program that is not there.
func notFound(path string, err error) *StartError {
	what := "not found beside the coordinator or in $PATH"
	if path != "" {
		what = cause(err)
	}
	return &StartError{Path: path, What: what, Hint: hintPath, Code: -1, Err: err, permanent: true}
}

// notStarted returns the error for a program that the system did not start.
// That the system is short of something may pass, the rest does not.
func notStarted(path string, err error) *StartError {
	passing := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.EBADF) // of dup3, past the limit on descriptors
	e := &StartError{Path: path, What: cause(err), Code: -1, Err: err, permanent: !passing}
	if !passing {
		e.Hint = hintPath
	}
	return e
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

// A StallError says that a run was broken off because nothing moved any more:
// no job was handed out, no process came or went, and no result did.
type StallError struct {
	After time.Duration // without any progress
	// Report says who waited for whom, a line each: what every worker and
	// every goroutine of the run did, and how full the pipes between them were.
	Report string
	// Abandoned says that killing all workers was not enough: whoever takes
	// the results, or hands out jobs, has not come back. Goroutines that wait
	// for it are left behind, and some jobs have no result.
	Abandoned bool
}

// Error returns one line; Report has the others.
func (e *StallError) Error() string {
	return fmt.Sprintf("nothing moved for %v", e.After.Round(time.Millisecond))
}
