package ipc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"feedmill/internal/feeds"
)

// encode returns the frames of messages as one Conn sends them.
func encode(t testing.TB, messages ...*Message) []byte {
	t.Helper()
	var b bytes.Buffer
	c := NewConn(strings.NewReader(""), &b, 0)
	for _, m := range messages {
		if err := c.Send(m); err != nil {
			t.Fatalf("send %s: %v", m, err)
		}
	}
	if c.Sent() != int64(b.Len()) {
		t.Errorf("Sent() = %d, want %d", c.Sent(), b.Len())
	}
	return b.Bytes()
}

// receive returns the messages that r holds and the error that ends them.
func receive(r io.Reader, maxFrame uint32) ([]*Message, error) {
	c := NewConn(r, io.Discard, maxFrame)
	var list []*Message
	for {
		m, err := c.Recv()
		if err != nil {
			return list, err
		}
		m.hold = hold{} // so that it compares equal to one that was never sent
		list = append(list, m)
	}
}

// kinds is how many fields of Message a frame can carry: those that are
// exported.
var kinds = func() (n int) {
	for f := range reflect.TypeFor[Message]().Fields() {
		if f.IsExported() {
			n++
		}
	}
	return n
}()

func all() []*Message {
	var list []*Message
	for _, s := range samples() {
		list = append(list, &s.m)
	}
	return list
}

func TestEveryMessageArrivesThroughEveryReader(t *testing.T) {
	want := all()
	wire := encode(t, want...)
	readers := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"one byte": iotest.OneByteReader,
		"half":     iotest.HalfReader,
		"data err": iotest.DataErrReader,
		"one byte with data err": func(r io.Reader) io.Reader {
			return iotest.DataErrReader(iotest.OneByteReader(r))
		},
	}
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			got, err := receive(wrap(bytes.NewReader(wire)), 0)
			if err != io.EOF {
				t.Errorf("end: got %v, want io.EOF itself", err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %d messages %v\nwant %d messages %v", len(got), got, len(want), want)
			}
		})
	}
}

// TestEveryFieldIsCarried fails when someone adds a field to a type that
// travels and forgets the codec.
func TestEveryFieldIsCarried(t *testing.T) {
	shapes := reflect.TypeFor[Message]()
	for i := range kinds {
		t.Run(shapes.Field(i).Name, func(t *testing.T) {
			want := new(Message)
			var n int64
			fill(t, reflect.ValueOf(want).Elem().Field(i), &n)
			if want.Hello != nil {
				want.Hello.Version = Version
			}
			got, err := receive(bytes.NewReader(encode(t, want)), 0)
			if err != io.EOF || len(got) != 1 {
				t.Fatalf("got %d messages and %v, want 1 and io.EOF", len(got), err)
			}
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("got  %+v\nwant %+v", reflect.ValueOf(got[0]).Elem().Field(i).Elem(), reflect.ValueOf(want).Elem().Field(i).Elem())
			}
		})
	}
}

func TestMessageWithoutExactlyOneFieldIsNotSent(t *testing.T) {
	for set := range 1 << kinds {
		var m Message
		n := 0
		for i := range kinds {
			if set&(1<<i) != 0 {
				f := reflect.ValueOf(&m).Elem().Field(i)
				f.Set(reflect.New(f.Type().Elem()))
				n++
			}
		}
		var b bytes.Buffer
		err := NewConn(nil, &b, 0).Send(&m)
		if n == 1 && err != nil {
			t.Errorf("%s: got %v, want nil", &m, err)
		}
		if n != 1 && (!errors.Is(err, ErrInvalidMessage) || b.Len() != 0) {
			t.Errorf("%d fields set: got %v and %d bytes, want %v and none", n, err, b.Len(), ErrInvalidMessage)
		}
	}
}

// A countingWriter counts writes and what they carry.
type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func TestFrameLeavesInOneWrite(t *testing.T) {
	var w countingWriter
	c := NewConn(nil, &w, 0)
	for i, m := range all() {
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
		if w.writes != i+1 {
			t.Errorf("%s: %d writes after %d messages", m, w.writes, i+1)
		}
	}
}

// join puts the pieces of one job's list together, as a receiver does.
func join(t *testing.T, list []*Message) *feeds.Result {
	t.Helper()
	var items []feeds.Item
	for _, m := range list[:len(list)-1] {
		if m.Items == nil {
			t.Fatalf("got %s before the Result, want Items", m)
		}
		items = append(items, m.Items.Items...)
	}
	r := list[len(list)-1].Result
	if r == nil {
		t.Fatalf("last message is %s, want Result", list[len(list)-1])
	}
	r.Items = append(items, r.Items...)
	return r
}

func itemsOf(n, content int) []feeds.Item {
	items := make([]feeds.Item, n)
	for i := range items {
		items[i] = feeds.Item{Key: feeds.Key{byte(i), byte(i >> 8)}, Hash: uint64(i) * 7919, GUID: "g",
			Content: strings.Repeat("x", content), Categories: []string{"a", "b"}}
	}
	return items
}

func TestLongListGoesInPiecesAndArrivesWhole(t *testing.T) {
	for _, c := range []struct{ n, content, frames int }{
		{0, 0, 1}, {1, 10, 1}, {100, 2000, 1}, {1000, 2000, 9}, {20000, 0, 8},
		{3, PieceSize, 4}, {1, 2 << 20, 2}, {1, PieceSize - 400, 1},
	} {
		want := &feeds.Result{ID: 5, Class: feeds.OK, Title: "t", Items: itemsOf(c.n, c.content), Seen: c.n, New: c.n}
		var w countingWriter
		if err := NewConn(nil, &w, 0).SendResult(want); err != nil {
			t.Fatal(err)
		}
		if w.writes != c.frames {
			t.Errorf("%d items of %d bytes: %d frames, want %d", c.n, c.content, w.writes, c.frames)
		}
		if len(want.Items) != c.n {
			t.Errorf("SendResult changed its argument: %d items, want %d", len(want.Items), c.n)
		}
		got, err := receive(&w.Buffer, 0)
		if err != io.EOF {
			t.Fatal(err)
		}
		for _, m := range got {
			if m.Items != nil && len(m.Items.Items) == 0 {
				t.Errorf("%d items of %d bytes: an Items message is empty", c.n, c.content)
			}
		}
		r := join(t, got)
		if len(r.Items) == 0 {
			want.Items = r.Items // nil and empty are one on the wire
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("%d items of %d bytes: joined result differs", c.n, c.content)
		}
	}
}

func TestBoundsHold(t *testing.T) {
	long := strings.Repeat("x", 70000)
	res := feeds.Result{ID: math.MinInt64, Class: feeds.LimitNamespace, Detail: long, Hint: long, Status: math.MinInt, Attempts: math.MinInt,
		MovedTo: long, Validators: feeds.Validators{ETag: long, LastModified: long}, BodyHash: math.MaxUint64, Title: long, Link: long,
		Seen: math.MinInt, New: math.MinInt, Updated: math.MinInt,
		Pacing: feeds.Pacing{MaxAge: math.MinInt64, RetryAfter: math.MinInt64, TTL: math.MinInt64, SkipHours: math.MaxUint32, SkipDays: 255},
		Cost:   feeds.Cost{Wire: math.MinInt64, Decoded: math.MinInt64, Fetch: math.MinInt64, Parse: math.MinInt64}}
	// 4 bytes are what the length of a list of items may still grow by.
	if got, bound := int64(len(appendResult(nil, &res)))+4, resultBound(&res); got > bound {
		t.Errorf("result of up to %d bytes, bound %d", got, bound)
	}
	it := feeds.Item{Hash: math.MaxUint64, GUID: long, Link: long, Title: long, Author: long, Summary: long, Content: long, Image: long,
		Published: math.MinInt64, Updated: math.MinInt64, Categories: make([]string, 70000), Enclosures: make([]feeds.Enclosure, 70000)}
	for i := range it.Enclosures {
		it.Enclosures[i].Length = math.MinInt64
	}
	it.Categories[0] = long
	if got, bound := int64(len(appendItem(nil, &it))), itemBound(&it); got > bound {
		t.Errorf("item of %d bytes, bound %d", got, bound)
	}
	if got := int64(len(appendItems(nil, &Items{ID: math.MinInt64}))) + 4; got > itemsBound {
		t.Errorf("Items of up to %d bytes without items, bound %d", got, itemsBound)
	}
}

// TestSenderKeepsToThePeersLimit: what the peer would refuse is refused
// before the first byte, so that the job can still be answered.
func TestSenderKeepsToThePeersLimit(t *testing.T) {
	hello := encode(t, &Message{Hello: &Hello{Version: Version, MaxFrame: 100_000}})
	var w countingWriter
	c := NewConn(bytes.NewReader(hello), &w, 0)
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	items := append(itemsOf(3000, 100), feeds.Item{Content: strings.Repeat("x", 100_000)})
	long := &feeds.Result{ID: 1, Class: feeds.OK, Items: items}
	for name, err := range map[string]error{
		"item":   c.SendResult(long),
		"result": c.SendResult(&feeds.Result{ID: 1, Class: feeds.OK, Title: strings.Repeat("x", 100_000)}),
		"shard":  c.Send(&Message{Shard: &Shard{Jobs: []feeds.Job{{URL: strings.Repeat("x", 100_000)}}}}),
		"nested": c.SendResult(&feeds.Result{Class: feeds.OK, Items: []feeds.Item{{Categories: make([]string, maxNested+1)}}}),
		"items":  c.Send(&Message{Items: &Items{Items: make([]feeds.Item, maxItems+1)}}),
	} {
		if !errors.Is(err, ErrMessageTooLarge) {
			t.Errorf("%s: got %v, want %v", name, err, ErrMessageTooLarge)
		}
	}
	if w.writes != 0 {
		t.Errorf("%d writes, want none", w.writes)
	}
	long.Items = long.Items[:3000]
	if err := c.SendResult(long); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	got, err := receive(&w.Buffer, 100_000)
	if err != io.EOF {
		t.Fatalf("the peer's view: %v", err)
	}
	if r := join(t, got); len(r.Items) != 3000 {
		t.Errorf("%d items arrived, want 3000", len(r.Items))
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write(p []byte) (int, error) { return len(p) / 2, w.err }

func TestFailedWriteEndsSending(t *testing.T) {
	for want, w := range map[error]io.Writer{
		io.ErrClosedPipe: failingWriter{io.ErrClosedPipe},
		io.ErrShortWrite: failingWriter{},
	} {
		c := NewConn(nil, w, 0)
		first := c.Send(&Message{Drain: &Drain{}})
		if !errors.Is(first, want) {
			t.Errorf("got %v, want %v", first, want)
		}
		if again := c.SendResult(&feeds.Result{Class: feeds.OK}); again != first {
			t.Errorf("again: got %v, want %v", again, first)
		}
	}
}

func TestStringsOutliveTheNextFrames(t *testing.T) {
	want := all()
	c := NewConn(bytes.NewReader(append(encode(t, append(want, want...)...), 0)), io.Discard, 0)
	var got []*Message
	for range 2 * len(want) {
		m, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		m.hold = hold{}
		got = append(got, m)
	}
	if !reflect.DeepEqual(got[:len(want)], want) {
		t.Error("messages changed after later ones were received")
	}
}

func TestAppendingToADecodedListLeavesTheNextAlone(t *testing.T) {
	got, _ := receive(bytes.NewReader(encode(t, &Message{Items: &Items{Items: itemsOf(2, 1)}})), 0)
	items := got[0].Items.Items
	items[0].Categories = append(items[0].Categories, "more")
	if c := items[1].Categories[0]; c != "a" {
		t.Errorf("the next item's category became %q", c)
	}
}

func TestOtherVersionIsReadableAndPermanent(t *testing.T) {
	// A Hello of a version to come: eight fields, of which two are known.
	payload := appendArray(nil, 8)
	payload = appendUint(payload, 7)
	payload = appendString(payload, "feedmill v9")
	payload = append(payload, 0xc0, 0x80, 0xcb, 1, 2, 3)
	frame := append(reserveHeader(nil), payload...)
	sealFrame(frame, kindHello, 0)
	got, err := receive(bytes.NewReader(frame), 0)
	if err != io.EOF || len(got) != 1 {
		t.Fatalf("got %d messages and %v", len(got), err)
	}
	err = CheckHello(got[0].Hello)
	v, ok := errors.AsType[*VersionError](err)
	if !ok || *v != (VersionError{Got: 7, Want: Version, Build: "feedmill v9"}) {
		t.Errorf("got %#v, want a VersionError of 7", err)
	}
	if err := CheckHello(nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("no Hello: got %v, want %v", err, ErrUnexpected)
	}
	if err := CheckHello(&Hello{Version: Version}); err != nil {
		t.Errorf("own version: got %v, want nil", err)
	}
}
