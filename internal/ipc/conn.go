package ipc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

const (
	readBuffer = 64 << 10 // what a pipe holds, unless it was widened
	readPiece  = 1 << 20  // longest stretch of a payload that is allocated on the header's word
	keepBuffer = 1 << 20  // longest send buffer that is kept for the next message
	excerptLen = 200      // bytes of something that is no frame that an error shows
)

// A Conn sends and receives messages over a pair of byte streams. One
// goroutine may Send while another Recvs; neither may be called twice at once,
// and Send and SendResult count as one. A Conn owns neither stream and never
// closes them: whoever made them does, and by that unblocks Send and Recv.
type Conn struct {
	in       *bufio.Reader
	maxFrame uint32
	recvSeq  uint32
	recvErr  error // the error that ended receiving; nil before

	out     sink
	sendSeq uint32
	sendErr error // the error that ended sending; nil before

	board    *Scoreboard   // told which answer is sent; nil for none
	probe    Probe         // told of every stage; nil for none
	peerMax  atomic.Uint32 // the peer's limit: Recv learns it from Hello, Send keeps to it
	sent     atomic.Int64
	received atomic.Int64
}

// NewConn returns a Conn that reads from r and writes to w. maxFrame bounds
// the payload of a received frame, in bytes; 0 means DefaultMaxFrame. The same
// number belongs into the Hello that the caller sends.
func NewConn(r io.Reader, w io.Writer, maxFrame uint32) *Conn {
	return newConn(r, &stream{w: w}, maxFrame)
}

// newConn returns a Conn that reads from r and sends to out.
func newConn(r io.Reader, out sink, maxFrame uint32) *Conn {
	if maxFrame == 0 {
		maxFrame = DefaultMaxFrame
	}
	c := &Conn{maxFrame: maxFrame, out: out}
	c.in = bufio.NewReaderSize(&countingReader{r, &c.received}, readBuffer)
	c.peerMax.Store(DefaultMaxFrame)
	return c
}

// Show makes Send and SendResult say on b which answer they encode and write.
// It must be called before them.
func (c *Conn) Show(b *Scoreboard) { c.board = b }

// A countingReader counts what is read through it, also in mid-frame, so that
// a watcher sees that a long frame moves.
type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Sent returns how many bytes were written so far, headers included. It may be
// called at any time, from any goroutine.
func (c *Conn) Sent() int64 { return c.sent.Load() }

// Received returns how many bytes were read so far, headers included. It may
// be called at any time, from any goroutine.
func (c *Conn) Received() int64 { return c.received.Load() }

// Send writes m as one frame with one Write. An error that wraps
// ErrInvalidMessage or ErrMessageTooLarge means that nothing was written and
// that the Conn can go on; any other one is the writer's and is final.
func (c *Conn) Send(m *Message) error {
	if c.sendErr != nil {
		return c.sendErr
	}
	k, err := m.kind()
	if err != nil {
		return err
	}
	switch {
	case m.Items != nil:
		err = checkItems(m.Items.Items)
	case m.Result != nil:
		err = checkItems(m.Result.Items)
	}
	if err != nil {
		return err
	}
	job := m.subject()
	if job != 0 {
		c.board.send(PhaseEncode, job, 0)
		defer c.board.send(PhaseIdle, 0, 0)
	}
	c.begin(StageEncode)
	b, err := appendMessage(reserveHeader(c.out.buffer(m)), m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", k, err)
	}
	if job != 0 {
		c.board.send(PhaseWrite, job, int64(len(b)))
		crash.At("worker: before write")
	}
	return c.write(k, b)
}

// SendResult writes r, as several frames when its items are too long for one:
// Items of about PieceSize first, the Result with the rest last. An item that
// is longer than that goes in a frame of its own. r is not changed. Errors are
// those of Send; one that wraps ErrMessageTooLarge means that not even the
// first piece was written, so the job can still be answered otherwise.
func (c *Conn) SendResult(r *feeds.Result) error {
	if c.sendErr != nil {
		return c.sendErr
	}
	sizes, err := c.pieces(r)
	if err != nil {
		return err
	}
	items := r.Items
	for _, n := range sizes {
		if err := c.Send(&Message{Items: &Items{ID: r.ID, Items: items[:n]}}); err != nil {
			return err
		}
		items = items[n:]
		crash.At("worker: between pieces")
	}
	last := *r
	last.Items = items
	return c.Send(&Message{Result: &last})
}

// pieces returns how many items go into each Items frame before the Result,
// or an error if some piece would be more than the peer accepts.
func (c *Conn) pieces(r *feeds.Result) ([]int, error) {
	limit := int64(c.peerMax.Load())
	if n := resultBound(r); n > limit {
		return nil, tooLarge("Result without items", n, limit)
	}
	soft := min(int64(PieceSize), limit)
	var sizes []int
	n, size := 0, itemsBound
	for i := range r.Items {
		bound := itemBound(&r.Items[i])
		if err := checkItem(&r.Items[i], itemsBound+bound, limit); err != nil {
			return nil, err
		}
		if n > 0 && size+bound > soft {
			sizes = append(sizes, n)
			n, size = 0, itemsBound
		}
		n, size = n+1, size+bound
	}
	if n > 0 && size+resultBound(r) > soft {
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// write seals the frame in b and hands it to the sink.
func (c *Conn) write(k kind, b []byte) error {
	if n, limit := int64(len(b)-headerSize), int64(c.peerMax.Load()); n > limit {
		return tooLarge(k.String(), n, limit)
	}
	sealFrame(b, k, c.sendSeq)
	c.end(StageEncode)
	c.begin(StageWrite)
	if err := c.out.put(b); err != nil {
		c.sendErr = fmt.Errorf("write frame %d: %w", c.sendSeq, err)
		return c.sendErr
	}
	c.end(StageWrite)
	c.sent.Add(int64(len(b)))
	c.sendSeq++
	return nil
}

// Recv returns the next message, which the caller owns. It returns io.EOF if
// the peer closed between frames, an error that wraps io.ErrUnexpectedEOF if
// it closed inside one, a *ProtocolError if it broke the protocol, and else
// the reader's own error, wrapped. Every error is final.
//
// The strings of one message may share one buffer: what is kept for long
// should be cloned.
func (c *Conn) Recv() (*Message, error) {
	if c.recvErr != nil {
		return nil, c.recvErr
	}
	m, err := c.recv()
	if err != nil {
		c.recvErr = err
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
	head, h, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	if h.size > c.maxFrame {
		return nil, c.protocol(ErrFrameTooLarge, "%d bytes, limit %d", h.size, c.maxFrame)
	}
	payload, err := c.readPayload(int(h.size))
	if err != nil {
		return nil, c.readError("payload", err)
	}
	c.end(StageRead)
	c.begin(StageDecode)
	if got := checksum(head[:], payload); got != h.crc {
		return nil, c.protocol(ErrChecksum, "%d bytes, checksum %08x, header says %08x", h.size, got, h.crc)
	}
	if h.seq != c.recvSeq {
		return nil, c.protocol(ErrSequence, "%s has number %d", h.kind, h.seq)
	}
	if !h.kind.known() {
		return nil, c.protocol(ErrUnknownKind, "%d", h.kind)
	}
	m, err := decodeMessage(h.kind, payload)
	if err != nil {
		return nil, c.protocol(ErrMalformed, "%s of %d bytes: %v", h.kind, h.size, err)
	}
	c.end(StageDecode)
	return m, nil
}

// readHeader reads the next header. It looks at the first byte before it waits
// for the others, so that a print shorter than a header is reported at once.
func (c *Conn) readHeader() (head [headerSize]byte, h header, err error) {
	first, err := c.in.Peek(1)
	if err == io.EOF {
		return head, h, io.EOF
	}
	if err != nil {
		return head, h, c.readError("header", err)
	}
	if first[0] != markArray {
		return head, h, c.notFrame()
	}
	b, err := c.in.Peek(headerSize)
	if err != nil {
		return head, h, c.readError("header", err)
	}
	h, ok := parseHeader(b)
	if !ok {
		return head, h, c.notFrame()
	}
	copy(head[:], b)
	_, err = c.in.Discard(headerSize)
	return head, h, err
}

// readPayload reads n bytes into a new buffer, which the message that is
// decoded from it may share.
func (c *Conn) readPayload(n int) ([]byte, error) {
	if n <= readPiece {
		b := make([]byte, n)
		_, err := io.ReadFull(c.in, b)
		return b, err
	}
	// A header's word is good for one piece at a time. Rejected: a buffer that
	// doubles, which holds twice what came.
	var pieces [][]byte
	for left := n; left > 0; left -= readPiece {
		b := make([]byte, min(left, readPiece))
		if _, err := io.ReadFull(c.in, b); err != nil {
			return nil, err
		}
		pieces = append(pieces, b)
	}
	return slices.Concat(pieces...), nil
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
func (c *Conn) notFrame() error {
	text, _ := c.in.Peek(min(c.in.Buffered(), excerptLen))
	err := c.protocol(ErrNotFrame, "where a header should begin stands")
	err.Text = strconv.Quote(string(text))
	return err
}

func (c *Conn) protocol(kind error, format string, args ...any) *ProtocolError {
	return &ProtocolError{Kind: kind, Detail: fmt.Sprintf("frame %d: ", c.recvSeq) + fmt.Sprintf(format, args...)}
}
