package ipc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// A Mode is a way in which worker processes get their jobs and bring back
// their lists.
type Mode string

// The modes. In all of them a worker has its stdin, whose end is its own, and
// its stdout, whose end is the sign that it is gone.
const (
	ModePipe       Mode = "pipe"        // frames on stdin and stdout, one owner an end
	ModeLockedPipe Mode = "locked-pipe" // all workers' lists through one pipe, a lock around each frame
	ModeUnsafePipe Mode = "unsafe-pipe" // the same without the lock: for measuring how frames tear
	ModeQueue      Mode = "queue"       // jobs and lists through two queues, whose messages the kernel keeps whole
	ModeManager    Mode = "manager"     // lists live in a server process, which is asked through proxies

	// ModeManagerAppend is manager with a call for each item instead of one
	// for each list, for measuring what that costs.
	ModeManagerAppend Mode = "manager-append"
	ModeShm           Mode = "shm" // frames in memory that is sealed and handed over, read in place
)

// A wiring is the two ends of a mode.
type wiring struct {
	// carrier makes what the workers of a run share, in the coordinator.
	carrier func(CarrierOptions) (Carrier, error)
	// connect makes a worker's end, of its stdin, its stdout and what it has
	// inherited from CarrierFD on.
	connect func(WorkerEnd) (*Conn, error)
}

// wirings has what this system has. A mode adds itself in a file of its own.
var wirings = map[Mode]wiring{
	ModePipe: {newPipes, connectPipe},
}

// Modes returns the modes that this system has, but for those that are there to
// be measured only, in the order of their names.
func Modes() []Mode {
	var all []Mode
	for m := range wirings {
		if m != ModeUnsafePipe && m != ModeManagerAppend {
			all = append(all, m)
		}
	}
	slices.Sort(all)
	return all
}

// CarrierFD is the first of the file descriptors that a worker inherits from
// its mode. 3 is the scoreboard, 4 the specimen.
const CarrierFD = 5

// CarrierOptions configures a Carrier. The zero value is valid.
type CarrierOptions struct {
	MaxFrame uint32 // longest payload accepted from a worker, in bytes; 0 means DefaultMaxFrame

	// Manager returns where the manager is, for the modes that have one. It is
	// given the address that it returned before if nobody answered there. It
	// may be called by several goroutines.
	Manager func(failed Address) (Address, error)
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
	Incarnation uint32 // a number that no other process of the run has
	Stdin       io.Writer
	Stdout      io.Reader
}

// A Line is the coordinator's way to and from one worker process. One
// goroutine may Send while another Recvs; neither may be called twice at once.
type Line interface {
	// Files returns what the process is to inherit as its descriptors from
	// CarrierFD on. They stay the line's, which closes them in Started.
	Files() []*os.File
	// Started says that the process was started and which number the system
	// gave it, or 0 when it failed to. The process may have spoken by then.
	Started(pid int)

	// Send and Recv are those of a Conn. Recv returns io.EOF when the process
	// is gone and everything that it had said was returned.
	Send(*Message) error
	Recv() (*Message, error)
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

// NewCarrier returns the carrier of a mode. It fails with an error that wraps
// errors.ErrUnsupported when this system has no such mode.
func NewCarrier(m Mode, o CarrierOptions) (Carrier, error) {
	w, err := m.wiring()
	if err != nil {
		return nil, err
	}
	c, err := w.carrier(o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", m, err)
	}
	return c, nil
}

// A WorkerEnd is what a worker process has to reach its coordinator, beside the
// descriptors that it has inherited from CarrierFD on.
type WorkerEnd struct {
	Incarnation uint32 // that of the process's End
	Stdin       io.Reader
	Stdout      io.Writer
}

// Connect returns the worker's end of a mode. It must be called before the
// worker gives up opening files.
func Connect(m Mode, e WorkerEnd) (*Conn, error) {
	w, err := m.wiring()
	if err != nil {
		return nil, err
	}
	c, err := w.connect(e)
	if err != nil {
		return nil, fmt.Errorf("connect by %s: %w", m, err)
	}
	c.ends = e
	return c, nil
}

func (m Mode) wiring() (wiring, error) {
	w, ok := wirings[m]
	if !ok {
		return w, fmt.Errorf("mode %s: %w on this system", m, errors.ErrUnsupported)
	}
	return w, nil
}

// A sink takes what a Conn sends, one whole frame at a time. A frame is built
// in the buffer that the sink gave for it, which is how it may come to be built
// where its reader will find it.
type sink interface {
	// buffer returns an empty buffer for the frame that will carry m. The
	// frame may outgrow it, and so end up in another one.
	buffer(m *Message) []byte
	// put sends a frame, whole. It may keep the frame's memory for a later
	// buffer, and nobody else touches it again. An error is final.
	put(frame []byte) error
}

// A gatherer is a sink that puts frames aside, to hand over several at once.
type gatherer interface {
	pending() bool // whether there are any
	flush() error  // hand them over; an error is final
}
