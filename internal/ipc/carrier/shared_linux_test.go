package carrier

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"feedmill/internal/ipc"
)

// TestEachPieceIsGivenBackOnce, also of a line that is drained in the middle of one.
func TestEachPieceIsGivenBackOnce(t *testing.T) {
	var frame bytes.Buffer
	if err := ipc.NewConn(nil, &frame, ipc.Options{}).Send(itemsMessage(1, 10)); err != nil {
		t.Fatal(err)
	}
	whole := frame.Bytes()
	for name, pieces := range map[string][][]byte{
		"all were read":         {whole},
		"the first is bad":      {[]byte("no frame, and longer than the header of one"), []byte("more"), []byte("more")},
		"ends within a message": {whole[:5], whole[5:20]},
	} {
		given := make(map[*byte]int)
		l := &sharedLine{free: func(b []byte) { given[&b[0]]++ }}
		s := lines{of: make(map[uint32]*sharedLine)}
		s.join(l, End{Stdin: io.Discard, Stdout: strings.NewReader("")}, len(pieces), func() {})
		for _, p := range pieces {
			l.give(p, len(p))
		}
		s.finish(l, io.EOF)
		for err := error(nil); err == nil; {
			_, err = l.Recv()
		}
		l.Drain()
		l.Close()
		for i, p := range pieces {
			if given[&p[0]] != 1 {
				t.Errorf("%s: piece %d of %d was given back %d times, want once", name, i, len(pieces), given[&p[0]])
			}
		}
	}
}
