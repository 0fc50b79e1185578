package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/memfd"
)

// ringEnds returns the two ends of a ring: what one writes the other one reads.
func ringEnds(t *testing.T) (l *shmLine, out *ipc.Conn, w *ringWriter, stdout *os.File) {
	t.Helper()
	r, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	line, err := open(t, Shm).Join(End{Generation: 1, Stdin: io.Discard, Stdout: r})
	if err != nil {
		t.Fatal(err)
	}
	l = line.(*shmLine)
	memory, err := memfd.MapFile(l.file, ringHead+ringSize)
	if err != nil {
		t.Fatal(err)
	}
	w = &ringWriter{ring: newRing(memory), stdout: stdout}
	t.Cleanup(func() {
		stdout.Close()
		l.Drain()
		l.Close()
		r.Close()
		memfd.Unmap(memory)
	})
	return l, ipc.NewConn(nil, w, ipc.Options{}), w, stdout
}

// TestTheRingIsReusedAndNeverOverrun sends more than the ring holds, before and
// while it is taken: what finds no room goes by stdout, and everything arrives
// as it was.
func TestTheRingIsReusedAndNeverOverrun(t *testing.T) {
	l, out, w, stdout := ringEnds(t)
	Widen(stdout)
	sizes := []int{100, 1 << 20, 17 << 10, 2 << 20, 16 << 10, 900 << 10, ringSize - 500, ringSize + 1}
	laps := 0
	for round := range 6 {
		var sending sync.WaitGroup
		sending.Go(func() {
			for i, size := range sizes {
				if err := out.Send(&ipc.Items{ID: int64(i + 1), Items: itemsOf(1, size)}); err != nil {
					t.Error(err)
				}
			}
		})
		for i, size := range sizes {
			m, err := l.Recv()
			if want := ipc.Message(&ipc.Items{ID: int64(i + 1), Items: itemsOf(1, size)}); err != nil || !reflect.DeepEqual(m, want) {
				t.Fatalf("round %d, %d bytes: got %T, %v", round, size, m, err)
			}
		}
		sending.Wait()
		laps = int(w.written / ringSize)
	}
	if laps < 2 {
		t.Errorf("%d times round the ring: the test shows nothing", laps)
	}
}

// TestOnlyWhatFindsNoRoomGoesByStdout: a frame that fits is never copied to the
// pipe, and the ring is never waited for.
func TestOnlyWhatFindsNoRoomGoesByStdout(t *testing.T) {
	var stdout bytes.Buffer
	memory := make([]byte, ringHead+ringSize)
	w := &ringWriter{ring: newRing(memory), stdout: &stdout}
	for i, tt := range []struct{ n, written int }{
		{inlineMax, noticeSize + inlineMax}, {inlineMax + 1, noticeSize}, {ringSize - 100_000, noticeSize},
		{200_000, noticeSize + 200_000}, {50_000, noticeSize},
	} {
		stdout.Reset()
		if n, err := w.Write(make([]byte, tt.n)); n != tt.n || err != nil || stdout.Len() != tt.written {
			t.Errorf("frame %d of %d bytes: %d, %v, %d bytes on stdout, want %d", i, tt.n, n, err, stdout.Len(), tt.written)
		}
	}
}

// TestAWorkerThatSpoilsItsRingIsFoundOut: a notice of what the ring has not, one
// that is cut, a print, bytes that change after their notice.
func TestAWorkerThatSpoilsItsRingIsFoundOut(t *testing.T) {
	notice := func(at uint64, n uint32) []byte {
		b := binary.BigEndian.AppendUint64([]byte{0x92, 0xcf}, at)
		return binary.BigEndian.AppendUint32(append(b, 0xce), n)
	}
	for name, tt := range map[string]struct {
		say  []byte
		want error
	}{
		"beyond the ring":       {notice(ringSize-10, 20), ipc.ErrNotFrame},
		"longer than the ring":  {notice(0, ringSize+1), ipc.ErrNotFrame},
		"less than a frame":     {notice(0, ipc.HeaderSize-1), ipc.ErrNotFrame},
		"nothing there":         {notice(7*ringSize, 100), ipc.ErrNotFrame},
		"a print":               {[]byte("hello, world: a program that prints"), ipc.ErrNotFrame},
		"a cut notice":          {notice(0, 100)[:9], io.ErrUnexpectedEOF},
		"a frame that is cut":   {append(notice(inline, 100), 0x94), io.ErrUnexpectedEOF},
		"another spelling":      {bytes.Replace(notice(0, 100), []byte{0xcf}, []byte{0xce}, 1), ipc.ErrNotFrame},
		"nothing but a silence": {nil, io.EOF},
	} {
		l, _, _, stdout := ringEnds(t)
		stdout.Write(tt.say)
		stdout.Close()
		if _, err := l.Recv(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	l, out, w, _ := ringEnds(t)
	if err := out.Send(&ipc.Items{ID: 1, Items: itemsOf(1, 50_000)}); err != nil {
		t.Fatal(err)
	}
	w.ring.bytes[1000] ^= 1
	if _, err := l.Recv(); err == nil || !strings.Contains(err.Error(), "bad checksum") {
		t.Errorf("bytes that changed: got %v, want a bad checksum", err)
	}
}

// TestItemsAreNotInTheRing: whoever has one keeps it, whatever the worker writes
// later.
func TestItemsAreNotInTheRing(t *testing.T) {
	l, out, w, _ := ringEnds(t)
	if err := out.Send(&ipc.Items{ID: 1, Items: itemsOf(1, 50_000)}); err != nil {
		t.Fatal(err)
	}
	m, err := l.Recv()
	if err != nil {
		t.Fatal(err)
	}
	clear(w.ring.bytes)
	if got := m.(*ipc.Items).Items; !reflect.DeepEqual(got, itemsOf(1, 50_000)) {
		t.Error("an item changed with the ring")
	}
}
