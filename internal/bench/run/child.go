//go:build linux

package run

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
	"feedmill/internal/origin"
	"feedmill/internal/pool"
	"feedmill/internal/worker"
)

// Child is what the program is when the experiment starts it again: args[0]
// says as what. It returns the exit status.
//
//	sample  takes one sample: a task on stdin, a Sample on stdout
//	worker  is a worker with the work of the experiment, see package worker
//	origin  serves feeds until stdin ends, and says where on stdout
//	rounds  does jobs one of which may kill it, and says which are done
//	share   is a worker that shares queues of jobs and results with others
//	tear    writes frames to a pipe that others write to, too
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
	case "origin":
		err = serveOrigin(ctx, args[1:], stdin, stdout)
	case "rounds":
		err = suffer(ctx, stdin, stdout)
	case "share":
		err = share(args[1:])
	case "tear":
		err = tear(args[1:], stdout)
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

// serveWorker is a worker as cmd/worker is, but for its refresher. It gives up
// nothing: what a sandbox costs is measured with the real one.
func serveWorker(ctx context.Context, args []string, stdin, stdout *os.File) error {
	time.Local = time.UTC
	f := flag.NewFlagSet("worker", flag.ContinueOnError)
	var e errand
	f.Func("errand", "", func(told string) error { return json.Unmarshal([]byte(told), &e) })
	mode := f.String("carrier", string(carrier.Pipe), "")
	generation := f.Uint64("generation", 0, "")
	manages := f.Bool("manager", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *manages {
		return serveManager(ctx, stdin)
	}
	if err := limitMemory(e.Memory); err != nil {
		return err
	}
	c := &clocks{off: !e.Clocked, plant: e.Plant}
	seen, _ := board.Open(3)
	conn, err := carrier.Connect(carrier.Mode(*mode), carrier.Worker{Generation: uint32(*generation), Stdin: stdin, Stdout: stdout, Board: seen})
	if err != nil {
		return err
	}
	conn.Probe(c.probe())
	return worker.Serve(ctx, conn, worker.Options{
		Build: "bench", Board: seen, ParseCPU: e.ParseCPU,
		NewRefresher: func(o feeds.Options) (worker.Refresher, error) { return newBare(e.Documents, o.Parser, c), nil },
	})
}

// serveManager holds the lists of the mode manager, as cmd/worker does. The key
// is the first that stdin says, and its end the last.
func serveManager(ctx context.Context, stdin io.Reader) error {
	m := &manager.Server{Key: make([]byte, manager.KeySize)}
	if _, err := io.ReadFull(stdin, m.Key); err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	socket := os.NewFile(carrier.FD, "manager")
	l, err := net.FileListener(socket)
	socket.Close()
	if err != nil {
		return fmt.Errorf("inherit socket: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		io.Copy(io.Discard, stdin)
		stop()
	}()
	return m.Serve(ctx, l)
}

// serveOrigin serves generated feeds, a folder and the hostile kit until stdin
// ends.
func serveOrigin(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("origin", flag.ContinueOnError)
	news := f.Int("news-every", -1, "")
	folder := f.String("folder", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := origin.New(origin.Options{Feeds: 100_000, Hosts: hosts, NewsEvery: *news, Dir: *folder, CacheBytes: 256 << 20})
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
