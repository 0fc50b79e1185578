// Coordinator refreshes feeds with worker processes and keeps their items.
//
// It deals the feeds to N worker processes by host, sends each its shard over
// its stdin as msgpack, collects the item lists on its stdout and stores what
// is new in an SQLite file, which one run at a time writes.
//
// Standard output carries results only; progress and diagnostics go to
// standard error. With --json the results are one JSON object a line.
// coordinator --help has the commands and what each exit status means.
//
// A first interrupt ends the round in order: requests under way may finish,
// and what they bring is stored. A second one ends the program at once, and
// its workers with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"feedmill/internal/feeds"
	"feedmill/internal/profile"
	"feedmill/internal/terminal"
)

func main() {
	// In mode goroutine net/http would log what hostile servers send, in their
	// own words.
	log.SetOutput(io.Discard)
	ctx, stop := untilSignal(context.Background())
	defer stop()
	os.Exit(profile.Run("coordinator", func() int {
		return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	}))
}

// run is the program: it takes its whole world and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &terminal.Output{Writer: stdout}
	a := &app{stdin: stdin, stdout: out, stderr: stderr, stuck: make(chan struct{})}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	addCompletion(root) // which writes where results go from now on
	return a.watched(ctx, root.ExecuteContext)
}

// watched returns the exit status of a command, or exitFeeds when the command
// is stuck and never returns.
func (a *app) watched(ctx context.Context, command func(context.Context) error) int {
	ended := make(chan error, 1)
	go func() { ended <- command(ctx) }()
	var err error
	select {
	case err = <-ended:
	case <-a.stuck:
		return exitFeeds
	}
	if errors.Is(err, context.Canceled) { // the store, for one, knows no more than that
		err = cmp.Or(context.Cause(ctx), err)
	}
	if s, ok := errors.AsType[*signalled](err); ok {
		err = s // whatever it interrupted
	}
	if out, ok := a.stdout.(*terminal.Output); ok && out.Err() != nil {
		if _, said := errors.AsType[*problem](err); err == nil || !said && errors.Is(err, out.Err()) {
			err = printError(out.Err())
		}
	}
	return a.exit(err)
}

// exit prints err as one line, and a second one when there is a hint, and
// returns the status to exit with. A URL may stand where something else was meant,
// such as a number, with its password.
func (a *app) exit(err error) int {
	code, hint := status(err)
	if p, ok := errors.AsType[*problem](err); ok && p.quiet {
		return code
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "coordinator: error: %v\n", terminal.Printable(feeds.RedactText(err.Error())))
		if hint != "" {
			fmt.Fprintf(a.stderr, "coordinator: hint: %v\n", terminal.Printable(feeds.RedactText(hint)))
		}
	}
	return code
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
