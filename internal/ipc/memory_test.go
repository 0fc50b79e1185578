package ipc

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"feedmill/internal/feeds"
)

// poisonReleased is PoisonReleased for one test.
func poisonReleased(t *testing.T, on bool) {
	t.Helper()
	before := poison.Swap(on)
	t.Cleanup(func() { poison.Store(before) })
}

// TestItemsStayAsTheyAreUntilReleased receives frames of all sizes, keeps some
// of their messages for a while and looks at each again before it is released:
// no later frame may have come to lie where one of them still is.
func TestItemsStayAsTheyAreUntilReleased(t *testing.T) {
	const frames = 200
	for _, poisoned := range []bool{false, true} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":    func(r io.Reader) io.Reader { return r },
			"half":     iotest.HalfReader,
			"data err": iotest.DataErrReader,
		} {
			t.Run(fmt.Sprintf("%s, poison %v", name, poisoned), func(t *testing.T) {
				poisonReleased(t, poisoned)
				seed := rand.Uint64()
				rng := rand.New(rand.NewPCG(seed, 0))
				var wire bytes.Buffer
				from := NewConn(nil, &wire, 0)
				var want []*Message
				for i := range frames {
					m := randomMessage(rng, int64(i+1))
					want = append(want, m)
					if err := from.Send(m); err != nil {
						t.Fatal(err)
					}
				}
				to := NewConn(wrap(&wire), io.Discard, 0)
				kept := make(map[int]*Message)
				release := func(i int) {
					m := kept[i]
					delete(kept, i)
					same := *m
					same.hold = hold{}
					if !reflect.DeepEqual(&same, want[i]) {
						t.Fatalf("seed %d: frame %d, a %v, changed before it was released", seed, i, want[i])
					}
					for range 1 + rng.IntN(2) { // the second time does nothing
						m.Release()
					}
				}
				for i := range frames {
					m, err := to.Recv()
					if err != nil {
						t.Fatalf("seed %d: frame %d: %v", seed, i, err)
					}
					kept[i] = m
					for len(kept) > 0 && rng.IntN(5) > 0 && len(kept) > rng.IntN(20) {
						release(oneOf(rng, kept))
					}
				}
				for len(kept) > 0 {
					release(oneOf(rng, kept))
				}
			})
		}
	}
}

func oneOf(rng *rand.Rand, kept map[int]*Message) int {
	low := 1 << 30
	for i := range kept {
		low = min(low, i)
	}
	for i := range kept {
		if rng.IntN(3) == 0 {
			return i
		}
	}
	return low
}

// randomMessage returns an Items, a Result or a Shard from a few bytes to more
// than a chunk, each with bytes of its own.
func randomMessage(rng *rand.Rand, id int64) *Message {
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("%d.", id), n/2) }
	var items []feeds.Item
	for n := rng.IntN(30); n > 0; n-- {
		length := rng.IntN(200)
		if rng.IntN(200) == 0 {
			length = rng.IntN(2 * chunkSize)
		}
		items = append(items, feeds.Item{GUID: text(20), Content: text(length), Categories: []string{text(4), text(6)},
			Enclosures: []feeds.Enclosure{{URL: text(10), Length: id}}})
	}
	switch rng.IntN(3) {
	case 0:
		return &Message{Items: &Items{ID: id, Items: items}}
	case 1:
		return &Message{Result: &feeds.Result{ID: id, Class: feeds.OK, Title: text(30), Spans: text(40), Items: items, Links: []string{text(9)}}}
	}
	return &Message{Shard: &Shard{Jobs: []feeds.Job{{ID: id, URL: text(60), Spans: text(rng.IntN(3000))}}}}
}

// TestWhoLooksAtReleasedItemsNotices: where memory is poisoned, an item that
// somebody kept for too long is nothing like what it was, and what a result has
// beside its items is as before.
func TestWhoLooksAtReleasedItemsNotices(t *testing.T) {
	poisonReleased(t, true)
	for _, size := range []int{100, chunkSize + 1} {
		wire := encode(t, &Message{Result: &feeds.Result{Class: feeds.OK, Title: "title", Links: []string{"link"}, Detail: "detail",
			Items: []feeds.Item{{GUID: "guid", Content: strings.Repeat("x", size), Categories: []string{"category"}}}}})
		m, err := NewConn(bytes.NewReader(wire), io.Discard, 0).Recv()
		if err != nil {
			t.Fatal(err)
		}
		items, guid := m.Result.Items, m.Result.Items[0].GUID
		m.Release()
		if m.Result.Items != nil {
			t.Errorf("content of %d: the message still shows %d items", size, len(m.Result.Items))
		}
		if items[0].Content != "" || items[0].Categories != nil {
			t.Errorf("content of %d: the list still holds %d bytes of content", size, len(items[0].Content))
		}
		if size < chunkSize && guid != strings.Repeat("\xdb", len("guid")) {
			t.Errorf("content of %d: the guid still reads %q", size, guid)
		}
		if m.Result.Title != "title" || m.Result.Links[0] != "link" || m.Result.Detail != "detail" {
			t.Errorf("content of %d: the result itself became %+v", size, m.Result)
		}
	}
}

// TestReleasedMemoryIsUsedAgain: whoever releases what it receives allocates a
// message, and nothing that grows with its items.
func TestReleasedMemoryIsUsedAgain(t *testing.T) {
	if racing {
		t.Skip("the race detector makes pools forget")
	}
	poisonReleased(t, false)
	const frames = 2000
	one := frameOf(t, &Message{Items: &Items{ID: 1, Items: itemsOf(100, 500)}})
	c := NewConn(&repeated{frame: one}, io.Discard, 0)
	receive := func() {
		m, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(m.Items.Items); n != 100 {
			t.Fatalf("%d items, want 100", n)
		}
		m.Release()
	}
	receive()
	spent := allocated(func() {
		for range frames {
			receive()
		}
	})
	// A garbage collection may empty the pools now and then.
	if per := spent / frames; per > 1000 {
		t.Errorf("%d bytes are allocated for a frame of %d, want at most 1000", per, len(one))
	}
}

// repeated is a stream of one frame, again and again, numbered as they must be.
type repeated struct {
	frame []byte
	at    int
	seq   uint32
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.at == len(r.frame) {
		r.at = 0
		r.seq++
		sealFrame(r.frame, kind(r.frame[1]), r.seq)
	}
	n := copy(p, r.frame[r.at:])
	r.at += n
	return n, nil
}

// TestEveryItemIsDecodedWithoutAnAllocation holds the promise of the codec: one
// allocation for a message, however many items and fields it has.
func TestEveryItemIsDecodedWithoutAnAllocation(t *testing.T) {
	if racing {
		t.Skip("the race detector makes pools forget")
	}
	poisonReleased(t, false)
	for _, n := range []int{1, 1000} {
		payload := frameOf(t, &Message{Items: &Items{ID: 1, Items: itemsOf(n, 100)}})[headerSize:]
		allocs := testing.AllocsPerRun(100, func() {
			m, err := decodeMessage(kindItems, payload, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Release()
		})
		if allocs > 1 {
			t.Errorf("%v allocations for %d items, want 1", allocs, n)
		}
	}
}

// TestBorrowedMemoryIsFreedWithItsLastMessage: items that lie in memory which is
// not ours, such as a mapping, keep it until the last of them is released, and
// nothing is written to it.
func TestBorrowedMemoryIsFreedWithItsLastMessage(t *testing.T) {
	poisonReleased(t, true)
	payload := frameOf(t, &Message{Items: &Items{ID: 1, Items: itemsOf(3, 10)}})[headerSize:]
	before := bytes.Clone(payload)
	freed := 0
	c := &chunk{b: payload, free: func() { freed++ }}
	c.users.Store(1)
	var messages []*Message
	for range 2 {
		m, err := decodeMessage(kindItems, payload, c)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	c.drop()
	for i, m := range messages {
		if freed != 0 {
			t.Fatalf("freed with %d messages unreleased", len(messages)-i)
		}
		m.Release()
	}
	if freed != 1 || !bytes.Equal(payload, before) {
		t.Errorf("freed %d times, want once; bytes changed: %v, want not", freed, !bytes.Equal(payload, before))
	}
}
