//go:build linux

package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/refresh"
)

// A shared runner is the article's queue in full: all workers take jobs from one
// queue and put results into another, and nobody knows who has which. So no host
// could be asked by one worker at a time, and whoever dies takes a job with it that
// nobody misses: that is why it is an experiment and no mode of the coordinator.
//
// A message holds one frame, which a list of some hundred kilobytes no longer fits.
type shared struct {
	workers int
	start   func(context.Context) *exec.Cmd // a worker, less its queues
}

var _ refresh.Runner = (*shared)(nil)

// Run implements refresh.Runner.
func (s *shared) Run(ctx context.Context, next refresh.Next, emit refresh.Emit) error {
	var ends [4]*os.File // of the jobs, out and in, and of the results
	for i := 0; i < len(ends); i += 2 {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socketpair", err)
		}
		ends[i], ends[i+1] = os.NewFile(uintptr(pair[0]), "queue"), os.NewFile(uintptr(pair[1]), "queue")
		defer ends[i].Close()
		defer ends[i+1].Close()
	}
	var all []*exec.Cmd
	var err error
	for range s.workers {
		c := s.start(ctx)
		c.ExtraFiles = []*os.File{ends[0], ends[3]}
		if err = c.Start(); err != nil {
			break
		}
		all = append(all, c)
	}
	// What only workers hold ends with them.
	ends[0].Close()
	ends[3].Close()
	if err == nil {
		err = s.pass(ctx, ends[1], ends[2], next, emit)
	}
	ends[1].Close()
	ends[2].Close() // nobody is stuck with what nobody wants
	for _, c := range all {
		err = errors.Join(err, c.Wait())
	}
	return err
}

// pass puts jobs into one queue, which it closes, and emits what comes out of the
// other.
func (s *shared) pass(ctx context.Context, jobs io.WriteCloser, results io.Reader, next refresh.Next, emit refresh.Emit) error {
	ctx, stop := context.WithCancel(ctx)
	var feeders sync.WaitGroup
	for n := range s.workers {
		feeders.Go(func() {
			for {
				batch, err := next(ctx, n)
				if err != nil || len(batch) == 0 {
					return
				}
				for i := range batch {
					// An error is that the workers are gone, which ends the results.
					_ = put(jobs, func(c *ipc.Conn) error { return c.Send(&ipc.Shard{Jobs: batch[i : i+1]}) })
				}
			}
		})
	}
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		feeders.Wait()
		jobs.Close()
	}()
	defer func() { stop(); <-closing }()
	room := make([]byte, ipc.DefaultMaxFrame)
	for {
		m, err := get(results, room)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, ok := m.(*ipc.Result)
		if !ok {
			return fmt.Errorf("%s where a whole result should be", ipc.Name(m))
		}
		emit(r.Result)
	}
}

// put sends one frame as one message. Frames are numbered, and nobody knows which
// one comes after which: so each is the first of a Conn of its own.
func put(queue io.Writer, send func(*ipc.Conn) error) error {
	return send(ipc.NewConn(nil, queue, ipc.Options{}))
}

// get returns what a message says; room has place for the longest.
func get(queue io.Reader, room []byte) (ipc.Message, error) {
	n, err := queue.Read(room)
	if err != nil {
		return nil, err
	}
	return ipc.NewConn(bytes.NewReader(room[:n]), nil, ipc.Options{}).Recv()
}

// share is the process of a worker that shares its queues: it takes jobs until
// there are no more.
func share(args []string) error {
	var e errand
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &e) != nil {
		return fmt.Errorf("share: %d arguments, want an errand", len(args))
	}
	jobs, results := os.NewFile(3, "jobs"), os.NewFile(4, "results")
	b := newBare(e.Documents, feeds.ParserAuto, &clocks{off: true})
	for room := make([]byte, ipc.DefaultMaxFrame); ; {
		m, err := get(jobs, room)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		shard, ok := m.(*ipc.Shard)
		if !ok {
			return fmt.Errorf("%s where jobs should be", ipc.Name(m))
		}
		for i := range shard.Jobs {
			r := b.do(&shard.Jobs[i])
			if err := put(results, func(c *ipc.Conn) error { return c.SendResult(&r) }); err != nil {
				return err
			}
		}
	}
}
