package bench

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

// A hop takes a result the way that a rung adds, and passes on what comes out.
type hop interface {
	// pass may return before the result is passed on. Its calls do not overlap.
	pass(r *feeds.Result) error
	// close returns when everything is passed on.
	close() error
}

// hopping is a refresher whose results take a hop. That a hop failed shows in
// the results: one is missing.
type hopping struct {
	refresh.Refresher
	open func(emit func(feeds.Result)) (hop, error)
}

func (h *hopping) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	var failed error
	way, err := h.open(emit)
	if err != nil {
		failed = err
	}
	var mu sync.Mutex
	h.Refresher.Run(ctx, jobs, func(r feeds.Result) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = way.pass(&r)
		}
		if failed != nil {
			emit(feeds.Result{ID: r.ID, Class: feeds.WorkerProtocol, Detail: failed.Error()})
		}
	})
	if way != nil {
		way.close()
	}
}

// A codecHop encodes each result and decodes it at once, in memory.
type codecHop struct {
	wire bytes.Buffer
	conn *ipc.Conn
	emit func(feeds.Result)
}

func openCodec(p ipc.Probe) func(func(feeds.Result)) (hop, error) {
	return func(emit func(feeds.Result)) (hop, error) {
		h := &codecHop{emit: emit}
		h.conn = ipc.NewConn(&h.wire, &h.wire, 0)
		h.conn.Probe(p)
		return h, nil
	}
}

func (h *codecHop) pass(r *feeds.Result) error {
	h.wire.Reset()
	if err := h.conn.SendResult(r); err != nil {
		return err
	}
	return receive(h.conn, h.emit)
}

func (h *codecHop) close() error { return nil }

// receive takes the frames of one result and passes it on.
func receive(conn *ipc.Conn, emit func(feeds.Result)) error {
	var items []feeds.Item
	for {
		m, err := conn.Recv()
		switch {
		case err != nil:
			return err
		case m.Items != nil:
			items = append(items, m.Items.Items...)
		case m.Result != nil:
			if len(items) > 0 {
				m.Result.Items = append(items, m.Result.Items...)
			}
			emit(*m.Result)
			return nil
		default:
			return fmt.Errorf("%v where a result should be", m)
		}
	}
}

// A pipeHop sends each result through a pipe to a goroutine that decodes it.
type pipeHop struct {
	r, w *os.File
	conn *ipc.Conn
	done sync.WaitGroup
	err  error
}

func openPipe(p ipc.Probe) func(func(feeds.Result)) (hop, error) {
	return func(emit func(feeds.Result)) (hop, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		h := &pipeHop{r: r, w: w, conn: ipc.NewConn(r, w, 0)}
		h.conn.Probe(p)
		h.done.Go(func() {
			for h.err == nil {
				h.err = receive(h.conn, emit)
			}
			io.Copy(io.Discard, h.r) // a writer is never stuck
		})
		return h, nil
	}
}

func (h *pipeHop) pass(r *feeds.Result) error { return h.conn.SendResult(r) }

// close ends the pipe, which is how its reader ends.
func (h *pipeHop) close() error {
	h.w.Close()
	h.done.Wait()
	return h.r.Close()
}
