package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"feedmill/internal/feeds"
)

// frame returns a frame with the given payload, whatever it holds.
func frame(k kind, seq uint32, payload []byte) []byte {
	b := append(reserveHeader(nil), payload...)
	sealFrame(b, k, seq)
	return b
}

// claiming returns a frame whose header claims a payload of n bytes.
func claiming(n uint32) []byte {
	b := frame(kindItems, 0, nil)
	binary.BigEndian.PutUint32(b[13:], n)
	return b
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileBytesAreANamedErrorAndCostLittle: whatever comes, the error says
// what it was, and no more than 16 MiB are allocated on its account, in pieces
// of any size.
func TestHostileBytesAreANamedErrorAndCostLittle(t *testing.T) {
	cut := frameOf(t, samples()[4].m)
	damaged := bytes.Clone(cut)
	damaged[len(damaged)-1] ^= 1
	relabelled := bytes.Clone(cut)
	relabelled[1] = byte(kindItems)
	miscounted := bytes.Clone(frameOf(t, samples()[0].m)[headerSize:])
	miscounted[0]++
	long := AppendItems([]byte{0x92, 1}, []feeds.Item{{Content: strings.Repeat("x", 100)}, {}})
	nest := bytes.Repeat([]byte{0x91}, 1<<20)
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"text", []byte("panic: runtime error: index out of range\n"), ErrNotFrame},
		{"short text", []byte("boom\n"), ErrNotFrame},
		{"text that begins like a frame", []byte("\x94 and more bytes than a header has"), ErrNotFrame},
		{"zeros", make([]byte, 100), ErrNotFrame},
		{"4 GiB length", claiming(math.MaxUint32), ErrFrameTooLarge},
		{"a byte over the limit", claiming(DefaultMaxFrame + 1), ErrFrameTooLarge},
		{"a length that does not come", claiming(DefaultMaxFrame), io.ErrUnexpectedEOF},
		{"cut in the header", cut[:9], io.ErrUnexpectedEOF},
		{"cut behind the header", cut[:headerSize], io.ErrUnexpectedEOF},
		{"cut in the payload", cut[:len(cut)-1], io.ErrUnexpectedEOF},
		{"damaged payload", damaged, errChecksum},
		{"another kind on it", relabelled, errChecksum},
		{"wrong sequence", frame(kindDrain, 1, []byte{0x90}), errSequence},
		{"a frame twice", append(frame(kindDrain, 0, []byte{0x90}), frame(kindDrain, 0, []byte{0x90})...), errSequence},
		{"unknown kind", frame(99, 0, []byte{0x90}), errUnknownKind},
		{"no payload", frame(kindItems, 0, nil), errMalformed},
		{"trailing bytes", frame(kindDrain, 0, []byte{0x90, 0xc0}), errMalformed},
		{"a map", frame(kindShard, 0, []byte{0x81, 0xa1, 'x', 1}), errMalformed},
		{"array bomb of 5 bytes", frame(kindItems, 0, []byte{0x92, 1, 0xdd, 0xff, 0xff, 0xff, 0xff}), errMalformed},
		{"array bomb in a shard", frame(kindShard, 0, []byte{0x91, 0xdd, 0x7f, 0xff, 0xff, 0xff}), errMalformed},
		{"string bomb", frame(kindItems, 0, []byte{0x92, 0xdb, 0xff, 0xff, 0xff, 0xff}), errMalformed},
		{"nest of a million arrays", frame(kindItems, 0, nest), errMalformed},
		{"nest of a million arrays as Hello", frame(kindHello, 0, nest), errMalformed},
		{"a Hello that counts more fields than it has", frame(kindHello, 0, miscounted), errMalformed},
		{"a list that ends before a key", frame(kindItems, 0, long[:len(long)-minItem+3]), errMalformed},
		{"a list that ends within a key", frame(kindItems, 0, long[:len(long)-14]), errMalformed},
		{"long form of a number", frame(kindItems, 0, []byte{0x92, 0xcd, 0, 1, 0x90}), errMalformed},
	} {
		for i, reader := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r },
			iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		} {
			if i == 1 && len(tt.in) > 1<<16 {
				continue // byte by byte it shows nothing more, slowly
			}
			var err error
			spent := allocated(func() { _, err = receive(reader(bytes.NewReader(tt.in)), 0) })
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, reader %d: got %v, want %v", tt.name, i, err, tt.want)
			}
			if _, named := errors.AsType[*ProtocolError](err); named == errors.Is(tt.want, io.ErrUnexpectedEOF) {
				t.Errorf("%s, reader %d: %T is a ProtocolError: %v, want the opposite", tt.name, i, err, named)
			}
			if spent > 16<<20 {
				t.Errorf("%s, reader %d: %d bytes allocated, want at most 16 MiB", tt.name, i, spent)
			}
		}
	}
}

// TestEveryMarkOfAHeaderIsLookedAt: without one of them it is no frame.
func TestEveryMarkOfAHeaderIsLookedAt(t *testing.T) {
	for _, at := range []int{0, 2, 7, 12} {
		b := frame(kindDrain, 0, []byte{0x90})
		b[at]++
		if _, err := receive(bytes.NewReader(b), 0); !errors.Is(err, ErrNotFrame) {
			t.Errorf("byte %d: got %v, want %v", at, err, ErrNotFrame)
		}
	}
}

// TestAMistakeIsSaidToBeWhereItIs, in bytes of the payload.
func TestAMistakeIsSaidToBeWhereItIs(t *testing.T) {
	_, err := receive(bytes.NewReader(frame(kindItems, 0, []byte{0x92, 0xcd, 0, 1, 0x90})), 0)
	if err == nil || !strings.HasSuffix(err.Error(), "Items of 5 bytes: at byte 4: 1 is not in its shortest form") {
		t.Errorf("got %v, want it to say at which byte", err)
	}
}

// TestStrayPrintIsShownAsText: what a library printed on the wire is what a
// person needs to see.
func TestStrayPrintIsShownAsText(t *testing.T) {
	print := "warning: \x1b[31mthis is not msgpack\n" + strings.Repeat("more of it ", 100)
	_, err := receive(strings.NewReader(print), 0)
	p, ok := errors.AsType[*ProtocolError](err)
	if !ok || !strings.Contains(p.Text, "this is not msgpack") || strings.ContainsRune(p.Text, 0x1b) {
		t.Fatalf("got %v with text %q, want the print, escaped", err, p.Text)
	}
	if len(p.Text) > 4*200+2 {
		t.Errorf("%d bytes of it are kept, want at most %d escaped ones", len(p.Text), 200)
	}
}

// TestCutFrameIsNotACleanEnd cuts every sample at every byte: only between two
// frames is it the end.
func TestCutFrameIsNotACleanEnd(t *testing.T) {
	for _, s := range samples() {
		whole := encode(t, s.m, &Drain{})
		first := len(frameOf(t, s.m))
		for at := range len(whole) {
			got, err := receive(bytes.NewReader(whole[:at]), 0)
			switch {
			case at == 0 || at == first:
				if err != io.EOF {
					t.Errorf("%s cut at %d: got %v, want io.EOF", s.name, at, err)
				}
			case !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("%s cut at %d: got %v, want one that wraps io.ErrUnexpectedEOF", s.name, at, err)
			}
			if want := at / first; at < len(whole) && len(got) != min(want, 1) {
				t.Errorf("%s cut at %d: got %d messages, want %d", s.name, at, len(got), want)
			}
		}
	}
}

// TestEveryDamagedByteIsNoticed flips each bit of a frame: none goes through.
func TestEveryDamagedByteIsNoticed(t *testing.T) {
	for _, s := range samples() {
		whole := frameOf(t, s.m)
		for at := range whole {
			for bit := range 8 {
				b := bytes.Clone(whole)
				b[at] ^= 1 << bit
				if got, err := receive(bytes.NewReader(b), 0); err == nil || err == io.EOF || len(got) > 0 {
					t.Fatalf("%s with bit %d of byte %d flipped: got %v, %v, want an error", s.name, bit, at, got, err)
				}
			}
		}
	}
}

// TestADeadDirectionStaysDead: after an error the same one comes back, however
// good the bytes are that follow.
func TestADeadDirectionStaysDead(t *testing.T) {
	good := frameOf(t, &Drain{})
	c := NewConn(io.MultiReader(strings.NewReader("boom boom boom boom boom"), bytes.NewReader(good)), io.Discard, Options{})
	_, first := c.Recv()
	for range 3 {
		if _, err := c.Recv(); err == nil || fmt.Sprint(err) != fmt.Sprint(first) {
			t.Fatalf("got %v after %v, want the same", err, first)
		}
	}
}
