package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// firstBuffer is what a body is first given at least, in bytes.
	firstBuffer = 32 << 10
	// largeBody is the size above which a body must wait for one of a few
	// places, so that many large ones at once do not add up to too much memory.
	largeBody   = 2 << 20
	largeBodies = 2
	// keptBuffer is the largest buffer that is kept for another body.
	keptBuffer = 1 << 20
	// zstdWindow bounds what a zstd stream may make us remember (RFC 9659).
	zstdWindow = 8 << 20
)

// hintMaxBody raises the bound on a body as it comes, too; see Options.
const hintMaxBody = "raise --max-body"

// A body is a decoded response body. Its buffer is reused once it is freed.
type body struct {
	bytes []byte
	wire  int64
	// fault is why the bytes are not all there: it has class truncated, and
	// they are what came before. nil for a whole body.
	fault *Failure

	free func()
}

// A bodyReader reads bodies into buffers that it shares between them.
type bodyReader struct {
	limits  *limits
	buffers sync.Pool     // of *[]byte
	large   chan struct{} // holds one token for each large body
}

func newBodyReader(l *limits) *bodyReader {
	return &bodyReader{limits: l, large: make(chan struct{}, largeBodies)}
}

// read reads and decodes the body of resp, and closes it. When it is cut, read
// returns what came with the fault noted; when it breaks a bound or its
// encoding is broken, only the failure. The caller must free the body.
func (r *bodyReader) read(ctx context.Context, resp *http.Response, c *clock) (*body, *Failure) {
	defer resp.Body.Close()
	coding, f := contentCoding(resp.Header)
	if f != nil {
		return nil, f
	}
	if resp.ContentLength > r.limits.wire {
		return nil, &Failure{Class: TooLarge, Detail: fmt.Sprintf("%d bytes announced, %d allowed", resp.ContentLength, r.limits.wire), Hint: hintMaxBody}
	}
	m := &meter{r: resp.Body, bound: r.limits.wire}
	c.readBody(&m.n)
	fill := &filling{r: r, meter: m, clock: c, plain: coding == ""}
	expect := int64(firstBuffer)
	if fill.plain && resp.ContentLength >= 0 {
		expect = max(expect, min(resp.ContentLength+1, largeBody)) // one more byte to see the end
	}
	fill.take(int(expect))
	f = decodeBody(coding, m, func(dec io.Reader) *Failure { return fill.from(ctx, dec) })
	b := &body{bytes: fill.buf, wire: m.n.Load(), free: fill.free}
	if f != nil && f.Class == Truncated {
		b.fault, f = f, nil
	}
	if f != nil {
		b.free()
		return nil, f
	}
	return b, nil
}

// A meter counts a body's bytes as they come and bounds them.
type meter struct {
	r     io.Reader
	n     atomic.Int64
	bound int64
	err   error // the first error but io.EOF; it comes from the connection or is a *Failure
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.r.Read(p)
	if m.n.Add(int64(n)) > m.bound {
		err = &Failure{Class: TooLarge, Detail: fmt.Sprintf("more than %d bytes as sent", m.bound), Hint: hintMaxBody}
	}
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

// A filling is a body buffer while it grows.
type filling struct {
	r     *bodyReader
	meter *meter
	clock *clock
	plain bool

	buf   []byte
	large bool // it holds a token
}

// take gets a first buffer of at least n bytes.
func (f *filling) take(n int) {
	if p, ok := f.r.buffers.Get().(*[]byte); ok && cap(*p) >= n {
		f.buf = (*p)[:0]
		return
	}
	f.buf = make([]byte, 0, n)
}

// free gives the buffer and the token back.
func (f *filling) free() {
	if f.large {
		<-f.r.large
		f.large = false
	}
	if cap(f.buf) <= keptBuffer {
		buf := f.buf[:0]
		f.r.buffers.Put(&buf)
	}
	f.buf = nil
}

// from reads dec to its end. The failure is of class truncated when what came
// before it may be used.
func (f *filling) from(ctx context.Context, dec io.Reader) *Failure {
	for {
		if len(f.buf) == cap(f.buf) {
			if fail := f.grow(ctx); fail != nil {
				return fail
			}
		}
		n, err := dec.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if fail := f.bounds(); fail != nil {
			return fail
		}
		if err != nil {
			return f.ended(ctx, err)
		}
	}
}

// grow doubles the buffer, up to the bound on a body and the byte that shows
// it was broken.
func (f *filling) grow(ctx context.Context) *Failure {
	size := min(max(2*cap(f.buf), firstBuffer), int(f.r.limits.body)+1)
	if size > largeBody && !f.large {
		f.clock.pause()
		select {
		case f.r.large <- struct{}{}:
			f.large = true
		case <-ctx.Done():
			return interrupted(ctx)
		}
		f.clock.start()
	}
	bigger := make([]byte, len(f.buf), size)
	copy(bigger, f.buf)
	f.buf = bigger
	return nil
}

// bounds checks what is decoded so far.
func (f *filling) bounds() *Failure {
	l, size := f.r.limits, int64(len(f.buf))
	if came := f.meter.n.Load(); !f.plain && size > l.ratioFrom && size > l.ratio*came {
		return &Failure{Class: BombRatio, Detail: fmt.Sprintf("%d bytes became more than %d", came, size)}
	}
	if size > l.body {
		return &Failure{Class: TooLarge, Detail: fmt.Sprintf("more than %d bytes", l.body), Hint: hintMaxBody}
	}
	return nil
}

// ended says what the end of a body means.
func (f *filling) ended(ctx context.Context, err error) *Failure {
	if err == io.EOF {
		// A decoder may end before its input does. What is left of it would
		// hide that the connection was cut, and keep it from being reused.
		var rest [512]byte
		n, rerr := io.ReadFull(f.meter, rest[:])
		if n > 0 {
			return &Failure{Class: Encoding, Detail: "data after the end of the encoded body"}
		}
		if rerr == io.EOF {
			return nil
		}
		err = rerr
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if fail, ok := errors.AsType[*Failure](f.meter.err); ok {
		return fail
	}
	if f.meter.err != nil {
		return &Failure{Class: Truncated, Detail: fmt.Sprintf("the connection broke after %d bytes", f.meter.n.Load()), Err: err}
	}
	if f.meter.n.Load() == 0 {
		return nil // an empty body, which some servers call encoded
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Failure{Class: Truncated, Detail: "the encoded body ends early", Err: err}
	}
	return &Failure{Class: Encoding, Detail: "broken encoding: " + clip(err.Error(), 200), Err: err}
}

// acceptEncoding names what contentCoding and decodeBody understand.
const acceptEncoding = "gzip, br, zstd"

// contentCoding returns the one coding of a body, "" for none.
func contentCoding(h http.Header) (string, *Failure) {
	coding := ""
	for _, line := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch name {
			case "", "identity", "none", "utf-8", "utf8", "binary", "7bit", "8bit", "chunked":
				// No coding, or said by mistake: a charset, what mail says of
				// a text, what Transfer-Encoding says of an answer.
				continue
			case "x-gzip":
				name = "gzip" // RFC 9110, section 8.4.1.3
			case "gzip", "br", "zstd":
			default:
				return "", &Failure{Class: Encoding, Detail: fmt.Sprintf("unknown encoding %q", clip(name, 32))}
			}
			if coding != "" {
				return "", &Failure{Class: Encoding, Detail: "encoded more than once"}
			}
			coding = name
		}
	}
	return coding, nil
}

// Decoders are large, and a worker needs few of them at a time.
var (
	gzipReaders   sync.Pool
	brotliReaders sync.Pool
	zstdReaders   sync.Pool
)

// decodeBody calls read with a reader of what src holds in a coding. A decoder
// that panics is a broken encoding, like one that returns an error.
func decodeBody(coding string, src *meter, read func(io.Reader) *Failure) (f *Failure) {
	defer func() {
		if p := recover(); p != nil {
			f = &Failure{Class: Encoding, Detail: fmt.Sprintf("the %s decoder gave up: %v", coding, p)}
		}
	}()
	switch coding {
	case "gzip":
		return decodeGzip(src, read)
	case "br":
		return decodeBrotli(src, read)
	case "zstd":
		return decodeZstd(src, read)
	}
	return read(src)
}

func decodeGzip(src *meter, read func(io.Reader) *Failure) *Failure {
	z, _ := gzipReaders.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	if err := z.Reset(src); err != nil {
		return read(failing{err}) // io.EOF for no bytes at all: an empty body
	}
	f := read(z)
	gzipReaders.Put(z)
	return f
}

func decodeBrotli(src *meter, read func(io.Reader) *Failure) *Failure {
	z, _ := brotliReaders.Get().(*brotli.Reader)
	if z == nil {
		z = brotli.NewReader(src)
	} else if err := z.Reset(src); err != nil {
		return read(failing{err})
	}
	f := read(z)
	brotliReaders.Put(z)
	return f
}

func decodeZstd(src *meter, read func(io.Reader) *Failure) *Failure {
	z, _ := zstdReaders.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return &Failure{Class: Encoding, Detail: "no zstd decoder", Err: err}
		}
	}
	if err := z.Reset(src); err != nil {
		return read(failing{err})
	}
	f := read(z)
	if z.Reset(nil) == nil { // lets go of src
		zstdReaders.Put(z)
	}
	return f
}

// A failing reader has nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
