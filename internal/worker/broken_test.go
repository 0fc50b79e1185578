package worker_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/worker"
)

// A quitter has all jobs under way until its context is done, and answers them
// as cancelled then, as the real one does with those that it has not begun.
type quitter struct {
	begun, ended chan struct{}
	overdue      atomic.Int64
}

func (q *quitter) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	j := <-jobs
	close(q.begun)
	<-ctx.Done()
	emit(feeds.Result{ID: j.ID, Class: feeds.Cancelled})
	close(q.ended)
}

func (q *quitter) Close()               {}
func (q *quitter) Status() feeds.Status { return feeds.Status{Overdue: q.overdue.Load()} }

// TestWhatIsBrokenOffIsNotAnswered: the coordinator has it done again when the
// process is gone, and would take an answer for the last word on it.
func TestWhatIsBrokenOffIsNotAnswered(t *testing.T) {
	type end struct {
		worker *quitter
		cancel context.CancelFunc
		stdin  *io.PipeWriter
		conn   *ipc.Conn
	}
	for name, breakOff := range map[string]func(end){
		"a request does not end":           func(e end) { e.worker.overdue.Store(7) },
		"the context is done":              func(e end) { e.cancel() },
		"the coordinator is gone":          func(e end) { e.stdin.Close() },
		"the coordinator breaks the rules": func(e end) { e.conn.Send(&ipc.Bye{}) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			inR, inW := io.Pipe()
			outR, outW := io.Pipe()
			defer inW.Close()
			q := &quitter{begun: make(chan struct{}), ended: make(chan struct{})}
			served := make(chan error, 1)
			go func() {
				served <- worker.Serve(ctx, ipc.NewConn(inR, outW, ipc.Options{}), worker.Options{
					NewRefresher: func(feeds.Options) (worker.Refresher, error) { return q, nil },
				})
			}()
			c := ipc.NewConn(outR, inW, ipc.Options{})
			if _, err := c.Recv(); err != nil {
				t.Fatal(err)
			}
			said := make(chan string)
			go func() {
				defer close(said)
				for {
					m, err := c.Recv()
					if err != nil {
						return
					}
					if ipc.Name(m) != "Heartbeat" {
						said <- ipc.Name(m)
					}
				}
			}()
			c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})})
			c.Send(&ipc.Shard{Jobs: []feeds.Job{{ID: 5}}})
			<-q.begun
			breakOff(end{q, cancel, inW, c})
			go func() {
				<-served
				<-q.ended
				outW.Close()
			}()
			for what := range said {
				t.Errorf("got a %s, want nothing", what)
			}
		})
	}
}
