package read

import (
	"bytes"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// An interest says what of an element counts.
type interest uint8

const (
	nothing  interest = iota // neither text nor children
	asText                   // all that stands in it, as one text
	children                 // its children
)

// An element is one that opens.
type element struct {
	name  scan.Name
	vocab vocabulary
	local []byte // the name without its prefix, in small letters
	attrs []scan.Attribute
	base  *location // what links in it are relative to by xml:base; nil for nothing
}

// A passage is the text of an element, as it stands in the document, with what
// says how it is to be read. It is a view of the document.
type passage struct {
	raw    []byte
	kind   []byte    // the attribute type of a text construct of Atom
	mode   []byte    // the attribute mode of Atom 0.3
	prefix []byte    // of XHTML, where the element stands
	base   *location // what links in it are relative to
}

// A level is an element that is open. Only the fields name and declares are set
// within an element whose children do not count.
type level struct {
	name     scan.Name
	declares int       // how many namespaces it declares
	bound    int       // how many bindings it adds
	item     bool      // it is an item
	based    bool      // it has an xml:base
	outer    *location // what holds around it then
}

// A walker goes over a document, keeps the limits, follows namespaces and
// xml:base, and tells a builder of the elements whose parent's children count, in the
// order of the document.
//
// Of an element whose children do not count the end tag may be missing. Then the
// first child that may be a field of a feed and all behind it is read again, as if
// the end tag stood there: an element that nobody closed swallows nothing. That
// happens to as many bytes as the document has, and no more.
type walker struct {
	scan.Scanner
	builder *feedBuilder
	limits  limits
	origin  *location // where the document came from

	open []level
	bindings
	base *location

	// The last xml:base, since items often have the same.
	joined, joinedTo *location
	joinedBy         []byte

	lower    []byte // room for element.local
	element  element
	elements int
	declared int // elements that declare namespaces, of those that are open
	scoped   int // namespaces that they declare
	spare    int // bytes that may be read a second time

	// The element that is open and whose children do not count, if there is one.
	leaf    int // how many elements are open with it; 0 for none
	wanted  bool
	from    int // where its content begins
	first   int // where the first child begins that may be a field; -1 when there is none
	passage passage

	hidden int // items in places where none belong
	stray  int // end tags that ended nothing
	lost   int // elements without an end tag
	whole  bool

	position
}

// walk goes over the element that begins at start. The failure is a limit that is
// not kept. Otherwise w.whole says whether the element has ended; if not,
// w.Fault is empty where the input ends between two tokens.
func (w *walker) walk() *feeds.Failure {
	w.spare = len(w.Input) - w.Pos
	for {
		if w.Pos >= w.untold {
			w.tell(w.Pos)
		}
		switch w.Next() {
		case scan.Open:
			if failure := w.openElement(); failure != nil {
				return failure
			}
		case scan.Close:
			w.closeElement()
			if w.elements > w.limits.elements {
				return tooManyElements(w.limits.elements)
			}
		case scan.Fault:
			if w.Fault == scan.FaultAttributes {
				return tooManyAttributes()
			}
			if !w.rewind() {
				return nil
			}
		case scan.EOF:
			if !w.rewind() {
				w.Start = w.Pos
				return nil
			}
		}
		if len(w.open) == 0 && w.whole {
			return nil
		}
	}
}

// openElement handles a start tag: it is counted, and the builder is told.
func (w *walker) openElement() *feeds.Failure {
	if len(w.open) == w.limits.depth {
		if w.declared >= w.limits.depth/2 {
			// What makes such nesting dangerous is what it declares.
			return feeds.Failf(feeds.LimitNamespace, "namespaces nested %d deep", w.limits.depth)
		}
		return feeds.Failf(feeds.LimitDepth, "elements nested more than %d deep", w.limits.depth)
	}
	if w.elements++; w.elements > w.limits.elements {
		return tooManyElements(w.limits.elements)
	}
	if w.leaf == 0 && !w.Empty && isItemName(w.Name.Local()) {
		w.endItem()
	}
	l := level{name: w.Name}
	declares := 0
	for i := range w.Attrs {
		if full := w.Attrs[i].Name.Full; len(full) >= 5 && string(full[:5]) == "xmlns" && (len(full) == 5 || full[5] == ':') {
			declares++
			if failure := w.declare(&w.Attrs[i], w.Name, declares, w.leaf == 0, w.limits); failure != nil {
				return failure
			}
		}
	}
	if l.declares = declares; declares > 0 {
		w.declared++
		if w.scoped += declares; w.scoped > w.limits.scoped {
			return feeds.Failf(feeds.LimitNamespace, "more than %d namespaces in scope", w.limits.scoped)
		}
	}
	if w.leaf != 0 {
		w.inScope = w.inScope[:len(w.inScope)-declares]
		w.openWithin(l)
		return nil
	}
	l.bound = declares
	w.rebase(&l)
	w.open = append(w.open, l)
	w.lower = lower(w.lower[:0], w.Name.Local())
	e := &w.element // which a builder is given by reference, and must not be made anew for each
	*e = element{name: w.Name, local: w.lower, attrs: w.Attrs, base: w.base}
	e.vocab = w.vocabularyOf(e.name.Prefix(), e.local, len(w.open) == 1)
	what := w.builder.open(e)
	w.open[len(w.open)-1].item = what == children && isItemName(e.local)
	if what != children {
		w.leaf, w.wanted, w.from, w.first = len(w.open), what == asText, w.Pos, -1
		if w.wanted {
			w.passage = passage{base: w.base, prefix: w.prefixOf(vocabXHTML)}
			if w.inAtom || e.vocab == vocabAtom || e.vocab == vocabMedia || e.vocab == vocabNative {
				w.passage.kind, w.passage.mode = e.attr("type"), e.attr("mode")
			}
		}
	}
	if w.Empty {
		w.closeTop(w.Pos, false)
	}
	return nil
}

// endItem ends the item that is open, if one is: no item stands in another, but for
// one of nothing, which is a slip.
func (w *walker) endItem() {
	at := len(w.open) - 1
	for at >= 0 && !w.open[at].item {
		at--
	}
	for at >= 0 && len(w.open) > at {
		w.closeTop(w.Start, true)
	}
}

// openWithin handles a start tag within an element whose children do not count.
// Elements of HTML that are seldom closed do not nest.
func (w *walker) openWithin(l level) {
	local := w.Name.Local()
	if w.first < 0 && (w.Name.Colon > 0 && !isPartName(local) || isFieldName(local)) {
		w.first = w.Start
	}
	if isItemName(local) {
		if w.wanted && w.builder.scope() == scopeFeed && w.rewind() {
			w.undeclare(&l)
			return // a field of the feed has no items in it
		}
		w.hidden++
	}
	repeated := bytes.Equal(w.open[len(w.open)-1].name.Full, w.Name.Full) && isOptional(local)
	if w.Empty || scan.IsVoid(local) || repeated && len(w.open) > w.leaf {
		w.undeclare(&l)
		return
	}
	w.open = append(w.open, l)
}

// rebase resolves an xml:base of the element that opens, and has it apply within.
func (w *walker) rebase(l *level) {
	for i := range w.Attrs {
		if a := &w.Attrs[i]; string(a.Name.Full) == "xml:base" {
			if to := bytes.TrimSpace(attrText(a)); len(to) > 0 && len(to) <= maxURL {
				l.based, l.outer = true, w.base
				outer := w.base
				if outer == nil {
					outer = w.origin
				}
				if w.joined == nil || w.joinedTo != outer || !bytes.Equal(w.joinedBy, to) {
					w.joined, w.joinedTo, w.joinedBy = outer.join(to), outer, to
				}
				w.base = w.joined
			}
			return
		}
	}
}

// closeElement handles an end tag. It ends the innermost element of its name
// and all that are open within it. When there is none, but the innermost element
// differs only by its prefix or, but for the root, its case, it ends that; else it
// ends nothing.
func (w *walker) closeElement() {
	at := len(w.open) - 1
	for at >= 0 && !bytes.Equal(w.open[at].name.Full, w.Name.Full) {
		at--
	}
	if at < 0 {
		at = len(w.open) - 1
		if local := w.open[at].name.Local(); !bytes.EqualFold(local, w.Name.Local()) || at == 0 && !bytes.Equal(local, w.Name.Local()) {
			w.elements++ // each is looked for among all that are open
			if !scan.IsVoid(w.Name.Local()) {
				w.stray++
			}
			return
		}
	}
	if at+1 < w.leaf && w.rewind() {
		return
	}
	for len(w.open)-1 > at {
		w.closeTop(w.Start, true)
	}
	w.closeTop(w.Start, false)
}

// closeTop ends the innermost open element, whose content ends at end.
func (w *walker) closeTop(end int, lost bool) {
	last := len(w.open) - 1
	l := &w.open[last]
	switch {
	case w.leaf == last+1:
		if w.wanted {
			w.passage.raw = w.Input[w.from:end]
			w.builder.text(w.passage)
		}
		w.leaf = 0
		w.lost += btoi(lost)
	case w.leaf != 0: // within an element whose children do not count
	default:
		w.builder.close()
		w.lost += btoi(lost)
	}
	w.undeclare(l)
	w.inScope = w.inScope[:len(w.inScope)-l.bound]
	if l.based {
		w.base = l.outer
	}
	if w.open = w.open[:last]; last == 0 {
		w.whole = true
	}
}

// rewind ends the element whose children do not count before the first of them,
// and goes back to there. It reports false when there is none to go back to, or
// when too much was read twice.
func (w *walker) rewind() bool {
	if w.leaf == 0 || w.first < 0 || w.Pos-w.first > w.spare {
		return false
	}
	w.spare -= w.Pos - w.first
	for len(w.open) > w.leaf {
		w.undeclare(&w.open[len(w.open)-1])
		w.open = w.open[:len(w.open)-1]
	}
	w.Fault, w.Early, w.Empty = "", false, false
	w.Pos, w.Start = w.first, w.first
	w.closeTop(w.first, true)
	return true
}

// undeclare forgets the namespaces that an element which ends has declared.
func (w *walker) undeclare(l *level) {
	w.declared -= btoi(l.declares > 0)
	w.scoped -= l.declares
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// attr returns the value of the attribute of that name, in whatever case and with
// its references undecoded: one without a prefix, else the first one with any but
// xml and xmlns. It is nil when there is none.
func (e *element) attr(name string) []byte {
	var other []byte
	for i := range e.attrs {
		a := &e.attrs[i]
		if !bytes.EqualFold(a.Name.Local(), []byte(name)) {
			continue
		}
		if a.Name.Colon == 0 {
			return a.Value
		}
		if p := string(a.Name.Prefix()); other == nil && p != "xml" && p != "xmlns" {
			other = a.Value
		}
	}
	return other
}

// attrText returns the value of an attribute with its references decoded. It is a view
// of the document when there are none.
func attrText(a *scan.Attribute) []byte {
	if bytes.IndexByte(a.Value, '&') < 0 {
		return a.Value
	}
	return appendDecoded(make([]byte, 0, len(a.Value)), a.Value)
}
