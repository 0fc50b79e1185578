package ipc

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzFrame: a stream of any bytes gives messages and then one error that says
// what happened, and what was decoded encodes to the very bytes that came.
func FuzzFrame(f *testing.F) {
	for _, s := range samples() {
		f.Add(frameOf(f, s.m))
	}
	f.Add([]byte("text on the wire"))
	f.Add(claiming(1 << 31))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 20
		got, err := receive(bytes.NewReader(in), limit)
		_, protocol := errors.AsType[*ProtocolError](err)
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !protocol {
			t.Fatalf("the stream ended with %T %v, want an end or a ProtocolError", err, err)
		}
		for _, m := range got {
			if h, ok := m.(*Hello); ok && h.Version != Version {
				return // of another version's Hello only the first two fields are read
			}
		}
		if again := encode(t, got...); !bytes.HasPrefix(in, again) {
			t.Fatalf("%d messages encode to\n%x, want what came\n%x", len(got), again, in)
		}
	})
}

// FuzzMessage: a payload of any bytes under an honest header is refused or has
// exactly the one spelling, and costs memory in proportion to its length.
func FuzzMessage(f *testing.F) {
	for _, s := range samples() {
		f.Add(uint8(s.m.kind()), frameOf(f, s.m)[headerSize:])
	}
	f.Fuzz(func(t *testing.T, k uint8, payload []byte) {
		in := frame(kind(k&0x7f), 0, payload)
		var got []Message
		var err error
		// The largest growth is a list of empty strings: one byte each on the
		// wire, sixteen in memory; slabs and buffers come on top.
		bound := uint64(64*len(payload) + 1<<20)
		if spent := allocated(func() { got, err = receive(bytes.NewReader(in), 0) }); spent > bound {
			t.Errorf("%d bytes allocated for a payload of %d, want at most %d", spent, len(payload), bound)
		}
		if len(got) == 0 {
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Fatalf("refused with %T %v, want a ProtocolError", err, err)
			}
			return
		}
		if h, ok := got[0].(*Hello); ok && h.Version != Version {
			return // of another version's Hello only the first two fields are read
		}
		if again := frameOf(t, got[0]); !bytes.Equal(again, in) {
			t.Fatalf("%v encodes to\n%x, want what came\n%x", got[0], again, in)
		}
	})
}
