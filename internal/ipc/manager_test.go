//go:build unix

package ipc

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// startManager serves until the test ends and returns the manager and where it
// is, on a unix socket or by TCP.
func startManager(t *testing.T, network, addr string) (*Manager, Address) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	m := &Manager{Key: []byte("a key of sixteen")}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
		if n := m.Lists(); n != 0 {
			t.Errorf("%d lists are left when all callers are gone", n)
		}
	})
	return m, Address{Network: l.Addr().Network(), Addr: l.Addr().String(), Key: m.Key}
}

// dial returns a proxy that is closed when the test ends.
func dial(t *testing.T, a Address, s session) *proxy {
	t.Helper()
	p, err := dialManager(a, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close() })
	return p
}

// got returns the list that a manager has, or the error that it gives.
func got(t *testing.T, p *proxy, incarnation uint32, job int64) (items []feeds.Item, failure string) {
	t.Helper()
	m, err := p.call(&Call{Method: MethodGet, Incarnation: incarnation, ID: job})
	for ; err == nil; m, err = p.reply() {
		items = append(items, m.Reply.Items...)
		if !m.Reply.More {
			return items, m.Reply.Error
		}
	}
	t.Fatal(err)
	return nil, ""
}

// TestAManagerKeepsWhatItsCallersAdd, item by item or list by list, apart for
// each run, process and job, and gives it away once, by a unix socket and by TCP.
func TestAManagerKeepsWhatItsCallersAdd(t *testing.T) {
	for network, addr := range map[string]string{"unix": t.TempDir() + "/m", "tcp": "127.0.0.1:0"} {
		_, a := startManager(t, network, addr)
		worker, other, coordinator := dial(t, a, session{1}), dial(t, a, session{2}), dial(t, a, session{1})
		list := itemsOf(300, 3000) // several frames
		for _, err := range []error{
			worker.add(MethodExtend, 7, 1, list[:200]),
			worker.add(MethodAppend, 7, 1, list[200:]),
			worker.add(MethodExtend, 8, 1, list[:1]),
			worker.add(MethodExtend, 7, 2, list[:2]),
			other.add(MethodExtend, 7, 1, list[:3]),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			p           *proxy
			incarnation uint32
			job         int64
			want        []feeds.Item
		}{
			{coordinator, 7, 1, list}, {coordinator, 8, 1, list[:1]}, {coordinator, 7, 2, list[:2]}, {other, 7, 1, list[:3]},
			{coordinator, 7, 1, nil}, {coordinator, 9, 1, nil},
		} {
			items, failure := got(t, c.p, c.incarnation, c.job)
			if !reflect.DeepEqual(items, c.want) || (failure == "") != (c.want != nil) {
				t.Errorf("%s, incarnation %d, job %d: %d items, %q, want %d", network, c.incarnation, c.job, len(items), failure, len(c.want))
			}
		}
	}
}

// TestAManagerStrandsNothing: the lists of a process that died are dropped when
// the coordinator says so, and those of a run with the last of its callers.
func TestAManagerStrandsNothing(t *testing.T) {
	m, a := startManager(t, "tcp", "127.0.0.1:0")
	worker, coordinator := dial(t, a, session{1}), dial(t, a, session{1})
	for incarnation := range uint32(3) {
		if err := worker.add(MethodExtend, incarnation, 1, itemsOf(2, 10)); err != nil {
			t.Fatal(err)
		}
	}
	worker.close()
	if err := coordinator.forget(1); err != nil {
		t.Fatal(err)
	}
	if n := m.Lists(); n != 2 {
		t.Errorf("%d lists after one process was forgotten, want 2", n)
	}
	if items, _ := got(t, coordinator, 2, 1); len(items) != 2 {
		t.Errorf("the list of a process that is gone and was not forgotten has %d items, want 2", len(items))
	}
	// The cleanup finds that nothing is left.
}

// TestAManagerKnowsItsCallersByTheirKey, and they it.
func TestAManagerKnowsItsCallersByTheirKey(t *testing.T) {
	_, a := startManager(t, "tcp", "127.0.0.1:0")
	wrong := a
	wrong.Key = []byte("another key, not")
	if _, err := dialManager(wrong, session{1}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("with another key: %v, want %v", err, ErrWrongKey)
	}
	// Someone who only claims to be the manager repeats what he was told.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Write(append([]byte(handshakeMagic), make([]byte, nonceSize)...))
		answer := make([]byte, nonceSize+sessionSize+32)
		io.ReadFull(c, answer)
		c.Write(answer[nonceSize+sessionSize:])
	}()
	imposter := Address{"tcp", l.Addr().String(), a.Key}
	if _, err := dialManager(imposter, session{1}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("a manager without the key: %v, want %v", err, ErrWrongKey)
	}
}

// TestAManagerOutlivesItsCallers: whatever one of them says, the others go on.
func TestAManagerOutlivesItsCallers(t *testing.T) {
	_, a := startManager(t, "tcp", "127.0.0.1:0")
	for name, say := range map[string]func(*proxy) error{
		"garbage":          func(p *proxy) error { _, err := p.net.Write([]byte("boom boom boom boom boom")); return err },
		"another message":  func(p *proxy) error { return p.conn.Send(&Message{Drain: &Drain{}}) },
		"no such method":   func(p *proxy) error { return p.conn.Send(&Message{Call: &Call{}}) },
		"a half frame":     func(p *proxy) error { _, err := p.net.Write([]byte{markArray}); p.net.Close(); return err },
		"nothing, and off": func(p *proxy) error { return p.net.Close() },
	} {
		p := dial(t, a, session{1})
		if err := say(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := p.reply(); err == nil {
			t.Errorf("%s: was answered", name)
		}
	}
	p := dial(t, a, session{1})
	if err := p.add(MethodExtend, 1, 1, itemsOf(1, 1)); err != nil {
		t.Errorf("the next caller: %v", err)
	}
	if items, _ := got(t, p, 1, 1); len(items) != 1 {
		t.Errorf("the next caller gets %d items, want 1", len(items))
	}
}

// managedEnds returns the two ends of a line in the mode manager.
func managedEnds(t *testing.T, a Address, method Method) (Line, *Conn) {
	t.Helper()
	c, err := newManaged(CarrierOptions{Manager: func(Address) (Address, error) { return a, nil }})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Join(End{Incarnation: 5, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	a, s, err := readAddress(l.Files()[0])
	if err != nil {
		t.Fatal(err)
	}
	l.Started(1)
	p, err := dialManager(a, s)
	if err != nil {
		t.Fatal(err)
	}
	worker := NewConn(nil, w, 0)
	worker.lists = &remoteLists{p, method, 5}
	t.Cleanup(func() {
		p.close()
		w.Close()
		l.Drain()
		l.Close()
		r.Close()
	})
	return l, worker
}

// TestListsComeBackByWayOfTheManager: each in its place, before its result.
func TestListsComeBackByWayOfTheManager(t *testing.T) {
	for _, method := range []Method{MethodAppend, MethodExtend} {
		_, a := startManager(t, "unix", t.TempDir()+"/m")
		l, worker := managedEnds(t, a, method)
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
				if m.Items != nil {
					items = append(items, m.Items.Items...)
					continue
				}
				m.Result.Items = append(items, m.Result.Items...)
				if !reflect.DeepEqual(m.Result, w) {
					t.Errorf("method %d: result %d has %d items, want %d", method, m.Result.ID, len(m.Result.Items), len(w.Items))
				}
				break
			}
		}
	}
}

// TestALineWithoutItsManagerSaysSo, so that nobody is blamed for it; and a
// worker that speaks of a list that is not there is.
func TestALineWithoutItsManagerSaysSo(t *testing.T) {
	_, a := startManager(t, "unix", t.TempDir()+"/m")
	l, worker := managedEnds(t, a, MethodExtend)
	if err := worker.Send(&Message{Items: &Items{ID: 9}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Recv(); !errors.Is(err, ErrUnexpected) {
		t.Errorf("a list that is not there: %v, want %v", err, ErrUnexpected)
	}
	l, worker = managedEnds(t, a, MethodExtend)
	l.(*managedLine).proxy.hurry(time.Now())
	if err := worker.SendResult(&feeds.Result{ID: 1, Class: feeds.OK, Items: itemsOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	l.(*managedLine).proxy.net.Close()
	_, err := l.Recv()
	if _, ok := errors.AsType[*CarrierError](err); !ok {
		t.Errorf("a manager that is gone: %v, want a CarrierError", err)
	}
}
