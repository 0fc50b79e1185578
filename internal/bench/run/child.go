//go:build linux

package run

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
	"feedmill/internal/origin"
	"feedmill/internal/worker"
)

// Child is what the program is when the experiment starts it again: args[0]
// says as what. It returns the exit status.
//
//	sample  takes one sample: a task on stdin, a Sample on stdout
//	worker  is a worker with the work of the experiment, see package worker
//	origin  serves feeds until stdin ends, and says where on stdout
//	rounds  does jobs one of which may kill it, and says which are done
func Child(ctx context.Context, args []string, stdin, stdout, stderr *os.File) int {
	var err error
	as := "nothing"
	if len(args) > 0 {
		as, args = args[0], args[1:]
	}
	switch as {
	case "sample":
		err = takeSample(ctx, stdin, stdout)
	case "worker":
		err = serveWorker(ctx, args, stdin, stdout)
	case "origin":
		err = serveOrigin(ctx, args, stdin, stdout)
	case "rounds":
		err = suffer(ctx, stdin, stdout)
	default:
		err = fmt.Errorf("no child %q", as)
	}
	if err == nil {
		return 0
	}
	status, who := 1, "bench"
	if _, ok := errors.AsType[*worker.OverrunError](err); ok {
		status, who = ipc.ExitCPU, "worker: error" // as cmd/worker says it
	}
	fmt.Fprintf(stderr, "%s: %v\n", who, err)
	return status
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
	err := f.Parse(args)
	switch {
	case err == nil && *manages:
		return new(manager.Server).ServeHeir(os.NewFile(carrier.FD, "manager"), stdin)
	case err == nil:
		err = limitMemory(e.Memory)
	}
	if err != nil {
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
	fmt.Fprintln(stdout, s.Addr())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		io.Copy(io.Discard, stdin)
		stop()
	}()
	return s.Run(ctx)
}
