// Worker fetches and parses feeds for the coordinator, which starts it: frames
// come in on its stdin and go out on its stdout. It is not meant to be run by
// hand; docs/protocol.md says what it speaks.
//
//	worker [--sandbox best-effort|require|off] [--connect PORTS] [--parse-cpu DURATION] [--carrier MODE --generation N] [--version]
//	worker --manager [--listen HOST:PORT --key-file FILE]
//
// It says what it does in shared memory, if the coordinator gave it that as
// file descriptor 3: a scoreboard, which is still there when the worker was
// killed. Whatever else is there is left alone.
//
// GOMEMLIMIT, where it is less than it would be anyway, also lowers the hard
// limit on memory, to ten sixths of it and what the runtime only maps.
//
// It opens no store and links no code for one. Whatever is printed inside it,
// by whomever, lands on stderr: file descriptor 1 is moved out of reach before
// anything else happens. It ends as soon as its stdin does, however busy it
// is, and leaves an interrupt from the terminal to the coordinator.
//
// # Exit status
//
//	0   told to drain and done, or stdin ended
//	64  it will never run as asked: a flag, the protocol version, or a
//	    sandbox that is required and not to be had; do not start it again
//	70  it failed, or the coordinator broke the protocol
//	71  a document took more CPU time than it may, or a request goes on
//	    although it was ended; stderr has the stacks
//	72  what it shares with other processes to send its lists is gone
//	73  the coordinator answered no heartbeat for longer than it said
//
// 2 is never chosen: it is the Go runtime's own, for a crash.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/fetch"
	"feedmill/internal/feeds/read"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/profile"
	"feedmill/internal/sandbox"
	"feedmill/internal/version"
	"feedmill/internal/worker"
)

func main() {
	// Feeds date their items with the initials of zones, EST or IST, and Go
	// takes those for the local ones where it can. What is stored must not
	// depend on the machine.
	time.Local = time.UTC
	wire, err := takeStdout()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker: error: take stdout:", err)
		os.Exit(ipc.ExitInternal)
	}
	os.Exit(profile.Run("worker", func() int {
		return run(os.Args[1:], os.Stdin, wire, os.Stderr, newRefresher)
	}))
}

// newRefresher makes the refresher of the real worker.
func newRefresher(o feeds.Options) (worker.Refresher, error) { return fetch.New(o, read.Read) }

// run is the program: it takes its whole world and returns the exit status.
func run(args []string, stdin, wire *os.File, stderr io.Writer, refresher func(feeds.Options) (worker.Refresher, error)) int {
	signal.Ignore(os.Interrupt)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1) // one parse at a time needs no more
	}
	// net/http logs what hostile servers send, in their own words.
	log.SetOutput(io.Discard)
	flags, done, err := parseFlags(args, wire, stderr)
	if done || err != nil {
		return exit(stderr, err)
	}
	if flags.manager.on {
		return exit(stderr, flags.manager.serve(stdin, stderr))
	}
	if term.IsTerminal(int(stdin.Fd())) || term.IsTerminal(int(wire.Fd())) {
		return exit(stderr, refusal(whatItIs))
	}
	// Neither needs to be there: what a worker does is then known from its
	// messages alone.
	scoreboard, _ := board.Open(boardFD)
	capture, _ := board.OpenCapture(captureFD)
	conn, err := carrier.Connect(flags.carrier, carrier.Worker{Generation: flags.generation, Stdin: stdin, Stdout: wire, Board: scoreboard})
	if _, cut := errors.AsType[*carrier.LostError](err); err != nil && !cut {
		err = refusal(err.Error())
	}
	if err != nil {
		return exit(stderr, err)
	}
	level, err := sandbox.Apply(policy(flags))
	if err != nil {
		return exit(stderr, refusal(err.Error()))
	}
	defer runtime.KeepAlive(collectLess())
	return exit(stderr, worker.Serve(context.Background(), conn, worker.Options{
		Build:        version.Build(),
		Sandbox:      level.String(),
		ParseCPU:     flags.parseCPU,
		Board:        scoreboard,
		Capture:      capture,
		NewRefresher: refresher,
	}))
}

// The garbage collector lets the heap grow by gcPercent of what is in use and of
// ballast, in bytes: by some megabytes where a worker has little in use, and by less
// than that for each request that waits where it has hundreds.
//
// Rejected: GOGC=200 alone, which is as much for few requests and three times what is in
// use for many; a limit on memory beside it, near which half of the CPU time is collecting.
const (
	gcPercent = 30
	ballast   = 16 << 20
)

// collectLess makes the garbage collector run less often while there is little to
// collect, provided that there is a limit on memory and that nobody has set it otherwise,
// for as long as what it returns is kept: the ballast, to which nobody writes, so that it
// takes addresses and no memory.
func collectLess() (kept []byte) {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 && os.Getenv("GOGC") == "" {
		kept = make([]byte, ballast)
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(limit + ballast)
	}
	return kept
}

// The file descriptors at which a coordinator may have put a scoreboard and a
// captured document.
const (
	boardFD   = 3
	captureFD = 4
)

// mapped is how much the runtime maps and does not use, in bytes, which counts
// towards the hard limit on memory all the same: an arena of 64 MiB, and more.
const mapped = 128<<20 + ballast

// policy returns what is given up. A GOMEMLIMIT says that there is less memory
// than there usually is.
func policy(o options) sandbox.Policy {
	p := sandbox.Policy{Mode: o.sandbox, ConnectPorts: o.connect}
	if soft := debug.SetMemoryLimit(-1); soft < math.MaxInt64 {
		p.MemoryLimit = min(soft, sandbox.DefaultDataLimit/10*6)
		p.DataLimit = min(p.MemoryLimit/6*10+mapped, sandbox.DefaultDataLimit)
	}
	return p
}

// options are what the flags say.
type options struct {
	sandbox  sandbox.Mode
	connect  []uint16 // nil means any port
	parseCPU time.Duration

	manager    managerFlags
	carrier    carrier.Mode
	generation uint32
}

// readPorts adds the ports that a comma separates in s.
func (o *options) readPorts(s string) error {
	for text := range strings.SplitSeq(s, ",") {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("%q is no port", text)
		}
		o.connect = append(o.connect, uint16(port))
	}
	return nil
}

// whatItIs is for whoever runs a worker by hand.
const whatItIs = "this is feedmill's worker, which fetches and reads feeds for the coordinator: that starts it and speaks to it over pipes. Run coordinator refresh"

// parseFlags returns what the flags say. done says that they asked for
// something else than to serve, which was done.
func parseFlags(args []string, stdout, stderr io.Writer) (o options, done bool, err error) {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "worker: %s\n\nFlags:\n", whatItIs)
		flags.PrintDefaults()
	}
	flags.Func("sandbox", "what to give up before the first feed: `LEVEL` best-effort, require or off (default best-effort)", func(s string) (err error) {
		o.sandbox, err = sandbox.ParseMode(s)
		return err
	})
	flags.Func("connect", "the `PORTS` that may be connected to, besides 53, as 80,443; repeatable (default any)", o.readPorts)
	flags.DurationVar(&o.parseCPU, "parse-cpu", worker.DefaultParseCPU, "CPU time that one document may take")
	flags.StringVar((*string)(&o.carrier), "carrier", string(carrier.Pipe), "how lists go back to the coordinator: `MODE`")
	flags.Func("generation", "the coordinator's `NUMBER` for this process (default 0)", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 32)
		o.generation = uint32(n)
		return err
	})
	flags.BoolVar(&o.manager.on, "manager", false, "hold the dictionary of the mode manager instead of doing jobs")
	flags.StringVar(&o.manager.listen, "listen", "", "with --manager: for coordinators at `HOST:PORT` (default for the one that started it)")
	flags.StringVar(&o.manager.key, "key-file", "", "with --listen: `FILE` with the key that callers must have")
	showVersion := flags.Bool("version", false, "print the version and exit")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, true, nil
	case err != nil:
		return o, false, refusal(err.Error())
	case flags.NArg() > 0:
		return o, false, refusal("unexpected argument " + flags.Arg(0))
	case o.parseCPU <= 0:
		return o, false, refusal(fmt.Sprintf("no document is read in %v", o.parseCPU))
	case (o.manager.listen == "") != (o.manager.key == "") || o.manager.listen != "" && !o.manager.on:
		return o, false, refusal("--listen and --key-file go together, with --manager")
	case *showVersion:
		_, err = fmt.Fprintf(stdout, "worker %s (%s), protocol %d\n", version.Release(), version.Build(), ipc.Version)
		return o, true, err
	}
	return o, false, nil
}

// A refusal says why the worker will not run as it was asked to, now or ever.
type refusal string

func (r refusal) Error() string { return string(r) }

// exit prints err, if there is one, and returns the status to exit with.
func exit(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "worker: error: %v\n", err)
	if overrun, ok := errors.AsType[*worker.OverrunError](err); ok {
		stderr.Write(overrun.Stacks)
		return ipc.ExitCPU
	}
	if _, ok := errors.AsType[refusal](err); ok {
		return ipc.ExitRefused
	}
	if _, ok := errors.AsType[*ipc.VersionError](err); ok {
		return ipc.ExitRefused
	}
	if _, ok := errors.AsType[*carrier.LostError](err); ok {
		return ipc.ExitCarrier
	}
	if errors.Is(err, worker.ErrUnanswered) {
		return ipc.ExitUnanswered
	}
	return ipc.ExitInternal
}
