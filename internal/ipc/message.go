package ipc

import (
	"fmt"

	"feedmill/internal/feeds"
)

// A Message is what one frame carries. Exactly one of its fields is set, which
// both ends check.
type Message struct {
	Hello  *Hello
	Shard  *Shard
	Result *feeds.Result
	Items  *Items
	Tick   *Tick
	Cancel *Cancel
	Drain  *Drain
	Bye    *Bye
	Mapped *Mapped

	// Of the mode queue.
	Batch *Batch
	Claim *Claim
	Grant *Grant

	// Of the mode manager, between a manager and its callers.
	Call  *Call
	Reply *Reply

	hold hold // the memory of its items, when it was received; see Release
}

// Hello is the first message in each direction. The worker speaks first, so
// that a program which is no worker is found out before it is told anything.
type Hello struct {
	Version  uint32 // of the protocol; see Version
	Build    string // what the program was built from, for people
	MaxFrame uint32 // the longest payload that the sender accepts, in bytes; 0 means DefaultMaxFrame

	PID     int    // worker only
	Sandbox string // worker only: the sandbox level it reached, for people

	Options *feeds.Options // coordinator only
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

// Tick is sent by a busy worker every TickEvery: it is alive, and this is what
// it does.
type Tick struct {
	Parsing  int64 // the job whose document is being parsed; 0 when none is
	UnderWay int   // jobs begun and not answered
	Queued   int   // jobs received and not begun
}

// Cancel asks a worker to end one job, which it answers as feeds.Cancelled
// unless its answer is already on the way.
type Cancel struct {
	ID int64
}

// Drain asks a worker to begin nothing more: jobs under way may finish, all
// others are answered as feeds.Cancelled, then comes Bye.
type Drain struct{}

// Bye is a worker's last message: every job it was given is answered.
type Bye struct {
	Answered int // jobs answered in this worker's life
}

// Mapped says that a worker has handed over memory with frames in it, and how to
// check that it is the right memory. It takes no number of its own: it has that
// of the first of those frames. Only the mode shm has it, and callers of Recv
// never see it.
type Mapped struct {
	Frames int   // frames in the memory
	Bytes  int64 // where the last of them ends
}

// A kind is the second byte of a frame: which field of Message it carries.
type kind uint8

// The kinds. A number is never used again for something else.
const (
	kindHello  kind = 1
	kindShard  kind = 2
	kindResult kind = 3
	kindItems  kind = 4
	kindTick   kind = 5
	kindCancel kind = 6
	kindDrain  kind = 7
	kindBye    kind = 8
	kindBatch  kind = 9
	kindClaim  kind = 10
	kindGrant  kind = 11
	kindCall   kind = 13
	kindReply  kind = 14
	kindMapped kind = 12
)

var kindNames = [...]string{
	kindHello:  "Hello",
	kindShard:  "Shard",
	kindResult: "Result",
	kindItems:  "Items",
	kindTick:   "Tick",
	kindCancel: "Cancel",
	kindDrain:  "Drain",
	kindBye:    "Bye",
	kindBatch:  "Batch",
	kindClaim:  "Claim",
	kindGrant:  "Grant",
	kindCall:   "Call",
	kindReply:  "Reply",
	kindMapped: "Mapped",
}

func (k kind) known() bool { return int(k) < len(kindNames) && kindNames[k] != "" }

func (k kind) String() string {
	if k.known() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// kind returns which field is set, or an error that wraps ErrInvalidMessage
// unless exactly one is.
func (m *Message) kind() (kind, error) {
	var set kind
	n := 0
	for k, there := range [...]bool{
		kindHello:  m.Hello != nil,
		kindShard:  m.Shard != nil,
		kindResult: m.Result != nil,
		kindItems:  m.Items != nil,
		kindTick:   m.Tick != nil,
		kindCancel: m.Cancel != nil,
		kindDrain:  m.Drain != nil,
		kindBye:    m.Bye != nil,
		kindBatch:  m.Batch != nil,
		kindClaim:  m.Claim != nil,
		kindGrant:  m.Grant != nil,
		kindCall:   m.Call != nil,
		kindReply:  m.Reply != nil,
		kindMapped: m.Mapped != nil,
	} {
		if there {
			set = kind(k)
			n++
		}
	}
	if n != 1 {
		return 0, fmt.Errorf("%w: %d of its fields are set, want 1", ErrInvalidMessage, n)
	}
	return set, nil
}

// String returns the name of the field that is set, for logs.
func (m *Message) String() string {
	k, err := m.kind()
	if err != nil {
		return "invalid message"
	}
	return k.String()
}
