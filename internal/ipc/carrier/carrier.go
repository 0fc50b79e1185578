// Package carrier is how the modes differ: what the worker processes of a run
// share, and how frames travel between one of them and the coordinator. It knows
// no message but the parts of a list; a file a mode has both its ends.
//
// In all modes a worker has its stdin, whose end is its own, and its stdout,
// whose end is the sign that it is gone.
package carrier

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"feedmill/internal/ipc"
	"feedmill/internal/ipc/board"
	"feedmill/internal/ipc/manager"
)

// A Mode is a way in which worker processes bring back their lists.
type Mode string

// The modes.
const (
	Pipe       Mode = "pipe"        // frames on stdin and stdout, one owner an end
	LockedPipe Mode = "locked-pipe" // all workers' lists through one pipe, a lock around each frame
	Queue      Mode = "queue"       // lists through one queue, whose messages the kernel keeps whole
	Manager    Mode = "manager"     // lists live in a server process, which is asked through proxies
	Shm        Mode = "shm"         // frames through memory that both sides have mapped
)

// A wiring is the two ends of a mode.
type wiring struct {
	// open makes what the workers of a run share, in the coordinator.
	open func(Options) (Carrier, error)
	// connect makes a worker's end, of its stdin, its stdout and what it has
	// inherited from FD on.
	connect func(Worker) (*ipc.Conn, error)
}

// wirings has what this system has. A mode adds itself in a file of its own.
var wirings = map[Mode]wiring{Pipe: {openPipe, connectPipe}}

// Modes returns the modes that this system has, in the order of their names.
func Modes() []Mode { return slices.Sorted(maps.Keys(wirings)) }

// FD is the first of the file descriptors that a worker inherits from its mode.
// 3 is the scoreboard, 4 the captured document.
const FD = 5

// Options configures a Carrier. The zero value is valid.
type Options struct {
	// Manager returns where the manager is, for the modes that have one. It is
	// given the address that it returned before if nobody answered there. It
	// may be called by several goroutines.
	Manager func(failed manager.Address) (manager.Address, error)
}

// A Carrier is what the workers of one run share in the coordinator to bring
// back their messages. Its methods may be called by several goroutines.
type Carrier interface {
	// Join makes the line to a worker process that is about to be started.
	Join(End) (Line, error)
	// Close gives back what the carrier holds. Every line is closed by then.
	Close() error
}

// An End is what the coordinator has of a worker process. The line that is
// made of it reads Stdout, which ends with the process, and writes Stdin; it
// closes neither.
type End struct {
	Generation uint32 // a number that no other process of the run has
	Stdin      io.Writer
	Stdout     io.Reader
}

// A Line is the coordinator's way to and from one worker process. One
// goroutine may Send while another Recvs; neither may be called twice at once.
type Line interface {
	// Files returns what the process is to inherit as its descriptors from FD
	// on. They stay the line's, which closes them in Started.
	Files() []*os.File
	// Started says that the process was started and which number the system
	// gave it, or 0 when it failed to. The process may have spoken by then.
	Started(pid int)

	// Send and Recv are those of a Conn. Recv returns io.EOF when the process
	// is gone and everything that it had said was returned.
	Send(ipc.Message) error
	Recv() (ipc.Message, error)
	// Drain throws away what the process still says, until it is gone, so
	// that it is never stuck. It comes after an error of Recv.
	Drain()

	// Sent and Received return how many bytes went either way so far. They
	// may be called at any time, from any goroutine.
	Sent() int64
	Received() int64

	// Close gives back what the line holds. The process is gone by then, and
	// Recv or Drain has returned for the last time.
	Close()
}

// A LostError says that what a mode's processes share is gone: a manager, say.
// It is nobody's fault who notices.
type LostError struct{ Err error }

func (e *LostError) Error() string { return "carrier: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// New returns the carrier of a mode, which the caller closes. It fails with an
// error that wraps errors.ErrUnsupported when this system has no such mode.
func New(m Mode, o Options) (Carrier, error) {
	w, err := m.wiring()
	if err != nil {
		return nil, err
	}
	c, err := w.open(o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", m, err)
	}
	return c, nil
}

// A Worker is what a worker process has to reach its coordinator, beside the
// descriptors that it has inherited from FD on.
type Worker struct {
	Generation uint32 // that of the process's End
	Stdin      io.Reader
	Stdout     io.Writer
	Board      *board.Board // told when the process waits for its turn; may be nil
}

// Connect returns the worker's end of a mode. It must be called before the
// worker gives up opening files.
func Connect(m Mode, w Worker) (*ipc.Conn, error) {
	wiring, err := m.wiring()
	if err != nil {
		return nil, err
	}
	c, err := wiring.connect(w)
	if err != nil {
		return nil, fmt.Errorf("connect by %s: %w", m, err)
	}
	return c, nil
}

func (m Mode) wiring() (wiring, error) {
	w, ok := wirings[m]
	if !ok {
		return w, fmt.Errorf("mode %s: %w on this system", m, errors.ErrUnsupported)
	}
	return w, nil
}
