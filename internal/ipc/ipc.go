// Package ipc is the wire between the coordinator and a worker: messages in
// frames over two byte streams. It starts no process, names no mode and decides
// nothing: what a message means, whether it may come now and what to do with a
// peer that breaks the rules is the caller's business.
//
// # Who speaks
//
// The worker speaks first: it sends a Hello, and the coordinator answers with
// its own, which carries the options of the run. So a program that is no
// worker is found out before it is told anything. Then the coordinator sends
// Shards and at last Drain; the worker sends one Result for each job, Items
// before a Result whose list is long, a Heartbeat every [HeartbeatEvery] while
// it is busy, and at last Bye. A worker with a leash (feeds.Options.Leash) sends
// heartbeats when it is idle, too, and the coordinator answers each. The directions are independent: either side may
// send while the other one does.
//
// # Frames
//
// A frame is a header of 17 bytes and a payload, and both together and the payload
// alone are valid msgpack. A message has exactly one spelling, and nothing else is
// accepted; docs/protocol.md has it byte by byte. A frame leaves in one Write.
//
// A length is compared with the receiver's limit before anything is allocated, and a
// long payload is read in pieces of 1 MiB, so a lie costs at most 1 MiB beyond what
// really came. Inside a payload every count is compared with the bytes that remain, and
// every text that is kept has a bound of its own (see bounds.go).
//
// # Memory
//
// What travels most is items, so they are not copied: an item's strings lie
// where its frame was read to, and keep that alive. All else that a message
// has is its own.
//
// # Versions
//
// Both ends must speak the same [Version]. What never changes is the header and the
// first two fields of Hello, version and build, so that two programs of any versions can
// at least tell each other which they are.
//
// # Errors
//
// Recv returns io.EOF when the peer closed between two frames, an error that
// wraps io.ErrUnexpectedEOF when it closed inside one, and a [ProtocolError]
// when it broke the protocol. After an error a direction is dead: the same
// error comes back for ever.
package ipc

import "time"

// Version is the protocol's version. Both ends must speak the same one.
const Version = 6

// DefaultMaxFrame is the longest payload that a Conn accepts when it is told
// no other limit, in bytes. A feed's body is at most 50 MiB by default, and a text
// of an item is cut at 1 MiB, so no honest item comes near it.
const DefaultMaxFrame = 64 << 20

// PieceSize is the payload length, in bytes, above which SendResult begins
// another frame. It is a few times the usual size of a pipe: long enough that the
// cost of a frame vanishes, short enough that results of several workers take
// turns and memory stays flat.
const PieceSize = 256 << 10

// HeartbeatEvery is how often a busy worker says that it is alive.
const HeartbeatEvery = time.Second
