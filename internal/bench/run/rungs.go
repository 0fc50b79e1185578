//go:build linux

package run

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/refresh"
)

// The rungs between goroutines and processes are goroutines whose results take
// a detour: the runner is the same, and the refresher is wrapped.

// A hop takes results the way that a rung adds. pass may return before a result
// is passed on, and its calls do not overlap; close returns when all are.
type hop struct {
	pass  func(*feeds.Result) error
	close func()
}

// hopping is a refresher whose results take a hop. That a hop failed shows in
// the results.
type hopping struct {
	refresh.Refresher
	open func(emit func(feeds.Result)) (hop, error)
}

func (h *hopping) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	way, err := h.open(emit)
	if err == nil {
		defer way.close()
	}
	var mu sync.Mutex
	h.Refresher.Run(ctx, jobs, func(r feeds.Result) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			err = way.pass(&r)
		}
		if err != nil {
			emit(feeds.Result{ID: r.ID, Class: feeds.WorkerProtocol, Detail: err.Error()})
		}
	})
}

// openCodec makes a hop that encodes each result and decodes it at once, in
// memory.
func openCodec(p ipc.Probe) func(func(feeds.Result)) (hop, error) {
	return func(emit func(feeds.Result)) (hop, error) {
		var wire bytes.Buffer
		conn := ipc.NewConn(&wire, &wire, ipc.Options{})
		conn.Probe(p)
		return hop{func(r *feeds.Result) error {
			wire.Reset()
			if err := conn.SendResult(r); err != nil {
				return err
			}
			return receive(conn, emit)
		}, func() {}}, nil
	}
}

// openPipe makes a hop that sends each result through a pipe to a goroutine that
// decodes it.
func openPipe(p ipc.Probe) func(func(feeds.Result)) (hop, error) {
	return func(emit func(feeds.Result)) (hop, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return hop{}, fmt.Errorf("open pipe: %w", err)
		}
		conn := ipc.NewConn(r, w, ipc.Options{})
		conn.Probe(p)
		var done sync.WaitGroup
		done.Go(func() {
			for err := error(nil); err == nil; {
				err = receive(conn, emit)
			}
			io.Copy(io.Discard, r) // a writer is never stuck
		})
		return hop{conn.SendResult, func() {
			w.Close() // which is how the reader ends
			done.Wait()
			r.Close()
		}}, nil
	}
}

// receive takes the frames of one result and passes it on.
func receive(conn *ipc.Conn, emit func(feeds.Result)) error {
	var items []feeds.Item
	for {
		m, err := conn.Recv()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *ipc.Items:
			items = append(items, m.Items...)
		case *ipc.Result:
			if len(items) > 0 {
				m.Items = append(items, m.Items...)
			}
			emit(m.Result)
			return nil
		default:
			return fmt.Errorf("%s where a result should be", ipc.Name(m))
		}
	}
}
