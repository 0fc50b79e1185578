package ipc

import (
	"errors"
	"fmt"
	"net"
	"time"

	"feedmill/internal/feeds"
)

// A CarrierError says that what a mode's processes share is gone: a manager,
// say. It is nobody's fault who notices.
type CarrierError struct{ Err error }

func (e *CarrierError) Error() string { return "carrier: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CarrierError) Unwrap() error { return e.Err }

// An Address is where a manager is and what it must be told.
type Address struct {
	Network, Addr string // as of net.Dial
	Key           []byte // that the manager has too
}

// A proxy stands for a manager's dictionary. It has a connection of its own and
// waits for every answer, so one goroutine at a time uses it.
type proxy struct {
	net  net.Conn
	conn *Conn
}

// dialManager connects to a manager, for a session.
func dialManager(a Address, s session) (*proxy, error) {
	c, err := net.DialTimeout(a.Network, a.Addr, handshakeWithin)
	if err != nil {
		return nil, &CarrierError{err}
	}
	if err := introduce(c, a.Key, s); err != nil {
		c.Close()
		return nil, &CarrierError{fmt.Errorf("manager at %s: %w", a.Addr, err)}
	}
	return &proxy{c, NewConn(c, c, 0)}, nil
}

// call does one call and returns the first reply to it.
func (p *proxy) call(c *Call) (*Message, error) {
	if err := p.conn.Send(&Message{Call: c}); err != nil {
		if errors.Is(err, ErrMessageTooLarge) {
			return nil, err
		}
		return nil, &CarrierError{err}
	}
	return p.reply()
}

func (p *proxy) reply() (*Message, error) {
	m, err := p.conn.Recv()
	if err == nil && m.Reply == nil {
		err = &ProtocolError{Kind: ErrUnexpected, Detail: m.String() + " from a manager"}
	}
	if err != nil {
		return nil, &CarrierError{err}
	}
	return m, nil
}

// add appends items to a list, by one call or by one for each.
func (p *proxy) add(method Method, incarnation uint32, job int64, items []feeds.Item) error {
	n := len(items)
	if method == MethodAppend {
		n = 1
	}
	for ; len(items) > 0; items = items[n:] {
		m, err := p.call(&Call{Method: method, Incarnation: incarnation, ID: job, Items: items[:n]})
		if err != nil {
			return err
		}
		if m.Reply.Error != "" {
			return fmt.Errorf("%w: %s", ErrMessageTooLarge, m.Reply.Error)
		}
	}
	return nil
}

// forget drops all lists of an incarnation.
func (p *proxy) forget(incarnation uint32) error {
	_, err := p.call(&Call{Method: MethodForget, Incarnation: incarnation})
	return err
}

// hurry makes everything fail that is not done by then.
func (p *proxy) hurry(by time.Time) { p.net.SetDeadline(by) }

func (p *proxy) close() error { return p.net.Close() }
