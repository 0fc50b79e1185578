package feeds

import (
	"bytes"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// A markup says how the text of an element of Atom is written, by its
// attributes type and mode.
type markup uint8

const (
	markupAsIs   markup = iota // of no type that gofeed knows
	markupText                 // with references
	markupHTML                 // HTML with references
	markupXHTML                // elements
	markupBinary               // base64, or of a media type that may be
)

// markupOf returns how gofeed reads text without CDATA sections, and whether it
// takes the text for HTML when there are some.
func markupOf(typ, mode []byte) (m markup, isHTML bool) {
	switch string(typ) {
	case "html":
		return markupHTML, true
	case "text", "text/plain", "text/html":
		return markupText, false
	case "xhtml", "application/xhtml+xml":
		return markupXHTML, true
	case "":
		if len(mode) == 0 {
			return markupText, false
		}
	}
	t := strings.ToLower(string(typ))
	isHTML = t == "html" || strings.Contains(t, "xhtml")
	switch {
	case t == "text", strings.HasPrefix(t, "text/"):
		return markupText, isHTML
	case strings.Contains(t, "xhtml"):
		return markupXHTML, isHTML
	case t == "html":
		return markupHTML, isHTML
	case strings.EqualFold(string(mode), "base64"), t != "" && !strings.Contains(t, "xml"):
		return markupBinary, isHTML
	}
	return markupAsIs, isHTML
}

// atomText returns the text of an element of Atom, as gofeed's parseAtomText
// does.
func (f *fastReader) atomText(p *passage) string {
	raw := bytes.TrimSpace(p.raw)
	if len(raw) == 0 {
		return ""
	}
	m, isHTML := markupOf(p.typ, p.mode)
	if hasCDATA(raw) >= 0 {
		if raw = f.decode(raw); isHTML {
			return f.resolve(p.base, raw)
		}
		return f.keep(raw)
	}
	switch m {
	case markupXHTML:
		return f.resolve(p.base, f.unwrap(raw))
	case markupHTML:
		if bytes.IndexByte(raw, '<') >= 0 {
			raw = bytes.Clone(f.unwrap(raw))
		}
		return f.resolve(p.base, f.decode(raw))
	case markupText:
		return f.keep(f.decode(raw))
	case markupBinary:
		f.decline(DeclineBinary)
	}
	return f.keep(raw)
}

// unwrap is unwrapDiv, which it asks only about markup that the renderer does
// not know. What it returns is valid until the next text.
func (f *fastReader) unwrap(s []byte) []byte {
	r := &f.renderer
	r.reset(nil)
	switch {
	case !r.render(s):
		if !f.canParse(s) {
			return nil
		}
		return []byte(unwrapDiv(string(s)))
	case r.roots == 1 && r.root == "div":
		f.scratch = append(f.scratch[:0], r.out[r.innerStart:r.innerEnd]...)
		return f.scratch
	}
	return s
}

// resolve is resolveHTML, which it asks only about markup that the renderer does
// not know.
func (f *fastReader) resolve(base *url.URL, s []byte) string {
	if base == nil {
		return f.keep(s)
	}
	f.renderer.reset(base)
	if f.renderer.render(s) {
		return f.keep(f.renderer.out)
	}
	if !f.canParse(s) {
		return ""
	}
	return resolveHTML(base, string(s))
}

// canParse reports whether s can be given to html.Parse. If not, the document is
// over a bound.
func (f *fastReader) canParse(s []byte) bool {
	if f.reopened += reopened(s); f.reopened > maxReopened {
		f.failure = limit(LimitSize, "formatting that is left open")
	}
	return f.failure == nil
}

// linkAttributes holds the attributes of HTML that gofeed takes for links.
var linkAttributes = map[string]bool{
	"action": true, "background": true, "cite": true, "codebase": true, "data": true, "href": true,
	"poster": true, "profile": true, "scheme": true, "src": true, "uri": true, "usemap": true,
}

// resolveHTML makes the links in a piece of HTML absolute and spells all of it as
// html.Render does, as gofeed's ResolveHTML. Without a base it does nothing.
func resolveHTML(base *url.URL, s string) string {
	if base == nil {
		return s
	}
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		return s
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for i, a := range n.Attr {
			if linkAttributes[a.Key] {
				n.Attr[i].Val = normalURL(base, a.Val)
			}
		}
	}
	var b strings.Builder
	if err := html.Render(&b, doc); err != nil {
		return s
	}
	out := strings.TrimPrefix(b.String(), "<html><head></head><body>")
	return strings.TrimSuffix(out, "</body></html>")
}

// unwrapDiv returns what is in the one element of s, when that is a div, and
// else s: gofeed's stripWrappingDiv.
func unwrapDiv(s string) string {
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		return s
	}
	var body, div *html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "body" {
			body = n
			break
		}
	}
	if body == nil {
		return s
	}
	for n := range body.ChildNodes() {
		switch {
		case n.Type != html.ElementNode:
		case div != nil || n.Data != "div":
			return s
		default:
			div = n
		}
	}
	if div == nil {
		return s
	}
	var b strings.Builder
	for n := range div.ChildNodes() {
		if err := html.Render(&b, n); err != nil {
			return s
		}
	}
	return b.String()
}
