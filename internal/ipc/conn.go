package ipc

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// keepBuffer is the longest send buffer that is kept for the next message, in
// bytes.
const keepBuffer = 1 << 20

// Options configures a Conn. The zero value is valid.
type Options struct {
	// MaxFrame bounds the payload of a received frame, in bytes; 0 means
	// DefaultMaxFrame. The same number belongs into the Hello that is sent.
	MaxFrame uint32
	// Piece is the payload length, in bytes, above which SendResult begins
	// another frame; 0 means PieceSize.
	Piece int
	// Lists, where it is set, takes the items of results, which then do not
	// travel by the Conn: an Items without any stands for them. An error that
	// wraps ErrMessageTooLarge is about these items alone.
	Lists func(job int64, items []feeds.Item) error
}

// A Conn sends and receives messages over a pair of byte streams. One
// goroutine may Send while another Recvs; neither may be called twice at once,
// and Send and SendResult count as one. A Conn owns neither stream and never
// closes them: whoever made them does, and by that unblocks Send and Recv.
type Conn struct {
	o      Options
	probes []Probe
	pause  func() // called between two pieces of a result; nil for nothing

	in      inlet
	recvSeq uint32
	recvErr error // the error that ended receiving; nil before

	out     io.Writer
	next    []byte // for the next frame
	sendSeq uint32
	sendErr error // the error that ended sending; nil before

	peerMax atomic.Uint32 // the peer's limit: Recv learns it from Hello, Send keeps to it
	sent    atomic.Int64
}

// NewConn returns a Conn that reads from r and writes each frame to w with one
// Write.
func NewConn(r io.Reader, w io.Writer, o Options) *Conn {
	o.MaxFrame = cmp.Or(o.MaxFrame, DefaultMaxFrame)
	o.Piece = cmp.Or(o.Piece, PieceSize)
	c := &Conn{o: o, in: inlet{r: r}, out: w}
	c.peerMax.Store(DefaultMaxFrame)
	return c
}

// Pause has f called between two pieces of a result, by whoever sends it: f may
// Send. It must be called before anything is sent.
func (c *Conn) Pause(f func()) { c.pause = f }

// Sent returns how many bytes were written so far, headers included. It may be
// called at any time, from any goroutine.
func (c *Conn) Sent() int64 { return c.sent.Load() }

// Received returns how many bytes were read so far, headers included. It may
// be called at any time, from any goroutine.
func (c *Conn) Received() int64 { return c.in.read.Load() }

// Send writes m as one frame with one Write. An error that wraps
// ErrMessageTooLarge means that nothing was written and that the Conn can go
// on; any other one is the writer's and is final.
func (c *Conn) Send(m Message) error {
	if c.sendErr != nil {
		return c.sendErr
	}
	job, items := about(m)
	if err := checkItems(items); err != nil {
		return err
	}
	c.begin(StageEncode, job, 0)
	frame := m.append(reserveHeader(c.next[:0]))
	if c.next = frame; cap(frame) > keepBuffer {
		c.next = nil
	}
	n, limit := int64(len(frame)-headerSize), int64(c.peerMax.Load())
	if n <= limit {
		sealFrame(frame, m.kind(), c.sendSeq)
	}
	c.end(StageEncode)
	if n > limit {
		return tooLarge(m.kind().String(), n, limit)
	}
	if job != 0 {
		crash.At("worker: before write")
	}
	c.begin(StageWrite, job, len(frame))
	n2, err := c.out.Write(frame)
	c.end(StageWrite)
	if err == nil && n2 < len(frame) {
		err = io.ErrShortWrite
	}
	if err != nil {
		c.sendErr = fmt.Errorf("write frame %d: %w", c.sendSeq, err)
		return c.sendErr
	}
	c.sent.Add(int64(len(frame)))
	c.sendSeq++
	return nil
}

// SendResult writes r, as several frames when its items are too long for one:
// Items of about Options.Piece bytes first, the Result with the rest last. An
// item that is longer than that goes in a frame of its own. Texts that the
// wire has no room for are cut. r is not changed. Errors are those of Send; one
// that wraps ErrMessageTooLarge means that not even the first piece was
// written, so the job can still be answered otherwise.
func (c *Conn) SendResult(r *feeds.Result) error {
	if c.sendErr != nil {
		return c.sendErr
	}
	last := &Result{*r}
	fit(&last.Result)
	sizes, err := c.pieces(&last.Result)
	if err != nil {
		return err
	}
	for _, n := range sizes {
		if err := c.sendItems(r.ID, last.Items[:n]); err != nil {
			return err
		}
		last.Items = last.Items[n:]
		crash.At("worker: between pieces")
		if c.pause != nil {
			c.pause()
		}
	}
	if c.o.Lists != nil && len(r.Items) > 0 {
		if err := c.Send(&Items{ID: r.ID}); err != nil {
			return err
		}
	}
	return c.Send(last)
}

// sendItems sends a part of a list to where lists go.
func (c *Conn) sendItems(job int64, items []feeds.Item) error {
	if c.o.Lists != nil {
		return c.o.Lists(job, items)
	}
	return c.Send(&Items{ID: job, Items: items})
}

// pieces returns how many items go into each Items frame before the Result, all of
// them where lists go elsewhere, or an error if some piece would be more than the peer
// accepts.
func (c *Conn) pieces(r *feeds.Result) ([]int, error) {
	limit := int64(c.peerMax.Load())
	if n := resultBound(r); n > limit {
		return nil, tooLarge("Result without items", n, limit)
	}
	soft := min(int64(c.o.Piece), limit)
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
	if n > 0 && (c.o.Lists != nil || size+resultBound(r) > soft) {
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// Recv returns the next message, which is the caller's. It returns io.EOF if the
// peer closed between frames, an error that wraps io.ErrUnexpectedEOF if it
// closed inside one, a *ProtocolError if it broke the protocol, and else the
// reader's own error, wrapped. Every error is final.
func (c *Conn) Recv() (Message, error) {
	if c.recvErr != nil {
		return nil, c.recvErr
	}
	m, err := c.recv()
	if err != nil {
		c.recvErr = err
		return nil, err
	}
	c.recvSeq++
	if h, ok := m.(*Hello); ok && h.MaxFrame != 0 {
		c.peerMax.Store(h.MaxFrame)
	}
	return m, nil
}

// recv reads and judges one frame. Whether the frame is intact comes before
// what it says: a damaged frame is a bad checksum, never a wrong sequence or
// an unknown kind.
func (c *Conn) recv() (Message, error) {
	c.begin(StageRead, 0, 0)
	h, head, payload, err := c.readFrame()
	c.end(StageRead)
	if err != nil {
		return nil, err
	}
	c.begin(StageDecode, 0, len(payload))
	defer c.end(StageDecode)
	if got := checksum(head, payload); got != h.crc {
		return nil, c.protocol(errChecksum, "%d bytes, checksum %08x, header says %08x", h.size, got, h.crc)
	}
	if h.seq != c.recvSeq {
		return nil, c.protocol(errSequence, "%s has number %d", h.kind, h.seq)
	}
	if kinds[h.kind] == nil {
		return nil, c.protocol(errUnknownKind, "%d", h.kind)
	}
	m, err := decodeMessage(h.kind, payload)
	if err != nil {
		return nil, c.protocol(errMalformed, "%s of %d bytes: %v", h.kind, h.size, err)
	}
	return m, nil
}

// decodeMessage decodes a payload of a known kind. Items share it; all else that
// a message has is its own.
func decodeMessage(k kind, payload []byte) (Message, error) {
	m := kinds[k]()
	d := &decoder{b: payload, size: len(payload)}
	m.decode(d)
	return m, d.end()
}

// readFrame reads the next header, whose checksum is head, and the payload.
func (c *Conn) readFrame() (h header, head uint32, payload []byte, err error) {
	h, head, err = c.readHeader()
	if err != nil {
		return h, 0, nil, err
	}
	if h.size > c.o.MaxFrame {
		return h, 0, nil, c.protocol(ErrFrameTooLarge, "%d bytes, limit %d", h.size, c.o.MaxFrame)
	}
	payload, err = c.in.take(int(h.size))
	if err != nil {
		return h, 0, nil, c.readError("payload", err)
	}
	return h, head, payload, nil
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
	if _, broken := errors.AsType[*ProtocolError](err); broken {
		return err
	}
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
	return NotFrame(fmt.Sprintf("frame %d: where a header should begin stands", c.recvSeq), string(b))
}

func (c *Conn) protocol(kind error, format string, args ...any) *ProtocolError {
	return &ProtocolError{Kind: kind, Detail: fmt.Sprintf("frame %d: ", c.recvSeq) + fmt.Sprintf(format, args...)}
}

// A Stage is what a Conn does with one frame.
type Stage uint8

// The stages. Encode and Write are the sender's, Read and Decode the
// receiver's.
const (
	StageEncode Stage = iota // from the message to a sealed frame
	StageWrite               // handing the frame over
	StageRead                // waiting for a frame and taking it in
	StageDecode              // from the frame, checked, to the message
	Stages                   // how many there are
)

// A Probe is told when a Conn begins and ends a stage, on the goroutine that
// does it, so that whoever measures can put a clock around it, and whoever looks
// on knows which answer is sent. The stages of the two directions overlap; those
// of one do not.
type Probe interface {
	// Begin says which job the frame answers, 0 for none, and how long it is,
	// in bytes, where that is known.
	Begin(s Stage, job int64, bytes int)
	End(Stage)
}

// Probe makes c tell p what it does, besides those that it tells already. It
// must be called before anything is sent or received. A nil p is told nothing.
func (c *Conn) Probe(p Probe) {
	if p != nil {
		c.probes = append(c.probes, p)
	}
}

func (c *Conn) begin(s Stage, job int64, bytes int) {
	for _, p := range c.probes {
		p.Begin(s, job, bytes)
	}
}

func (c *Conn) end(s Stage) {
	for _, p := range c.probes {
		p.End(s)
	}
}
