package origin

import (
	"bytes"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A coding is a Content-Encoding.
type coding string

const (
	identity coding = ""
	gzipped  coding = "gzip"
	brotlied coding = "br"
	zstded   coding = "zstd"
)

// A buffer holds a body while it is made and sent. Buffers are used again:
// making garbage of each body is what a load generator spends most on.
type buffer struct {
	plain []byte
	coded []byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

// give gives the buffer back, unless it grew so large that it had better go.
func (b *buffer) give() {
	if cap(b.plain)+cap(b.coded) <= 4<<20 {
		buffers.Put(b)
	}
}

var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// zstdWriter is for several at once: each EncodeAll takes an encoder of its own.
var zstdWriter = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // the options are constants
	}
	return w
})

// encode appends plain in coding enc to dst.
func encode(dst, plain []byte, enc coding) []byte {
	out := bytes.NewBuffer(dst)
	switch enc {
	case gzipped:
		w := gzipWriters.Get().(*gzip.Writer)
		w.Reset(out)
		w.Write(plain) // to memory: cannot fail
		w.Close()
		gzipWriters.Put(w)
	case brotlied:
		w := brotli.NewWriterLevel(out, brotli.BestSpeed)
		w.Write(plain)
		w.Close()
	case zstded:
		return zstdWriter().EncodeAll(plain, dst)
	default:
		out.Write(plain)
	}
	return out.Bytes()
}
