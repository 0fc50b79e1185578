package ipc

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// The msgpack forms of a message, appended and read by hand: with the library the
// codec costs several times what the pipe does. Only the shortest form of a
// value is written, and only that one is read.

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

// A decoder reads msgpack from a payload and keeps the first error. After an
// error everything reads as zero and every count as 0, so that callers need to
// look only once, at the end.
type decoder struct {
	b    []byte // what remains
	size int    // of the whole
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("at byte %d: %w", d.size-len(d.b), fmt.Errorf(format, args...))
	}
	d.b = nil
}

// end returns the first error, which it is to leave bytes over.
func (d *decoder) end() error {
	if len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	return d.err
}

// rest passes over what remains.
func (d *decoder) rest() { d.b = nil }

// take returns the next n bytes, or nil.
func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("%d bytes wanted, %d left", n, len(d.b))
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

// code returns the next byte and whether there is one.
func (d *decoder) code() (byte, bool) {
	if len(d.b) == 0 {
		d.fail("ends early")
		return 0, false
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c, true
}

// wide reads a big-endian number of n bytes, 1, 2, 4 or 8, that must be at
// least low: anything less has a shorter form.
func (d *decoder) wide(n int, low uint64) uint64 {
	p := d.take(n)
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
		d.fail("%d is not in its shortest form", v)
		return 0
	}
	return v
}

// string returns a string that shares the payload's bytes. It reads the forms
// that strings of up to 64 KiB have by itself, because most fields are one;
// anything else, and whatever is wrong, is oddString's.
func (d *decoder) string() string {
	b := d.b
	if len(b) < 3 {
		return d.oddString()
	}
	from, n := 1, int(b[0]&0x1f)
	switch {
	case b[0]&0xe0 == 0xa0:
	case b[0] == 0xd9 && b[1] >= 32:
		from, n = 2, int(b[1])
	case b[0] == 0xda && b[1] > 0:
		from, n = 3, int(b[1])<<8|int(b[2])
	default:
		return d.oddString()
	}
	if n > len(b)-from {
		return d.oddString()
	}
	d.b = b[from+n:]
	return unsafe.String(&b[from], n)
}

// oddString reads a string of any form.
func (d *decoder) oddString() string {
	c, ok := d.code()
	if !ok {
		return ""
	}
	var n uint64
	switch {
	case c&0xe0 == 0xa0:
		n = uint64(c & 0x1f)
	case c == 0xd9:
		n = d.wide(1, 32)
	case c == 0xda:
		n = d.wide(2, 1<<8)
	case c == 0xdb:
		n = d.wide(4, 1<<16)
	default:
		d.fail("%02x is no string", c)
	}
	if n == 0 {
		return ""
	}
	if n > uint64(len(d.b)) {
		d.fail("string of %d bytes, %d left", n, len(d.b))
		return ""
	}
	s := unsafe.String(unsafe.SliceData(d.b), int(n))
	d.b = d.b[n:]
	return s
}

// list reads the length of an array of elements that take at least atLeast
// bytes each: a length that what remains cannot hold is an error, so it may be
// allocated.
func (d *decoder) list(atLeast int) int {
	if len(d.b) > 0 && d.b[0]&0xf0 == 0x90 { // the usual form
		n := int(d.b[0] & 0x0f)
		if n*atLeast < len(d.b) {
			d.b = d.b[1:]
			return n
		}
	}
	c, ok := d.code()
	if !ok {
		return 0
	}
	var n uint64
	switch {
	case c&0xf0 == 0x90:
		n = uint64(c & 0x0f)
	case c == 0xdc:
		n = d.wide(2, 16)
	case c == 0xdd:
		n = d.wide(4, 1<<16)
	default:
		d.fail("%02x is no array", c)
	}
	if n > uint64(len(d.b)/atLeast) {
		d.fail("%d elements of at least %d bytes, %d left", n, atLeast, len(d.b))
		return 0
	}
	return int(n)
}

// fields reads the length of an array that must have n elements.
func (d *decoder) fields(n int) {
	if got := d.list(1); got != n {
		d.fail("%d fields, want %d", got, n)
	}
}

func (d *decoder) uint() uint64 {
	if len(d.b) >= 9 { // the usual forms: of counts, times and hashes
		switch c := d.b[0]; {
		case c <= 0x7f:
			d.b = d.b[1:]
			return uint64(c)
		case c == 0xce && d.b[1]|d.b[2] != 0:
			n := binary.BigEndian.Uint32(d.b[1:])
			d.b = d.b[5:]
			return uint64(n)
		case c == 0xcf && binary.BigEndian.Uint32(d.b[1:]) != 0:
			n := binary.BigEndian.Uint64(d.b[1:])
			d.b = d.b[9:]
			return n
		}
	}
	c, ok := d.code()
	if !ok {
		return 0
	}
	switch {
	case c <= 0x7f:
		return uint64(c)
	case c == 0xcc:
		return d.wide(1, 1<<7)
	case c == 0xcd:
		return d.wide(2, 1<<8)
	case c == 0xce:
		return d.wide(4, 1<<16)
	case c == 0xcf:
		return d.wide(8, 1<<32)
	}
	d.fail("%02x is no number from 0 on", c)
	return 0
}

// uintTo reads a number from 0 to limit.
func (d *decoder) uintTo(limit uint64) uint64 {
	n := d.uint()
	if n > limit {
		d.fail("%d, limit %d", n, limit)
		return 0
	}
	return n
}

// count reads a number of things.
func (d *decoder) count() int { return int(d.uintTo(math.MaxInt)) }

// amount reads a number of bytes or nanoseconds.
func (d *decoder) amount() int64 { return int64(d.uintTo(math.MaxInt64)) }

func (d *decoder) int() int64 {
	if len(d.b) == 0 || d.b[0] <= 0x7f || d.b[0]&0xfc == 0xcc {
		return d.amount()
	}
	c, _ := d.code()
	switch {
	case c >= 0xe0:
		return int64(int8(c))
	case c == 0xd0:
		return d.negative(int64(int8(d.wide(1, 0))), -32)
	case c == 0xd1:
		return d.negative(int64(int16(d.wide(2, 0))), math.MinInt8)
	case c == 0xd2:
		return d.negative(int64(int32(d.wide(4, 0))), math.MinInt16)
	case c == 0xd3:
		return d.negative(int64(d.wide(8, 0)), math.MinInt32)
	}
	d.fail("%02x is no number", c)
	return 0
}

// negative returns n, which must be below limit: anything from there on has a
// shorter form.
func (d *decoder) negative(n, limit int64) int64 {
	if n >= limit {
		d.fail("%d is not in its shortest form", n)
		return 0
	}
	return n
}

func (d *decoder) bool() bool {
	c, ok := d.code()
	if ok && c&0xfe != 0xc2 {
		d.fail("%02x is neither true nor false", c)
		return false
	}
	return ok && c == 0xc3
}
