package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
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
// its first use and then kept, as brotliBomb is.
var gzipBomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	bomb := repeated(&b, w)
	// The writer saw three blocks, so the end must be made right: checksum
	// and length of the whole (RFC 1952, section 2.3.1).
	sum := crc32.ChecksumIEEE([]byte(bombHead))
	for range bombBlocks {
		sum = crc32.Update(sum, crc32.IEEETable, spaces())
	}
	end := bomb[len(bomb)-8:]
	binary.LittleEndian.PutUint32(end, sum)
	binary.LittleEndian.PutUint32(end[4:], uint32(bombSize))
	return bomb
})

// brotliBomb returns a few KB of brotli that expand to bombSize bytes.
var brotliBomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	return repeated(&b, brotli.NewWriterLevel(&b, 5))
})

// spaces is a block of a bomb.
var spaces = sync.OnceValue(func() []byte { return bytes.Repeat([]byte(" "), bombBlock) })

// repeated returns the bomb that w, which writes to b, makes. Only the first
// blocks are compressed: flushed, they are whole bytes that mean the same
// wherever they follow one like them, so the rest are copies of the second.
func repeated(b *bytes.Buffer, w interface {
	io.WriteCloser
	Flush() error
}) []byte {
	var ends [3]int
	io.WriteString(w, bombHead) // to memory: cannot fail
	for i := range ends {
		w.Write(spaces())
		w.Flush()
		ends[i] = b.Len()
	}
	w.Close()
	all := b.Bytes()
	second := all[ends[0]:ends[1]]
	var bomb []byte
	bomb = append(bomb, all[:ends[1]]...)
	for range bombBlocks - 3 {
		bomb = append(bomb, second...)
	}
	return append(bomb, all[ends[1]:]...)
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
