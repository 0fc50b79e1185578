package feeds

import "slices"

// An edits is a text with pieces replaced. It copies nothing as long as there
// is nothing to replace.
type edits struct {
	source []byte
	copied int    // the source up to here is in out, or was left out
	out    []byte // what is different from source so far
	edited bool
}

// replace puts with where source[start:end] was. Calls go forward: start is not
// before the end of the call before.
func (e *edits) replace(start, end int, with string) {
	if !e.edited {
		e.grow()
	}
	e.out = append(e.out, e.source[e.copied:start]...)
	e.out = append(e.out, with...)
	e.copied, e.edited = end, true
}

// grow makes room for the whole text at the first replacement. Most make it
// shorter, and growing step by step would copy it several times.
func (e *edits) grow() {
	if room := len(e.source) - e.copied + 64; cap(e.out) < room {
		e.out = make([]byte, 0, room+room/32)
	}
}

// begin leaves out what comes before start.
func (e *edits) begin(start int) { e.copied = start }

// rewind leaves out what was taken since the offset to, which offset returned,
// and the source up to end.
func (e *edits) rewind(to, end int) {
	if !e.edited {
		e.grow()
	}
	e.out = append(e.out, e.source[e.copied:end]...)[:to]
	e.copied, e.edited = end, true
}

// offset returns where source[at:] begins in the text; at is not before the
// end of the last replacement.
func (e *edits) offset(at int) int { return len(e.out) + at - e.copied }

// since returns the text from the offset from, which offset returned, up to
// source[:end]. It is a view of the source when nothing was replaced there, and
// else a copy.
func (e *edits) since(from, end int) []byte {
	if from >= len(e.out) {
		return e.source[e.copied+from-len(e.out) : end]
	}
	return slices.Concat(e.out[from:], e.source[e.copied:end])
}

// text returns the text up to source[:end]. It shares memory with the source
// when nothing was replaced, and else with e.
func (e *edits) text(end int) []byte {
	if !e.edited {
		return e.source[e.copied:end]
	}
	e.out, e.copied = append(e.out, e.source[e.copied:end]...), end
	return e.out
}
