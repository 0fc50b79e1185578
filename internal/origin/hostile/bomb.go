package hostile

import (
	"bytes"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// bombHead is how the document in a bomb begins; spaces follow, bombBlocks
// blocks of bombBlock bytes.
const (
	bombHead   = xmlHead + `<rss version="2.0"><channel><title>boom</title><description>`
	bombBlock  = 1 << 20
	bombBlocks = 100
	bombSize   = len(bombHead) + bombBlocks*bombBlock
)

// gzipBomb returns about 100 KB that expand to bombSize bytes. It is made at
// its first use, in a tenth of a second, and then kept, as brotliBomb is.
var gzipBomb = sync.OnceValue(func() []byte {
	return bomb(func(w io.Writer) io.WriteCloser { return gzipTo(w) })
})

func gzipTo(w io.Writer) *gzip.Writer {
	g, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return g
}

// brotliBomb returns some 20 KB of brotli that expand to bombSize bytes.
var brotliBomb = sync.OnceValue(func() []byte {
	return bomb(func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) })
})

// bomb returns what a compressor makes of the document.
func bomb(compress func(io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := compress(&b)
	io.WriteString(w, bombHead) // to memory: cannot fail
	block := bytes.Repeat([]byte(" "), bombBlock)
	for range bombBlocks {
		w.Write(block)
	}
	w.Close()
	return b.Bytes()
}

// zstdBomb returns a few KB of zstd that expand to bombSize bytes: a frame
// with one block as it is and then blocks that are a single byte and how often
// it comes (RFC 8878, sections 3.1.1.1 and 3.1.1.2).
func zstdBomb() []byte {
	const (
		raw, run  = 0, 1      // block types
		blockSize = 128 << 10 // the most that a block may have
		window    = 0x68      // 8 MiB
		last      = 1         // bit 0 of a block's header
	)
	bomb := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	header := func(flags, kind, size uint32) {
		h := flags | kind<<1 | size<<3
		bomb = append(bomb, byte(h), byte(h>>8), byte(h>>16))
	}
	header(0, raw, uint32(len(bombHead)))
	bomb = append(bomb, bombHead...)
	const blocks = bombBlocks * bombBlock / blockSize
	for i := range blocks {
		var flags uint32
		if i == blocks-1 {
			flags = last
		}
		header(flags, run, blockSize)
		bomb = append(bomb, ' ')
	}
	return bomb
}
