package ipc

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A forgery is an arena that a hostile worker makes. Its zero value, but for
// the frames, is a good one.
type forgery struct {
	frames  [][]byte
	magic   uint32
	count   int64 // more frames than there are
	entries []arenaEntry
	size    int64 // of the memfd, if it is not what the frames take
	sparse  bool  // nothing of it is there
	seals   int
	said    Mapped // more than is there
}

// hand makes the arena, hands it over and says so.
func (f forgery) hand(t *testing.T, p *shmPair) {
	t.Helper()
	fd := f.memfd(t)
	defer unix.Close(fd)
	if err := sendDescriptor(p.sock, fd); err != nil {
		t.Fatal(err)
	}
	f.say(t, p)
}

func (f forgery) say(t *testing.T, p *shmPair) {
	t.Helper()
	m := Mapped{Frames: len(f.frames) + int(f.count) + f.said.Frames, Bytes: arenaHead + f.said.Bytes}
	for _, b := range f.frames {
		m.Bytes += int64(len(b))
	}
	announce(t, p, &m)
}

// announce writes a Mapped frame to stdout.
func announce(t *testing.T, p *shmPair, m *Mapped) {
	t.Helper()
	b := appendMapped(reserveHeader(nil), m)
	sealFrame(b, kindMapped, 0)
	if _, err := p.out.Write(b); err != nil {
		t.Fatal(err)
	}
}

func (f forgery) memfd(t *testing.T) int {
	t.Helper()
	b := f.bytes()
	size := f.size
	if size == 0 {
		size = int64(roundUp(len(b), pageSize))
	}
	if f.seals == 0 {
		f.seals = arenaSeals
	}
	if f.sparse {
		b = nil
	}
	return sealed(t, b, size, f.seals)
}

// bytes returns what the arena has in it.
func (f forgery) bytes() []byte {
	b := make([]byte, arenaHead)
	binary.NativeEndian.PutUint32(b, arenaMagic+f.magic)
	binary.NativeEndian.PutUint32(b[4:], uint32(int64(len(f.frames))+f.count))
	at := arenaHead
	for i, frame := range f.frames {
		e := arenaEntry{uint32(at), uint32(len(frame))}
		if i < len(f.entries) {
			e.offset += f.entries[i].offset
			e.length += f.entries[i].length
		}
		binary.NativeEndian.PutUint32(b[8+8*i:], e.offset)
		binary.NativeEndian.PutUint32(b[12+8*i:], e.length)
		at += len(frame)
	}
	for _, frame := range f.frames {
		b = append(b, frame...)
	}
	return b
}

// sealed returns a memfd of a size that begins with b, with nothing behind it
// there if b is nil.
func sealed(t *testing.T, b []byte, size int64, seals int) int {
	t.Helper()
	fd, err := unix.MemfdCreate("hostile", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	if b != nil {
		b = append(b[:len(b):len(b)], make([]byte, max(size-int64(len(b)), 0))...)
		if _, err := unix.Pwrite(fd, b, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		t.Fatal(err)
	}
	return fd
}

// give hands over a descriptor that is no memfd.
func (p *shmPair) give(t *testing.T, open func() (int, error)) {
	t.Helper()
	fd, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := sendDescriptor(p.sock, fd); err != nil {
		t.Fatal(err)
	}
	announce(t, p, &Mapped{Frames: 1, Bytes: arenaHead + 100})
}

func TestHostileMemoryIsNamedAndDropped(t *testing.T) {
	tick := frameOf(t, &Message{Tick: &Tick{Parsing: 1}})
	odd := func(change func(b []byte)) [][]byte {
		b := frameOf(t, &Message{Tick: &Tick{Parsing: 1}})
		change(b)
		return [][]byte{b}
	}
	tests := []struct {
		name string
		do   func(*testing.T, *shmPair)
		kind error
		want string
	}{
		{"announces what never comes", func(t *testing.T, p *shmPair) { forgery{frames: [][]byte{tick}}.say(t, p) }, ErrMapped, "no descriptor came"},
		{"a pipe", func(t *testing.T, p *shmPair) {
			p.give(t, func() (int, error) { var two [2]int; err := unix.Pipe(two[:]); unix.Close(two[1]); return two[0], err })
		}, ErrMapped, "no memfd"},
		{"a directory", func(t *testing.T, p *shmPair) {
			p.give(t, func() (int, error) { return unix.Open("/", unix.O_RDONLY, 0) })
		}, ErrMapped, "no memfd"},
		{"a file", func(t *testing.T, p *shmPair) {
			p.give(t, func() (int, error) { return unix.Open(os.Args[0], unix.O_RDONLY, 0) })
		}, ErrMapped, "no memfd"},
		{"a socket that lingers", func(t *testing.T, p *shmPair) {
			p.give(t, func() (int, error) {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
				return fd, errors.Join(err, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1000}))
			})
		}, ErrMapped, "no memfd"},
		{"the socket itself", func(t *testing.T, p *shmPair) {
			p.give(t, func() (int, error) { return unix.Dup(p.sock) })
		}, ErrMapped, "no memfd"},
		{"several descriptors at once", func(t *testing.T, p *shmPair) {
			fd := forgery{frames: [][]byte{tick}}.memfd(t)
			defer unix.Close(fd)
			if err := unix.Sendmsg(p.sock, []byte{0}, unix.UnixRights(fd, fd, fd), nil, 0); err != nil {
				t.Fatal(err)
			}
			forgery{frames: [][]byte{tick}}.say(t, p)
		}, ErrMapped, "descriptors or more"},
		{"a message without one", func(t *testing.T, p *shmPair) {
			if err := unix.Sendmsg(p.sock, []byte{0}, nil, nil, 0); err != nil {
				t.Fatal(err)
			}
			forgery{frames: [][]byte{tick}}.say(t, p)
		}, ErrMapped, "0 descriptors"},

		{"not sealed against writing", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, seals: arenaSeals &^ unix.F_SEAL_WRITE}.hand(t, p)
		}, ErrMapped, "lacks the seals write"},
		{"sealed but for old mappings", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, seals: arenaSeals&^unix.F_SEAL_WRITE | unix.F_SEAL_FUTURE_WRITE}.hand(t, p)
		}, ErrMapped, "lacks the seals write"},
		{"may shrink", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, seals: arenaSeals &^ unix.F_SEAL_SHRINK}.hand(t, p)
		}, ErrMapped, "lacks the seals shrink"},
		{"may grow", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, seals: arenaSeals &^ unix.F_SEAL_GROW}.hand(t, p)
		}, ErrMapped, "lacks the seals grow"},
		{"64 TiB with nothing there", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, size: 64 << 40, sparse: true}.hand(t, p)
		}, ErrMapped, "has 70368744177664 bytes"},
		{"with nothing there", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, sparse: true}.hand(t, p)
		}, ErrMapped, "0 are there"},
		{"of no length", func(t *testing.T, p *shmPair) {
			forgery{size: 100, sparse: true}.hand(t, p)
		}, ErrMapped, "has 100 bytes"},
		{"half empty", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, size: 1 << 20}.hand(t, p)
		}, ErrMapped, "an arena of 1048576 bytes for frames up to"},

		{"another magic", func(t *testing.T, p *shmPair) { forgery{frames: [][]byte{tick}, magic: 1}.hand(t, p) }, ErrMapped, "another kind"},
		{"no frames", func(t *testing.T, p *shmPair) { forgery{}.hand(t, p) }, ErrMapped, "0 frames"},
		{"more frames than were announced", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, said: Mapped{Frames: 1}}.hand(t, p)
		}, ErrMapped, "1 frames, 2 announced"},
		{"more frames than an index has", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, count: 1 << 30}.hand(t, p)
		}, ErrMapped, "frames"},
		{"fewer bytes than were announced", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick}, said: Mapped{Bytes: 1}}.hand(t, p)
		}, ErrMapped, "announced"},
		{"a frame in the index", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick, tick}, entries: []arenaEntry{{^uint32(arenaHead) + 1, 0}}}.hand(t, p)
		}, ErrMapped, "want it at 4096"},
		{"a frame twice", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick, tick, tick}, entries: []arenaEntry{{}, {^uint32(0) - uint32(len(tick)) + 1, 0}}}.hand(t, p)
		}, ErrMapped, "want it at"},
		{"a frame beyond the end", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick, tick}, entries: []arenaEntry{{0, 1 << 31}}}.hand(t, p)
		}, ErrMapped, "bytes at 4096"},
		{"a frame of nothing", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{tick, tick}, entries: []arenaEntry{{0, ^uint32(len(tick)) + 1}}}.hand(t, p)
		}, ErrMapped, "0 bytes at 4096"},

		{"garbage for a frame", func(t *testing.T, p *shmPair) {
			forgery{frames: odd(func(b []byte) { b[0] = 'p' })}.hand(t, p)
		}, ErrMapped, "no frame"},
		{"another length", func(t *testing.T, p *shmPair) {
			forgery{frames: odd(func(b []byte) { b[16]++ })}.hand(t, p)
		}, ErrMapped, "no frame"},
		{"another number", func(t *testing.T, p *shmPair) {
			forgery{frames: odd(func(b []byte) { b[6]++ })}.hand(t, p)
		}, ErrSequence, "number 1"},
		{"an unknown kind", func(t *testing.T, p *shmPair) {
			forgery{frames: odd(func(b []byte) { b[1] = 0x7f })}.hand(t, p)
		}, ErrUnknownKind, "127"},
		{"a payload that is none", func(t *testing.T, p *shmPair) {
			forgery{frames: odd(func(b []byte) { b[headerSize] = 0x9f })}.hand(t, p)
		}, ErrMalformed, "Tick"},
		{"an arena in an arena", func(t *testing.T, p *shmPair) {
			b := appendMapped(reserveHeader(nil), &Mapped{1, arenaHead + 20})
			sealFrame(b, kindMapped, 0)
			forgery{frames: [][]byte{b}}.hand(t, p)
		}, ErrMapped, "Mapped in an arena"},
		{"a Hello", func(t *testing.T, p *shmPair) {
			forgery{frames: [][]byte{frameOf(t, &Message{Hello: &Hello{}})}}.hand(t, p)
		}, ErrMapped, "Hello in an arena"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newShmPair(t, CarrierOptions{MaxFrame: 8 << 20})
			tt.do(t, p)
			m, err := p.line.Recv()
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want %v with %q", m, err, tt.kind, tt.want)
			}
			if _, again := p.line.Recv(); again != err {
				t.Errorf("then %v, want the same error for ever", again)
			}
		})
	}
}

// TestAFloodOfDescriptorsIsClosed: those that nobody announced are never taken
// out one by one, and a worker can have only so many under way.
func TestAFloodOfDescriptorsIsClosed(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	fd := forgery{frames: [][]byte{frameOf(t, &Message{Tick: &Tick{}})}}.memfd(t)
	defer unix.Close(fd)
	n := 0
	for unix.Sendmsg(p.sock, []byte{0}, unix.UnixRights(fd, fd, fd, fd), nil, unix.MSG_DONTWAIT) == nil {
		n++
	}
	if n == 0 || n > 16 {
		t.Errorf("%d messages fit the socket, want a few", n)
	}
}

// TestOnlySoMuchIsMapped: what comes beyond that is copied, and is as good.
func TestOnlySoMuchIsMapped(t *testing.T) {
	p := newShmPair(t, CarrierOptions{})
	m := &Message{Items: &Items{ID: 1, Items: benchItems(1, inlineMax)}}
	var held []*Message
	for range maxArenas + 20 {
		if err := errors.Join(p.Send(m), p.Flush()); err != nil {
			t.Fatal(err)
		}
		got, err := p.line.Recv()
		if err != nil {
			t.Fatalf("with %d held: %v", len(held), err)
		}
		held = append(held, got)
	}
	if n := len(mappedArenas(t)); n < maxArenas/2 || n > maxArenas {
		t.Errorf("%d arenas are mapped, want at most %d", n, maxArenas)
	}
	for _, got := range held {
		sameMessage(t, got, m)
		got.Release()
	}
}

// FuzzArena reads arenas of which the beginning is anything at all.
func FuzzArena(f *testing.F) {
	tick := encode(f, &Message{Tick: &Tick{Parsing: 1}})
	good := forgery{frames: [][]byte{tick, tick}}.bytes()
	f.Add(good, 2, int64(arenaHead+2*len(tick)))
	f.Add(good[:arenaHead], 1, int64(arenaHead))
	f.Add([]byte{}, 0, int64(0))
	f.Fuzz(func(t *testing.T, data []byte, frames int, size int64) {
		p := newShmPair(t, CarrierOptions{MaxFrame: 1 << 20})
		fd := sealed(t, data, int64(roundUp(max(len(data), 1), pageSize)), arenaSeals)
		defer unix.Close(fd)
		if err := sendDescriptor(p.sock, fd); err != nil {
			t.Fatal(err)
		}
		announce(t, p, &Mapped{Frames: max(frames, 0), Bytes: max(size, 0)})
		p.out.Close()
		for {
			m, err := p.line.Recv()
			if err != nil {
				return
			}
			m.Release()
		}
	})
}
