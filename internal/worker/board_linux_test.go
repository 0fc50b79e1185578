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
		at("guard")
		r.observer.Parsing(j.ID)
		r.observer.Parsed(4)
		at("parse")
		r.observer.Read()
		emit(feeds.Result{ID: j.ID, Class: feeds.OK})
	}
}

func TestTheScoreboardFollowsTheWork(t *testing.T) {
	board, err := ipc.NewScoreboard(1)
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	specimen, err := ipc.NewSpecimen()
	if err != nil {
		t.Fatal(err)
	}
	defer specimen.Close()
	specimen.Want(9)
	ours, theirs := net.Pipe()
	defer ours.Close()
	r := &telling{refresher: newRefresher(), reached: make(chan string), goOn: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- worker.Serve(t.Context(), ipc.NewConn(theirs, theirs, 0), worker.Options{
			Board: board, Specimen: specimen, TickEvery: time.Hour,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return r, nil },
		})
	}()
	c := ipc.NewConn(ours, ours, 0)
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	c.Send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &feeds.Options{}}})
	c.Send(&ipc.Message{Shard: &ipc.Shard{Jobs: []feeds.Job{{ID: 9, URL: "x"}}}})
	for _, want := range []struct {
		where string
		now   ipc.Work
	}{
		{"fetch", ipc.Work{Phase: ipc.PhaseFetch}},
		{"guard", ipc.Work{Phase: ipc.PhaseGuard, Job: 9}},
		{"parse", ipc.Work{Phase: ipc.PhaseParse, Job: 9, Bytes: 4}},
	} {
		if got := <-r.reached; got != want.where {
			t.Fatalf("at %s, want %s", got, want.where)
		}
		if got := board.Standing().Now(); got != want.now {
			t.Errorf("in %s the board says %v, want %v", want.where, got, want.now)
		}
		r.goOn <- struct{}{}
	}
	if m, err := c.Recv(); err != nil || m.Result == nil {
		t.Fatalf("got %v, %v, want a result", m, err)
	}
	if body, err := specimen.Document(9); err != nil || string(body) != "<rss/>" {
		t.Errorf("kept %q, %v, want the document", body, err)
	}
	// After Bye nobody writes on the board any more, and it can be closed.
	c.Send(&ipc.Message{Drain: &ipc.Drain{}})
	if m, err := c.Recv(); err != nil || m.Bye == nil {
		t.Fatalf("got %v, %v, want Bye", m, err)
	}
	ours.Close()
	<-done
}

// An overdue refresher reads one document after the other while another job's
// request does not end.
type overdue struct {
	*refresher
	observer feeds.Observer
	stop     chan struct{}
}

func (r *overdue) Observe(o feeds.Observer) { r.observer = o }
func (r *overdue) Status() feeds.Status     { return feeds.Status{UnderWay: 2, Overdue: 7} }

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
	board, err := ipc.NewScoreboard(1)
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	ours, theirs := net.Pipe()
	defer ours.Close()
	r := &overdue{refresher: newRefresher(), stop: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- worker.Serve(t.Context(), ipc.NewConn(theirs, theirs, 0), worker.Options{
			Board: board, TickEvery: time.Hour, ParseCPU: 20 * time.Millisecond,
			NewRefresher: func(feeds.Options) (worker.Refresher, error) { return r, nil },
		})
	}()
	c := ipc.NewConn(ours, ours, 0)
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, ours)
	c.Send(&ipc.Message{Hello: &ipc.Hello{Version: ipc.Version, Options: &feeds.Options{}}})
	err = <-done
	overrun, ok := errors.AsType[*worker.OverrunError](err)
	if !ok || overrun.Job != 7 || !strings.Contains(err.Error(), "request of feed 7") {
		t.Errorf("got %v, want an OverrunError about the request of feed 7", err)
	}
	if got, want := board.Standing().Now(), (ipc.Work{Phase: ipc.PhaseFetch, Job: 7}); got != want {
		t.Errorf("the board says %v, want %v", got, want)
	}
	close(r.stop)
}
