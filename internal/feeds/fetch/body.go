package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"feedmill/internal/feeds"
)

const (
	// firstBuffer is what a body is first given at least, in bytes.
	firstBuffer = 32 << 10
	// largeBody is the size above which a body must wait for one of a few
	// places, so that many large ones at once do not add up to too much memory.
	largeBody   = 2 << 20
	largeBodies = 2
	// hugeBody is the size above which there is one at a time, and its buffer is
	// made once and for all.
	hugeBody = 8 << 20
	// heldBodies bounds the buffers of all bodies that are being read, or wait
	// for the parser, in bytes. What a server sends meanwhile waits in the
	// system's buffers, and then there. Large bodies have places instead.
	heldBodies = 16 << 20
	// keptBuffer is the largest buffer that is kept for another body.
	keptBuffer = 1 << 20
)

const hintMaxBody = "raise --max-body"

// A body is a decoded response body. Its buffer is reused once it is freed.
type body struct {
	bytes []byte
	wire  int64
	// fault is what was wrong with how the bytes came: they are what came before
	// the connection or the encoding broke, or there was something behind them.
	// nil for a body that ended as it should.
	fault *feeds.Failure

	free func()
}

// A bodyReader reads bodies into buffers that it shares between them.
type bodyReader struct {
	limits  *limits
	buffers sync.Pool     // of *[]byte
	large   chan struct{} // holds one token for each large body
	huge    chan struct{} // and one for a huge one, besides
	held    quota         // by those that are not large
}

func newBodyReader(l *limits) *bodyReader {
	return &bodyReader{limits: l, large: make(chan struct{}, largeBodies), huge: make(chan struct{}, 1), held: quota{limit: heldBodies}}
}

// read reads and decodes the body of resp, and closes it. When it is cut, read
// returns what came with the fault noted; when it breaks a bound or its
// encoding is broken, only the failure. The caller must free the body.
func (r *bodyReader) read(ctx context.Context, resp *http.Response, w *wire, c *clock) (*body, *feeds.Failure) {
	defer resp.Body.Close()
	codings := contentCodings(resp.Header)
	m := &meter{r: resp.Body, bound: r.limits.wire(), from: w.since(traffic{}), wire: w, coded: len(codings) > 0}
	if size := resp.ContentLength; size > m.bound || !m.coded && size > r.limits.body {
		return nil, &feeds.Failure{Class: feeds.TooLarge, Detail: fmt.Sprintf("%d bytes announced, %d allowed", size, r.limits.body), Hint: hintMaxBody}
	}
	c.readBody(&m.n)
	fill := &filling{r: r, meter: m, clock: c}
	expect := int64(firstBuffer)
	if !m.coded && resp.ContentLength >= 0 {
		expect = max(expect, min(resp.ContentLength+1, largeBody)) // one more byte to see the end
	}
	if !fill.room(ctx, expect, nil) {
		return nil, interrupted(ctx)
	}
	fill.first(int(expect))
	f := decodeBody(codings, m, func(dec io.Reader) *feeds.Failure { return fill.from(ctx, dec) })
	b := &body{bytes: fill.buf, wire: m.n.Load(), free: fill.free}
	if f != nil && (f.Class == feeds.Truncated || errors.Is(f, errTrailing)) {
		b.fault, f = f, nil
	}
	if f != nil {
		b.free()
		return nil, f
	}
	return b, nil
}

// What comes of a body may be little against what it takes to find that out: empty
// blocks of a coding, chunks of a byte, records of TLS with a byte each. So much of it
// is nobody's sloppiness, and more would cost a worker seconds of processor time.
const (
	idleBytes = 1 << 20 // that may bring nothing; beyond them
	idleRatio = 4       // bytes that may be sent for one of the body

	manyPieces = 4096 // as which a body, or all of HTTP/2, may come; beyond them
	leastPiece = 16   // bytes for each

	mostPieces = 32 << 10 // that may be as small; beyond them
	usualPiece = 512      // bytes for each
)

// areCrumbs reports whether so many bytes in so many pieces are too few. A piece costs
// more than a microsecond.
func areCrumbs(pieces, bytes int64) bool {
	return pieces > manyPieces && bytes < leastPiece*pieces || pieces > mostPieces+bytes/usualPiece
}

// A meter counts a body's bytes as they come and bounds them, and what it takes to
// bring them.
type meter struct {
	r     io.Reader
	n     atomic.Int64
	bound int64
	err   error // the first error but io.EOF; it comes from the connection or is a *Failure

	wire    *wire   // nil where there is none to look at
	from    traffic // of wire, when the body began
	coded   bool    // the bytes are to be decoded
	decoded int64   // bytes so far; a decoder may read ahead
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.r.Read(p)
	if m.n.Add(int64(n)) > m.bound {
		err = &feeds.Failure{Class: feeds.TooLarge, Detail: fmt.Sprintf("more than %d bytes as sent", m.bound), Hint: hintMaxBody}
	}
	if err == nil {
		err = m.idle()
	}
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

// idle says that what comes brings next to nothing, or returns nil.
func (m *meter) idle() error {
	n := m.n.Load()
	if m.coded && n > idleBytes+idleRatio*m.decoded {
		return &feeds.Failure{Class: feeds.Encoding, Detail: fmt.Sprintf("%d bytes in a coding, which became %d", n, m.decoded)}
	}
	took := m.wire.since(m.from)
	if took.bytes > idleBytes+idleRatio*n || areCrumbs(took.reads, n) {
		return &feeds.Failure{Class: feeds.HTTPError, Detail: fmt.Sprintf("%d bytes in %d pieces that brought %d", took.bytes, took.reads, n)}
	}
	return nil
}

// A filling is a body buffer while it grows.
type filling struct {
	r     *bodyReader
	meter *meter
	clock *clock

	buf     []byte
	holds   []chan struct{} // places for large bodies
	counted int64           // bytes of the quota
	looked  bool            // at the first bytes, for gzip that nobody spoke of
}

// first takes a buffer of at least n bytes, for which there is room.
func (f *filling) first(n int) {
	if p, ok := f.r.buffers.Get().(*[]byte); ok && cap(*p) >= n {
		f.buf = (*p)[:0]
		return
	}
	f.buf = make([]byte, 0, n)
}

// free gives the buffer and the token back.
func (f *filling) free() {
	for _, place := range f.holds {
		<-place
	}
	f.holds = nil
	f.r.held.giveBack(f.counted)
	f.counted = 0
	if cap(f.buf) <= keptBuffer {
		buf := f.buf[:0]
		f.r.buffers.Put(&buf)
	}
	f.buf = nil
}

// from reads dec to its end. The failure is of class truncated when what came
// before it may be used.
func (f *filling) from(ctx context.Context, dec io.Reader) *feeds.Failure {
	for {
		if len(f.buf) == cap(f.buf) {
			if fail := f.grow(ctx); fail != nil {
				return fail
			}
		}
		n, err := dec.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		f.meter.decoded = int64(len(f.buf))
		if fail := f.bounds(); fail != nil {
			return fail
		}
		if !f.looked && len(f.buf) >= len(gzipMark) {
			if f.looked = true; bytes.HasPrefix(f.buf, []byte(gzipMark)) { // no feed begins like this
				rest := io.MultiReader(bytes.NewReader(bytes.Clone(f.buf)), dec)
				f.buf, f.meter.coded = f.buf[:0], true
				return decodeGzip(rest, func(dec io.Reader) *feeds.Failure { return f.from(ctx, dec) })
			}
		}
		if err != nil {
			return f.ended(ctx, err)
		}
	}
}

// room takes more of the quota, or one of the places, whichever is to be had first:
// who has a place waits for nobody, so all get on. It reports false when ctx ended
// first.
func (f *filling) room(ctx context.Context, n int64, places chan struct{}) bool {
	for wait := f.r.held.try(n); wait != nil; wait = f.r.held.try(n) {
		f.clock.pause()
		select {
		case <-wait:
		case places <- struct{}{}:
			f.holds = append(f.holds, places)
			f.clock.start()
			return true
		case <-ctx.Done():
			return false
		}
		f.clock.start()
	}
	f.counted += n
	return true
}

// grow doubles the buffer, up to the bound on a body and the byte that shows
// it was broken. One that has become as large as few bodies are is given room for
// nearly any at once: copying it on and on would take as much again.
func (f *filling) grow(ctx context.Context) *feeds.Failure {
	size := max(2*cap(f.buf), firstBuffer)
	if size > hugeBody {
		size = max(size, feeds.DefaultMaxBody+1)
	}
	size = min(size, int(f.r.limits.body)+1)
	if len(f.holds) == 0 && size <= largeBody && !f.room(ctx, int64(size-cap(f.buf)), f.r.large) {
		return interrupted(ctx)
	}
	if size > largeBody && len(f.holds) == 0 && !f.hold(ctx, f.r.large) || size > hugeBody && len(f.holds) == 1 && !f.hold(ctx, f.r.huge) {
		return interrupted(ctx)
	}
	bigger := make([]byte, len(f.buf), size)
	copy(bigger, f.buf)
	f.buf = bigger
	return nil
}

// hold waits for one of the places, and reports false when ctx ended first. Who
// has a place never waits for one of the same kind.
func (f *filling) hold(ctx context.Context, places chan struct{}) bool {
	f.clock.pause()
	defer f.clock.start()
	select {
	case places <- struct{}{}:
		f.holds = append(f.holds, places)
		return true
	case <-ctx.Done():
		return false
	}
}

// bounds checks what is decoded so far.
func (f *filling) bounds() *feeds.Failure {
	l, size := f.r.limits, int64(len(f.buf))
	if came := f.meter.n.Load(); f.meter.coded && size > l.ratioFrom && size > l.ratio*came {
		return &feeds.Failure{Class: feeds.BombRatio, Detail: fmt.Sprintf("%d bytes became more than %d", came, size)}
	}
	if size > l.body {
		return &feeds.Failure{Class: feeds.TooLarge, Detail: fmt.Sprintf("more than %d bytes", l.body), Hint: hintMaxBody}
	}
	return nil
}

// ended says what the end of a body means.
func (f *filling) ended(ctx context.Context, err error) *feeds.Failure {
	if err == io.EOF {
		// A decoder may end before its input does. What is left of it would
		// hide that the connection was cut, and keep it from being reused.
		var rest [512]byte
		n, rerr := io.ReadFull(f.meter, rest[:])
		if n == 0 && rerr == io.EOF {
			return nil
		}
		if err = rerr; n > 0 {
			err = errTrailing
		}
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if fail, ok := errors.AsType[*feeds.Failure](f.meter.err); ok {
		return fail
	}
	if f.meter.err != nil {
		why := "the connection broke"
		if !disconnected(f.meter.err) {
			why = "the body broke: " + feeds.Clip(f.meter.err.Error(), 200) + ","
		}
		return &feeds.Failure{Class: feeds.Truncated, Detail: fmt.Sprintf("%s after %d bytes", why, f.meter.n.Load()), Err: err}
	}
	if f.meter.n.Load() == 0 {
		return nil // an empty body, which some servers call encoded
	}
	if err == brotliTrailing() || err == zstd.ErrMagicMismatch && len(f.buf) > 0 { // of another frame
		err = errTrailing
	}
	if err == errTrailing {
		return &feeds.Failure{Class: feeds.Encoding, Detail: err.Error(), Err: err}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &feeds.Failure{Class: feeds.Truncated, Detail: "the encoded body ends early", Err: err}
	}
	return &feeds.Failure{Class: feeds.Encoding, Detail: "broken encoding: " + feeds.Clip(err.Error(), 200), Err: err}
}

// A quota bounds the bytes that are held at a time.
type quota struct {
	limit int64

	mu    sync.Mutex
	held  int64
	freed chan struct{} // closed when some are given back; nil while nobody waits
}

// try takes n bytes if there is room for them. If not, it returns a channel that
// closes when there may be. Whoever holds nothing else gets any n.
func (q *quota) try(n int64) (wait <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held == 0 || q.held+n <= q.limit {
		q.held += n
		return nil
	}
	if q.freed == nil {
		q.freed = make(chan struct{})
	}
	return q.freed
}

// giveBack returns n bytes.
func (q *quota) giveBack(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= n
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}
