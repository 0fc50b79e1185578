// Package ipc is the wire between the coordinator and a worker: messages in
// frames over two byte streams. It starts no process, names no mode and decides
// nothing: what a message means, whether it may come now and what to do with a
// peer that breaks the rules is the caller's business. docs/protocol.md shows
// every frame byte by byte.
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
// A frame is a header of 17 bytes and a payload, and the whole is itself valid
// msgpack: an array of four elements.
//
//	94 | kind | ce seq32 | ce crc32c | c6 len32 | payload
//
// kind is one byte from 00 to 7f. seq counts the frames of one direction from
// 0 on and wraps. crc is the CRC-32C of the frame without the checksum's own
// four bytes. All numbers are big-endian. A frame leaves in one Write.
//
// # Payloads
//
// A payload is one msgpack array with one element for each field of the
// message, in the order of the Go struct; nested structs are arrays too. Every
// number, length and count has its shortest form, and nothing else is
// accepted, so that a message has exactly one spelling. Strings are bytes:
// they may be invalid UTF-8. The options of a run are the one exception: they
// go from the side that is trusted, once a process, as the msgpack library
// spells them.
//
// # Bounds
//
// A frame's length is compared with the receiver's limit before anything is
// allocated, and a long payload is read in pieces of 1 MiB, so a lie about the
// length costs at most 1 MiB beyond what really came. Each side says its limit
// in its Hello, and [Conn.Send] keeps to the peer's. Inside a payload every
// count is compared with the bytes that remain, and every text that is kept
// has a bound of its own (see bounds.go).
//
// # Memory
//
// What travels most is items, so they are not copied: an item's strings lie
// where its frame was read to, and keep that alive. All else that a message
// has is its own.
//
// # Versions
//
// Both ends must speak the same [Version]; [CheckHello] says so in words. Any
// change of a message's fields, of a kind's meaning or of the header is a new
// version, because fields are counted exactly. What never changes is the
// header and the first two fields of Hello, version and build, so that two
// programs of any versions can at least tell each other which they are.
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
