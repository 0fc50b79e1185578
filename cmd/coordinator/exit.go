package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// The exit statuses. 2 is left to the Go runtime, which exits with it when
// the program crashes.
const (
	exitOK      = 0
	exitUsage   = 1 // nothing was attempted, or its results could not be printed
	exitFeeds   = 3 // some feeds failed; bench compare: something got dearer
	exitStore   = 4
	exitLocked  = 5
	exitSandbox = 6
	exitSIGHUP  = 129
	exitSIGINT  = 130
	exitSIGTERM = 143
)

// A problem is an error that knows its exit status and what the user could
// type about it.
type problem struct {
	code int
	err  error
	hint string
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// usage returns a problem with what the user typed.
func usage(hint, format string, args ...any) error {
	return &problem{exitUsage, fmt.Errorf(format, args...), hint}
}

// errFeeds says that the round is done and some feeds failed. The report has
// said so already, so nothing more is printed.
var errFeeds = errors.New("some feeds failed")

// exit prints err as one line, and a second one when there is a hint, and
// returns the status to exit with.
func (a *app) exit(err error) int {
	code, hint := status(err)
	if err != nil && !errors.Is(err, errFeeds) {
		fmt.Fprintf(a.stderr, "coordinator: error: %v\n", printable(err.Error()))
		if hint != "" {
			fmt.Fprintf(a.stderr, "coordinator: hint: %v\n", printable(hint))
		}
	}
	return code
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
		switch s.sig {
		case syscall.SIGTERM:
			return exitSIGTERM, ""
		case syscall.SIGHUP:
			return exitSIGHUP, ""
		}
		return exitSIGINT, ""
	}
	switch {
	case errors.Is(err, errFeeds):
		return exitFeeds, ""
	case errors.Is(err, context.Canceled):
		return exitSIGINT, ""
	}
	return exitUsage, ""
}
