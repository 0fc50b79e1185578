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
// The queues are the two directions of a socket that keeps messages whole. One
// holds a frame, which a list of some hundred kilobytes no longer fits.
type shared struct {
	workers int
	start   func(context.Context) *exec.Cmd // a worker, less its queues
}

func (s *shared) Run(ctx context.Context, next refresh.Next, emit refresh.Emit) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	queues, theirs := os.NewFile(uintptr(pair[0]), "queues"), os.NewFile(uintptr(pair[1]), "queues")
	var all []*exec.Cmd
	for range s.workers {
		c := s.start(ctx)
		c.ExtraFiles = []*os.File{theirs}
		if err = c.Start(); err != nil {
			break
		}
		all = append(all, c)
	}
	theirs.Close() // what only workers hold ends with them
	ctx, stop := context.WithCancel(ctx)
	var feeders, closing sync.WaitGroup
	for n := range s.workers {
		feeders.Go(func() { feed(ctx, n, queues, next) })
	}
	closing.Go(func() {
		feeders.Wait()
		unix.Shutdown(pair[0], unix.SHUT_WR)
	})
	if err == nil {
		err = each(queues, func(r *ipc.Result) error {
			emit(r.Result)
			return nil
		})
	}
	stop()
	unix.Shutdown(pair[0], unix.SHUT_RDWR) // nobody is stuck with what nobody wants
	closing.Wait()
	queues.Close()
	for _, c := range all {
		err = errors.Join(err, c.Wait())
	}
	return err
}

func feed(ctx context.Context, n int, queue io.Writer, next refresh.Next) {
	for {
		batch, err := next(ctx, n)
		if err != nil || len(batch) == 0 {
			return
		}
		for i := range batch {
			// An error is that the workers are gone, which ends the results.
			_ = put(queue, func(c *ipc.Conn) error { return c.Send(&ipc.Shard{Jobs: batch[i : i+1]}) })
		}
	}
}

// put sends one frame as one message. Frames are numbered, and nobody knows which
// one comes after which: so each is the first of a Conn of its own.
func put(queue io.Writer, send func(*ipc.Conn) error) error {
	return send(ipc.NewConn(nil, queue, ipc.Options{}))
}

// each takes messages, which must all be of one kind, until there are no more.
func each[M ipc.Message](queue io.Reader, take func(M) error) error {
	room := make([]byte, ipc.DefaultMaxFrame) // for the longest
	for {
		n, err := queue.Read(room)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		said, err := ipc.NewConn(bytes.NewReader(room[:n]), nil, ipc.Options{}).Recv()
		if err != nil {
			return err
		}
		m, ok := said.(M)
		if !ok {
			return fmt.Errorf("%s where one of another kind should be", ipc.Name(said))
		}
		if err := take(m); err != nil {
			return err
		}
	}
}

// share is the process of a worker that shares its queues: it takes jobs until
// there are no more.
func share(args []string) error {
	var e errand
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &e) != nil {
		return fmt.Errorf("share: %d arguments, want an errand", len(args))
	}
	queues := os.NewFile(3, "queues")
	b := newBare(e.Documents, feeds.ParserAuto, &clocks{off: true})
	return each(queues, func(s *ipc.Shard) error {
		for i := range s.Jobs {
			r := b.do(&s.Jobs[i])
			if err := put(queues, func(c *ipc.Conn) error { return c.SendResult(&r) }); err != nil {
				return err
			}
		}
		return nil
	})
}
