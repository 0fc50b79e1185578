package carrier

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/manager"
)

// startManager serves until the test ends and returns where, and what ends it
// sooner.
func startManager(t *testing.T) (manager.Address, func()) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/m")
	if err != nil {
		t.Fatal(err)
	}
	m := &manager.Server{Key: []byte("a key of sixteen")}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, l); close(done) }()
	end := func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	}
	t.Cleanup(end)
	return manager.Address{Network: "unix", Addr: l.Addr().String(), Key: m.Key}, end
}

// managedEnds returns the two ends of a line in the mode manager.
func managedEnds(t *testing.T, a manager.Address) (Line, *ipc.Conn) {
	t.Helper()
	c, err := New(Manager, Options{Manager: func(manager.Address) (manager.Address, error) { return a, nil }})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Join(End{Generation: 5, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	a, s, err := readAddress(l.Files()[0])
	if err != nil {
		t.Fatal(err)
	}
	l.Started(1)
	p, err := manager.Dial(a, s)
	if err != nil {
		t.Fatal(err)
	}
	lists := &remoteLists{proxy: p, generation: 5, probe: (*board.Board)(nil)}
	worker := ipc.NewConn(nil, w, ipc.Options{Lists: lists.add})
	t.Cleanup(func() {
		p.Close()
		w.Close()
		l.Drain()
		l.Close()
		r.Close()
	})
	return l, worker
}

// TestListsComeBackByWayOfTheManager: each in its place, before its result.
func TestListsComeBackByWayOfTheManager(t *testing.T) {
	a, _ := startManager(t)
	l, worker := managedEnds(t, a)
	want := []*feeds.Result{
		{ID: 1, Class: feeds.OK, Items: itemsOf(500, 2000)}, {ID: 2, Class: feeds.NotModified}, {ID: 3, Class: feeds.OK, Items: itemsOf(1, 3)},
	}
	go func() {
		for _, r := range want {
			if err := worker.SendResult(r); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, w := range want {
		var items []feeds.Item
		for {
			m, err := l.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if part, ok := m.(*ipc.Items); ok {
				items = append(items, part.Items...)
				continue
			}
			r := &m.(*ipc.Result).Result
			r.Items = append(items, r.Items...)
			if !reflect.DeepEqual(r, w) {
				t.Errorf("result %d has %d items, want %d", r.ID, len(r.Items), len(w.Items))
			}
			break
		}
	}
}

// TestALineWithoutItsManagerSaysSo, so that nobody is blamed for it; and a
// worker that speaks of a list that is not there is.
func TestALineWithoutItsManagerSaysSo(t *testing.T) {
	a, end := startManager(t)
	l, worker := managedEnds(t, a)
	if err := worker.Send(&ipc.Items{ID: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Recv(); !errors.Is(err, ipc.Unexpected("").Kind) {
		t.Errorf("a list that is not there: %v, want %v", err, ipc.Unexpected("").Kind)
	}
	l, worker = managedEnds(t, a)
	if err := worker.Send(&ipc.Items{ID: 9, Items: itemsOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Recv(); !errors.Is(err, ipc.Unexpected("").Kind) {
		t.Errorf("a list that did not go to the manager: %v, want %v", err, ipc.Unexpected("").Kind)
	}
	l, worker = managedEnds(t, a)
	if err := worker.SendResult(&feeds.Result{ID: 1, Class: feeds.OK, Items: itemsOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	end()
	_, err := l.Recv()
	if _, ok := errors.AsType[*LostError](err); !ok {
		t.Errorf("a manager that is gone: %v, want a LostError", err)
	}
}

// TestWhatAManagerSaysIsJudged: parts that are no list are the worker's doing.
func TestWhatAManagerSaysIsJudged(t *testing.T) {
	a, _ := startManager(t)
	l, worker := managedEnds(t, a)
	s := l.(*managedLine)
	if err := s.proxy.Add(s.generation, 7, []byte("no list")); err != nil {
		t.Fatal(err)
	}
	if err := worker.Send(&ipc.Items{ID: 7}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Recv(); !errors.Is(err, ipc.Unexpected("").Kind) {
		t.Errorf("got %v, want %v", err, ipc.Unexpected("").Kind)
	}
}
