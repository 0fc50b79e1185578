package manager

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A manager may live on another machine, so whoever calls it proves that it has
// the key, and so does the manager, without either showing it: each signs the
// other's fresh number (HMAC-SHA256), as connections of CPython's multiprocessing
// do.
//
//	manager → caller   magic, nonce M
//	caller → manager   nonce C, session, HMAC(key, "caller" M C session)
//	manager → caller   HMAC(key, "manager" C M session)
//
// What follows is neither secret nor signed: across a network it belongs into a
// tunnel.

// KeySize is how long the key is that a coordinator makes for a manager of its
// own, in bytes: the first that such a manager reads from its stdin.
const KeySize = 32

const (
	handshakeMagic  = "fmmanag2"
	nonceSize       = 32
	sessionSize     = 16
	handshakeWithin = 5 * time.Second
)

// errWrongKey says that a manager and its caller do not have the same key.
var errWrongKey = errors.New("the two do not have the same key")

// A Session is what all callers of one run have in common: a manager drops its
// lists when the last of them is gone.
type Session [sessionSize]byte

// NewSession returns one that no other run has.
func NewSession() (s Session) {
	rand.Read(s[:])
	return s
}

// sign returns the proof of one side.
func sign(key []byte, who string, first, second []byte, s Session) []byte {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, who)
	mac.Write(first)
	mac.Write(second)
	mac.Write(s[:])
	return mac.Sum(nil)
}

// admit is the manager's side. It returns the caller's Session and the proof
// that lets the caller in once it is sent.
func admit(c net.Conn, key []byte) (s Session, proof []byte, err error) {
	c.SetDeadline(time.Now().Add(handshakeWithin))
	defer c.SetDeadline(time.Time{})
	ours := make([]byte, nonceSize)
	rand.Read(ours)
	if _, err := c.Write(append([]byte(handshakeMagic), ours...)); err != nil {
		return s, nil, err
	}
	answer := make([]byte, nonceSize+sessionSize+sha256.Size)
	if _, err := io.ReadFull(c, answer); err != nil {
		return s, nil, err
	}
	theirs, claim := answer[:nonceSize], answer[nonceSize+sessionSize:]
	copy(s[:], answer[nonceSize:])
	if !hmac.Equal(claim, sign(key, "caller", ours, theirs, s)) {
		return s, nil, errWrongKey
	}
	return s, sign(key, "manager", theirs, ours, s), nil
}

// introduce is the caller's side.
func introduce(c net.Conn, key []byte, s Session) error {
	c.SetDeadline(time.Now().Add(handshakeWithin))
	defer c.SetDeadline(time.Time{})
	hello := make([]byte, len(handshakeMagic)+nonceSize)
	if _, err := io.ReadFull(c, hello); err != nil {
		return err
	}
	if string(hello[:len(handshakeMagic)]) != handshakeMagic {
		return errors.New("it is no manager")
	}
	theirs := hello[len(handshakeMagic):]
	ours := make([]byte, nonceSize)
	rand.Read(ours)
	answer := append(append(ours[:nonceSize:nonceSize], s[:]...), sign(key, "caller", theirs, ours, s)...)
	if _, err := c.Write(answer); err != nil {
		return err
	}
	proof := make([]byte, sha256.Size)
	if _, err := io.ReadFull(c, proof); err != nil {
		// One who has not our key hangs up.
		return fmt.Errorf("%w (%w)", errWrongKey, err)
	}
	if !hmac.Equal(proof, sign(key, "manager", ours, theirs, s)) {
		return errWrongKey
	}
	return nil
}
