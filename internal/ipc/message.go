package ipc

import (
	"fmt"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// A Message is what one frame carries: one of the types of this file.
//
// To add one, write its struct with these three methods and give it a line in
// the table of kinds. The test of the protocol's document then asks for a
// sample.
type Message interface {
	kind() kind
	// append appends the payload.
	append(b []byte) []byte
	// decode reads the payload into the message, which is zero.
	decode(d *decoder)
}

// Hello is the first message in each direction.
type Hello struct {
	Version  uint32 // of the protocol; see Version
	Build    string // what the program was built from, for people: one line of at most 256 bytes
	MaxFrame uint32 // the longest payload that the sender accepts, in bytes; 0 means DefaultMaxFrame
	Sandbox  string // worker only: the sandbox level it reached, for people: one line of at most 256 bytes
	Options  []byte // coordinator only: what EncodeOptions returned
}

// Shard gives a worker a batch of jobs, to do in any order.
type Shard struct {
	Jobs []feeds.Job
}

// Items carries a part of a long item list. The Result of the same job comes
// later and carries the rest, so the whole list is all parts in order and then
// the Result's own.
type Items struct {
	ID    int64 // the job
	Items []feeds.Item
}

// Result answers a job.
type Result struct{ feeds.Result }

// Heartbeat is sent by a busy worker every HeartbeatEvery, and says what it does
// where it has no memory to say so in. The coordinator answers those of a worker
// with a leash, with the same At and nothing else.
type Heartbeat struct {
	At    time.Duration // when it was sent, by the worker's clock
	CPU   time.Duration // user and system time of the worker so far
	Job   int64         // whose document is read, 0 when none is
	Phase uint32        // of that, a board.Phase
	Bytes int64         // of that, taken by the parser
}

// Drain asks a worker to begin nothing more: jobs under way may finish, all
// others are answered as feeds.Cancelled, then comes Bye.
type Drain struct{}

// Bye is a worker's last message: every job it was given is answered.
type Bye struct {
	CPU time.Duration // user and system time of the worker
}

// A kind is the second byte of a frame: which message it carries.
type kind uint8

// The kinds. A number is never used again for something else: 6 was Cancel, 9
// to 11 were of a queue of jobs, 12 to 14 of modes that have messages of their
// own no more.
const (
	kindHello     kind = 1
	kindShard     kind = 2
	kindResult    kind = 3
	kindItems     kind = 4
	kindHeartbeat kind = 5
	kindDrain     kind = 7
	kindBye       kind = 8
)

// kinds makes an empty message of each kind.
var kinds = map[kind]func() Message{
	kindHello:     func() Message { return new(Hello) },
	kindShard:     func() Message { return new(Shard) },
	kindResult:    func() Message { return new(Result) },
	kindItems:     func() Message { return new(Items) },
	kindHeartbeat: func() Message { return new(Heartbeat) },
	kindDrain:     func() Message { return new(Drain) },
	kindBye:       func() Message { return new(Bye) },
}

func (*Hello) kind() kind     { return kindHello }
func (*Shard) kind() kind     { return kindShard }
func (*Result) kind() kind    { return kindResult }
func (*Items) kind() kind     { return kindItems }
func (*Heartbeat) kind() kind { return kindHeartbeat }
func (*Drain) kind() kind     { return kindDrain }
func (*Bye) kind() kind       { return kindBye }

func (k kind) String() string {
	if make := kinds[k]; make != nil {
		return Name(make())
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Name returns what kind of message m is, for logs: "Hello", say.
func Name(m Message) string { return strings.TrimPrefix(fmt.Sprintf("%T", m), "*ipc.") }

// about returns the job that a message answers, wholly or in part, and the
// items that it carries; 0 and nil for all other messages.
func about(m Message) (job int64, items []feeds.Item) {
	switch m := m.(type) {
	case *Result:
		return m.ID, m.Items
	case *Items:
		return m.ID, m.Items
	}
	return 0, nil
}

func (h *Hello) append(b []byte) []byte {
	b = appendArray(b, 5)
	b = appendUint(b, uint64(h.Version))
	b = appendString(b, h.Build)
	b = appendUint(b, uint64(h.MaxFrame))
	b = appendString(b, h.Sandbox)
	return appendString(b, string(h.Options))
}

// decode reads, of a Hello that has another version, the two fields that every
// version has.
func (h *Hello) decode(d *decoder) {
	n := d.list(1)
	h.Version = uint32(d.uintTo(1<<32 - 1))
	h.Build = d.line(maxLine)
	if h.Version != Version {
		d.rest()
		return
	}
	if n != 5 {
		d.fail("%d fields, want 5", n)
	}
	h.MaxFrame = uint32(d.uintTo(1<<32 - 1))
	h.Sandbox = d.line(maxLine)
	if o := d.text(maxOptions); o != "" {
		h.Options = []byte(o)
	}
}

func (s *Shard) append(b []byte) []byte {
	b = appendArray(appendArray(b, 1), len(s.Jobs))
	for i := range s.Jobs {
		b = appendJob(b, &s.Jobs[i])
	}
	return b
}

func (s *Shard) decode(d *decoder) {
	d.fields(1)
	if n := d.list(minJob); n > 0 {
		s.Jobs = make([]feeds.Job, n)
	}
	for i := range s.Jobs {
		if d.err != nil {
			return
		}
		d.job(&s.Jobs[i])
	}
}

func (it *Items) append(b []byte) []byte {
	b = appendArray(b, 2)
	b = appendInt(b, it.ID)
	return AppendItems(b, it.Items)
}

func (it *Items) decode(d *decoder) {
	d.fields(2)
	it.ID = d.int()
	it.Items = d.items()
}

func (r *Result) append(b []byte) []byte { return appendResult(b, &r.Result) }
func (r *Result) decode(d *decoder)      { d.result(&r.Result) }

func (h *Heartbeat) append(b []byte) []byte {
	b = appendInt(appendInt(appendArray(b, 5), int64(h.At)), int64(h.CPU))
	return appendInt(appendUint(appendInt(b, h.Job), uint64(h.Phase)), h.Bytes)
}

func (h *Heartbeat) decode(d *decoder) {
	d.fields(5)
	h.At, h.CPU = time.Duration(d.amount()), time.Duration(d.amount())
	h.Job = d.int()
	h.Phase = uint32(d.uintTo(1<<32 - 1))
	h.Bytes = d.amount()
}

func (*Drain) append(b []byte) []byte { return appendArray(b, 0) }
func (*Drain) decode(d *decoder)      { d.fields(0) }

func (y *Bye) append(b []byte) []byte { return appendInt(appendArray(b, 1), int64(y.CPU)) }

func (y *Bye) decode(d *decoder) {
	d.fields(1)
	y.CPU = time.Duration(d.amount())
}
