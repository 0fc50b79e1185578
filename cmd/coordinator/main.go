// Coordinator refreshes feeds with worker processes and keeps their items.
//
//	coordinator refresh [URL ...]   refresh the feeds that are due
//	coordinator feeds               list, add, remove, import, export
//	coordinator items               what is stored
//	coordinator demo                the whole of it, with no network
//	coordinator origin              serve generated feeds on loopback
//	coordinator doctor              is everything there?
//	coordinator bench               what a process costs against a goroutine
//
// It deals the feeds to N worker processes by host, sends each its shard over
// its stdin as msgpack, collects the item lists on its stdout and stores what
// is new in an SQLite file, of which it is the only writer.
//
// Standard output carries results only; progress and diagnostics go to
// standard error. With --json the results are one JSON object a line.
//
// # Exit status
//
//	0         every feed ended ok, not_modified or unchanged
//	1         usage or configuration: nothing was attempted; or the results
//	          could not be printed
//	3         the round is done, some feeds failed; bench compare: something
//	          got dearer
//	4         the store failed; what was stored stays
//	5         another run holds the store
//	6         --sandbox require, and it is not to be had
//	130, 143  interrupted, after what was finished was stored (129: hung up)
//
// 2 is never chosen: it is the Go runtime's own, for a program that crashed.
//
// A first interrupt ends the round in order: requests under way may finish,
// and what they bring is stored. A second one ends the program at once, and
// its workers with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"feedmill/internal/profile"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	os.Exit(profile.Run("coordinator", func() int {
		return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	}))
}

// run is the program: it takes its whole world and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if errors.Is(err, context.Canceled) { // the store, for one, knows no more than that
		err = cmp.Or(context.Cause(ctx), err)
	}
	return a.exit(err)
}

// zone is where the user is: times are shown and read in it. Everything else
// of this process lives in UTC, and so do the workers: feeds date their items
// with the initials of zones, EST or IST, and Go takes those for the local ones
// where it can. What is stored must not depend on the machine.
var zone = func() *time.Location {
	home := time.Local
	time.Local = time.UTC
	return home
}()

// A signalled is the cause of a context that a signal ended.
type signalled struct{ sig os.Signal }

func (s *signalled) Error() string {
	switch s.sig {
	case syscall.SIGTERM:
		return "terminated"
	case syscall.SIGHUP:
		return "the terminal is gone"
	}
	return "interrupted"
}

// untilSignal returns a context that the first interrupt or termination
// signal ends, with a *signalled as its cause. From then on signals do what
// they do by default, so the second one kills.
//
// SIGPIPE is caught and dropped: when whoever reads the results goes away
// (refresh | head) the round goes on and only its report stops.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			cancel(&signalled{sig})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
