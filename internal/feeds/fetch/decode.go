package fetch

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"feedmill/internal/feeds"
)

// acceptEncoding names what is asked for. What else decoders knows is read where it
// comes unasked.
const acceptEncoding = "gzip, br, zstd"

// maxCodings bounds the codings of one body. No server is known to use two.
const maxCodings = 3

// zstdWindow bounds what a zstd stream may make us remember (RFC 9659).
const zstdWindow = 8 << 20

// A decoder gives read a reader of what src holds.
type decoder func(src io.Reader, read func(io.Reader) *feeds.Failure) *feeds.Failure

var decoders = map[string]decoder{"gzip": decodeGzip, "x-gzip": decodeGzip, "br": decodeBrotli, "zstd": decodeZstd, "deflate": decodeDeflate}

// contentCodings returns the codings of a body in the order in which they were
// applied. Any other word is none: servers say there what charset or media type the
// body has, how it was uploaded (aws-chunked), or what mail says of a text. A coding
// that is named twice in a row is named by two programs and applied by one; if it
// was really applied twice, see filling.looked.
func contentCodings(h http.Header) []string {
	var codings []string
	for _, line := range h["Content-Encoding"] {
		for word := range strings.SplitSeq(line, ",") {
			word, _, _ = strings.Cut(word, ";")
			if word = strings.ToLower(strings.TrimSpace(word)); decoders[word] != nil {
				codings = append(codings, word)
			}
		}
	}
	return slices.Compact(codings)
}

// decodeBody calls read with a reader of what src holds in some codings. A decoder
// that panics is a broken encoding, like one that returns an error.
func decodeBody(codings []string, src io.Reader, read func(io.Reader) *feeds.Failure) (f *feeds.Failure) {
	n := len(codings)
	switch {
	case n == 0:
		return read(src)
	case n > maxCodings:
		return feeds.Failf(feeds.Encoding, "encoded %d times", n)
	}
	defer func() {
		if p := recover(); p != nil {
			f = feeds.Failf(feeds.Encoding, "the %s decoder gave up: %v", codings[n-1], p)
		}
	}()
	return decoders[codings[n-1]](src, func(r io.Reader) *feeds.Failure { return decodeBody(codings[:n-1], r, read) })
}

// Decoders are large, and a worker needs few of them at a time.
var (
	gzipReaders   sync.Pool
	brotliReaders sync.Pool
	zstdReaders   sync.Pool
)

// gzipMark begins a gzip member.
const gzipMark = "\x1f\x8b"

// errTrailing says that bytes follow the end of an encoded body that are none.
var errTrailing = errors.New("data after the end of the encoded body")

// brotliTrailing is what brotli says of that, which has no name to be known by.
var brotliTrailing = sync.OnceValue(func() error {
	_, err := io.ReadAll(brotli.NewReader(strings.NewReader("\x06\n")))
	return err
})

// A members reads the members of a gzip stream, which are one body (RFC 1952,
// section 2.2). gzip.Reader does so by itself, but cannot tell a broken member from
// what was sent behind the last one.
type members struct {
	gzip gzip.Reader
	src  *bufio.Reader
}

func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.gzip.Read(p)
		if err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil // the end comes again
		}
		switch head, err := m.src.Peek(len(gzipMark)); {
		case len(head) == 0 && err != nil:
			return 0, err
		case string(head) != gzipMark:
			return 0, errTrailing
		}
		if err := m.begin(); err != nil {
			return 0, err
		}
	}
}

// begin reads the header of the next member.
func (m *members) begin() error {
	err := m.gzip.Reset(m.src)
	m.gzip.Multistream(false)
	return err
}

func decodeGzip(src io.Reader, read func(io.Reader) *feeds.Failure) *feeds.Failure {
	m, _ := gzipReaders.Get().(*members)
	if m == nil {
		m = &members{src: bufio.NewReader(nil)}
	}
	m.src.Reset(src)
	if err := m.begin(); err != nil {
		return read(failing{err}) // io.EOF for no bytes at all: an empty body
	}
	f := read(m)
	gzipReaders.Put(m)
	return f
}

// decodeDeflate reads both forms: with the header of zlib, as RFC 9110 has it, and
// without, as servers have it that took the name at its word.
func decodeDeflate(src io.Reader, read func(io.Reader) *feeds.Failure) *feeds.Failure {
	b := bufio.NewReader(src)
	head, err := b.Peek(2)
	if len(head) < 2 {
		return read(failing{err})
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		z, err := zlib.NewReader(b)
		if err != nil {
			return read(failing{err})
		}
		return read(z)
	}
	return read(flate.NewReader(b))
}

func decodeBrotli(src io.Reader, read func(io.Reader) *feeds.Failure) *feeds.Failure {
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

func decodeZstd(src io.Reader, read func(io.Reader) *feeds.Failure) *feeds.Failure {
	z, _ := zstdReaders.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return &feeds.Failure{Class: feeds.Encoding, Detail: "no zstd decoder", Err: err}
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
