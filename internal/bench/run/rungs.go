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

// detour returns the refresher of a mode of goroutines: r itself, or, for the
// rungs between goroutines and processes, one whose results are encoded and
// decoded at once, in memory, or go through a pipe to a goroutine that decodes
// them.
func detour(mode string, r refresh.Refresher, p ipc.Probe) refresh.Refresher {
	if mode == Goroutine {
		return r
	}
	return &detoured{r, p, mode == LocalPipe}
}

type detoured struct {
	refresh.Refresher
	probe ipc.Probe
	piped bool
}

// Run does jobs. That the detour failed shows in the results.
func (d *detoured) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	open := func(r io.Reader, w io.Writer) *ipc.Conn {
		conn := ipc.NewConn(r, w, ipc.Options{})
		conn.Probe(d.probe)
		return conn
	}
	var wire bytes.Buffer
	conn := open(&wire, &wire)
	var err error
	if d.piped {
		var r, w *os.File
		if r, w, err = os.Pipe(); err == nil {
			conn = open(r, w)
			var done sync.WaitGroup
			done.Go(func() {
				for err := error(nil); err == nil; {
					err = receive(conn, emit)
				}
				io.Copy(io.Discard, r) // a writer is never stuck
			})
			defer func() {
				w.Close() // which is how the reader ends
				done.Wait()
				r.Close()
			}()
		}
	}
	var mu sync.Mutex
	d.Refresher.Run(ctx, jobs, func(r feeds.Result) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			wire.Reset()
			err = conn.SendResult(&r)
		}
		if err == nil && !d.piped {
			err = receive(conn, emit)
		}
		if err != nil {
			emit(feeds.Result{ID: r.ID, Class: feeds.WorkerProtocol, Detail: err.Error()})
		}
	})
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
