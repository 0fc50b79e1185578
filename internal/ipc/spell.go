package ipc

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// The msgpack forms that jobs and items need, appended and read by hand: with
// the library the codec costs several times what the pipe does. Only the
// shortest form of a value is written, and only that one is read.

func appendString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		b = append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		b = append(b, 0xda, byte(n>>8), byte(n))
	default:
		b = append(b, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, s...)
}

func appendArray(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x90|byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xdc, byte(n>>8), byte(n))
	}
	return append(b, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func appendUint(b []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(b, byte(n))
	case n <= math.MaxUint8:
		return append(b, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xcd, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
}

// appendInt spells numbers from 0 on like appendUint.
func appendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(b, uint64(n))
	case n >= -32:
		return append(b, byte(n))
	case n >= math.MinInt8:
		return append(b, 0xd0, byte(n))
	case n >= math.MinInt16:
		return append(b, 0xd1, byte(n>>8), byte(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

// A speller reads msgpack from a payload and keeps the first error. After an
// error everything reads as zero and every count as 0, so that callers need to
// look only once, at the end.
type speller struct {
	b       []byte // what remains
	payload []byte // the whole
	err     error
	lent    *list // for the items; nil when there are none
}

func newSpeller(payload []byte) *speller {
	return &speller{b: payload, payload: payload}
}

func (r *speller) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", len(r.payload)-len(r.b), fmt.Errorf(format, args...))
	}
	r.b = nil
}

// end returns the first error, which it is to leave bytes over.
func (r *speller) end() error {
	if len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return r.err
}

// take returns the next n bytes, or nil.
func (r *speller) take(n int) []byte {
	if n > len(r.b) {
		r.fail("%d bytes wanted, %d left", n, len(r.b))
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// code returns the next byte and whether there is one.
func (r *speller) code() (byte, bool) {
	if len(r.b) == 0 {
		r.fail("ends early")
		return 0, false
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c, true
}

// wide reads a big-endian number of n bytes, 1, 2, 4 or 8, that must be at
// least low: anything less has a shorter form.
func (r *speller) wide(n int, low uint64) uint64 {
	p := r.take(n)
	if p == nil {
		return 0
	}
	var v uint64
	switch n {
	case 1:
		v = uint64(p[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(p))
	case 4:
		v = uint64(binary.BigEndian.Uint32(p))
	default:
		v = binary.BigEndian.Uint64(p)
	}
	if v < low {
		r.fail("%d is not in its shortest form", v)
		return 0
	}
	return v
}

// string returns a string that shares the payload's bytes. It reads the forms
// that strings of up to 64 KiB have by itself, because most fields are one;
// anything else, and whatever is wrong, is oddString's.
func (r *speller) string() string {
	b := r.b
	if len(b) < 3 {
		return r.oddString()
	}
	from, n := 1, int(b[0]&0x1f)
	switch {
	case b[0]&0xe0 == 0xa0:
	case b[0] == 0xd9 && b[1] >= 32:
		from, n = 2, int(b[1])
	case b[0] == 0xda && b[1] > 0:
		from, n = 3, int(b[1])<<8|int(b[2])
	default:
		return r.oddString()
	}
	if n == 0 {
		r.b = b[1:]
		return ""
	}
	if n > len(b)-from {
		return r.oddString()
	}
	r.b = b[from+n:]
	return unsafe.String(&b[from], n)
}

// oddString reads a string of any form.
func (r *speller) oddString() string {
	c, ok := r.code()
	if !ok {
		return ""
	}
	var n uint64
	switch {
	case c&0xe0 == 0xa0:
		n = uint64(c & 0x1f)
	case c == 0xd9:
		n = r.wide(1, 32)
	case c == 0xda:
		n = r.wide(2, 1<<8)
	case c == 0xdb:
		n = r.wide(4, 1<<16)
	default:
		r.fail("%02x is no string", c)
	}
	if n == 0 {
		return ""
	}
	if n > uint64(len(r.b)) {
		r.fail("string of %d bytes, %d left", n, len(r.b))
		return ""
	}
	s := unsafe.String(unsafe.SliceData(r.b), int(n))
	r.b = r.b[n:]
	return s
}

// list reads the length of an array of elements that take at least atLeast
// bytes each: a length that what remains cannot hold is an error, so it may be
// allocated.
func (r *speller) list(atLeast int) int {
	if len(r.b) > 0 && r.b[0]&0xf0 == 0x90 { // the usual form
		n := int(r.b[0] & 0x0f)
		if n*atLeast < len(r.b) {
			r.b = r.b[1:]
			return n
		}
	}
	c, ok := r.code()
	if !ok {
		return 0
	}
	var n uint64
	switch {
	case c&0xf0 == 0x90:
		n = uint64(c & 0x0f)
	case c == 0xdc:
		n = r.wide(2, 16)
	case c == 0xdd:
		n = r.wide(4, 1<<16)
	default:
		r.fail("%02x is no array", c)
	}
	if n > uint64(len(r.b)/atLeast) {
		r.fail("%d elements of at least %d bytes, %d left", n, atLeast, len(r.b))
		return 0
	}
	return int(n)
}

// fields reads the length of an array that must have n elements.
func (r *speller) fields(n int) {
	if got := r.list(1); got != n {
		r.fail("%d fields, want %d", got, n)
	}
}

func (r *speller) uint() uint64 {
	if len(r.b) >= 9 { // the usual forms: of counts, times and hashes
		switch c := r.b[0]; {
		case c <= 0x7f:
			r.b = r.b[1:]
			return uint64(c)
		case c == 0xce && r.b[1]|r.b[2] != 0:
			n := binary.BigEndian.Uint32(r.b[1:])
			r.b = r.b[5:]
			return uint64(n)
		case c == 0xcf && binary.BigEndian.Uint32(r.b[1:]) != 0:
			n := binary.BigEndian.Uint64(r.b[1:])
			r.b = r.b[9:]
			return n
		}
	}
	c, ok := r.code()
	if !ok {
		return 0
	}
	switch {
	case c <= 0x7f:
		return uint64(c)
	case c == 0xcc:
		return r.wide(1, 1<<7)
	case c == 0xcd:
		return r.wide(2, 1<<8)
	case c == 0xce:
		return r.wide(4, 1<<16)
	case c == 0xcf:
		return r.wide(8, 1<<32)
	}
	r.fail("%02x is no number from 0 on", c)
	return 0
}

// uintTo reads a number from 0 to limit.
func (r *speller) uintTo(limit uint64) uint64 {
	n := r.uint()
	if n > limit {
		r.fail("%d, limit %d", n, limit)
		return 0
	}
	return n
}

// count reads a number of things.
func (r *speller) count() int { return int(r.uintTo(math.MaxInt)) }

// amount reads a number of bytes or nanoseconds.
func (r *speller) amount() int64 { return int64(r.uintTo(math.MaxInt64)) }

func (r *speller) int() int64 {
	if len(r.b) == 0 || r.b[0] <= 0x7f || r.b[0]&0xfc == 0xcc {
		return r.amount()
	}
	c, _ := r.code()
	switch {
	case c >= 0xe0:
		return int64(int8(c))
	case c == 0xd0:
		return r.negative(int64(int8(r.wide(1, 0))), -32)
	case c == 0xd1:
		return r.negative(int64(int16(r.wide(2, 0))), math.MinInt8)
	case c == 0xd2:
		return r.negative(int64(int32(r.wide(4, 0))), math.MinInt16)
	case c == 0xd3:
		return r.negative(int64(r.wide(8, 0)), math.MinInt32)
	}
	r.fail("%02x is no number", c)
	return 0
}

// negative returns n, which must be below limit: anything from there on has a
// shorter form.
func (r *speller) negative(n, limit int64) int64 {
	if n >= limit {
		r.fail("%d is not in its shortest form", n)
		return 0
	}
	return n
}

func (r *speller) bool() bool {
	c, ok := r.code()
	if ok && c&0xfe != 0xc2 {
		r.fail("%02x is neither true nor false", c)
		return false
	}
	return ok && c == 0xc3
}
