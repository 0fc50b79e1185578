package feeds

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// What an item says depends on its own bytes and on little around it. A span is
// a hash of both. Whoever knows what the item of a span was read as, and that it
// is stored like that, need not read it again; only where it ends must be found.
//
// The spans of a document travel with its job as text that only this package
// reads: for each item the span, the content hash of what was read, the beginning
// of its key, and its date. They are no more than a memory of how bytes read, so it
// does not matter how old they are: an item is left out only if an item with that
// key and that hash is stored now.

const (
	// spanVersion goes into every span. It counts up when the fast reader or
	// the converter make another thing of the same bytes.
	spanVersion = 2

	// spanSize is the length of what is remembered of an item, in bytes.
	spanSize = 4 * 8

	// MaxSpans bounds Job.Spans and Result.Spans, in bytes. A document with more
	// items than that is read as a whole each time.
	MaxSpans = 1024 * spanSize
)

// A recall is what a reading is told of the ones before.
type recall struct {
	spans string
	known []Known
	skip  bool // items that are stored may be left out
}

// A spanItem is what is remembered of an item.
type spanItem struct {
	span uint64
	hash uint64 // of its content
	key  uint64 // the beginning of its key; it is the one that Identify returns
	date uint64 // of publication; the order of a document depends on the dates of all
	used bool   // the document has it
}

// spans is the part of a fastReader that knows items by their spans.
type spans struct {
	on   bool
	base string // where the document came from

	stored map[uint64]spanItem // by span: those that may be left out

	start   int    // where the item that is open begins
	depth   int    // how many elements are open in an item; 0 before the first
	context uint64 // hash of what such items inherit
	home    string // what the document said of its site before them

	read  []uint64   // spans of fastReader.items; 0 for one without
	left  []spanItem // items that were left out
	gaps  []leftItem // where they were
	twice bool       // one of them is there twice
}

// reset makes s ready for another document.
func (s *spans) reset() {
	if len(s.stored) > maxReusedItems {
		s.stored = nil
	}
	clear(s.stored)
	*s = spans{stored: s.stored, read: s.read[:0], left: s.left[:0], gaps: s.gaps[:0]}
}

// begin takes in what is known of the document that came from base.
func (s *spans) begin(r *recall, base string) {
	s.on, s.base = true, base
	n := len(r.spans) / spanSize
	if !r.skip || n == 0 || len(r.spans) > MaxSpans || len(r.spans)%spanSize != 0 {
		return
	}
	if s.stored == nil {
		s.stored = make(map[uint64]spanItem)
	}
	byKey := make(map[uint64]spanItem, n)
	for b := []byte(r.spans); len(b) > 0; b = b[spanSize:] {
		number := binary.LittleEndian.Uint64
		it := spanItem{span: number(b), hash: number(b[8:]), key: number(b[16:]), date: number(b[24:])}
		byKey[it.key] = it
	}
	for i := range r.known {
		k := &r.known[i]
		if it, ok := byKey[keyStart(&k.Key)]; ok && k.Hash == it.hash {
			s.stored[it.span] = it
		}
	}
}

// keyStart returns the beginning of a key as a number.
func keyStart(k *Key) uint64 { return binary.LittleEndian.Uint64(k[:8]) }

// spanOf returns the span of the item that ends in g, whose end tag begins at
// that place of the source, and whether it may be left out. The span is 0 for an
// item in another place of the document than the first.
func (f *fastReader) spanOf(g *guard, at int) (span uint64, skip bool) {
	s := &f.spans
	if s.depth == 0 {
		s.depth, s.home = len(g.open), f.home()
		s.context = f.contextOf(g)
	}
	if s.depth != len(g.open) {
		return 0, false
	}
	var both [16]byte
	binary.LittleEndian.PutUint64(both[:], s.context)
	binary.LittleEndian.PutUint64(both[8:], xxhash.Sum64(g.input[s.start:at]))
	span = max(xxhash.Sum64(both[:]), 1)
	it, ok := s.stored[span]
	if !ok {
		return span, false
	}
	if it.used {
		s.twice = true
		return span, true
	}
	it.used = true
	s.stored[span] = it
	s.left = append(s.left, it)
	s.gaps = append(s.gaps, leftItem{len(f.items) - f.empty, int64(it.date)})
	return span, true
}

// contextOf returns a hash of all that the item which ends in g inherits: where
// the document came from and what site it is of, since links may be relative to
// these, the elements around it, what namespaces they declare, and xml:base.
func (f *fastReader) contextOf(g *guard) uint64 {
	var h contentHash
	h.d.Reset()
	h.number(spanVersion)
	h.number(uint64(f.format))
	h.text(f.spans.base)
	h.text(f.spans.home)
	top := len(g.open) - 1
	for i := range g.open[:top] {
		h.text(string(g.open[i].name.full))
	}
	for _, b := range g.bindings[:len(g.bindings)-g.open[top].declared] {
		h.text(string(b.prefix))
		h.text(string(b.uri))
	}
	base := f.base
	if last := len(f.bases) - 1; last >= 0 && f.bases[last].depth == len(g.open) {
		base = f.bases[last].outer // what the item itself says is among its bytes
	}
	if base != nil {
		h.text(base.String())
	}
	return h.d.Sum64()
}

// settle reports whether d, which was read without the items that were left out,
// is what it had been with them. Their keys hold only as long as no two items of
// the document have one.
func (f *fastReader) settle(c *converter, d *Document) bool {
	s := &f.spans
	if len(s.left) == 0 {
		return true
	}
	if s.twice || c.repeated || s.home != f.home() {
		return false
	}
	taken := make(map[uint64]bool, len(s.left))
	for i := range s.left {
		taken[s.left[i].key] = true
	}
	if len(taken) < len(s.left) {
		return false
	}
	for i := range d.Items {
		if taken[keyStart(&d.Items[i].Key)] {
			return false
		}
	}
	return true
}

// remember returns what the next reading should know of d: nothing when what an
// item was read as does not depend on its span alone, or when reading it also
// left a note.
func (f *fastReader) remember(c *converter, d *Document) string {
	s := &f.spans
	if c.repeated || c.ahead || c.cut || c.unsafe > 0 || s.home != f.home() || len(s.read) != len(d.Items) ||
		(len(s.read)+len(s.left))*spanSize > MaxSpans {
		return ""
	}
	b := make([]byte, 0, (len(s.read)+len(s.left))*spanSize)
	add := func(it spanItem) {
		b = binary.LittleEndian.AppendUint64(b, it.span)
		b = binary.LittleEndian.AppendUint64(b, it.hash)
		b = binary.LittleEndian.AppendUint64(b, it.key)
		b = binary.LittleEndian.AppendUint64(b, it.date)
	}
	for i, span := range s.read {
		if c.reversed {
			i = len(d.Items) - 1 - i
		}
		if it := &d.Items[i]; span != 0 {
			add(spanItem{span: span, hash: it.Hash, key: keyStart(&it.Key), date: uint64(it.Published)})
		}
	}
	for _, it := range s.left {
		add(it)
	}
	return string(b)
}
