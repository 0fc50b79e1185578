package read

import (
	"bytes"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
	"feedmill/internal/feeds/read/scan"
)

// A maker makes the fields of items of passages. What its methods return as bytes is
// valid until the next call.
type maker struct {
	arena
	calendar date.Reader

	tag, kid scan.Scanner // of pieces of the document
	writer   xhtmlWriter
	scratch  []byte
	out      []byte
	room     []byte
	found    [][]byte
	names    []string

	topics     []string          // those of one item
	files      []feeds.Enclosure // likewise
	categories chunk[string]
	enclosures chunk[feeds.Enclosure]

	cut   bool // something was too long
	grown int  // bytes that the document does not have, such as those of an xml:base
}

// grow reports whether n bytes may be added to what the document has. Past
// maxGrowth nothing more is added, and the document is refused.
func (m *maker) grow(n int) bool {
	m.grown += max(n, 0)
	return m.grown <= maxGrowth
}

// An arena is where the strings of a document's items live: in buffers of
// at most chunkSize bytes, or as large as the one text in it. A string that is kept
// keeps its whole buffer, so what is kept for long must be cloned.
type arena struct {
	b        strings.Builder
	expected int // bytes that are likely to come
}

const (
	chunkSize  = 256 << 10
	smallChunk = 4 << 10
)

// keep returns b as a string in the arena.
func (a *arena) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if a.b.Cap()-a.b.Len() < len(b) {
		size := max(len(b), smallChunk, min(chunkSize, a.expected))
		a.expected -= size
		a.b = strings.Builder{}
		a.b.Grow(size)
	}
	start := a.b.Len()
	a.b.Write(b)
	return a.b.String()[start:]
}

// hasMarkup reports whether an element begins in raw.
func (m *maker) hasMarkup(raw []byte) bool {
	if bytes.IndexByte(raw, '<') < 0 {
		return false
	}
	for s := m.piece(raw); ; {
		switch s.Next() {
		case scan.Open:
			return true
		case scan.EOF, scan.Fault:
			return false
		}
	}
}

// piece returns a scanner of a part of the document.
func (m *maker) piece(raw []byte) *scan.Scanner {
	m.tag = scan.Scanner{Input: raw, Attrs: m.tag.Attrs[:0]}
	return &m.tag
}

// children returns what stands in the elements of that name in raw that stand in no
// other there. It is valid until the next call.
func (m *maker) children(raw []byte, name string) [][]byte {
	m.found = m.found[:0]
	if bytes.IndexByte(raw, '<') < 0 {
		return nil
	}
	m.kid = scan.Scanner{Input: raw, Attrs: m.kid.Attrs[:0]}
	s, depth, from := &m.kid, 0, -1
	for {
		switch s.Next() {
		case scan.Open:
			if depth == 0 && bytes.EqualFold(s.Name.Local(), []byte(name)) {
				from = s.Pos
			}
			if !s.Empty {
				depth++
			} else if depth == 0 {
				from = -1
			}
		case scan.Close:
			if depth = max(depth-1, 0); depth == 0 && from >= 0 {
				m.found = append(m.found, raw[from:s.Start])
				from = -1
			}
		case scan.EOF, scan.Fault:
			return m.found
		}
	}
}
