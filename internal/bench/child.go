package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/origin"
	"feedmill/internal/pool"
	"feedmill/internal/worker"
)

// Child is what the program is when the experiment starts it again: args[0]
// says as what. It returns the exit status.
//
//	sample  takes one sample: a task on stdin, a Sample on stdout
//	worker  is a worker with the work of the experiment, see package worker
//	manager holds the lists of the mode manager until stdin ends
//	origin  serves feeds until stdin ends, and says where on stdout
//	rounds  does jobs one of which may kill it, and says which are done
//	tear    writes frames to a pipe that others write to, too
//	sink    reads stdin to its end
//	echo    sends back what comes on stdin
//	none    does nothing
func Child(ctx context.Context, args []string, stdin, stdout, stderr *os.File) int {
	if len(args) == 0 {
		args = []string{""}
	}
	var err error
	switch args[0] {
	case "sample":
		err = takeSample(ctx, stdin, stdout)
	case "worker":
		err = serveWorker(ctx, args[1:], stdin, stdout)
	case "manager":
		err = serveManager(ctx, stdin)
	case "origin":
		err = serveOrigin(ctx, stdin, stdout)
	case "sink":
		_, err = io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{stdin}, make([]byte, 64<<10))
	case "echo":
		err = echo(stdin, stdout)
	case "rounds":
		err = suffer(ctx, stdin, stdout)
	case "tear":
		err = tear(args[1:], stdout)
	case "none":
	default:
		err = fmt.Errorf("no child %q", args[0])
	}
	if overrun, ok := errors.AsType[*worker.OverrunError](err); ok {
		fmt.Fprintf(stderr, "worker: error: %v\n", overrun)
		return pool.ExitCPU
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// onlyReader and onlyWriter hide what would let io.Copy take a short cut.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// serveWorker is a worker as cmd/worker is, but for its refresher. It gives up
// nothing: what a sandbox costs is measured with the real one.
func serveWorker(ctx context.Context, args []string, stdin, stdout *os.File) error {
	time.Local = time.UTC
	f := flag.NewFlagSet("worker", flag.ContinueOnError)
	work := f.String("work", string(Ship), "")
	documents := f.String("documents", "", "")
	seed := f.Uint64("seed", 0, "")
	planted := f.String("plant", "{}", "")
	clocked := f.Bool("clocked", false, "")
	parseCPU := f.Duration("parse-cpu", 0, "")
	memory := f.Int64("memory", 0, "")
	carrier := f.String("carrier", string(ipc.ModePipe), "")
	incarnation := f.Uint64("incarnation", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := limitMemory(*memory); err != nil {
		return err
	}
	c := &clocks{off: !*clocked}
	if err := c.sow(*planted); err != nil {
		return err
	}
	board, _ := ipc.OpenScoreboard(3)
	conn, err := ipc.Connect(ipc.Mode(*carrier), ipc.WorkerEnd{Incarnation: uint32(*incarnation), Stdin: stdin, Stdout: stdout})
	if err != nil {
		return err
	}
	conn.Probe(c.probe())
	return worker.Serve(ctx, conn, worker.Options{
		Build: "bench", Board: board, ParseCPU: *parseCPU,
		NewRefresher: func(o feeds.Options) (worker.Refresher, error) {
			return newRefresher(Work(*work), *documents, *seed, c)(o)
		},
	})
}

// serveOrigin serves the feeds of work round until stdin ends.
func serveOrigin(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	s, err := origin.New(origin.Options{Feeds: MaxFeeds, Hosts: hosts, NewsEvery: -1, CacheBytes: 256 << 20})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		io.Copy(io.Discard, stdin)
		stop()
	}()
	fmt.Fprintln(stdout, s.Addr())
	return s.Run(ctx)
}

// MaxFeeds is how many feeds a cell may have.
const MaxFeeds = 100_000

// echo sends back every byte, one at a time.
func echo(stdin io.Reader, stdout io.Writer) error {
	var b [1]byte
	for {
		_, err := stdin.Read(b[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = stdout.Write(b[:])
		}
		if err != nil {
			return err
		}
	}
}
