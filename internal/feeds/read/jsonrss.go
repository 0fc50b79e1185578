package read

import "strings"

// RSS in JSON: elements are members, those that come several times lists, and one
// with attributes is an object whose text is "#value". A description is HTML, as in
// RSS. It has no specification but what Scripting News serves.

// rss reads what stands under "rss" at the root.
func (f *jsonFeed) rss(r *jsonReader) {
	r.members(func(key string) {
		if key != "channel" {
			r.skip()
			return
		}
		f.inRSS = true
		r.members(func(key string) {
			switch key {
			case "title":
				f.title = r.element(nil)
			case "link":
				f.home = r.element(nil)
			case "item":
				r.elements(func() { f.item(r) })
			default:
				r.skip()
			}
		})
	})
}

// rssMember reads a member of an item of RSS.
func (it *jsonItem) rssMember(key string, r *jsonReader) {
	switch key {
	case "title":
		it.Title = r.element(nil)
	case "link":
		it.Link = r.element(nil)
	case "guid":
		opaque := false
		it.GUID = r.element(func(name, value string) {
			opaque = opaque || name == "ispermalink" && strings.EqualFold(value, "false")
		})
		if !opaque {
			it.external = it.GUID // the link where there is none
		}
	case "description":
		it.Summary = r.element(nil)
	case "content:encoded":
		it.Content = r.element(nil)
	case "pubdate":
		it.published = r.element(nil)
	case "author", "dc:creator":
		r.elements(func() {
			if name := r.element(nil); name != "" && len(it.authors) < maxNames {
				it.authors = append(it.authors, name)
			}
		})
	case "category":
		r.elements(func() { it.addTag(r.element(nil)) })
	case "enclosure":
		r.elements(func() { it.file(r) })
	default:
		r.skip()
	}
}

// element reads the text of an element, and calls attribute for its attributes.
func (r *jsonReader) element(attribute func(name, value string)) (text string) {
	if r.peek() != '{' {
		return r.text()
	}
	r.members(func(key string) {
		switch value := r.idText(); {
		case key == "#value":
			text = value
		case attribute != nil:
			attribute(key, value)
		}
	})
	return text
}
