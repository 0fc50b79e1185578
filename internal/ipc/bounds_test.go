package ipc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// TestWhatAWorkerSaysIsBounded: each text at its bound goes through, and one byte
// more, or another kind of URL, breaks the protocol.
func TestWhatAWorkerSaysIsBounded(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	web := func(n int) string { return "https://example.org/" + long(n-len("https://example.org/")) }
	result := func(change func(*feeds.Result)) Message {
		r := &Result{feeds.Result{ID: 1, Class: feeds.OK}}
		change(&r.Result)
		return r
	}
	for name, tt := range map[string]struct{ good, bad Message }{
		"detail": {result(func(r *feeds.Result) { r.Detail = long(maxDetail) }), result(func(r *feeds.Result) { r.Detail = long(maxDetail + 1) })},
		"hint":   {result(func(r *feeds.Result) { r.Hint = long(maxDetail) }), result(func(r *feeds.Result) { r.Hint = long(maxDetail + 1) })},
		"title":  {result(func(r *feeds.Result) { r.Title = long(maxTitle) }), result(func(r *feeds.Result) { r.Title = long(maxTitle + 1) })},
		"link":   {result(func(r *feeds.Result) { r.Link = long(maxURL) }), result(func(r *feeds.Result) { r.Link = long(maxURL + 1) })},
		"etag": {result(func(r *feeds.Result) { r.Validators.ETag = long(maxValidator) }),
			result(func(r *feeds.Result) { r.Validators.ETag = long(maxValidator + 1) })},
		"last modified": {result(func(r *feeds.Result) { r.Validators.LastModified = long(maxValidator) }),
			result(func(r *feeds.Result) { r.Validators.LastModified = long(maxValidator + 1) })},
		"moved to":      {result(func(r *feeds.Result) { r.MovedTo = web(maxURL) }), result(func(r *feeds.Result) { r.MovedTo = web(maxURL + 1) })},
		"moved to http": {result(func(r *feeds.Result) { r.MovedTo = "http://h" }), result(func(r *feeds.Result) { r.MovedTo = "file:///etc/passwd" })},
		"moved to host": {result(func(r *feeds.Result) { r.MovedTo = "https://h/" }), result(func(r *feeds.Result) { r.MovedTo = "https:///etc" })},
		"moved to path": {result(func(r *feeds.Result) { r.MovedTo = "" }), result(func(r *feeds.Result) { r.MovedTo = "/etc/passwd" })},
		"moved to line": {result(func(r *feeds.Result) { r.MovedTo = "https://h/a%1b" }), result(func(r *feeds.Result) { r.MovedTo = "https://h/a\u009b" })},
		"links":         {result(func(r *feeds.Result) { r.Links = []string{web(maxURL)} }), result(func(r *feeds.Result) { r.Links = []string{web(maxURL + 1)} })},
		"links of http": {result(func(r *feeds.Result) { r.Links = []string{"http://h"} }), result(func(r *feeds.Result) { r.Links = []string{"ftp://h"} })},
		"many links": {result(func(r *feeds.Result) { r.Links = make([]string, feeds.MaxLinks) }),
			result(func(r *feeds.Result) { r.Links = make([]string, feeds.MaxLinks+1) })},
		"status":     {result(func(r *feeds.Result) { r.Status = 999 }), result(func(r *feeds.Result) { r.Status = 1000 })},
		"skip hours": {result(func(r *feeds.Result) { r.Pacing.SkipHours = 1 << 23 }), result(func(r *feeds.Result) { r.Pacing.SkipHours = 1 << 24 })},
		"skip days":  {result(func(r *feeds.Result) { r.Pacing.SkipDays = 1 << 6 }), result(func(r *feeds.Result) { r.Pacing.SkipDays = 1 << 7 })},
		"class":      {result(func(r *feeds.Result) { r.Class = feeds.Gone }), result(func(r *feeds.Result) { r.Class = "fine" })},
		"build":      {&Hello{Version: Version, Build: long(maxLine)}, &Hello{Version: Version, Build: long(maxLine + 1)}},
		"sandbox":    {&Hello{Version: Version, Sandbox: "landlock:7 – é"}, &Hello{Version: Version, Sandbox: "\x1b[2J"}},
		"del":        {&Hello{Version: Version, Build: "~"}, &Hello{Version: Version, Build: "\x7f"}},
		"c1":         {&Hello{Version: Version, Build: "\u00a0"}, &Hello{Version: Version, Build: "\u009b"}},
		"turned":     {&Hello{Version: Version, Build: "\u202f"}, &Hello{Version: Version, Build: "\u202e"}},
		"lines":      {&Hello{Version: Version, Build: " "}, &Hello{Version: Version, Build: "a\nb"}},
		"parted":     {&Hello{Version: Version, Build: "\u2027"}, &Hello{Version: Version, Build: "\u2028"}},
		"isolate":    {&Hello{Version: Version, Build: "\u2065"}, &Hello{Version: Version, Build: "\u2067"}},
		"embedded":   {&Hello{Version: Version, Build: "\u2026"}, &Hello{Version: Version, Build: "\u202a"}},
		"isolated":   {&Hello{Version: Version, Build: "\u206a"}, &Hello{Version: Version, Build: "\u2066"}},
		"released":   {&Hello{Version: Version, Build: "\u2030"}, &Hello{Version: Version, Build: "\u2069"}},
		"options":    {&Hello{Version: Version, Options: make([]byte, maxOptions)}, &Hello{Version: Version, Options: make([]byte, maxOptions+1)}},
	} {
		if got, err := receive(bytes.NewReader(encode(t, tt.good)), 0); err != io.EOF || !reflect.DeepEqual(got, []Message{tt.good}) {
			t.Errorf("%s: what is within its bound: %v, want it as it was sent", name, err)
		}
		if _, err := receive(bytes.NewReader(encode(t, tt.bad)), 0); !errors.Is(err, errMalformed) {
			t.Errorf("%s: what is beyond its bound: got %v, want %v", name, err, errMalformed)
		}
	}
}

// TestAnHonestResultIsMadeToFit: what a worker found is never a breach, only
// shorter.
func TestAnHonestResultIsMadeToFit(t *testing.T) {
	huge := strings.Repeat("ü", 1<<20)
	sent := &feeds.Result{ID: 1, Class: feeds.OK, Detail: huge, Hint: huge, Title: huge, Link: huge, MovedTo: "https://h/" + huge,
		Validators: feeds.Validators{ETag: huge, LastModified: huge}, Pacing: feeds.Pacing{MaxAge: time.Hour}}
	before := *sent
	var w bytes.Buffer
	if err := NewConn(nil, &w, Options{}).SendResult(sent); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*sent, before) {
		t.Error("the caller's result was changed")
	}
	got, err := receive(&w, 0)
	if err != io.EOF || len(got) != 1 {
		t.Fatalf("got %d messages, %v", len(got), err)
	}
	r := got[0].(*Result).Result
	for name, s := range map[string]struct {
		got   string
		limit int
	}{"detail": {r.Detail, maxDetail}, "hint": {r.Hint, maxDetail}, "title": {r.Title, maxTitle}} {
		if n := len(s.got); n > s.limit || n < s.limit-4 || !strings.HasPrefix(s.got, "üü") || !strings.HasSuffix(s.got, "ü…") {
			t.Errorf("%s is cut to %d bytes, %q, want nearly %d", name, n, s.got[max(0, n-8):], s.limit)
		}
	}
	if r.Link+r.MovedTo+r.Validators.ETag+r.Validators.LastModified != "" || r.Pacing != sent.Pacing {
		t.Errorf("got link of %d bytes and validators of %d, want none; pacing %v", len(r.Link), len(r.Validators.ETag), r.Pacing)
	}
	full := feeds.Result{Detail: huge[:maxDetail], Hint: huge[:maxDetail], Title: huge[:maxTitle], Link: huge[:maxURL],
		MovedTo: "https://h/" + huge[:maxURL-len("https://h/")], Validators: feeds.Validators{ETag: huge[:maxValidator], LastModified: huge[:maxValidator]}}
	whole := full
	if fit(&full); !reflect.DeepEqual(full, whole) {
		t.Error("what is just within its bounds was changed")
	}
	for moved, want := range map[string]string{"javascript:alert(1)": "", "https://h/": "https://h/"} {
		r := feeds.Result{MovedTo: moved}
		if fit(&r); r.MovedTo != want {
			t.Errorf("moved to %q is sent as %q, want %q", moved, r.MovedTo, want)
		}
	}
}

// TestANumberHasOneSpelling: of every form at its ends, and none that is longer
// than it need be.
func TestANumberHasOneSpelling(t *testing.T) {
	for _, n := range []int64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64,
		-1, -32, -33, math.MinInt8, math.MinInt8 - 1, math.MinInt16, math.MinInt16 - 1, math.MinInt32, math.MinInt32 - 1, math.MinInt64} {
		b := appendInt(nil, n)
		d := &decoder{b: b, size: len(b)}
		if got := d.int(); got != n || d.end() != nil {
			t.Errorf("%d is read from %x as %d, %v", n, b, got, d.err)
		}
		d = &decoder{b: append(b, make([]byte, 16)...), size: len(b) + 16} // where the quick forms are read
		if got := d.int(); got != n || len(d.b) != 16 {
			t.Errorf("%d is read from %x before other bytes as %d, %d left", n, b, got, len(d.b))
		}
	}
	for _, b := range [][]byte{
		{0xcc, 127}, {0xcd, 0, 255}, {0xce, 0, 0, 255, 255}, {0xcf, 0, 0, 0, 0, 255, 255, 255, 255}, {0xcf, 255, 0, 0, 0, 0, 0, 0, 0},
		{0xd0, 0xe0}, {0xd0, 5}, {0xd1, 0xff, 0x80}, {0xd1, 0, 5}, {0xd2, 0xff, 0xff, 0x80, 0}, {0xd2, 0, 0, 0, 5},
		{0xd3, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0}, {0xd3, 0, 0, 0, 0, 0, 0, 0, 5}, {0xc0}, {0xcb, 0, 0, 0, 0, 0, 0, 0, 0}, {},
	} {
		for _, tail := range []int{0, 16} {
			d := &decoder{b: append(bytes.Clone(b), make([]byte, tail)...), size: len(b) + tail}
			if got := d.int(); d.err == nil && tail == 0 || got != 0 && d.err == nil {
				t.Errorf("%x is read as %d", b, got)
			}
		}
	}
}

// TestAStringAndAListHaveOneSpelling: the same of lengths, and of a key.
func TestAStringAndAListHaveOneSpelling(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("s", n)
		b := appendString(nil, s)
		for _, tail := range []int{0, 3} {
			d := &decoder{b: append(bytes.Clone(b), make([]byte, tail)...), size: len(b) + tail}
			if got := d.string(); got != s || len(d.b) != tail || d.err != nil {
				t.Errorf("a string of %d bytes is read as one of %d, %d left, %v", n, len(got), len(d.b), d.err)
			}
		}
		l := append(appendArray(nil, n), make([]byte, n)...)
		d := &decoder{b: l, size: len(l)}
		if got := d.list(1); got != n || len(d.b) != n || d.err != nil {
			t.Errorf("a list of %d is read as one of %d, %d left, %v", n, got, len(d.b), d.err)
		}
	}
	for name, b := range map[string][]byte{
		"str8 of 31": append([]byte{0xd9, 31}, make([]byte, 40)...), "str16 of 255": append([]byte{0xda, 0, 255}, make([]byte, 300)...),
		"str32 of 65535": append([]byte{0xdb, 0, 0, 255, 255}, make([]byte, 70000)...), "a number": {1, 1, 1}, "cut": {0xa2, 'x'}, "nothing": {},
		"str8 cut": {0xd9}, "str16 cut": {0xda, 1},
	} {
		d := &decoder{b: b, size: len(b)}
		if got := d.string(); got != "" || d.err == nil {
			t.Errorf("%s is read as a string of %d bytes", name, len(got))
		}
	}
	for name, b := range map[string][]byte{
		"array16 of 15": append([]byte{0xdc, 0, 15}, make([]byte, 40)...), "array32 of 65535": append([]byte{0xdd, 0, 0, 255, 255}, make([]byte, 70000)...),
		"a number": {1}, "more than there is": {0x93, 1, 1}, "nothing": {},
	} {
		d := &decoder{b: b, size: len(b)}
		if got := d.list(1); got != 0 || d.err == nil {
			t.Errorf("%s is read as a list of %d", name, got)
		}
	}
	for name, head := range map[string][]byte{"a string": {0xd9, 16}, "bin8 of 15": {0xc4, 15}, "bin8 of 16": {0xc4, 16}} {
		var k feeds.Key
		d := &decoder{b: append(head, bytes.Repeat([]byte{7}, 16)...), size: 18}
		d.key(&k)
		if good := name == "bin8 of 16"; (d.err == nil) != good || (k[15] == 7) != good {
			t.Errorf("%s is read as the key %x, %v", name, k, d.err)
		}
	}
	for _, c := range []byte{0xc0, 0xc1, 0xc4, 0} {
		d := &decoder{b: []byte{c}, size: 1}
		if d.bool(); d.err == nil {
			t.Errorf("%02x is read as true or false", c)
		}
	}
}

// TestAFullListIsNotSent: as many items, or lists within them, as a frame may not
// have, though they would fit.
func TestAFullListIsNotSent(t *testing.T) {
	lists := make([]feeds.Item, 2)
	for i := range lists {
		lists[i].Categories = make([]string, maxNested/2+1)
	}
	both := []feeds.Item{{Categories: make([]string, maxNested-1)}, {Enclosures: make([]feeds.Enclosure, 2)}}
	for name, items := range map[string][]feeds.Item{"items": make([]feeds.Item, maxItems+1), "lists": lists, "lists of both kinds": both} {
		var w bytes.Buffer
		if err := NewConn(nil, &w, Options{}).Send(&Items{Items: items}); !errors.Is(err, ErrMessageTooLarge) || w.Len() > 0 {
			t.Errorf("%s: got %v and %d bytes, want %v", name, err, w.Len(), ErrMessageTooLarge)
		}
		frame := frame(kindItems, 0, (&Items{Items: items}).append(nil))
		if _, err := receive(bytes.NewReader(frame), 0); !errors.Is(err, errMalformed) {
			t.Errorf("%s: received with %v, want %v", name, err, errMalformed)
		}
	}
	full, one := make([]feeds.Item, maxItems), []feeds.Item{{Categories: make([]string, maxNested)}}
	full[0].Categories, full[1].Enclosures = make([]string, maxNested-1), make([]feeds.Enclosure, 1)
	for _, items := range [][]feeds.Item{full, one} {
		if got, err := receive(bytes.NewReader(encode(t, &Items{Items: items})), 0); err != io.EOF || len(got[0].(*Items).Items) != len(items) {
			t.Errorf("as much as there may be, in %d items: %v", len(items), err)
		}
	}
}

// TestTheLeastIsWhatAnEmptyOneTakes: a count is compared with what remains by it, so a
// lower one would let a lie allocate more, and a higher one refuse the truth.
func TestTheLeastIsWhatAnEmptyOneTakes(t *testing.T) {
	known := feeds.Job{Known: make([]feeds.Known, 1)}
	file := feeds.Item{Enclosures: make([]feeds.Enclosure, 1)}
	for name, n := range map[string][2]int{
		"job":       {len(appendJob(nil, new(feeds.Job))), minJob},
		"known":     {len(appendJob(nil, &known)) - minJob, minKnown},
		"item":      {len(appendItem(nil, new(feeds.Item))), minItem},
		"enclosure": {len(appendItem(nil, &file)) - minItem, minEnclosure},
	} {
		if n[0] != n[1] {
			t.Errorf("an empty %s takes %d bytes, want %d", name, n[0], n[1])
		}
	}
}

// A stuck reader gives nothing and no error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestAReaderThatGivesNothingIsGivenUp(t *testing.T) {
	if _, err := NewConn(stuck{}, nil, Options{}).Recv(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}
