package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/feeds"
)

// A shmPair is both ends of a line of the mode shm, in one process.
type shmPair struct {
	*Conn // the worker's
	line  *shmLine
	out   *os.File // the worker's stdout
	sock  int      // the worker's socket
	ended bool
}

// newShmPair returns a pair that is gone at the end of the test, with nothing
// left behind.
func newShmPair(t testing.TB, o CarrierOptions) *shmPair {
	t.Helper()
	before := descriptors(t)
	carrier, err := NewCarrier(ModeShm, o)
	if err != nil {
		t.Skipf("no sealed memory here: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	line, err := carrier.Join(End{Incarnation: 1, Stdout: r, Stdin: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	p := &shmPair{line: line.(*shmLine), out: w}
	if p.sock, err = unix.FcntlInt(line.Files()[0].Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	line.Started(1)
	if p.Conn, err = connectArenas(nil, w, p.sock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end()
		r.Close()
		p.Conn.out.(*arenaSink).close()
		if err := carrier.Close(); err != nil {
			t.Error(err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, there were %d", after, before)
		}
		if left := mappedArenas(t); len(left) > 0 {
			t.Errorf("still mapped: %q", left)
		}
	})
	return p
}

// end is the end of the worker, and then of its line.
func (p *shmPair) end() {
	if p.ended {
		return
	}
	p.ended = true
	p.out.Close()
	unix.Close(p.sock)
	p.line.Drain()
	p.line.Close()
}

// descriptors returns how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// mappedArenas returns the lines of /proc/self/maps that are arenas.
func mappedArenas(t testing.TB) (lines []string) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "memfd:feedmill-arena") || strings.Contains(line, "memfd:hostile") {
			lines = append(lines, line)
		}
	}
	return lines
}

// sending runs send and returns what it says when it is done.
func sending(send func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- send() }()
	return done
}

// sameMessage compares what was received with what was sent.
func sameMessage(t testing.TB, got, want *Message) {
	t.Helper()
	g, w := *got, *want
	g.hold, w.hold = hold{}, hold{}
	if !reflect.DeepEqual(g, w) {
		t.Fatalf("got %.300v, want %.300v", describe(&g), describe(&w))
	}
}

func describe(m *Message) string {
	switch {
	case m.Items != nil:
		return fmt.Sprintf("Items %d: %d", m.Items.ID, len(m.Items.Items))
	case m.Result != nil:
		return fmt.Sprintf("Result %+v", *m.Result)
	}
	return fmt.Sprintf("%s %+v", m, *m)
}

func TestArenasKeepTheOrderOfAllMessages(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var sent []*Message
	for i := range 2000 {
		var m Message
		switch random.IntN(4) {
		case 0:
			m.Tick = &Tick{Parsing: int64(i)}
		case 1:
			m.Result = &feeds.Result{ID: int64(i), Class: feeds.OK, Title: "short"}
		default:
			m.Items = &Items{ID: int64(i), Items: benchItems(1+random.IntN(20), random.IntN(1<<random.IntN(17)))}
		}
		sent = append(sent, &m)
	}
	sent = append(sent, &Message{Bye: &Bye{Answered: 7}})
	flush := make([]bool, len(sent))
	for i := range flush {
		flush[i] = random.IntN(50) == 0 || i == len(sent)-1
	}
	done := sending(func() error {
		for i, m := range sent {
			if err := p.Send(m); err != nil {
				return err
			}
			if flush[i] {
				if err := p.Flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	var held []*Message // some are released late, and not in order
	for i, want := range sent {
		got, err := p.line.Recv()
		if err != nil {
			t.Fatalf("seed %d, message %d: %v", seed, i, err)
		}
		sameMessage(t, got, want)
		if held = append(held, got); len(held) > 10 {
			at := random.IntN(len(held))
			held[at].Release()
			held = slices.Delete(held, at, at+1)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if p.Pending() {
		t.Error("something is still put aside")
	}
	if got, want := p.line.Received(), p.Sent(); got < want {
		t.Errorf("received %d bytes, %d were sent", got, want)
	}
	for _, m := range held {
		m.Release()
	}
}

func TestLongListsAndLongItemsArriveByArena(t *testing.T) {
	tests := map[string][]feeds.Item{
		"100,000 small items":  benchItems(100_000, 10),
		"an item of 8 MB":      benchItems(1, 8<<20),
		"an item of 60 MB":     benchItems(1, 60<<20),
		"items that fill most": benchItems(9, PieceSize-500),
	}
	for name, items := range tests {
		t.Run(name, func(t *testing.T) {
			p := newShmPair(t, CarrierOptions{})
			want := feeds.Result{ID: 1, Class: feeds.OK, Items: items}
			done := sending(func() error {
				if err := p.SendResult(&want); err != nil {
					return err
				}
				return p.Flush()
			})
			n := 0
			for result := false; !result; {
				m, err := p.line.Recv()
				if err != nil {
					t.Fatal(err)
				}
				part := []feeds.Item(nil)
				if result = m.Result != nil; result {
					part = m.Result.Items
				} else {
					part = m.Items.Items
				}
				if len(part) > 0 && !reflect.DeepEqual(part, items[n:n+len(part)]) {
					t.Fatalf("items from %d on differ", n)
				}
				n += len(part)
				m.Release()
			}
			if n != len(items) {
				t.Errorf("%d items came, want %d", n, len(items))
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAnItemStaysWhereItIsUntilItIsReleased(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	m := &Message{Items: &Items{ID: 1, Items: benchItems(30, 2000)}}
	if err := errors.Join(p.Send(m), p.Send(m), p.Flush()); err != nil {
		t.Fatal(err)
	}
	first, err := p.line.Recv()
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.line.Recv()
	if err != nil {
		t.Fatal(err)
	}
	p.end()
	second.Release()
	if n := len(mappedArenas(t)); n != 1 {
		t.Errorf("%d arenas are mapped, want the one of the message that is held", n)
	}
	sameMessage(t, first, m)
	first.Release()
	if left := mappedArenas(t); len(left) > 0 {
		t.Errorf("all is released and mapped still: %q", left)
	}
	if n, b := p.line.held.arenas.Load(), p.line.held.bytes.Load(); n != 0 || b != 0 {
		t.Errorf("counted are %d arenas of %d bytes, want none", n, b)
	}
}

func TestWhatADeadWorkerHandedOverIsRead(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	m := &Message{Items: &Items{ID: 1, Items: benchItems(30, 2000)}}
	if err := errors.Join(p.Send(m), p.Flush(), p.Send(m), p.Flush(), p.Send(m)); err != nil {
		t.Fatal(err)
	}
	if !p.Pending() {
		t.Fatal("the third message is not put aside, so this proves nothing")
	}
	p.out.Close() // it dies
	for range 2 {
		got, err := p.line.Recv()
		if err != nil {
			t.Fatal(err)
		}
		sameMessage(t, got, m)
		got.Release()
	}
	if got, err := p.line.Recv(); err != io.EOF {
		t.Errorf("got %v, %v, want the end: the rest was not handed over", got, err)
	}
}

func TestNoFrameOutgrowsItsBound(t *testing.T) {
	for _, s := range samples() {
		if n, bound := len(frameOf(t, &s.m)), frameBound(&s.m); int64(n) > bound {
			t.Errorf("%s: %d bytes, bound %d", s.name, n, bound)
		}
	}
	odd := feeds.Item{Published: math.MinInt64, Updated: math.MaxInt64, Hash: math.MaxUint64,
		Categories: slices.Repeat([]string{""}, 70_000), Enclosures: slices.Repeat([]feeds.Enclosure{{Length: math.MinInt64}}, 70_000)}
	for n := range 300 {
		odd.Title = strings.Repeat("x", n)
		m := &Message{Items: &Items{ID: math.MaxInt64, Items: []feeds.Item{odd, {}}}}
		if got, bound := len(frameOf(t, m)), frameBound(m); int64(got) > bound {
			t.Fatalf("title of %d bytes: %d bytes, bound %d", n, got, bound)
		}
		odd.Categories, odd.Enclosures = odd.Categories[:n%20], odd.Enclosures[:n%20]
	}
}

// TestFramesInArenasAreThoseOfTheWire: any reader of frames can read them, but
// for their checksums.
func TestFramesInArenasAreThoseOfTheWire(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	m := &Message{Items: &Items{ID: 1, Items: benchItems(20, 2000)}}
	if err := errors.Join(p.Send(m), p.Flush()); err != nil {
		t.Fatal(err)
	}
	fd, err := receiveDescriptor(p.line.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	want := frameOf(t, m)
	copy(want[crcFrom:crcTo], "\x00\x00\x00\x00")
	got := make([]byte, len(want))
	if _, err := unix.Pread(fd, got, arenaHead); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got % x…, %v, want % x…", got[:40], err, want[:40])
	}
	if _, err := unix.Pwrite(fd, []byte("x"), arenaHead); err != unix.EPERM {
		t.Errorf("writing to it: %v, want %v", err, unix.EPERM)
	}
}
