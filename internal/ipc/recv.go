package ipc

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// excerptLen is how many bytes of something that is no frame an error shows.
const excerptLen = 200

// Recv returns the next message. It returns io.EOF if the peer closed between
// frames, an error that wraps io.ErrUnexpectedEOF if it closed inside one, a
// *ProtocolError if it broke the protocol, and else the reader's own error,
// wrapped. Every error is final.
//
// The message is the caller's. Its items lie in memory that Release gives back
// to be used for later messages, which is worth it for whoever takes in many;
// until then they stay as they are, and may be passed on.
func (c *Conn) Recv() (*Message, error) {
	if c.recvErr != nil {
		return nil, c.recvErr
	}
	m, err := c.recv()
	if err != nil {
		c.recvErr = err
		c.in.close()
		return nil, err
	}
	c.recvSeq++
	if m.Hello != nil && m.Hello.MaxFrame != 0 {
		c.peerMax.Store(m.Hello.MaxFrame)
	}
	return m, nil
}

// recv reads and judges one frame. Whether the frame is intact comes before
// what it says: a damaged frame is a bad checksum, never a wrong sequence or
// an unknown kind.
func (c *Conn) recv() (*Message, error) {
	c.begin(StageRead)
	h, head, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	if h.size > c.maxFrame {
		return nil, c.protocol(ErrFrameTooLarge, "%d bytes, limit %d", h.size, c.maxFrame)
	}
	payload, in, err := c.in.take(int(h.size))
	if err != nil {
		return nil, c.readError("payload", err)
	}
	c.end(StageRead)
	c.begin(StageDecode)
	if got := checksum(head, payload); got != h.crc {
		return nil, c.protocol(ErrChecksum, "%d bytes, checksum %08x, header says %08x", h.size, got, h.crc)
	}
	m, err := c.message(h, payload, in)
	if err != nil {
		return nil, err
	}
	c.end(StageDecode)
	return m, nil
}

// message judges what an intact frame says, whose payload lies in a chunk.
func (c *Conn) message(h header, payload []byte, in *chunk) (*Message, error) {
	if h.seq != c.recvSeq {
		return nil, c.protocol(ErrSequence, "%s has number %d", h.kind, h.seq)
	}
	if !h.kind.known() {
		return nil, c.protocol(ErrUnknownKind, "%d", h.kind)
	}
	m, err := decodeMessage(h.kind, payload, in)
	if err != nil {
		return nil, c.protocol(ErrMalformed, "%s of %d bytes: %v", h.kind, h.size, err)
	}
	return m, nil
}

// readHeader reads the next header, and returns its checksum too. It looks at
// the first byte before it waits for the others, so that a print shorter than a
// header is reported at once.
func (c *Conn) readHeader() (h header, sum uint32, err error) {
	b, err := c.in.peek(1)
	if err == io.EOF {
		return h, 0, io.EOF
	}
	if err != nil {
		return h, 0, c.readError("header", err)
	}
	if b[0] != markArray {
		return h, 0, c.notFrame(b)
	}
	if b, err = c.in.peek(headerSize); err != nil {
		return h, 0, c.readError("header", err)
	}
	h, ok := parseHeader(b)
	if !ok {
		return h, 0, c.notFrame(b)
	}
	sum = headChecksum(b)
	c.in.skip(headerSize)
	return h, sum, nil
}

// readError wraps an error of the reader. The peer's end inside a frame is
// never a clean one, also when not a single byte of a payload came.
func (c *Conn) readError(part string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("frame %d cut in its %s: %w", c.recvSeq, part, err)
	}
	return fmt.Errorf("read frame %d: %w", c.recvSeq, err)
}

// notFrame returns the error for bytes that are no frame, with those that are
// there. It does not wait for more: there may be none for a long time.
func (c *Conn) notFrame(b []byte) error {
	err := c.protocol(ErrNotFrame, "where a header should begin stands")
	err.Text = strconv.Quote(string(b[:min(len(b), excerptLen)]))
	return err
}

func (c *Conn) protocol(kind error, format string, args ...any) *ProtocolError {
	return &ProtocolError{Kind: kind, Detail: fmt.Sprintf("frame %d: ", c.recvSeq) + fmt.Sprintf(format, args...)}
}
