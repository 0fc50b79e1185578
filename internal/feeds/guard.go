package feeds

import (
	"bytes"
	"html"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// A role is what gofeed makes of an element, as far as it matters here.
type role uint8

const (
	roleLeaf    role = iota // a field, or something that is skipped
	roleRoot                // rss, RDF or feed
	roleHolder              // channel, and source in Atom: holds fields, no item
	roleItem                // item or entry
	roleForeign             // of another vocabulary, or within such an element
)

// An element is one that is open.
type element struct {
	name     qname
	uri      []byte // its namespace, where it matters to its role
	declared int    // namespaces that it declares
	based    int    // bytes that it adds to guard.base
	role     role
	listed   bool // the item that guard.items ends with
	dropped  bool // an item over maxItems
	inlined  bool // its tags are left out; see inlineChannel
	text     int  // roleForeign: bytes of text so far
}

// A namespace is a binding that is in scope.
type namespace struct{ prefix, uri []byte }

// A span is where something stands in a text.
type span struct{ start, end int }

// A guard goes over an XML feed before gofeed does, with four ends in view:
// bounds that the parser lacks are kept, what would stop it although a feed can
// be read without is repaired or left out, each item's place is known, and where
// the document breaks is known too.
type guard struct {
	scanner
	format format
	edits  edits
	fast   fastReader // makes the items in the same pass, when it is on

	open     []element
	bindings []namespace
	distinct map[uint64]struct{} // hashes of the bindings seen
	rootURI  []byte

	items    []span // in the edited text; those that the parser will see
	itemName []byte // how the first item's tag is written
	seen     int    // tags written like that

	channel       bool   // a channel has been met
	known         bool   // a child of the root is one that the format has
	elements      int    // start tags, and end tags without one
	namespaceWork int    // see maxNamespaceWork
	base          int    // the most bytes that the xml:base in scope may have
	oddDates      int    // see maxOddDates
	baseWork      int    // see maxBaseWork
	baseGuess     int    // the same for text that was not looked through
	foreign       int    // see maxForeign
	textWork      int    // see maxTextWork
	refers        bool   // there are numeric references
	closes        bool   // there are ends of CDATA sections, or what looks like one
	repaired      bool   // something forbidden was replaced
	strayTags     int    // end tags that ended nothing
	dropped       int    // items over maxItems
	droppedFrom   int    // where the one that is open begins in the edited text
	tail          []byte // the text that what is left out would join with what follows
	trailing      bool   // something follows the root
	complete      bool   // the root is closed

	position // for whoever watches
}

// guards holds guards whose memory can be used again. What a guard made is not
// used after it went back.
var guards = sync.Pool{New: func() any { return new(guard) }}

// maxReused bounds the memory of the edited text that waits to be used again,
// in bytes. Few feeds are larger.
const maxReused = 4 << 20

// release gives g back, without a reference to what it went over.
func (g *guard) release() {
	g.reset()
	guards.Put(g)
}

// reset makes g ready for another pass, without a reference to what it went
// over.
func (g *guard) reset() {
	if cap(g.edits.out) > maxReused {
		g.edits.out = nil
	}
	clear(g.open[:cap(g.open)])
	clear(g.bindings[:cap(g.bindings)])
	clear(g.attrs[:cap(g.attrs)])
	clear(g.distinct)
	g.fast.reset()
	*g = guard{
		scanner:  scanner{attrs: g.attrs[:0]},
		edits:    edits{out: g.edits.out[:0]},
		fast:     g.fast,
		open:     g.open[:0],
		bindings: g.bindings[:0],
		distinct: g.distinct,
		items:    g.items[:0],
	}
}

// run goes over text, whose root tag is at start, and returns a failure when a
// bound is not kept. Then g.complete says whether the root was closed; if not,
// g.fault and g.early say what is wrong and g.scanner.start where. It ends at
// once when g.fast is on and declines.
func (g *guard) run(text []byte, start int) *Failure {
	g.input, g.pos = text, start
	g.refers, g.closes = indexReference(text[start:]) < len(text)-start, bytes.Contains(text[start:], []byte("]]>"))
	g.edits.source = text
	g.edits.begin(start)
	for {
		if g.pos >= g.untold {
			g.tell(g.pos)
		}
		kind := g.next()
		var err *Failure
		switch kind {
		case tokenEOF:
			g.endsEarly()
			return nil
		case tokenFault:
			if g.fault == faultAttributes {
				return tooManyAttributes()
			}
			return nil
		case tokenOpen:
			err = g.openElement()
			if err == nil && g.empty {
				if g.fast.on {
					g.fast.close(g, g.pos)
				}
				g.closeTop(g.pos)
			}
		case tokenClose:
			err = g.closeElement()
		case tokenText:
			err = g.readText()
			g.tail = g.text
		case tokenCDATA:
			if !g.fast.on {
				g.readDate()
			}
			err = g.weighText(g.text)
		default:
			g.drop()
		}
		if err == nil {
			err = g.fast.failure
		}
		if err != nil || g.fast.declined != 0 {
			return err
		}
		if kind != tokenText && kind < tokenComment {
			g.tail = nil
		}
		if len(g.open) == 0 {
			g.complete = true
			g.lookBehind()
			return nil
		}
	}
}

// isFeed reports whether the root, which was closed, is that of a feed.
func (g *guard) isFeed() bool { return g.known || g.format.isOwn(g.rootURI) }

// drop leaves out a comment, an instruction or a directive. A space stays when
// the texts on both sides would make something else together.
func (g *guard) drop() {
	with := ""
	if len(g.tail) > 0 && isRisky(g.tail) {
		with = " "
	}
	g.edits.replace(g.start, g.pos, with)
}

// isRisky reports whether text ends in what may be the beginning of a
// reference or of "]]>".
func isRisky(text []byte) bool {
	return text[len(text)-1] == ']' || bytes.LastIndexByte(text, '&') > bytes.LastIndexByte(text, ';')
}

// openElement takes in a start tag.
func (g *guard) openElement() *Failure {
	if len(g.open) == maxDepth {
		if len(g.bindings) >= maxDepth/2 {
			// What makes such nesting dangerous is what it declares.
			return limit(LimitNamespace, "namespaces nested %d deep", maxDepth)
		}
		return limit(LimitDepth, "elements nested more than %d deep", maxDepth)
	}
	if g.elements++; g.elements > maxElements {
		return limit(LimitSize, "more than %d elements", maxElements)
	}
	e, at := element{name: g.name}, g.edits.offset(g.start)
	for i := range g.attrs {
		a := &g.attrs[i]
		if g.refers {
			g.fix(a.value, false)
		}
		if full := a.name.full; len(full) >= 5 && string(full[:5]) == "xmlns" {
			if err := g.declare(&e, a); err != nil {
				return err
			}
		} else if a.name.colon > 0 && string(a.name.local()) == "base" {
			// Of any prefix: which one is xml's is for the parser to say.
			if err := g.rebase(&e, len(a.value)); err != nil {
				return err
			}
		}
	}
	if g.base > 0 {
		if err := g.weighLinks(len(g.attrs)); err != nil {
			return err
		}
	}
	if g.namespaceWork += len(g.bindings); g.namespaceWork > maxNamespaceWork {
		return limit(LimitNamespace, "too many elements for so many namespaces")
	}
	e.role = g.roleOf(&e)
	if e.role == roleForeign {
		if err := g.weigh(); err != nil {
			return err
		}
	}
	switch e.role {
	case roleItem:
		g.openItem(&e, at)
	case roleHolder:
		g.inlineChannel(&e)
	}
	if g.itemName != nil && bytes.Equal(g.itemName, g.name.full) {
		g.seen++
	}
	if e.role == roleLeaf && !g.empty && isVoid(g.name.full) && g.open[len(g.open)-1].role == roleLeaf {
		g.edits.replace(g.pos-1, g.pos, "/>")
		g.empty = true
	}
	g.open = append(g.open, e)
	if g.fast.on {
		g.fast.open(g)
	}
	return nil
}

// declare takes in an attribute of e that may declare a namespace.
func (g *guard) declare(e *element, a *attribute) *Failure {
	var prefix []byte
	switch {
	case string(a.name.prefix()) == "xmlns":
		prefix = a.name.local()
	case string(a.name.full) != "xmlns":
		return nil
	}
	uri := bytes.TrimSpace(a.value)
	if bytes.IndexByte(uri, '&') >= 0 {
		uri = []byte(strings.TrimSpace(html.UnescapeString(string(uri))))
	}
	if string(uri) == "xmlns" {
		// encoding/xml would make every attribute with this prefix one that
		// looks like a declaration, which evades the bounds.
		return limit(LimitNamespace, "a prefix is bound to the word xmlns")
	}
	if e.declared++; e.declared > maxDeclared {
		return limit(LimitNamespace, "an element declares more than %d namespaces", maxDeclared)
	}
	var h xxhash.Digest
	h.Reset()
	h.Write(prefix)
	h.Write([]byte{0})
	h.Write(uri)
	if g.distinct == nil {
		g.distinct = make(map[uint64]struct{})
	}
	g.distinct[h.Sum64()] = struct{}{}
	if len(g.distinct) > maxNamespaces {
		return limit(LimitNamespace, "more than %d different namespaces", maxNamespaces)
	}
	g.bindings = append(g.bindings, namespace{prefix, uri})
	return nil
}

// resolve returns the namespace of n, which is an element's name. A prefix that
// nothing declares stands for itself, as in encoding/xml.
func (g *guard) resolve(n qname) []byte {
	prefix := n.prefix()
	for i := len(g.bindings) - 1; i >= 0; i-- {
		if bytes.Equal(g.bindings[i].prefix, prefix) {
			return g.bindings[i].uri
		}
	}
	return prefix
}

// roleOf returns the role of e, which is about to be opened.
func (g *guard) roleOf(e *element) role {
	if len(g.open) == 0 {
		g.rootURI = g.resolve(e.name)
		return roleRoot
	}
	parent := g.open[len(g.open)-1].role
	if parent == roleLeaf || parent == roleForeign {
		return parent
	}
	uri := g.resolve(e.name)
	e.uri = uri
	native := g.format.isNative(uri)
	// gofeed takes the root's own namespace for RSS, unless it is that of a
	// vocabulary it knows, which cannot be told from here. An item is taken for
	// one then, and anything else for foreign, which is the safe guess for both.
	named := native || g.format != formatAtom && bytes.Equal(uri, g.rootURI)
	local := e.name.local()
	if named && parent == roleRoot {
		g.known = g.known || g.format.hasChild(local)
	}
	switch {
	case named && g.format == formatAtom && parent == roleRoot && bytes.EqualFold(local, []byte("entry")),
		named && g.format != formatAtom && parent != roleItem && bytes.EqualFold(local, []byte("item")):
		return roleItem
	case named && parent == roleRoot && g.format != formatAtom && bytes.EqualFold(local, []byte("channel")),
		named && parent == roleItem && g.format == formatAtom && bytes.EqualFold(local, []byte("source")):
		return roleHolder
	case native:
		return roleLeaf
	}
	return roleForeign
}

// openItem begins the item e, at that offset of the edited text.
func (g *guard) openItem(e *element, at int) {
	if g.itemName == nil {
		g.itemName = e.name.full
	}
	if e.dropped = len(g.items) == maxItems; e.dropped {
		g.droppedFrom = at
		g.dropped++
		return
	}
	e.listed = true
	g.items = append(g.items, span{start: at, end: -1})
}

// inlineChannel leaves out the tag of a channel e after the first: gofeed keeps
// the items of the last channel alone, but also those directly in the root, and
// takes them for the channel's. A tag with attributes stays, since it may
// declare what is used within.
func (g *guard) inlineChannel(e *element) {
	if g.channel && g.open[len(g.open)-1].role == roleRoot && len(g.attrs) == 0 && !g.empty {
		g.edits.replace(g.start, g.pos, "")
		e.inlined, e.role = true, roleRoot
	}
	g.channel = true
}

// closeTop ends the innermost open element at end.
func (g *guard) closeTop(end int) {
	last := len(g.open) - 1
	e := &g.open[last]
	switch {
	case e.listed:
		g.items[len(g.items)-1].end = g.edits.offset(end)
	case e.dropped:
		g.edits.rewind(g.droppedFrom, end)
	}
	g.bindings = g.bindings[:len(g.bindings)-e.declared]
	g.base -= e.based
	g.open = g.open[:last]
}

// closeElement takes in an end tag. It ends the innermost element of its name
// and all that are open within it. When there is none, but the innermost element
// differs only by its prefix, it ends that; else it is left out. encoding/xml
// would take it for the end of everything.
func (g *guard) closeElement() *Failure {
	at := len(g.open) - 1
	for at >= 0 && !bytes.Equal(g.open[at].name.full, g.name.full) {
		at--
	}
	if at < 0 {
		top := len(g.open) - 1
		if name := g.open[top].name; bytes.Equal(name.local(), g.name.local()) && !g.open[top].inlined {
			if g.fast.on {
				g.fast.close(g, g.start)
			}
			g.edits.replace(g.start, g.pos, "</"+string(name.full)+">")
			g.closeTop(g.pos)
			return nil
		}
		if g.elements++; g.elements > maxElements {
			return limit(LimitSize, "more than %d elements", maxElements)
		}
		if !isVoid(g.name.full) {
			g.strayTags++
		}
		g.drop()
		return nil
	}
	g.closeWithin(at)
	if g.fast.on {
		g.fast.close(g, g.start)
	}
	if g.open[at].inlined {
		g.drop()
	}
	g.closeTop(g.pos)
	return nil
}

// closeWithin ends all elements within open[at], which the end tag that g
// stands on leaves open, and writes the end tags that are missing. encoding/xml
// would close them too, but gofeed then takes the end tag for a part of the
// text, and it is an error when one of them declares namespaces.
func (g *guard) closeWithin(at int) {
	for last := len(g.open) - 1; last > at; last-- {
		if g.fast.on {
			g.fast.lose(g)
		}
		if top := &g.open[last]; !top.inlined {
			g.edits.replace(g.start, g.start, "</"+string(top.name.full)+">")
		}
		g.closeTop(g.start)
	}
}

// isVoid reports whether an element of that name has no end tag in HTML. Text
// with such HTML that nobody escaped is common.
func isVoid(name []byte) bool {
	if len(name) > len("embed") {
		return false
	}
	switch string(name) {
	case "br", "hr", "img", "wbr", "input", "embed", "BR", "HR", "IMG":
		return true
	}
	return false
}

// readText takes in a piece of text.
func (g *guard) readText() *Failure {
	if g.fast.on || !g.readDate() {
		if closes := g.closes && bytes.Contains(g.text, []byte("]]>")); g.refers || closes {
			g.fix(g.text, closes)
		}
	}
	return g.weighText(g.text)
}

// lookBehind notes whether anything but comments and white space follows the
// root.
func (g *guard) lookBehind() {
	end := g.pos
	for {
		switch g.next() {
		case tokenComment, tokenInstruction:
			continue
		case tokenText:
			if len(bytes.TrimSpace(g.text)) == 0 {
				continue
			}
		case tokenEOF:
			g.pos = end
			return
		}
		g.pos, g.trailing = end, true
		return
	}
}
