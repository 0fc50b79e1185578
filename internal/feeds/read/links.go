package read

import (
	"bytes"
	"html"
	"regexp"
	"slices"
)

// link returns where a link in the document leads. White space around it and line
// ends in it are dropped. Without xml:base it may be relative; finish sees to that.
func (m *maker) link(base *location, ref []byte) string {
	ref = m.trimLink(ref)
	if base == nil || len(ref) == 0 || schemeSize(ref) > 0 {
		return m.keep(ref)
	}
	if !m.grow(0) {
		return ""
	}
	m.room = base.appendTo(m.room[:0], ref)
	if !m.grow(len(m.room) - len(ref)) {
		return ""
	}
	return m.keep(m.room)
}

// trimLink returns ref without white space around it and without line ends; nil
// when it is too long for a link.
func (m *maker) trimLink(ref []byte) []byte {
	ref = bytes.Trim(bytes.TrimSpace(ref), "\u200b\ufeff\u00a0")
	if len(ref) > maxURL {
		m.cut = true
		return nil
	}
	if !bytes.ContainsAny(ref, "\n\r\t") {
		return ref
	}
	return lineEnds.ReplaceAll(ref, nil)
}

var lineEnds = regexp.MustCompile(` *[\n\r\t]+ *`)

// linkAttributes holds the attributes of HTML that lead somewhere.
var linkAttributes = []string{
	"href", "src", "poster", "cite", "action", "formaction", "background", "codebase", "data", "icon", "longdesc",
	"profile", "usemap", "classid", "xlink:href", "srcset", "imagesrcset",
}

// isLink reports whether the value of an attribute of HTML is a link, and whether
// it is a list of them.
func isLink(tag, name []byte) (link, list bool) {
	var room [len("imagesrcset")]byte
	if len(name) < 3 || len(name) > len(room) {
		return false, false
	}
	name = lower(room[:0], name)
	if string(name) == "data" && !bytes.EqualFold(tag, []byte("object")) {
		return false, false
	}
	i := slices.Index(linkAttributes, string(name))
	return i >= 0, i >= len(linkAttributes)-2
}

// appendLink appends the value of an attribute that is a link or a list of links,
// with references undecoded as before. changed is false, and nothing is appended,
// when it is not relative.
func (m *maker) appendLink(dst []byte, base *location, value []byte, list bool) (out []byte, changed bool) {
	if !m.grow(0) {
		return dst, false
	}
	if bytes.IndexByte(value, '&') >= 0 {
		value = []byte(html.UnescapeString(string(value)))
	}
	before := len(dst)
	if list {
		var urls []byte
		if urls, changed = appendSources(m.room[:0], base, value); !changed {
			return dst, false
		}
		m.room = urls
	} else {
		if value = bytes.TrimSpace(value); schemeSize(value) > 0 || len(value) > maxURL {
			return dst, false
		}
		m.room = base.appendTo(m.room[:0], value)
	}
	if bytes.ContainsAny(m.room, `&<>"'`) {
		dst = append(dst, html.EscapeString(string(m.room))...)
	} else {
		dst = append(dst, m.room...)
	}
	if !m.grow(len(dst) - before) {
		return dst[:before], false
	}
	return dst, true
}

// appendSources appends a srcset with its URLs made absolute. A URL ends at white
// space, what describes it at a comma.
func appendSources(dst []byte, base *location, set []byte) (out []byte, changed bool) {
	for len(set) > 0 {
		n := bytes.IndexFunc(set, func(r rune) bool { return r > ' ' && r != ',' })
		if n < 0 {
			break
		}
		dst, set = append(dst, set[:n]...), set[n:]
		end := bytes.IndexAny(set, " \t\r\n\f")
		if end < 0 {
			end = len(set)
		}
		url := bytes.TrimRight(set[:end], ",")
		if len(url) <= maxURL && schemeSize(url) == 0 {
			changed = true
			dst = base.appendTo(dst, url)
		} else {
			dst = append(dst, url...)
		}
		if len(url) < end { // the comma belonged to the list
			dst, set = append(dst, set[len(url):end]...), set[end:]
			continue
		}
		comma := bytes.IndexByte(set[end:], ',')
		if comma < 0 {
			comma = len(set) - end - 1
		}
		if set = set[end:]; len(set) > 0 {
			dst, set = append(dst, set[:comma+1]...), set[comma+1:]
		}
	}
	return append(dst, set...), changed
}
