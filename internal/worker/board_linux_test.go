package worker_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/worker"
)

// A telling refresher tells its observer of each job, and holds it there until
// the test has looked.
type telling struct {
	*refresher
	observer feeds.Observer
	reached  chan string
	goOn     chan struct{}
}

func (r *telling) Observe(o feeds.Observer) { r.observer = o }

func (r *telling) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	at := func(where string) {
		r.reached <- where
		<-r.goOn
	}
	for j := range jobs {
		at("fetch")
		r.observer.Guarding(j.ID, []byte("<rss/>"))
		r.observer.Parsed(3)
		at("guard")
		r.observer.Parsing(j.ID)
		r.observer.Parsed(4)
		at("parse")
		r.observer.Read()
		emit(feeds.Result{ID: j.ID, Class: feeds.OK})
	}
}

func TestTheScoreboardFollowsTheWork(t *testing.T) {
	seen, err := board.New()
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	capture, err := board.NewCapture()
	if err != nil {
		t.Fatal(err)
	}
	defer capture.Close()
	capture.Want(9)
	ours, theirs := net.Pipe()
	defer ours.Close()
	r := &telling{refresher: newRefresher(), reached: make(chan string), goOn: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- worker.Serve(t.Context(), ipc.NewConn(theirs, theirs, ipc.Options{}), worker.Options{
			Board: seen, Capture: capture, Heartbeat: time.Hour,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return r, nil },
		})
	}()
	c := ipc.NewConn(ours, ours, ipc.Options{})
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})})
	c.Send(&ipc.Shard{Jobs: []feeds.Job{{ID: 9, URL: "x"}}})
	for _, want := range []struct {
		where string
		now   board.Work
	}{
		{"fetch", board.Work{Phase: board.PhaseFetch}},
		{"guard", board.Work{Phase: board.PhaseGuard, Job: 9, Bytes: 3}},
		{"parse", board.Work{Phase: board.PhaseParse, Job: 9, Bytes: 4}},
	} {
		if got := <-r.reached; got != want.where {
			t.Fatalf("at %s, want %s", got, want.where)
		}
		if got := seen.Standing().Now(); got != want.now {
			t.Errorf("in %s the board says %v, want %v", want.where, got, want.now)
		}
		r.goOn <- struct{}{}
	}
	if m, err := c.Recv(); err != nil || ipc.Name(m) != "Result" {
		t.Fatalf("got %v, %v, want a result", m, err)
	}
	if body, err := capture.Document(9); err != nil || string(body) != "<rss/>" {
		t.Errorf("kept %q, %v, want the document", body, err)
	}
	// After Bye nobody writes on the board any more, and it can be closed.
	c.Send(&ipc.Drain{})
	if m, err := c.Recv(); err != nil || ipc.Name(m) != "Bye" {
		t.Fatalf("got %v, %v, want Bye", m, err)
	}
	ours.Close()
	<-done
}

// TestAWorkerWithoutAScoreboardSaysTheSameInFrames: which document it reads, and how
// far it is.
func TestAWorkerWithoutAScoreboardSaysTheSameInFrames(t *testing.T) {
	ours, theirs := net.Pipe()
	r := &telling{refresher: newRefresher(), reached: make(chan string), goOn: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- worker.Serve(t.Context(), ipc.NewConn(theirs, theirs, ipc.Options{}), worker.Options{
			Heartbeat:    time.Millisecond,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return r, nil },
		})
	}()
	defer func() { // the worker ends first
		ours.Close()
		<-done
	}()
	c := ipc.NewConn(ours, ours, ipc.Options{})
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	said := make(chan board.Work)
	go func() {
		defer close(said)
		for {
			m, err := c.Recv()
			if h, ok := m.(*ipc.Heartbeat); ok {
				said <- board.Work{Phase: board.Phase(h.Phase), Job: h.Job, Bytes: h.Bytes}
			} else if err != nil {
				return
			}
		}
	}()
	c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})})
	c.Send(&ipc.Shard{Jobs: []feeds.Job{{ID: 9, URL: "x"}}})
	for _, want := range []board.Work{
		{}, {Phase: board.PhaseGuard, Job: 9, Bytes: 3}, {Phase: board.PhaseParse, Job: 9, Bytes: 4},
	} {
		var where string
		var last board.Work
		for where == "" { // what it says until then is of before
			select {
			case where = <-r.reached:
			case <-said:
			}
		}
		for range 3 { // of which one may have been on its way
			last = <-said
		}
		if last != want {
			t.Errorf("at %s it says %v, want %v", where, last, want)
		}
		r.goOn <- struct{}{}
	}
	ours.Close()
	for range said {
	}
}

// An overdue refresher reads one document after the other while another job's
// request does not end.
type overdue struct {
	*refresher
	observer feeds.Observer
	stop     chan struct{}
}

func (r *overdue) Observe(o feeds.Observer) { r.observer = o }
func (r *overdue) Status() feeds.Status     { return feeds.Status{Overdue: 7} }

func (r *overdue) Run(ctx context.Context, jobs <-chan feeds.Job, emit func(feeds.Result)) {
	for {
		select {
		case <-r.stop:
			return
		default:
			r.observer.Guarding(5, []byte("<rss/>"))
			r.observer.Read()
		}
	}
}

// TestARequestThatDoesNotEndHasTheLastWord: the board names its job, whatever
// is read meanwhile.
func TestARequestThatDoesNotEndHasTheLastWord(t *testing.T) {
	seen, err := board.New()
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	ours, theirs := net.Pipe()
	defer ours.Close()
	r := &overdue{refresher: newRefresher(), stop: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- worker.Serve(t.Context(), ipc.NewConn(theirs, theirs, ipc.Options{}), worker.Options{
			Board: seen, Heartbeat: time.Hour, ParseCPU: 20 * time.Millisecond,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return r, nil },
		})
	}()
	c := ipc.NewConn(ours, ours, ipc.Options{})
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, ours)
	c.Send(&ipc.Hello{Version: ipc.Version, Options: ipc.EncodeOptions(feeds.Options{})})
	err = <-done
	overrun, ok := errors.AsType[*worker.OverrunError](err)
	if !ok || overrun.Job != 7 || !strings.Contains(err.Error(), "request of feed 7") {
		t.Errorf("got %v, want an OverrunError about the request of feed 7", err)
	}
	if got, want := seen.Standing().Now(), (board.Work{Phase: board.PhaseFetch, Job: 7}); got != want {
		t.Errorf("the board says %v, want %v", got, want)
	}
	close(r.stop)
}
