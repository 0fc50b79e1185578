package feeds

import "slices"

// A tagKind says which of the parser's rules an element comes under.
type tagKind uint8

const (
	tagOther     tagKind = iota // not known here
	tagPhrase                   // no rule of its own
	tagFormat                   // has its attributes sorted
	tagLink                     // the same, and is closed by another one in it
	tagBlock                    // closes a paragraph
	tagParagraph                // likewise
	tagHeading                  // likewise, and a heading that it stands in
	tagPre                      // likewise; a line end at its beginning is left out
	tagListItem                 // closes another one, unless a list is between them
	tagTerm                     // likewise, of definition lists
	tagVoid                     // has no content
	tagRule                     // likewise, and closes a paragraph
	tagFrame                    // its content is no markup; known here only when empty
)

// knownTags holds the elements that are known here.
var knownTags = func() map[string]knownTag {
	known := make(map[string]knownTag)
	for kind, names := range map[tagKind][]string{
		tagPhrase:    {"span", "sup", "sub", "abbr", "cite", "q", "kbd", "samp", "var", "del", "ins", "mark", "time", "dfn", "acronym", "video", "audio", "picture", "label", "bdo", "bdi"},
		tagFormat:    {"b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"},
		tagLink:      {"a"},
		tagBlock:     {"address", "article", "aside", "blockquote", "center", "details", "div", "dl", "figcaption", "figure", "footer", "header", "main", "nav", "ol", "section", "summary", "ul"},
		tagParagraph: {"p"},
		tagHeading:   {"h1", "h2", "h3", "h4", "h5", "h6"},
		tagPre:       {"pre"},
		tagListItem:  {"li"},
		tagTerm:      {"dt", "dd"},
		tagVoid:      {"br", "img", "wbr", "embed", "source", "track"},
		tagRule:      {"hr"},
		tagFrame:     {"iframe"},
	} {
		for _, name := range names {
			known[name] = knownTag{name, kind}
		}
	}
	return known
}()

// mayOpen reports whether an element may stand here without closing another.
func (r *renderer) mayOpen(kind tagKind) bool {
	parent := openTag{}
	if top := len(r.stack) - 1; top >= 0 {
		parent = r.stack[top]
	}
	if len(r.stack) == maxRendered {
		return false
	}
	switch kind {
	case tagPhrase, tagFormat, tagVoid, tagFrame:
		return true
	case tagLink:
		return !slices.ContainsFunc(r.stack, func(t openTag) bool { return t.kind == tagLink })
	case tagHeading:
		return r.paragraphs == 0 && parent.kind != tagHeading
	case tagListItem:
		return r.paragraphs == 0 && (parent.name == "ul" || parent.name == "ol")
	case tagTerm:
		return r.paragraphs == 0 && parent.name == "dl"
	}
	return r.paragraphs == 0
}
