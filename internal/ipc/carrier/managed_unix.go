//go:build unix

package carrier

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
	"feedmill/internal/ipc/manager"
)

// The mode manager: lists live in a dictionary that a server process holds.
// Workers add to it and the coordinator takes from it, each through a proxy
// with a connection of its own; stdin and stdout carry all else. On stdout an
// empty Items stands for a list that is to be had from the manager.
func init() { wirings[Manager] = wiring{openManaged, connectManaged} }

// managerTries is how many managers in a row may fail one line.
const managerTries = 3

// managed is the Carrier.
type managed struct {
	o       Options
	session manager.Session
}

func openManaged(o Options) (Carrier, error) {
	if o.Manager == nil {
		return nil, errors.New("there is no manager")
	}
	return &managed{o, manager.NewSession()}, nil
}

func (c *managed) Close() error { return nil }

// Join implements Carrier.
func (c *managed) Join(e End) (Line, error) {
	var p *manager.Proxy
	var a manager.Address
	var err error
	for range managerTries {
		if a, err = c.o.Manager(a); err != nil {
			return nil, err
		}
		if p, err = manager.Dial(a, c.session); err == nil {
			break
		}
	}
	if err != nil {
		return nil, &LostError{err}
	}
	told, err := writtenPipe(a, c.session)
	if err != nil {
		p.Close()
		return nil, err
	}
	return &managedLine{
		Conn: ipc.NewConn(e.Stdout, e.Stdin, ipc.Options{}), stdout: e.Stdout,
		told: told, proxy: p, generation: e.Generation,
	}, nil
}

// writtenPipe returns a pipe with what a worker must know to reach a manager. A
// key is not for the arguments of a process, which everybody can read.
func writtenPipe(a manager.Address, s manager.Session) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n%x\n%x\n", a.Network, a.Addr, a.Key, s[:])
	if err = errors.Join(err, w.Close()); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// A managedLine is the way to one worker: its stdin and stdout, and a proxy for
// its lists.
type managedLine struct {
	*ipc.Conn
	stdout     io.Reader
	told       *os.File // what the worker inherits
	proxy      *manager.Proxy
	generation uint32

	job   int64    // whose list is being returned
	parts [][]byte // what is left of it
}

// Files implements Line.
func (l *managedLine) Files() []*os.File { return []*os.File{l.told} }

// Started implements Line.
func (l *managedLine) Started(int) { l.told.Close() }

// Recv implements Line. It puts a list in the place of the message that stands
// for it, in as many messages as it has parts.
func (l *managedLine) Recv() (ipc.Message, error) {
	for len(l.parts) == 0 {
		m, err := l.Conn.Recv()
		it, stands := m.(*ipc.Items)
		if err != nil || !stands {
			return m, err
		}
		if len(it.Items) > 0 {
			return nil, ipc.Unexpected("items that did not go to the manager")
		}
		l.job = it.ID
		if l.parts, err = l.proxy.Get(l.generation, l.job); errors.Is(err, manager.ErrRefused) {
			return nil, ipc.Unexpected("a list of job %d: %v", l.job, err)
		} else if err != nil {
			return nil, &LostError{err}
		}
	}
	items, err := ipc.DecodeItems(l.parts[0])
	if err != nil {
		return nil, ipc.Unexpected("a list of job %d: %v", l.job, err)
	}
	l.parts = l.parts[1:]
	return &ipc.Items{ID: l.job, Items: items}, nil
}

// Drain implements Line.
func (l *managedLine) Drain() { io.Copy(io.Discard, l.stdout) }

// Close implements Line. Lists that the process made and nobody asked for are
// dropped; where the manager is gone they are gone with it.
func (l *managedLine) Close() {
	_ = l.proxy.Forget(l.generation)
	l.proxy.Close()
}

// connectManaged returns a worker's end.
func connectManaged(w Worker) (*ipc.Conn, error) {
	told := os.NewFile(FD, "manager")
	defer told.Close()
	a, s, err := readAddress(io.LimitReader(told, 4<<10))
	if err != nil {
		return nil, fmt.Errorf("read the manager's address: %w", err)
	}
	p, err := manager.Dial(a, s)
	if err != nil {
		return nil, &LostError{err}
	}
	lists := &remoteLists{proxy: p, generation: w.Generation, probe: w.Board}
	return ipc.NewConn(w.Stdin, w.Stdout, ipc.Options{Lists: lists.add}), nil
}

// readAddress reads what writtenPipe wrote.
func readAddress(r io.Reader) (a manager.Address, s manager.Session, err error) {
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
	if err == nil && len(id) != len(s) {
		err = fmt.Errorf("session of %d bytes", len(id))
	}
	copy(s[:], id)
	return a, s, err
}

// remoteLists is where a worker's lists go.
type remoteLists struct {
	proxy      *manager.Proxy
	generation uint32
	probe      ipc.Probe
	next       []byte
}

func (r *remoteLists) add(job int64, items []feeds.Item) error {
	r.probe.Begin(ipc.StageEncode, job, 0)
	r.next = ipc.AppendItems(r.next[:0], items)
	r.probe.End(ipc.StageEncode)
	r.probe.Begin(ipc.StageWrite, job, len(r.next))
	err := r.proxy.Add(r.generation, job, r.next)
	r.probe.End(ipc.StageWrite)
	switch {
	case errors.Is(err, manager.ErrRefused):
		return fmt.Errorf("%w: %w", ipc.ErrMessageTooLarge, err)
	case err != nil:
		return &LostError{err}
	}
	return nil
}
