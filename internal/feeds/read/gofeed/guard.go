package gofeed

import (
	"bytes"
	"encoding/xml"
	"html"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/scan"
)

// Bounds on a document, so that what the library gets costs it time and memory in
// proportion to its size.
const (
	// maxDepth bounds how deep elements nest. The library goes into some of them by
	// recursion, and a goroutine whose stack overflows takes the process with it.
	maxDepth = 256

	// maxElements bounds the elements, which it may keep with two maps for each:
	// half a KiB.
	maxElements = 500_000

	// maxDeclared and maxNamespaces bound the namespaces that one element declares
	// and the different ones that a document does, maxNamespaceWork the sum over all
	// elements of those in scope: the library copies them for every element, at 150
	// ns each.
	maxDeclared      = 64
	maxNamespaces    = 1000
	maxNamespaceWork = 32 << 20

	// maxTextWork bounds the bytes that it copies while it puts together the text of
	// an element: all that it has for every piece.
	maxTextWork = 512 << 20

	// maxBase bounds an xml:base, and maxBaseWork what links may grow by when they
	// become absolute, both in bytes: for every place where one may be as much as
	// the bases around it are long.
	maxBase     = 8 << 10
	maxBaseWork = 32 << 20
)

// A guard goes over a document before the library does, keeps the bounds, and writes
// it anew as the library can read it: without comments and instructions, every
// element closed, nothing in it that XML forbids, and dates in the form that the
// library tries first. Where scan reads on although the document is not
// well-formed, the library stops; there it is broken.
type guard struct {
	scan.Scanner
	date func(string) (int64, bool)

	out      []byte
	open     []level
	distinct map[uint64]struct{}

	elements, bindings, namespaceWork, textWork, base, baseWork, lost int

	itemEnd  int    // where the last item that is complete ends in out; 0 for none
	around   []byte // the end tags of what stands around it
	known    bool   // there is something that feeds have
	broken   *feeds.Failure
	trailing bool // something follows the root
}

// A level is an element that is open.
type level struct {
	name     scan.Name
	bindings int // namespaces that it declares
	base     int // bytes that it adds to guard.base
	text     int // bytes of its text so far
}

// run goes over text. The failure is a bound that is not kept.
func (g *guard) run(text []byte) *feeds.Failure {
	g.Input = text
	g.out = make([]byte, 0, len(text)+len(text)/32+64)
	for {
		kind := g.Next()
		if g.Mistake != "" || kind == scan.Open && !g.isStrict() || kind == scan.Fault && !g.Early {
			if g.Fault == scan.FaultAttributes {
				return feeds.Failf(feeds.LimitNamespace, "an element has more than %d attributes", scan.MaxAttributes)
			}
			g.broken = feeds.Failf(feeds.Parse, "line %d: %s", 1+bytes.Count(text[:g.Start], []byte("\n")), g.Mistake)
			return nil
		}
		var failure *feeds.Failure
		switch kind {
		case scan.EOF, scan.Fault:
			g.broken = feeds.Failf(feeds.Truncated, "document ends early")
			return nil
		case scan.Open:
			failure = g.openElement()
		case scan.Close:
			failure = g.closeElement()
		case scan.Text, scan.CDATA:
			failure = g.takeText(kind)
		}
		if failure != nil || len(g.open) == 0 && kind != scan.Comment && kind != scan.Instruction {
			g.trailing = len(bytes.TrimSpace(text[g.Pos:])) > 0
			return failure
		}
	}
}

// isFeed reports whether the document, which has ended, is a feed.
func (g *guard) isFeed(f Format) bool {
	return g.known || f == Atom && bytes.Contains(g.out[:min(len(g.out), 1<<10)], []byte("http://www.w3.org/2005/Atom"))
}

// text returns what to give to the library: of a document that is broken, what
// stands before the item that it breaks in.
func (g *guard) text() []byte {
	if g.broken == nil {
		return g.out
	}
	return append(g.out[:g.itemEnd], g.around...)
}

// isStrict reports whether encoding/xml takes the names of a start tag for such. It
// keeps its tables to itself, and names that are not ASCII are rare enough to ask it.
func (g *guard) isStrict() bool {
	tag, wide := g.Input[g.Start:g.Pos], false
	strict := func(n scan.Name) bool {
		for _, c := range n.Full {
			wide = wide || c >= 0x80
		}
		c := n.Full[0]
		return (c == '_' || c == ':' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z') && bytes.Count(n.Full, []byte(":")) < 2
	}
	ok := strict(g.Name)
	for i := range g.Attrs {
		ok = strict(g.Attrs[i].Name) && ok
	}
	if ok && wide {
		d := xml.NewDecoder(bytes.NewReader(tag))
		d.Strict = false
		token, err := d.RawToken()
		_, ok = token.(xml.StartElement)
		ok = ok && err == nil
	}
	if !ok {
		g.Mistake = "invalid name in a tag"
	}
	return ok
}

// openElement opens an element within the bounds of depth and of names.
func (g *guard) openElement() *feeds.Failure {
	if len(g.open) == maxDepth {
		if g.bindings >= maxDepth/2 {
			// What makes such nesting dangerous is what it declares.
			return feeds.Failf(feeds.LimitNamespace, "namespaces nested %d deep", maxDepth)
		}
		return feeds.Failf(feeds.LimitDepth, "elements nested more than %d deep", maxDepth)
	}
	if g.elements++; g.elements > maxElements {
		return feeds.Failf(feeds.LimitSize, "more than %d elements", maxElements)
	}
	l := level{name: g.Name}
	for i := range g.Attrs {
		a := &g.Attrs[i]
		if string(a.Name.Prefix()) == "xmlns" || string(a.Name.Full) == "xmlns" {
			if failure := g.declare(a, &l); failure != nil {
				return failure
			}
		} else if a.Name.Colon > 0 && string(a.Name.Local()) == "base" {
			// Of any prefix: which one is xml's is for the library to say.
			if len(a.Value) > maxBase {
				return feeds.Failf(feeds.LimitSize, "an xml:base longer than %d bytes", maxBase)
			}
			l.base += 3 * len(a.Value) // escaped
		}
	}
	g.bindings += l.bindings
	g.base += l.base
	g.baseWork += g.base * len(g.Attrs)
	if g.namespaceWork += g.bindings; g.namespaceWork > maxNamespaceWork {
		return feeds.Failf(feeds.LimitNamespace, "too many elements for so many namespaces")
	}
	if g.baseWork > maxBaseWork {
		return feeds.Failf(feeds.LimitSize, "too many links relative to an xml:base")
	}
	local := strings.ToLower(string(g.Name.Local()))
	g.known = g.known || len(g.open) == 1 && isOfFeed(local)
	if g.repaired(g.Input[g.Start:g.Pos]); g.Empty {
		g.bindings, g.base = g.bindings-l.bindings, g.base-l.base
		return nil
	}
	if g.open = append(g.open, l); scan.IsVoid(g.Name.Local()) && len(g.open) > 3 {
		g.out = append(g.out[:len(g.out)-1], "/>"...)
		g.pop()
	}
	return nil
}

// declare binds the prefix that an attribute declares.
func (g *guard) declare(a *scan.Attribute, l *level) *feeds.Failure {
	uri := strings.TrimSpace(html.UnescapeString(string(a.Value)))
	if uri == "xmlns" {
		// encoding/xml would make every attribute with this prefix one that looks
		// like a declaration, which evades the bounds.
		return feeds.Failf(feeds.LimitNamespace, "a prefix is bound to the word xmlns")
	}
	if l.bindings++; l.bindings > maxDeclared {
		return feeds.Failf(feeds.LimitNamespace, "an element declares more than %d namespaces", maxDeclared)
	}
	if g.distinct == nil {
		g.distinct = make(map[uint64]struct{})
	}
	g.distinct[xxhash.Sum64String(string(a.Name.Full)+" "+uri)] = struct{}{}
	if len(g.distinct) > maxNamespaces {
		return feeds.Failf(feeds.LimitNamespace, "more than %d different namespaces", maxNamespaces)
	}
	return nil
}

// closeElement handles an end tag. It ends the innermost element of its name and
// all that are open within it. When there is none, but the innermost element
// differs only by its prefix, it ends that; else it is left out.
func (g *guard) closeElement() *feeds.Failure {
	at := len(g.open) - 1
	if at < 0 {
		return nil // in front of the root
	}
	for at >= 0 && !bytes.Equal(g.open[at].name.Full, g.Name.Full) {
		at--
	}
	if top := len(g.open) - 1; at < 0 && bytes.Equal(g.open[top].name.Local(), g.Name.Local()) {
		at = top
	}
	if at < 0 {
		if g.elements++; g.elements > maxElements {
			return feeds.Failf(feeds.LimitSize, "more than %d elements", maxElements)
		}
		if !scan.IsVoid(g.Name.Local()) {
			g.lost++
		}
		return nil
	}
	for len(g.open) > at {
		g.end()
	}
	return nil
}

// end writes the end tag of the innermost element.
func (g *guard) end() {
	name := g.open[len(g.open)-1].name
	g.out = appendEnd(g.out, name)
	g.pop()
	if local := strings.ToLower(string(name.Local())); len(g.open) < 3 && (local == "item" || local == "entry") {
		g.itemEnd, g.around = len(g.out), g.around[:0]
		for i := len(g.open) - 1; i >= 0; i-- {
			g.around = appendEnd(g.around, g.open[i].name)
		}
	}
}

func appendEnd(dst []byte, name scan.Name) []byte {
	return append(append(append(dst, "</"...), name.Full...), '>')
}

func (g *guard) pop() {
	last := len(g.open) - 1
	g.bindings -= g.open[last].bindings
	g.base -= g.open[last].base
	g.open = g.open[:last]
}

// takeText counts a piece of text against the bounds of the element it is in.
func (g *guard) takeText(kind scan.Kind) *feeds.Failure {
	if len(g.open) == 0 {
		return nil
	}
	top, raw := &g.open[len(g.open)-1], g.Input[g.Start:g.Pos]
	if top.text > 0 {
		g.textWork += top.text + len(raw)
	}
	top.text += len(raw)
	if g.base > 0 {
		g.baseWork += g.base * links(raw)
	}
	switch {
	case g.textWork > maxTextWork:
		return feeds.Failf(feeds.LimitSize, "text in too many pieces")
	case g.baseWork > maxBaseWork:
		return feeds.Failf(feeds.LimitSize, "too many links relative to an xml:base")
	case g.isDate(top.name.Local(), raw):
	case kind == scan.CDATA:
		g.out = append(g.out, raw...)
	default:
		g.repaired(raw)
	}
	return nil
}

// links returns in how many places of a piece of text, which may be HTML, a link may
// be that the library makes absolute. A name of an attribute may go on in the next
// piece, or have references for letters.
func links(text []byte) int {
	text = bytes.ToLower(text)
	n := 1 + bytes.Count(text, []byte("&#"))
	for _, name := range [...]string{"action", "background", "cite", "codebase", "data", "href", "poster", "profile", "scheme", "src", "uri", "usemap"} {
		n += bytes.Count(text, []byte(name))
	}
	return n
}

// isDate writes the date in raw in the form that the library tries first, or nothing
// if it is none, and reports true. It reports false for what is not where the
// library looks for a date. That tries two hundred layouts one after the other, and
// takes a zone that it does not know for UTC.
func (g *guard) isDate(local, raw []byte) bool {
	switch strings.ToLower(string(local)) {
	default:
		return false
	case "pubdate", "published", "updated", "date", "lastbuilddate", "issued", "created", "modified":
	}
	if len(g.open) > 4 || len(bytes.TrimSpace(raw)) == 0 {
		return false // an element of that name in the markup of a text
	}
	raw = bytes.TrimSuffix(bytes.TrimPrefix(raw, []byte("<![CDATA[")), []byte("]]>"))
	if at, ok := g.date(string(raw)); ok {
		g.out = time.Unix(at, 0).UTC().AppendFormat(g.out, time.RFC1123Z)
	}
	return true
}

// repaired writes a piece of the document with U+FFFD where it refers to a character
// that XML forbids, and without ends of CDATA sections that none opened.
func (g *guard) repaired(raw []byte) {
	if !bytes.Contains(raw, []byte("&#")) && !bytes.Contains(raw, []byte("]]>")) {
		g.out = append(g.out, raw...)
		return
	}
	for {
		n := bytes.IndexAny(raw, "&]")
		if n < 0 {
			g.out = append(g.out, raw...)
			return
		}
		g.out, raw = append(g.out, raw[:n]...), raw[n:]
		size, with := 1, string(raw[0])
		if raw[0] == ']' && bytes.HasPrefix(raw, []byte("]]>")) {
			size, with = 3, "]]&gt;"
		} else if n, digits := scan.Number(raw); digits > 0 && (n < 0x20 && n != '\t' && n != '\n' && n != '\r' || n == 0xFFFE || n == 0xFFFF) {
			size, with = digits, "\uFFFD"
		}
		g.out, raw = append(g.out, with...), raw[size:]
	}
}

// isOfFeed reports whether a child of the root of that name tells a feed.
func isOfFeed(local string) bool {
	switch local {
	case "channel", "item", "entry", "title", "id", "updated", "modified", "link", "author", "subtitle", "tagline", "generator":
		return true
	}
	return false
}
