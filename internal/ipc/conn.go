package ipc

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"

	"feedmill/internal/crash"
	"feedmill/internal/feeds"
)

// keepBuffer is the longest send buffer that is kept for the next message, in
// bytes.
const keepBuffer = 1 << 20

// A Conn sends and receives messages over a pair of byte streams. One
// goroutine may Send while another Recvs; neither may be called twice at once,
// and Send and SendResult count as one. A Conn owns neither stream and never
// closes them: whoever made them does, and by that unblocks Send and Recv.
type Conn struct {
	in       inlet
	maxFrame uint32
	recvSeq  uint32
	recvErr  error // the error that ended receiving; nil before

	out     sink
	lists   remote // where items go instead; nil in most modes
	sendSeq uint32
	sendErr error // the error that ended sending; nil before
	// unchecked says that frames go to out without their checksums.
	unchecked bool

	jobs    jobSource     // where batches come from; nil for nowhere
	piece   int64         // length of a payload above which SendResult begins another; 0 means PieceSize
	ends    WorkerEnd     // held, so that no stdout is closed for being forgotten
	board   *Scoreboard   // told which answer is sent; nil for none
	probe   Probe         // told of every stage; nil for none
	peerMax atomic.Uint32 // the peer's limit: Recv learns it from Hello, Send keeps to it
	sent    atomic.Int64
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
	c := &Conn{in: inlet{r: r}, maxFrame: maxFrame, out: out}
	c.peerMax.Store(DefaultMaxFrame)
	return c
}

// Show makes Send and SendResult say on b which answer they encode and write.
// It must be called before them.
func (c *Conn) Show(b *Scoreboard) {
	c.board = b
	if s, ok := c.out.(interface{ show(*Scoreboard) }); ok {
		s.show(b)
	}
	if c.lists != nil {
		c.lists.show(b)
	}
}

// Sent returns how many bytes were written so far, headers included. It may be
// called at any time, from any goroutine.
func (c *Conn) Sent() int64 { return c.sent.Load() }

// Received returns how many bytes were read so far, headers included. It may
// be called at any time, from any goroutine.
func (c *Conn) Received() int64 { return c.in.read.Load() }

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
	case m.Call != nil:
		err = checkItems(m.Call.Items)
	case m.Reply != nil:
		err = checkItems(m.Reply.Items)
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
	if c.lists != nil && len(items) > 0 {
		sizes = append(sizes, len(items)-sum(sizes))
	}
	for _, n := range sizes {
		if err := c.sendItems(r.ID, items[:n]); err != nil {
			return err
		}
		items = items[n:]
		crash.At("worker: between pieces")
	}
	if c.lists != nil && len(r.Items) > 0 {
		if err := c.Send(&Message{Items: &Items{ID: r.ID}}); err != nil {
			return err
		}
	}
	last := *r
	last.Items = items
	return c.Send(&Message{Result: &last})
}

// sendItems sends a part of a list to where the mode has it.
func (c *Conn) sendItems(job int64, items []feeds.Item) error {
	if c.lists == nil {
		return c.Send(&Message{Items: &Items{ID: job, Items: items}})
	}
	return c.lists.add(job, items)
}

// remote is where items go that do not go with their result.
type remote interface {
	add(job int64, items []feeds.Item) error
	show(*Scoreboard)
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

// pieces returns how many items go into each Items frame before the Result,
// or an error if some piece would be more than the peer accepts.
func (c *Conn) pieces(r *feeds.Result) ([]int, error) {
	limit := int64(c.peerMax.Load())
	if n := resultBound(r); n > limit {
		return nil, tooLarge("Result without items", n, limit)
	}
	soft := min(cmp.Or(c.piece, PieceSize), limit)
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
	putHeader(b, k, c.sendSeq)
	if !c.unchecked {
		putChecksum(b)
	}
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

// Pending reports whether Send has put something aside that Flush would hand
// over. There is never anything in modes that write each frame at once.
func (c *Conn) Pending() bool {
	g, ok := c.out.(gatherer)
	return ok && g.pending()
}

// Flush hands over what Send has put aside, and counts as Send. Its errors are
// final.
func (c *Conn) Flush() error {
	g, ok := c.out.(gatherer)
	if !ok || c.sendErr != nil {
		return c.sendErr
	}
	if err := g.flush(); err != nil {
		c.sendErr = fmt.Errorf("hand over frames: %w", err)
	}
	return c.sendErr
}
