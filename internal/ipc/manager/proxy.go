package manager

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// callWithin bounds the time for one answer. It is less than the patience with a
// worker, which is not to be blamed for it.
const callWithin = 10 * time.Second

// An Address is where a server is and what it must be told.
type Address struct {
	Network, Addr string // as of net.Dial
	Key           []byte // that the server has too
}

// ErrRefused says that a server did not do what it was asked for, and can go on.
// Any other error of a Proxy is final.
var ErrRefused = errors.New("the manager refuses")

// A Proxy stands for a server's dictionary. It has a connection of its own and
// waits at most ten seconds for every answer, so one goroutine at a time uses
// it.
type Proxy struct {
	c    net.Conn
	in   *bufio.Reader
	next []byte // for the next request
}

// Dial connects to the server at a, for a session. The caller closes the Proxy.
func Dial(a Address, s Session) (*Proxy, error) {
	c, err := net.DialTimeout(a.Network, a.Addr, handshakeWithin)
	if err != nil {
		return nil, err
	}
	if err := introduce(c, a.Key, s); err != nil {
		c.Close()
		return nil, fmt.Errorf("manager at %s: %w", a.Addr, err)
	}
	return &Proxy{c: c, in: bufio.NewReader(c)}, nil
}

// Add adds part at the end of a list.
func (p *Proxy) Add(generation uint32, job int64, part []byte) error {
	_, err := p.call(&request{methodAdd, generation, job, part})
	return err
}

// Get returns the parts of a list, which the server then no longer has.
func (p *Proxy) Get(generation uint32, job int64) ([][]byte, error) {
	return p.call(&request{methodGet, generation, job, nil})
}

// Forget drops all lists of a generation.
func (p *Proxy) Forget(generation uint32) error {
	_, err := p.call(&request{methodForget, generation, 0, nil})
	return err
}

// Close hangs up.
func (p *Proxy) Close() error { return p.c.Close() }

// call does one call and returns the parts of the answer, which together have at
// most maxHeld bytes.
func (p *Proxy) call(r *request) ([][]byte, error) {
	p.c.SetDeadline(time.Now().Add(callWithin))
	p.next = r.append(p.next[:0])
	if _, err := p.c.Write(p.next); err != nil {
		return nil, err
	}
	var b [5]byte
	if _, err := io.ReadFull(p.in, b[:]); err != nil {
		return nil, err
	}
	var parts [][]byte
	left := int64(maxHeld)
	for range binary.BigEndian.Uint32(b[1:]) {
		part, err := readPart(p.in, min(left, maxPart))
		if err != nil {
			return nil, err
		}
		left -= int64(len(part)) + 1
		parts = append(parts, part)
	}
	if b[0] != 0 {
		why := "it does not say why"
		if len(parts) > 0 {
			why = string(parts[0][:min(len(parts[0]), 200)])
		}
		return nil, fmt.Errorf("%w: %q", ErrRefused, why)
	}
	return parts, nil
}
