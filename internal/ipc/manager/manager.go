// Package manager is a server that holds a dictionary, job -> list of items, and
// the proxy through which its callers reach it, as multiprocessing.Manager is in
// Python. It looks at no item: a list is held in the parts that it came in, as
// bytes, and whoever gets it judges them.
//
// What a caller asks for and what it is answered are, in big-endian numbers:
//
//	method uint8 | generation uint32 | job uint64 | length uint32 | part
//	refused uint8 | parts uint32 | parts times: length uint32 | part
//
// The part of a refusal says why.
package manager

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"sync"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

const (
	// maxPart bounds a part of a list, in bytes.
	maxPart = ipc.DefaultMaxFrame
	// maxHeld bounds a list, in bytes: what the items of any document of the
	// default size can come to.
	maxHeld = 8*feeds.DefaultMaxBody + maxPart

	requestSize = 1 + 4 + 8 + 4
)

// A method is what a caller asks for.
type method uint8

// The methods. A list is made by the first call that adds to it.
const (
	methodAdd    method = 1 // add a part at the end of a list
	methodGet    method = 2 // return a list, which the server then no longer has
	methodForget method = 3 // drop all lists of a generation
)

// A request is what a caller asks for.
type request struct {
	method     method
	generation uint32 // whose list it is
	job        int64  // whose list it is; unused by methodForget
	part       []byte // for methodAdd
}

func (r *request) append(b []byte) []byte {
	b = append(b, byte(r.method))
	b = binary.BigEndian.AppendUint32(b, r.generation)
	b = binary.BigEndian.AppendUint64(b, uint64(r.job))
	return appendPart(b, r.part)
}

func (r *request) read(in io.Reader) error {
	var b [requestSize - 4]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return err
	}
	r.method = method(b[0])
	r.generation = binary.BigEndian.Uint32(b[1:])
	r.job = int64(binary.BigEndian.Uint64(b[5:]))
	var err error
	r.part, err = readPart(in, maxPart)
	return err
}

func appendPart(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
}

// readPart reads a part of at most limit bytes. It allocates as they come.
func readPart(in io.Reader, limit int64) ([]byte, error) {
	var b [4]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(b[:]))
	if n > limit {
		return nil, fmt.Errorf("a part of %d bytes, limit %d", n, limit)
	}
	if n <= ipc.PieceSize {
		part := make([]byte, n)
		_, err := io.ReadFull(in, part)
		return part, err
	}
	part, err := io.ReadAll(io.LimitReader(in, n))
	if err == nil && int64(len(part)) < n {
		err = io.ErrUnexpectedEOF
	}
	return part, err
}

// A Server is the process that holds the dictionary.
type Server struct {
	Key []byte       // what its callers must have too
	Log *slog.Logger // gets callers that are turned away; nil means nowhere

	mu       sync.Mutex
	lists    map[key]*list
	sessions map[Session]int // callers of each
}

// A key names a list. Two runs never share one, nor do two processes of a run
// that were given the same job.
type key struct {
	session    Session
	generation uint32
	job        int64
}

type list struct {
	parts [][]byte
	bytes int64
}

// Serve answers callers that come by l, until ctx is done, and then returns nil
// when all of them are gone. It closes l.
func (m *Server) Serve(ctx context.Context, l net.Listener) error {
	m.mu.Lock()
	m.lists, m.sessions = make(map[key]*list), make(map[Session]int)
	m.mu.Unlock()
	m.Log = cmp.Or(m.Log, slog.New(slog.DiscardHandler))
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

// ErrNoKey says that stdin has no key, as that of a process does which no
// coordinator has started.
var ErrNoKey = errors.New("no key on stdin")

// ServeHeir is Serve in a process that a coordinator has started, on the socket
// that it inherited. The key is the first that stdin says, and its end the last.
func (m *Server) ServeHeir(socket *os.File, stdin io.Reader) error {
	m.Key = make([]byte, KeySize)
	if _, err := io.ReadFull(stdin, m.Key); err != nil {
		return fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	l, err := net.FileListener(socket)
	if err = errors.Join(err, socket.Close()); err != nil {
		return fmt.Errorf("inherit socket: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		io.Copy(io.Discard, stdin)
		stop()
	}()
	return m.Serve(ctx, l)
}

// attend answers one caller until it hangs up, for which it returns nil.
func (m *Server) attend(c net.Conn) error {
	s, proof, err := admit(c, m.Key)
	if err != nil {
		return err
	}
	// Who has the proof counts as a caller: if another of its session hangs up
	// now, their lists stay.
	m.enter(s)
	defer m.leave(s)
	if _, err := c.Write(proof); err != nil {
		return err
	}
	in := bufio.NewReader(c)
	for {
		if _, err := in.Peek(1); err != nil {
			return nil // however it hung up
		}
		var r request
		if err := r.read(in); err != nil {
			return err
		}
		answer, err := m.do(s, &r)
		if err != nil {
			return err
		}
		if _, err := answer.WriteTo(c); err != nil {
			return err
		}
	}
}

func (m *Server) enter(s Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s]++
}

// leave drops the lists of a session with its last caller.
func (m *Server) leave(s Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[s]--; m.sessions[s] > 0 {
		return
	}
	delete(m.sessions, s)
	maps.DeleteFunc(m.lists, func(k key, _ *list) bool { return k.session == s })
}

// do does what a caller asks for and returns the answer.
func (m *Server) do(s Session, r *request) (net.Buffers, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key{s, r.generation, r.job}
	switch r.method {
	case methodAdd:
		return m.add(k, r.part), nil
	case methodGet:
		l := m.lists[k]
		delete(m.lists, k)
		if l == nil {
			return refusal("there is no such list"), nil
		}
		return reply(0, l.parts), nil
	case methodForget:
		maps.DeleteFunc(m.lists, func(o key, _ *list) bool { return o.session == s && o.generation == k.generation })
		return reply(0, nil), nil
	}
	return nil, fmt.Errorf("method %d", r.method)
}

// add adds a part to a list. The caller holds m.mu.
func (m *Server) add(k key, part []byte) net.Buffers {
	l := m.lists[k]
	if l == nil {
		l = new(list)
		m.lists[k] = l
	}
	if l.bytes += int64(len(part)); l.bytes > maxHeld {
		return refusal(fmt.Sprintf("a list of more than %d bytes", int64(maxHeld)))
	}
	l.parts = append(l.parts, part)
	return reply(0, nil)
}

func refusal(why string) net.Buffers { return reply(1, [][]byte{[]byte(why)}) }

func reply(refused byte, parts [][]byte) net.Buffers {
	out := net.Buffers{binary.BigEndian.AppendUint32([]byte{refused}, uint32(len(parts)))}
	for _, p := range parts {
		out = append(out, binary.BigEndian.AppendUint32(nil, uint32(len(p))), p)
	}
	return out
}
