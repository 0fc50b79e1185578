//go:build unix

package ipc

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// The mode manager: lists live in a dictionary that a server process holds.
// Workers add to it and the coordinator takes from it, each through a proxy
// with a connection of its own; stdin and stdout carry all else. On stdout an
// empty Items stands for a list that is to be had from the manager.

func init() {
	for m, method := range map[Mode]Method{ModeManager: MethodExtend, ModeManagerAppend: MethodAppend} {
		wirings[m] = wiring{newManaged, func(w WorkerEnd) (*Conn, error) { return connectManaged(w, method) }}
	}
}

const (
	// callWithin bounds the time for one answer of a manager. It is less than
	// the patience with a worker, which is not to be blamed for it.
	callWithin = 10 * time.Second
	// managerTries is how many managers in a row may fail one line.
	managerTries = 3
)

// managed is the carrier of the mode.
type managed struct {
	o       CarrierOptions
	session session
}

func newManaged(o CarrierOptions) (Carrier, error) {
	if o.Manager == nil {
		return nil, fmt.Errorf("%w: there is no manager", ErrInvalidMessage)
	}
	c := &managed{o: o}
	rand.Read(c.session[:])
	return c, nil
}

func (c *managed) Close() error { return nil }

// Join implements Carrier.
func (c *managed) Join(e End) (Line, error) {
	var p *proxy
	var a Address
	var err error
	for range managerTries {
		if a, err = c.o.Manager(a); err != nil {
			return nil, err
		}
		if p, err = dialManager(a, c.session); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	told, err := writtenPipe(a, c.session)
	if err != nil {
		p.close()
		return nil, err
	}
	return &managedLine{
		Conn: NewConn(e.Stdout, e.Stdin, c.o.MaxFrame), stdout: e.Stdout, told: told,
		proxy: p, address: a, session: c.session, incarnation: e.Incarnation,
	}, nil
}

// writtenPipe returns a pipe with what a worker must know to reach a manager. A
// key is not for the arguments of a process, which everybody can read.
func writtenPipe(a Address, s session) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n%x\n%x\n", a.Network, a.Addr, a.Key, s[:])
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// A managedLine is the way to one worker: its stdin and stdout, and a proxy for
// its lists.
type managedLine struct {
	*Conn
	stdout      io.Reader
	told        *os.File // what the worker inherits
	proxy       *proxy
	address     Address
	session     session
	incarnation uint32
	getting     int64 // the job whose list is being received; 0 when none
}

// Files implements Line.
func (l *managedLine) Files() []*os.File { return []*os.File{l.told} }

// Started implements Line.
func (l *managedLine) Started(int) { l.told.Close() }

// Recv implements Line. It puts a list in the place of the message that stands
// for it, in as many messages as it comes.
func (l *managedLine) Recv() (*Message, error) {
	for {
		if l.getting != 0 {
			return l.part()
		}
		m, err := l.Conn.Recv()
		if err != nil || m.Items == nil {
			return m, err
		}
		if len(m.Items.Items) > 0 {
			return nil, l.protocol(ErrUnexpected, "items that did not go to the manager")
		}
		l.getting = m.Items.ID
		l.proxy.hurry(time.Now().Add(callWithin))
		if err := l.proxy.conn.Send(&Message{Call: &Call{Method: MethodGet, Incarnation: l.incarnation, ID: l.getting}}); err != nil {
			return nil, &CarrierError{err}
		}
	}
}

// part returns the next part of the list that is being received.
func (l *managedLine) part() (*Message, error) {
	l.proxy.hurry(time.Now().Add(callWithin))
	m, err := l.proxy.reply()
	if err != nil {
		return nil, err
	}
	reply := m.Reply
	if reply.Error != "" {
		return nil, l.protocol(ErrUnexpected, "a list of job %d: %s", l.getting, reply.Error)
	}
	m.Reply, m.Items = nil, &Items{ID: l.getting, Items: reply.Items}
	if !reply.More {
		l.getting = 0
	}
	return m, nil
}

// Drain implements Line.
func (l *managedLine) Drain() { io.Copy(io.Discard, l.stdout) }

// Sent implements Line.
func (l *managedLine) Sent() int64 { return l.Conn.Sent() + l.proxy.conn.Sent() }

// Received implements Line.
func (l *managedLine) Received() int64 { return l.Conn.Received() + l.proxy.conn.Received() }

// Close implements Line. Lists that the process made and nobody asked for are
// dropped.
func (l *managedLine) Close() {
	p := l.proxy
	defer func() { p.close() }()
	if l.getting != 0 { // there are replies in the way
		again, err := dialManager(l.address, l.session)
		if err != nil {
			return // the manager is gone, and its lists with it
		}
		p.close()
		p = again
	}
	p.hurry(time.Now().Add(time.Second))
	_ = p.forget(l.incarnation) // an error means the same
}

// connectManaged returns a worker's end.
func connectManaged(w WorkerEnd, method Method) (*Conn, error) {
	told := os.NewFile(CarrierFD, "manager")
	defer told.Close()
	a, s, err := readAddress(io.LimitReader(told, 4<<10))
	if err != nil {
		return nil, fmt.Errorf("read the manager's address: %w", err)
	}
	p, err := dialManager(a, s)
	if err != nil {
		return nil, err
	}
	c := NewConn(w.Stdin, w.Stdout, 0)
	c.lists = &remoteLists{proxy: p, method: method, incarnation: w.Incarnation}
	return c, nil
}

// readAddress reads what writtenPipe wrote.
func readAddress(r io.Reader) (a Address, s session, err error) {
	var lines []string
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		lines = append(lines, strings.TrimSpace(scanner.Text()))
	}
	if len(lines) != 4 {
		return a, s, fmt.Errorf("%d lines, want 4", len(lines))
	}
	a.Network, a.Addr = lines[0], lines[1]
	if a.Key, err = hex.DecodeString(lines[2]); err != nil {
		return a, s, err
	}
	id, err := hex.DecodeString(lines[3])
	if err == nil && len(id) != sessionSize {
		err = fmt.Errorf("session of %d bytes", len(id))
	}
	copy(s[:], id)
	return a, s, err
}

// remoteLists is where a worker's lists go.
type remoteLists struct {
	proxy       *proxy
	method      Method
	incarnation uint32
}

// add implements remote.
func (r *remoteLists) add(job int64, items []feeds.Item) error {
	r.proxy.hurry(time.Now().Add(callWithin))
	return r.proxy.add(r.method, r.incarnation, job, items)
}

// show implements remote.
func (r *remoteLists) show(b *Scoreboard) { r.proxy.conn.Show(b) }
