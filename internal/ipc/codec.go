package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"feedmill/internal/feeds"

	"github.com/vmihailenco/msgpack/v5"
)

// The messages that are few and small are encoded here, with the library but
// field by field. Its own decoding of structs, slices and any by reflection is
// never used: it allocates whatever a count claims and recurses as deep as the
// input nests. The messages that carry jobs and items are in lists.go.

// The number of fields of Hello and of the options in it.
const (
	helloFields   = 6
	optionsFields = 13
)

// appendMessage appends the payload of m, of which exactly one field is set.
func appendMessage(b []byte, m *Message) ([]byte, error) {
	switch {
	case m.Shard != nil:
		return appendShard(b, m.Shard), nil
	case m.Batch != nil:
		return appendBatch(b, m.Batch), nil
	case m.Result != nil:
		return appendResult(b, m.Result), nil
	case m.Items != nil:
		return appendItems(b, m.Items), nil
	case m.Call != nil:
		return appendCall(b, m.Call), nil
	case m.Reply != nil:
		return appendReply(b, m.Reply), nil
	case m.Mapped != nil:
		return appendMapped(b, m.Mapped), nil
	}
	w := &sliceWriter{b}
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(w)
	err := encodeControl(enc, m)
	return w.b, err
}

// A sliceWriter appends. It has WriteByte because the library allocates for
// writers that have not.
type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (w *sliceWriter) WriteByte(c byte) error {
	w.b = append(w.b, c)
	return nil
}

func encodeControl(enc *msgpack.Encoder, m *Message) error {
	switch {
	case m.Hello != nil:
		return encodeHello(enc, m.Hello)
	case m.Tick != nil:
		return encodeInts(enc, m.Tick.Parsing, int64(m.Tick.UnderWay), int64(m.Tick.Queued))
	case m.Cancel != nil:
		return encodeInts(enc, m.Cancel.ID)
	case m.Bye != nil:
		return encodeInts(enc, int64(m.Bye.Answered))
	case m.Claim != nil:
		return encodeInts(enc, m.Claim.Batch)
	case m.Grant != nil:
		return errors.Join(enc.EncodeArrayLen(3), enc.EncodeInt(m.Grant.Batch),
			enc.EncodeBool(m.Grant.Begin), enc.EncodeBool(m.Grant.Take))
	}
	return encodeInts(enc) // Drain
}

// encodeInts writes a message whose fields are all integers.
func encodeInts(enc *msgpack.Encoder, fields ...int64) error {
	err := enc.EncodeArrayLen(len(fields))
	for _, n := range fields {
		err = errors.Join(err, enc.EncodeInt(n))
	}
	return err
}

func encodeHello(enc *msgpack.Encoder, h *Hello) error {
	err := errors.Join(
		enc.EncodeArrayLen(helloFields),
		enc.EncodeUint(uint64(h.Version)),
		enc.EncodeString(h.Build),
		enc.EncodeUint(uint64(h.MaxFrame)),
		enc.EncodeInt(int64(h.PID)),
		enc.EncodeString(h.Sandbox),
	)
	if err != nil {
		return err
	}
	if h.Options == nil {
		return enc.EncodeNil()
	}
	return encodeOptions(enc, h.Options)
}

func encodeOptions(enc *msgpack.Encoder, o *feeds.Options) error {
	err := errors.Join(
		enc.EncodeArrayLen(optionsFields),
		enc.EncodeUint(uint64(o.Ship)),
		enc.EncodeInt(int64(o.Timeout)),
		enc.EncodeInt(o.MaxBody),
		enc.EncodeInt(o.MaxWire),
		enc.EncodeInt(int64(o.PerHost)),
		enc.EncodeInt(int64(o.HostDelay)),
		enc.EncodeInt(int64(o.Fetches)),
		enc.EncodeInt(int64(o.DrainGrace)),
		enc.EncodeArrayLen(len(o.AllowNet)),
	)
	for _, p := range o.AllowNet {
		if !p.IsValid() {
			return fmt.Errorf("%w: Options.AllowNet holds a prefix that is none", ErrInvalidMessage)
		}
		err = errors.Join(err, enc.EncodeString(p.String()))
	}
	err = errors.Join(err, enc.EncodeString(o.UserAgent), enc.EncodeArrayLen(len(o.Ports)))
	for _, p := range o.Ports {
		err = errors.Join(err, enc.EncodeUint(uint64(p)))
	}
	return errors.Join(err, enc.EncodeString(o.Proxy), enc.EncodeUint(uint64(o.Parser)))
}

// decodeMessage decodes a payload of a known kind. Items share the payload, and
// so keep the chunk that it lies in; all else that a message has is its own.
// Without a chunk the payload must never be written to again.
func decodeMessage(k kind, payload []byte, in *chunk) (*Message, error) {
	switch k {
	case kindShard, kindBatch:
		if in != nil {
			payload = bytes.Clone(payload) // jobs wait for their turn
		}
		if k == kindBatch {
			return decodeBatch(payload)
		}
		return decodeShard(payload)
	case kindResult:
		return decodeResult(payload, in)
	case kindCall:
		return decodeCall(payload, in)
	case kindReply:
		return decodeReply(payload, in)
	case kindItems:
		return decodeItems(payload, in)
	case kindMapped:
		return decodeMapped(payload)
	}
	m, err := decodeControl(k, payload)
	if err != nil {
		return nil, err
	}
	if m.Hello != nil && m.Hello.Version != Version {
		return m, nil // its other fields were not looked at
	}
	// The library accepts several spellings of a value, the protocol one.
	again, err := appendMessage(make([]byte, 0, len(payload)), m)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, payload) {
		return nil, errors.New("not in its shortest form, or bytes follow it")
	}
	return m, nil
}

func decodeControl(k kind, payload []byte) (*Message, error) {
	d := &decoder{in: bytes.NewReader(payload)}
	d.dec = msgpack.GetDecoder()
	defer msgpack.PutDecoder(d.dec)
	d.dec.Reset(d.in)
	m := new(Message)
	switch k {
	case kindHello:
		m.Hello = d.hello()
	case kindTick:
		d.array(3)
		m.Tick = &Tick{Parsing: d.int64(), UnderWay: d.count(), Queued: d.count()}
	case kindCancel:
		d.array(1)
		m.Cancel = &Cancel{ID: d.int64()}
	case kindDrain:
		d.array(0)
		m.Drain = &Drain{}
	case kindBye:
		d.array(1)
		m.Bye = &Bye{Answered: d.count()}
	case kindClaim:
		d.array(1)
		m.Claim = &Claim{Batch: d.int64()}
	case kindGrant:
		d.array(3)
		m.Grant = &Grant{Batch: d.int64(), Begin: d.bool(), Take: d.bool()}
	}
	return m, d.err
}

// A decoder reads fields with the library and keeps the first error. After an
// error everything reads as zero.
type decoder struct {
	in  *bytes.Reader // what remains; the library reads a byte scanner unbuffered
	dec *msgpack.Decoder
	err error
}

func (d *decoder) fail(err error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("ends early")
	}
	if d.err == nil {
		d.err = err
	}
}

// array reads the length of an array that must have n elements.
func (d *decoder) array(n int) {
	if got := d.arrayLen(); got != n {
		d.fail(fmt.Errorf("%d fields, want %d", got, n))
	}
}

// arrayLen reads the length of an array. It is at most the number of bytes
// that remain, since no element takes less than one.
func (d *decoder) arrayLen() int {
	if d.err != nil {
		return 0
	}
	n, err := d.dec.DecodeArrayLen()
	if err != nil {
		d.fail(err)
		return 0
	}
	if n < 0 || n > d.in.Len() {
		d.fail(fmt.Errorf("%d elements in %d bytes", n, d.in.Len()))
		return 0
	}
	return n
}

func (d *decoder) string() string {
	if d.err != nil {
		return ""
	}
	n, err := d.dec.DecodeBytesLen()
	if err != nil {
		d.fail(err)
		return ""
	}
	if n < 0 || n > d.in.Len() {
		d.fail(fmt.Errorf("string of %d bytes in %d bytes", n, d.in.Len()))
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.fail(err)
	}
	return string(b)
}

func (d *decoder) int64() int64 {
	if d.err != nil {
		return 0
	}
	n, err := d.dec.DecodeInt64()
	if err != nil {
		d.fail(err)
	}
	return n
}

func (d *decoder) bool() bool {
	if d.err != nil {
		return false
	}
	v, err := d.dec.DecodeBool()
	if err != nil {
		d.fail(err)
	}
	return v
}

// count reads an integer that is a number of things and fits into an int.
func (d *decoder) count() int {
	n := d.int64()
	if n < 0 || n != int64(int(n)) {
		d.fail(fmt.Errorf("a count of %d", n))
		return 0
	}
	return int(n)
}

// uint reads an integer from 0 to limit.
func (d *decoder) uint(limit uint64) uint64 {
	if d.err != nil {
		return 0
	}
	n, err := d.dec.DecodeUint64()
	if err != nil {
		d.fail(err)
	}
	if n > limit {
		d.fail(fmt.Errorf("%d, limit %d", n, limit))
		return 0
	}
	return n
}

// hello reads a Hello. Of one that has another version it reads the two fields
// that every version has.
func (d *decoder) hello() *Hello {
	n := d.arrayLen()
	h := new(Hello)
	h.Version = uint32(d.uint(1<<32 - 1))
	h.Build = d.string()
	if d.err != nil || h.Version != Version {
		return h
	}
	if n != helloFields {
		d.fail(fmt.Errorf("%d fields, want %d", n, helloFields))
		return h
	}
	h.MaxFrame = uint32(d.uint(1<<32 - 1))
	h.PID = d.count()
	h.Sandbox = d.string()
	if d.in.Len() == 1 { // nil, or else decodeMessage finds another spelling
		return h
	}
	h.Options = d.options()
	return h
}

func (d *decoder) options() *feeds.Options {
	d.array(optionsFields)
	o := &feeds.Options{
		Ship:       feeds.Ship(d.uint(uint64(feeds.ShipAll))),
		Timeout:    time.Duration(d.int64()),
		MaxBody:    d.int64(),
		MaxWire:    d.int64(),
		PerHost:    d.count(),
		HostDelay:  time.Duration(d.int64()),
		Fetches:    d.count(),
		DrainGrace: time.Duration(d.int64()),
	}
	n := d.arrayLen()
	for range n {
		p, err := netip.ParsePrefix(d.string())
		if err != nil {
			d.fail(fmt.Errorf("allowed net: %w", err))
			break
		}
		o.AllowNet = append(o.AllowNet, p)
	}
	o.UserAgent = d.string()
	n = d.arrayLen()
	for range n {
		o.Ports = append(o.Ports, uint16(d.uint(1<<16-1)))
	}
	o.Proxy = d.string()
	o.Parser = feeds.Parser(d.uint(uint64(feeds.ParserGofeed)))
	return o
}
