package feeds

import (
	"bytes"
	"encoding/json"
	"strings"
)

// jsonFeedVersion begins the version of every JSON Feed, and of nothing else,
// after its scheme: https by the format, http in some.
const jsonFeedVersion = "://jsonfeed.org/version/"

// A jsonGuard goes over a JSON document before the parser does, as guard does
// over XML. It checks no more of the syntax than it needs for finding its way,
// as encoding/json says exactly where the syntax is wrong.
type jsonGuard struct {
	input []byte
	pos   int
	edits edits

	open   []byte // the opening brackets of what is open
	values int    // commas, colons and brackets
	key    []byte // the last key of the root object, without quotes

	version  []byte // the root's version; nil when it has none
	listed   bool   // the root's items have been met
	named    bool   // the root has a member that only JSON Feed has
	items    []span // in the edited text
	itemFrom int    // where the item that is open begins; -1 when none is
	listEnd  int    // where the root's items end in the edited text; -1 when not yet

	dated    bool // the last key of an item is that of a date
	oddDates int  // see maxOddDates

	hasNull  bool // a list holds null
	repaired bool // a string held a line break or a tab
	complete bool // the root is closed
	trailing bool // something follows it

	position // for whoever watches
}

// run goes over text, which begins with a bracket, and returns a failure when a
// bound is not kept.
func (g *jsonGuard) run(text []byte, start int) *Failure {
	g.input, g.pos, g.itemFrom, g.listEnd = text, start, -1, -1
	g.edits.source = text
	g.edits.begin(start)
	for g.pos < len(text) {
		if g.pos >= g.untold {
			g.tell(g.pos)
		}
		c := text[g.pos]
		switch c {
		case '"':
			if !g.readString() {
				return nil
			}
			continue
		case '{', '[':
			if len(g.open) == maxDepth {
				return limit(LimitDepth, "values nested more than %d deep", maxDepth)
			}
			g.begin()
			g.open = append(g.open, c)
			g.values++
		case '}', ']':
			g.close(c)
		case ',', ':':
			if c == ',' {
				g.endItem(g.pos)
			}
			g.values++
		case ' ', '\n', '\r', '\t':
		default:
			g.begin()
			g.hasNull = g.hasNull || c == 'n' && g.open[len(g.open)-1] == '['
			for g.pos+1 < len(text) && isBare(text[g.pos+1]) {
				g.pos++
			}
		}
		g.pos++
		if g.values > maxElements {
			return limit(LimitSize, "more than %d values", maxElements)
		}
		if len(g.open) == 0 {
			g.complete = true
			g.trailing = len(bytes.TrimSpace(text[g.pos:])) > 0
			return nil
		}
	}
	return nil
}

// isBare reports whether c may be part of a number, true, false or null.
func isBare(c byte) bool {
	return isBareByte(c) || c == '.' || c == '+'
}

// inItems reports whether what comes next is directly in the root's items.
func (g *jsonGuard) inItems() bool {
	return len(g.open) == 2 && g.open[1] == '[' && g.listed && g.listEnd < 0
}

// begin notes that a value begins, at g.pos.
func (g *jsonGuard) begin() {
	if g.inItems() && g.itemFrom < 0 {
		g.itemFrom = g.edits.offset(g.pos)
	}
	if len(g.open) == 1 && !g.listed && g.input[g.pos] == '[' && string(g.key) == "items" {
		g.listed = true
	}
}

// endItem notes that the item that is open, if one is, ends at end.
func (g *jsonGuard) endItem(end int) {
	if g.itemFrom >= 0 && g.inItems() {
		g.items = append(g.items, span{g.itemFrom, g.edits.offset(end)})
		g.itemFrom = -1
	}
}

// close takes in a closing bracket.
func (g *jsonGuard) close(c byte) {
	g.endItem(g.pos)
	if g.inItems() && c == ']' {
		g.listEnd = g.edits.offset(g.pos)
	}
	g.open = g.open[:len(g.open)-1]
	g.endItem(g.pos + 1)
}

// readString takes in the string at g.pos and reports whether it ends. What
// must be escaped in a string and is not gets escaped.
func (g *jsonGuard) readString() bool {
	g.begin()
	from := g.pos + 1
	at := g.edits.offset(from)
	for g.pos = from; g.pos < len(g.input); g.pos++ {
		switch c := g.input[g.pos]; c {
		case '"':
			g.noteString(at, g.input[from:g.pos])
			g.pos++
			return true
		case '\\':
			g.pos++
		case '\n', '\r', '\t':
			g.edits.replace(g.pos, g.pos+1, map[byte]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}[c])
			g.repaired = true
		}
	}
	return false
}

// noteString takes in a string, which begins at that offset of the edited text:
// in the root object a key, or the version; in an item a key, or a date.
func (g *jsonGuard) noteString(at int, s []byte) {
	switch {
	case len(g.open) == 1:
	case len(g.open) == 3 && g.open[1] == '[':
		g.noteMember(at, s)
		return
	default:
		return
	}
	switch {
	case g.isKey():
		g.key = s
		g.named = g.named || string(s) == "feed_url" || string(s) == "home_page_url"
	case string(g.key) == "version" && g.version == nil:
		g.version = s
	}
}

// noteMember takes in a string in an object of a list of the root's.
func (g *jsonGuard) noteMember(at int, s []byte) {
	if !g.dated || g.isKey() {
		g.dated = string(s) == "date_published" || string(s) == "date_modified"
		return
	}
	g.dated = false
	if s = bytes.TrimSpace(s); isOddDate(s) {
		if g.oddDates++; g.oddDates > maxOddDates || len(s) > maxDate {
			g.edits.rewind(at, g.pos)
		}
	}
}

// isKey reports whether the string that ends at g.pos is a key.
func (g *jsonGuard) isKey() bool {
	next := g.pos + 1
	for next < len(g.input) && isSpace(g.input[next]) {
		next++
	}
	return next < len(g.input) && g.input[next] == ':'
}

// isFeed reports whether the root is that of a JSON Feed. One that ends early
// may do so before it gives its version.
func (g *jsonGuard) isFeed() bool {
	version := bytes.ReplaceAll(g.version, []byte(`\/`), []byte("/")) // what PHP writes
	version = bytes.TrimPrefix(bytes.TrimPrefix(version, []byte("http")), []byte("s"))
	if !g.complete && g.version == nil {
		return g.named && g.listed
	}
	return bytes.HasPrefix(version, []byte(jsonFeedVersion))
}

// feed returns the text of the document without what follows it and without
// the items over maxItems, and how many those are.
func (g *jsonGuard) feed() (text []byte, dropped int) {
	text = g.edits.text(g.pos)
	if len(g.items) <= maxItems {
		return text, 0
	}
	kept := bytes.Clone(text[:g.items[maxItems-1].end])
	return append(kept, text[g.listEnd:]...), len(g.items) - maxItems
}

// repairJSON returns a JSON Feed with the types that the format asks for: a
// string where a list of strings belongs becomes one, a number or a boolean
// where a string belongs too, a lone object becomes a list of one. What cannot
// be made to fit is left out, null in lists among it. text is valid JSON.
func repairJSON(text []byte) ([]byte, error) {
	var root map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // ids may have more digits than a float64
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	return json.Marshal(feedShape.apply(root))
}

// A shape says of what type the members of an object are.
type shape map[string]func(any) any

// apply returns the members of object that shape has, in the type that it
// gives them.
func (s shape) apply(object map[string]any) map[string]any {
	out := make(map[string]any, len(s))
	for name, convert := range s {
		if v := convert(object[name]); v != nil {
			out[name] = v
		}
	}
	return out
}

var (
	authorShape = shape{"name": asString, "url": asString, "avatar": asString}

	attachmentShape = shape{
		"url": asString, "mime_type": asString, "title": asString,
		"size_in_bytes": asString, "duration_in_seconds": asString,
	}

	itemShape = shape{
		"id": asString, "url": asString, "external_url": asString, "title": asString,
		"content_html": asString, "content_text": asString, "summary": asString,
		"image": asString, "banner_image": asString, "language": asString,
		"date_published": asString, "date_modified": asString,
		"author": asAuthor, "authors": listOf(asAuthor), "tags": listOf(asString),
		"attachments": listOf(objectOf(attachmentShape)),
	}

	feedShape = shape{
		"version": asString, "title": asString, "home_page_url": asString, "feed_url": asString,
		"description": asString, "user_comment": asString, "next_url": asString,
		"icon": asString, "favicon": asString, "language": asString,
		"author": asAuthor, "authors": listOf(asAuthor), "items": listOf(objectOf(itemShape)),
	}
)

// asString returns v as a string; nil when it is an object, a list or null.
func asString(v any) any {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	}
	return nil
}

// asAuthor returns v as an author: an object, the first of a list, or a name.
func asAuthor(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			return objectOf(authorShape)(v[0])
		}
	case string:
		return map[string]any{"name": strings.TrimSpace(v)}
	}
	return objectOf(authorShape)(v)
}

// objectOf returns a conversion to an object of that shape; nil for what is
// none.
func objectOf(s shape) func(any) any {
	return func(v any) any {
		if object, ok := v.(map[string]any); ok {
			return s.apply(object)
		}
		return nil
	}
}

// listOf returns a conversion to a list of what convert makes, without nil. What
// is no list is one of a single member.
func listOf(convert func(any) any) func(any) any {
	return func(v any) any {
		members, ok := v.([]any)
		if !ok && v != nil {
			members = []any{v}
		}
		out := make([]any, 0, len(members))
		for _, m := range members {
			if m = convert(m); m != nil {
				out = append(out, m)
			}
		}
		if len(out) == 0 {
			return nil // an empty list of authors would hide a lone author
		}
		return out
	}
}
