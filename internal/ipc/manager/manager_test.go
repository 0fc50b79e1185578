package manager

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
)

// startManager serves until the test ends and returns the manager and where it
// is, on a unix socket or by TCP.
func startManager(t *testing.T, network, addr string) (*Server, Address) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	m := &Server{Key: []byte("a key of sixteen")}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
		if n := lists(m); n != 0 {
			t.Errorf("%d lists are left when all callers are gone", n)
		}
	})
	return m, Address{Network: l.Addr().Network(), Addr: l.Addr().String(), Key: m.Key}
}

// dial returns a proxy that is closed when the test ends.
func dial(t *testing.T, a Address, s Session) *Proxy {
	t.Helper()
	p, err := Dial(a, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// lists returns how many lists a server holds.
func lists(m *Server) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lists)
}

// parts returns n parts of a size, no two the same.
func parts(n, size int) (all [][]byte) {
	for i := range n {
		all = append(all, bytes.Repeat([]byte{byte(i + 1)}, size))
	}
	return all
}

// add adds parts to a list, one after the other.
func add(p *Proxy, generation uint32, job int64, parts [][]byte) error {
	for _, part := range parts {
		if err := p.Add(generation, job, part); err != nil {
			return err
		}
	}
	return nil
}

// TestAManagerKeepsWhatItsCallersAdd, item by item or list by list, apart for
// each run, process and job, and gives it away once, by a unix socket and by TCP.
func TestAManagerKeepsWhatItsCallersAdd(t *testing.T) {
	for network, addr := range map[string]string{"unix": t.TempDir() + "/m", "tcp": "127.0.0.1:0"} {
		_, a := startManager(t, network, addr)
		worker, other, coordinator := dial(t, a, Session{1}), dial(t, a, Session{2}), dial(t, a, Session{1})
		list := append(parts(20, 300_000), parts(10, 3)...)
		for _, err := range []error{
			add(worker, 7, 1, list),
			add(worker, 8, 1, list[:1]),
			add(worker, 7, 2, list[:2]),
			add(other, 7, 1, list[:3]),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			p          *Proxy
			generation uint32
			job        int64
			want       [][]byte
		}{
			{coordinator, 7, 1, list}, {coordinator, 8, 1, list[:1]}, {coordinator, 7, 2, list[:2]}, {other, 7, 1, list[:3]},
			{coordinator, 7, 1, nil}, {coordinator, 9, 1, nil},
		} {
			got, err := c.p.Get(c.generation, c.job)
			if !reflect.DeepEqual(got, c.want) || errors.Is(err, ErrRefused) != (c.want == nil) {
				t.Errorf("%s, generation %d, job %d: %d parts, %v, want %d", network, c.generation, c.job, len(got), err, len(c.want))
			}
		}
	}
}

// TestAManagerStrandsNothing: the lists of a process that died are dropped when
// the coordinator says so, and those of a run with the last of its callers.
func TestAManagerStrandsNothing(t *testing.T) {
	m, a := startManager(t, "tcp", "127.0.0.1:0")
	worker, coordinator := dial(t, a, Session{1}), dial(t, a, Session{1})
	for generation := range uint32(3) {
		if err := add(worker, generation, 1, parts(2, 10)); err != nil {
			t.Fatal(err)
		}
	}
	worker.Close()
	if err := coordinator.Forget(1); err != nil {
		t.Fatal(err)
	}
	if n := lists(m); n != 2 {
		t.Errorf("%d lists after one process was forgotten, want 2", n)
	}
	if got, err := coordinator.Get(2, 1); len(got) != 2 {
		t.Errorf("the list of a process that is gone and was not forgotten has %d parts, %v, want 2", len(got), err)
	}
	// The cleanup finds that nothing is left.
}

// TestWhoIsAdmittedKeepsTheLists of its session from then on, however soon the
// one that made them is gone.
func TestWhoIsAdmittedKeepsTheLists(t *testing.T) {
	m, a := startManager(t, "unix", t.TempDir()+"/m")
	for i := range 400 {
		dial(t, a, Session{1})
		m.mu.Lock()
		n := m.sessions[Session{1}]
		m.mu.Unlock()
		if n != i+1 {
			t.Fatalf("%d callers count when %d were admitted", n, i+1)
		}
	}
}

// TestAManagerKnowsItsCallersByTheirKey, and they it.
func TestAManagerKnowsItsCallersByTheirKey(t *testing.T) {
	_, a := startManager(t, "tcp", "127.0.0.1:0")
	wrong := a
	wrong.Key = []byte("another key, not")
	if _, err := Dial(wrong, Session{1}); !errors.Is(err, errWrongKey) {
		t.Errorf("with another key: %v, want %v", err, errWrongKey)
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
	if _, err := Dial(imposter, Session{1}); !errors.Is(err, errWrongKey) {
		t.Errorf("a manager without the key: %v, want %v", err, errWrongKey)
	}
}

// TestAManagerOutlivesItsCallers: whatever one of them says, the others go on.
func TestAManagerOutlivesItsCallers(t *testing.T) {
	_, a := startManager(t, "tcp", "127.0.0.1:0")
	for name, say := range map[string]func(*Proxy) error{
		"garbage":             func(p *Proxy) error { _, err := p.c.Write([]byte("boom boom boom boom boom")); return err },
		"no such method":      func(p *Proxy) error { _, err := p.c.Write((&request{method: 9}).append(nil)); return err },
		"a part that is none": func(p *Proxy) error { _, err := p.c.Write(append(make([]byte, 13), 255, 255, 255, 255)); return err },
		"half a request":      func(p *Proxy) error { _, err := p.c.Write([]byte{1}); p.c.Close(); return err },
		"nothing, and off":    func(p *Proxy) error { return p.c.Close() },
	} {
		p := dial(t, a, Session{1})
		if err := say(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n, err := p.c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: was answered with %d bytes", name, n)
		}
	}
	p := dial(t, a, Session{1})
	if err := add(p, 1, 1, parts(1, 1)); err != nil {
		t.Errorf("the next caller: %v", err)
	}
	if got, err := p.Get(1, 1); len(got) != 1 {
		t.Errorf("the next caller gets %d parts, %v, want 1", len(got), err)
	}
}

// TestAListHasABound: what goes beyond it is refused, and the caller goes on.
func TestAListHasABound(t *testing.T) {
	_, a := startManager(t, "unix", t.TempDir()+"/m")
	p := dial(t, a, Session{1})
	part := make([]byte, 8<<20)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = p.Add(1, 1, part)
	}
	if !errors.Is(err, ErrRefused) || n != maxHeld/len(part)+1 {
		t.Errorf("part %d: got %v, want %v at part %d", n, err, ErrRefused, maxHeld/len(part)+1)
	}
	if err := p.Add(1, 2, part[:1]); err != nil {
		t.Errorf("another list: %v", err)
	}
}
