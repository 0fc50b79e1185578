package ipc

import (
	"io"
	"slices"
	"sync/atomic"
)

const (
	readAhead = 64 << 10 // what is read in the hope that it is the next frames
	leastRoom = 16 << 10 // with less than this left of it, a buffer is at its end
	readPiece = 1 << 20  // longest stretch of a payload that is allocated on the header's word

	// chunkSize is how much memory is read into at a time, in bytes: a frame of
	// PieceSize with what is around it, or some results of usual size. Whoever
	// keeps a string of a message keeps all of that.
	chunkSize = PieceSize + leastRoom
)

// An inlet is where frames come in. It reads a payload to where its message
// will find it, together with the headers and the small frames around it, so
// that nothing is copied but what a buffer ends in the middle of. It never
// writes to what it has returned: messages lie there.
//
// Rejected: a bufio.Reader, which copies every payload once more; and buffers
// that are used again, which whoever has an item must give back, for 1.3 % of a
// round's CPU time.
type inlet struct {
	r    io.Reader
	err  error        // what r ended with, once what it gave before is taken
	read atomic.Int64 // bytes that came, also of a frame that has not come whole

	b        []byte // nil before the first read
	from, to int    // what was read into b and not taken
}

// peek returns what was read and not taken, at least n bytes of it, at most
// leastRoom. It reads only when there is less, and then what there is, up to
// readAhead. io.EOF means that there is not a single byte, and
// io.ErrUnexpectedEOF that there are fewer than n.
func (in *inlet) peek(n int) ([]byte, error) {
	if in.to-in.from < n {
		in.makeRoom(leastRoom)
	}
	return in.fill(n, readAhead)
}

// makeRoom sees to it that the next n bytes, at most chunkSize, fit the buffer.
func (in *inlet) makeRoom(n int) {
	if in.from+n <= len(in.b) {
		return
	}
	next := make([]byte, chunkSize)
	in.to = copy(next, in.b[in.from:in.to])
	in.b, in.from = next, 0
}

// fill reads until there are n bytes, but never more than limit, for both of
// which there is room.
func (in *inlet) fill(n, limit int) ([]byte, error) {
	end := min(in.from+limit, len(in.b))
	for in.to-in.from < n {
		k, err := in.some(in.b[in.to:end])
		in.to += k
		if err != nil && in.to-in.from < n {
			if err == io.EOF && in.from < in.to {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return in.b[in.from:in.to], nil
}

// some reads at least one byte into p, or returns why not.
func (in *inlet) some(p []byte) (int, error) {
	for range 100 {
		if in.err != nil {
			return 0, in.err
		}
		var n int
		n, in.err = in.r.Read(p)
		in.read.Add(int64(n))
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.ErrNoProgress
}

// take returns the next n bytes, which stay as they are.
func (in *inlet) take(n int) ([]byte, error) {
	if n > chunkSize {
		return in.takeLong(n)
	}
	in.makeRoom(n)
	b, err := in.fill(n, max(n, readAhead))
	if err != nil {
		return nil, err
	}
	in.from += n
	return b[:n:n], nil
}

// takeLong reads n bytes into memory of their own. A header's word is good for
// one piece of it at a time.
//
// Rejected: a buffer that doubles, which holds twice what came.
func (in *inlet) takeLong(n int) ([]byte, error) {
	var pieces [][]byte
	for left := n; left > 0; left -= readPiece {
		b := make([]byte, min(left, readPiece))
		had := copy(b, in.b[in.from:in.to])
		in.from += had
		for had < len(b) {
			k, err := in.some(b[had:])
			if had += k; err != nil {
				return nil, err
			}
		}
		pieces = append(pieces, b)
	}
	if len(pieces) == 1 {
		return pieces[0], nil
	}
	return slices.Concat(pieces...), nil
}

// skip takes n bytes that peek has returned.
func (in *inlet) skip(n int) { in.from += n }
