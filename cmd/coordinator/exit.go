package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The exit statuses. 2 is left to the Go runtime, which exits with it when
// the program crashes.
//
// Rejected: 3 for a round in which feeds failed, without --strict. Of some
// hundred feeds a few always fail, and cron and systemd take every status but 0
// for a job that did not do its work.
const (
	exitOK       = 0
	exitUsage    = 1 // nothing was attempted, or its results could not be printed
	exitFeeds    = 3 // --strict: some feeds failed; verify, bench compare: a difference
	exitStore    = 4
	exitLocked   = 5
	exitSandbox  = 6
	exitNetwork  = 7 // nearly no host could be reached or trusted, or none any more
	exitDeadline = 8 // --deadline came before the end
	exitHook     = 9 // --exec or --post failed
	exitSIGHUP   = 129
	exitSIGINT   = 130
	exitSIGTERM  = 143
)

// A problem is an error that knows its exit status and what the user could
// type about it.
type problem struct {
	code  int
	err   error
	hint  string
	quiet bool // nothing is printed about it
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// usage returns a problem with what the user typed.
func usage(hint, format string, args ...any) error {
	return &problem{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// errFeeds says that the round is done and some feeds failed. The report has
// said so already, so nothing more is printed.
var errFeeds error = &problem{code: exitFeeds, err: errors.New("some feeds failed"), quiet: true}

// A signalled is the cause of a context that a signal ended.
type signalled struct{ sig os.Signal }

func (s *signalled) Error() string { return signals[s.sig].what }

// signals are those that end the program in order, with the exit status that shells
// have for whoever one ends.
var signals = map[os.Signal]struct {
	status int
	what   string
}{
	os.Interrupt:    {exitSIGINT, "interrupted"},
	syscall.SIGTERM: {exitSIGTERM, "terminated"},
	syscall.SIGHUP:  {exitSIGHUP, "the terminal is gone"},
}

// is reports whether err is, or wraps, an error of that type.
func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// status is the one place where an error becomes an exit status.
func status(err error) (code int, hint string) {
	if err == nil {
		return exitOK, ""
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return p.code, p.hint
	}
	if s, ok := errors.AsType[*signalled](err); ok {
		return signals[s.sig].status, ""
	}
	if errors.Is(err, context.Canceled) {
		return exitSIGINT, ""
	}
	return exitUsage, ""
}

// printError returns the problem of results that could not be written: none
// when whoever read them has seen enough.
func printError(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return usage("", "print results: %w", err)
}
