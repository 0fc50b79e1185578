package ipc

import (
	"io"
	"os"
)

// The mode pipe: each worker's stdin and stdout, one owner an end, so nothing
// needs a lock.

// pipes is its Carrier, which holds nothing.
type pipes struct{ o CarrierOptions }

func newPipes(o CarrierOptions) (Carrier, error) { return pipes{o}, nil }

func (p pipes) Join(e End) (Line, error) {
	return &pipeLine{NewConn(e.Stdout, e.Stdin, p.o.MaxFrame), e.Stdout}, nil
}

func (p pipes) Close() error { return nil }

// A pipeLine is the Conn over a process's stdin and stdout.
type pipeLine struct {
	*Conn
	stdout io.Reader
}

func (l *pipeLine) Files() []*os.File { return nil }

func (l *pipeLine) Started(int) {}

func (l *pipeLine) Drain() { io.Copy(io.Discard, l.stdout) }

func (l *pipeLine) Close() {}

func connectPipe(e WorkerEnd) (*Conn, error) {
	return NewConn(e.Stdin, e.Stdout, 0), nil
}

// A stream is the sink that writes each frame with one Write.
type stream struct {
	w    io.Writer
	next []byte // for the next frame
}

func (s *stream) buffer(*Message) []byte { return s.next[:0] }

func (s *stream) put(frame []byte) error {
	if s.next = frame; cap(frame) > keepBuffer {
		s.next = nil
	}
	n, err := s.w.Write(frame)
	if err == nil && n < len(frame) {
		err = io.ErrShortWrite
	}
	return err
}
