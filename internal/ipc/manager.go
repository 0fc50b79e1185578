package ipc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"feedmill/internal/feeds"
)

// maxHeld bounds one list that a manager holds, in bytes on the wire: what the
// items of any document of the default size can come to.
const maxHeld = 8*feeds.DefaultMaxBody + DefaultMaxFrame

// A Manager is the process that holds the dictionary: job -> list of items. Its
// callers, workers and coordinators, reach it through proxies only. It looks at
// no item, and keeps the frames that they came in.
type Manager struct {
	Key []byte       // what its callers must have too
	Log *slog.Logger // gets callers that are turned away; nil means nowhere

	mu       sync.Mutex
	lists    map[listKey]*heldList
	sessions map[session]int // callers of each
}

// A listKey names a list. Two runs never share one, nor do two processes of a
// run that were given the same job.
type listKey struct {
	session     session
	incarnation uint32
	job         int64
}

// A heldList is a list in parts, as they came.
type heldList struct {
	parts []*Message
	bytes int64
}

// Serve answers callers that come by l, until ctx is done, and then returns nil
// when all of them are gone. It closes l.
func (m *Manager) Serve(ctx context.Context, l net.Listener) error {
	m.mu.Lock()
	m.lists, m.sessions = make(map[listKey]*heldList), make(map[session]int)
	m.mu.Unlock()
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var callers sync.WaitGroup
	defer callers.Wait()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil { // of the context that closes l, not of one that ends with it a little later
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept caller: %w", err)
		}
		callers.Go(func() {
			defer c.Close()
			defer context.AfterFunc(serving, func() { c.Close() })()
			if err := m.attend(c); err != nil && serving.Err() == nil {
				m.Log.Warn("caller is turned away", "caller", c.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// attend answers one caller until it hangs up.
func (m *Manager) attend(c net.Conn) error {
	s, err := admit(c, m.Key)
	if err != nil {
		return err
	}
	m.enter(s)
	defer m.leave(s)
	conn := NewConn(c, c, 0)
	for {
		in, err := conn.Recv()
		if err != nil {
			if _, broken := errors.AsType[*ProtocolError](err); broken {
				return err
			}
			return nil // however it hung up
		}
		if in.Call == nil {
			return &ProtocolError{Kind: ErrUnexpected, Detail: in.String() + " to a manager"}
		}
		if err := m.do(conn, s, in); err != nil {
			return err
		}
	}
}

func (m *Manager) enter(s session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s]++
}

// leave drops the lists of a session with its last caller.
func (m *Manager) leave(s session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[s]--; m.sessions[s] > 0 {
		return
	}
	delete(m.sessions, s)
	m.drop(func(k listKey) bool { return k.session == s })
}

// drop drops lists. The caller holds m.mu.
func (m *Manager) drop(which func(listKey) bool) {
	for k, l := range m.lists {
		if which(k) {
			l.release()
			delete(m.lists, k)
		}
	}
}

// do does what a call asks for and answers it.
func (m *Manager) do(conn *Conn, s session, in *Message) error {
	call := in.Call
	k := listKey{s, call.Incarnation, call.ID}
	switch call.Method {
	case MethodAppend, MethodExtend:
		return conn.Send(&Message{Reply: &Reply{Error: m.extend(k, in)}})
	case MethodGet:
		return m.get(conn, k)
	case MethodForget:
		m.mu.Lock()
		m.drop(func(o listKey) bool { return o.session == s && o.incarnation == k.incarnation })
		m.mu.Unlock()
		return conn.Send(&Message{Reply: &Reply{}})
	}
	return &ProtocolError{Kind: ErrUnexpected, Detail: fmt.Sprintf("method %d", call.Method)}
}

// extend adds what a call carries to a list, and returns why it does not.
func (m *Manager) extend(k listKey, in *Message) string {
	size := int64(0)
	for i := range in.Call.Items {
		size += itemBound(&in.Call.Items[i])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lists[k]
	if l == nil {
		l = new(heldList)
		m.lists[k] = l
	}
	if l.bytes += size; l.bytes > maxHeld {
		in.Release()
		return fmt.Sprintf("a list of more than %d bytes", int64(maxHeld))
	}
	l.parts = append(l.parts, in)
	return ""
}

// get sends a list in as many replies as it came in parts, and lets go of it.
func (m *Manager) get(conn *Conn, k listKey) error {
	m.mu.Lock()
	l := m.lists[k]
	delete(m.lists, k)
	m.mu.Unlock()
	if l == nil {
		return conn.Send(&Message{Reply: &Reply{Error: "there is no such list"}})
	}
	defer l.release()
	pieces := l.pieces()
	for i, piece := range pieces {
		if err := conn.Send(&Message{Reply: &Reply{More: i < len(pieces)-1, Items: piece}}); err != nil {
			return err
		}
	}
	return nil
}

// pieces returns the items of a list in order, together as many as one frame
// should have. There is at least one piece.
func (l *heldList) pieces() [][]feeds.Item {
	if len(l.parts) == 1 {
		return [][]feeds.Item{l.parts[0].Call.Items}
	}
	var pieces [][]feeds.Item
	var piece []feeds.Item
	size := int64(0)
	for _, part := range l.parts {
		for _, it := range part.Call.Items {
			bound := itemBound(&it)
			if len(piece) > 0 && size+bound > PieceSize {
				pieces = append(pieces, piece)
				piece, size = nil, 0
			}
			piece, size = append(piece, it), size+bound
		}
	}
	return append(pieces, piece)
}

func (l *heldList) release() {
	for _, part := range l.parts {
		part.Release()
	}
}

// Lists returns how many lists the manager holds.
func (m *Manager) Lists() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lists)
}
