package ipc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"feedmill/internal/feeds"
)

// encode returns the frames of messages as one Conn sends them.
func encode(t testing.TB, messages ...Message) []byte {
	t.Helper()
	var b bytes.Buffer
	c := NewConn(strings.NewReader(""), &b, Options{})
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
func receive(r io.Reader, maxFrame uint32) ([]Message, error) {
	c := NewConn(r, io.Discard, Options{MaxFrame: maxFrame})
	var list []Message
	for {
		m, err := c.Recv()
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
}

func all() []Message {
	var list []Message
	for _, s := range samples() {
		list = append(list, s.m)
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
	for _, empty := range kinds {
		want := empty()
		t.Run(Name(want), func(t *testing.T) {
			var n int64
			fill(t, reflect.ValueOf(want).Elem(), &n)
			if h, ok := want.(*Hello); ok {
				h.Version = Version
			}
			if r, ok := want.(*Result); ok {
				r.Status = 404
			}
			got, err := receive(bytes.NewReader(encode(t, want)), 0)
			if err != io.EOF || len(got) != 1 {
				t.Fatalf("got %d messages and %v, want 1 and io.EOF", len(got), err)
			}
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("got  %+v\nwant %+v", got[0], want)
			}
		})
	}
}

func TestEveryOptionIsCarried(t *testing.T) {
	var want feeds.Options
	var n int64
	fill(t, reflect.ValueOf(&want).Elem(), &n)
	if got, err := DecodeOptions(EncodeOptions(want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if _, err := DecodeOptions([]byte{0x81, 0xa5, 'O', 't', 'h', 'e', 'r', 1}); err == nil {
		t.Error("an option that there is not is accepted")
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
	c := NewConn(nil, &w, Options{})
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
func join(t *testing.T, list []Message) *feeds.Result {
	t.Helper()
	var items []feeds.Item
	for _, m := range list[:len(list)-1] {
		part, ok := m.(*Items)
		if !ok {
			t.Fatalf("got %s before the Result, want Items", Name(m))
		}
		items = append(items, part.Items...)
	}
	r, ok := list[len(list)-1].(*Result)
	if !ok {
		t.Fatalf("last message is %s, want Result", Name(list[len(list)-1]))
	}
	r.Items = append(items, r.Items...)
	return &r.Result
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
		if err := NewConn(nil, &w, Options{}).SendResult(want); err != nil {
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
			if part, ok := m.(*Items); ok && len(part.Items) == 0 {
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
		Pacing: feeds.Pacing{MaxAge: math.MinInt64, RetryAfter: math.MinInt64, TTL: math.MinInt64, SkipHours: math.MaxUint32, SkipDays: 255},
		Cost:   feeds.Cost{Wire: math.MinInt64, Fetch: math.MinInt64, Parse: math.MinInt64}}
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
	if got := int64(len((&Items{ID: math.MinInt64}).append(nil))) + 4; got > itemsBound {
		t.Errorf("Items of up to %d bytes without items, bound %d", got, itemsBound)
	}
}

// TestSenderKeepsToThePeersLimit: what the peer would refuse is refused
// before the first byte, so that the job can still be answered.
func TestSenderKeepsToThePeersLimit(t *testing.T) {
	hello := encode(t, &Hello{Version: Version, MaxFrame: 100_000})
	var w countingWriter
	c := NewConn(bytes.NewReader(hello), &w, Options{})
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	// A first piece, and behind it what cannot go: none of it may be written.
	behind := func(it feeds.Item) *feeds.Result {
		return &feeds.Result{ID: 1, Class: feeds.OK, Items: append(itemsOf(3000, 100), it)}
	}
	var links []string
	for range feeds.MaxLinks {
		links = append(links, "https://example.org/"+strings.Repeat("x", 7<<10))
	}
	manyLinks := behind(feeds.Item{})
	manyLinks.Links = links
	for name, err := range map[string]error{
		"item":   c.SendResult(behind(feeds.Item{Content: strings.Repeat("x", 100_000)})),
		"result": c.SendResult(manyLinks),
		"shard":  c.Send(&Shard{Jobs: []feeds.Job{{URL: strings.Repeat("x", 100_000)}}}),
		"nested": c.SendResult(behind(feeds.Item{Categories: make([]string, maxNested+1)})),
		"items":  c.Send(&Items{Items: make([]feeds.Item, maxItems+1)}),
	} {
		if !errors.Is(err, ErrMessageTooLarge) {
			t.Errorf("%s: got %v, want %v", name, err, ErrMessageTooLarge)
		}
	}
	if w.writes != 0 {
		t.Errorf("%d writes, want none", w.writes)
	}
	if err := c.SendResult(&feeds.Result{ID: 1, Class: feeds.OK, Items: itemsOf(3000, 100)}); err != nil {
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
		c := NewConn(nil, w, Options{})
		first := c.Send(&Drain{})
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
	c := NewConn(bytes.NewReader(append(encode(t, append(want, want...)...), 0)), io.Discard, Options{})
	var got []Message
	for range 2 * len(want) {
		m, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	if !reflect.DeepEqual(got[:len(want)], want) {
		t.Error("messages changed after later ones were received")
	}
}

func TestAppendingToADecodedListLeavesTheNextAlone(t *testing.T) {
	got, _ := receive(bytes.NewReader(encode(t, &Items{Items: itemsOf(2, 1)})), 0)
	items := got[0].(*Items).Items
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
	_, err = CheckHello(got[0])
	v, ok := errors.AsType[*VersionError](err)
	if !ok || *v != (VersionError{Got: 7, Want: Version, Build: "feedmill v9"}) {
		t.Errorf("got %#v, want a VersionError of 7", err)
	}
	for want, v := range map[string]VersionError{
		"peer speaks protocol version 5, this program speaks 6":                       {Got: 5, Want: 6},
		`peer (build "feedmill v1") speaks protocol version 5, this program speaks 6`: {Got: 5, Want: 6, Build: "feedmill v1"},
	} {
		if got := v.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for want, e := range map[string]*ProtocolError{
		"protocol: not a frame": {Kind: ErrNotFrame}, "protocol: not a frame: where: \"x\"": {Kind: ErrNotFrame, Detail: "where", Text: `"x"`},
		"protocol: bad checksum: 3 bytes": {Kind: errChecksum, Detail: "3 bytes"},
	} {
		if e.Error() != want {
			t.Errorf("got %s, want %s", e, want)
		}
	}
	if _, err := CheckHello(&Drain{}); !errors.Is(err, errUnexpected) {
		t.Errorf("no Hello: got %v, want %v", err, errUnexpected)
	}
	if _, err := CheckHello(&Hello{Version: Version}); err != nil {
		t.Errorf("own version: got %v, want nil", err)
	}
}

// TestListsGoWhereTheyAreToldTo, in the same pieces: an Items without any stands for
// them, before the Result, and a result without items needs none.
func TestListsGoWhereTheyAreToldTo(t *testing.T) {
	var lists [][]feeds.Item
	var w countingWriter
	c := NewConn(nil, &w, Options{Lists: func(job int64, items []feeds.Item) error {
		if job != 5 || w.writes > 0 {
			t.Errorf("a list of job %d after %d frames, want all of job 5 before the first", job, w.writes)
		}
		lists = append(lists, items)
		return nil
	}})
	sent := &feeds.Result{ID: 5, Class: feeds.OK, Items: itemsOf(1000, 2000)}
	if err := c.SendResult(sent); err != nil {
		t.Fatal(err)
	}
	if err := c.SendResult(&feeds.Result{ID: 6, Class: feeds.OK}); err != nil {
		t.Fatal(err)
	}
	if got := slices.Concat(lists...); len(lists) != 9 || !reflect.DeepEqual(got, sent.Items) {
		t.Errorf("got %d items in %d lists, want all in 9", len(got), len(lists))
	}
	got, err := receive(&w.Buffer, 0)
	if want := []Message{&Items{ID: 5}, &Result{feeds.Result{ID: 5, Class: feeds.OK}}, &Result{feeds.Result{ID: 6, Class: feeds.OK}}}; err != io.EOF || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// TestAListThatCannotGoIsTheJobsError: nothing is sent behind it, and the Conn goes on.
func TestAListThatCannotGoIsTheJobsError(t *testing.T) {
	full := errors.New("full")
	var w countingWriter
	c := NewConn(nil, &w, Options{Lists: func(int64, []feeds.Item) error { return full }})
	if err := c.SendResult(&feeds.Result{ID: 5, Class: feeds.OK, Items: itemsOf(1, 1)}); !errors.Is(err, full) || w.writes > 0 {
		t.Errorf("got %v and %d frames, want %v and none", err, w.writes, full)
	}
	if err := c.Send(&Bye{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestAPauseComesBetweenPieces, in which others have their turn, and neither in a
// result that is one frame nor behind the last.
func TestAPauseComesBetweenPieces(t *testing.T) {
	var w countingWriter
	c := NewConn(nil, &w, Options{})
	var at []int
	c.Pause(func() {
		if err := c.Send(&Heartbeat{}); err != nil {
			t.Error(err)
		}
		at = append(at, w.writes)
	})
	for _, n := range []int{1, 1000} {
		if err := c.SendResult(&feeds.Result{ID: 5, Class: feeds.OK, Items: itemsOf(n, 2000)}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{3, 5, 7, 9, 11, 13, 15, 17}; !slices.Equal(at, want) || w.writes != 18 {
		t.Errorf("pauses after frames %v of %d, want %v of 18", at, w.writes, want)
	}
}

// TestThePeersLimitIsItsOwnWord, to the byte, and what it does not say is the default.
func TestThePeersLimitIsItsOwnWord(t *testing.T) {
	shard := func(n int) *Shard { return &Shard{Jobs: []feeds.Job{{URL: strings.Repeat("x", n)}}} }
	exact := uint32(len(shard(1000).append(nil)))
	for _, tt := range []struct {
		limit uint32
		n     int
		fits  bool
	}{{exact, 1000, true}, {exact, 1001, false}, {0, DefaultMaxFrame - 100, true}, {0, DefaultMaxFrame, false}} {
		var w bytes.Buffer
		c := NewConn(bytes.NewReader(encode(t, &Hello{Version: Version, MaxFrame: tt.limit})), &w, Options{})
		if _, err := c.Recv(); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(shard(tt.n)); (err == nil) != tt.fits {
			t.Errorf("limit %d, %d bytes: got %v, want it to go: %v", tt.limit, tt.n, err, tt.fits)
		}
		if got, err := receive(&w, tt.limit); err != io.EOF || (len(got) == 1) != tt.fits {
			t.Errorf("limit %d, %d bytes: the peer got %d frames, %v", tt.limit, tt.n, len(got), err)
		}
		if cap(c.next) > keepBuffer {
			t.Errorf("a buffer of %d bytes is kept, want at most %d", cap(c.next), keepBuffer)
		}
	}
}
