package feeds

import (
	"bytes"
	"strings"
)

// lower appends name in lower case to dst, which is empty, as strings.ToLower
// has it.
func lower(dst, name []byte) []byte {
	for _, c := range name {
		if c >= 0x80 {
			return append(dst[:0], strings.ToLower(string(name))...)
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// attribute returns the value of the attribute of that name, as goxpp finds it:
// one without a prefix, else the first one with any.
func (f *fastReader) attribute(g *guard, name string) []byte {
	var other *attribute
	for i := range g.attrs {
		a := &g.attrs[i]
		switch {
		case string(a.name.local()) != name:
		case a.name.colon == 0:
			return f.attributeText(a.value)
		case other == nil:
			other = a
		}
	}
	if other == nil {
		return nil
	}
	return f.attributeText(other.value)
}

// lastAttribute returns the value of the last attribute of that name, whatever
// its prefix: as encoding/xml fills a struct, and gofeed the map of an extension.
func (f *fastReader) lastAttribute(g *guard, name string) []byte {
	for i := len(g.attrs) - 1; i >= 0; i-- {
		if a := &g.attrs[i]; string(a.name.local()) == name {
			return f.attributeText(a.value)
		}
	}
	return nil
}

// attributeText returns the value of an attribute with its references decoded.
// It is a view of value when there are none.
func (f *fastReader) attributeText(value []byte) []byte {
	if bytes.IndexByte(value, '&') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	return appendCharacters(make([]byte, 0, len(value)+8), value)
}
