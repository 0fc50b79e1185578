package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// connectQueue returns a worker's end.
func connectQueue(e WorkerEnd) (*Conn, error) {
	out, err := inheritedPackets(resultFD)
	if err != nil {
		return nil, err
	}
	in, err := inheritedPackets(jobFD)
	if err != nil {
		return nil, err
	}
	c := newConn(e.Stdin, &queueSink{out: out, longest: maxPacket}, 0)
	c.piece = maxPacket - headerSize
	c.jobs = &queueSource{in: in, room: make([]byte, maxPacket)}
	return c, nil
}

// A queueSink sends each frame as a message, or as several when it is long.
type queueSink struct {
	out     *packets
	longest int    // message that is tried
	next    []byte // for the next frame
}

func (s *queueSink) buffer(*Message) []byte { return s.next[:0] }

func (s *queueSink) put(frame []byte) error {
	if s.next = frame; cap(frame) > keepBuffer {
		s.next = nil
	}
	for len(frame) > 0 {
		n := min(len(frame), s.longest)
		switch err := s.out.send(frame[:n]); {
		case err == unix.EMSGSIZE && s.longest > 1<<10:
			s.longest /= 2 // there is little room, or somebody took it away
		case err != nil:
			return os.NewSyscallError("send", err)
		default:
			frame = frame[n:]
		}
	}
	return nil
}

// A queueSource is where a worker's batches come from.
type queueSource struct {
	in   *packets
	room []byte
}

func (s *queueSource) take() (*Batch, error) {
	pk, err := s.in.receive(s.room, nil)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("take batch: %w", err)
	}
	b, err := decodeBatchFrame(bytes.Clone(s.room[:pk.n])) // the jobs share it
	if err != nil {
		return nil, &ProtocolError{Kind: ErrMalformed, Detail: err.Error()}
	}
	return b, nil
}

func (s *queueSource) stop() { s.in.hurry() }
