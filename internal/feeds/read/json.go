package read

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
)

// jsonFeedVersion begins the version of every JSON Feed, and of nothing else,
// after its scheme: https by the format, http in some.
const jsonFeedVersion = "://jsonfeed.org/version/"

// A jsonFeed is a JSON Feed, 1.0 or 1.1, with what is made something of.
type jsonFeed struct {
	version, title, home, url string
	items                     []jsonItem
	authors, author           []string
	listed                    bool // it has items
	inRSS                     bool // it is RSS in JSON
	seen                      int  // how many items, also those over maxItems
}

// A jsonItem is an item, of which not all is settled.
type jsonItem struct {
	feeds.Item
	external, text, banner, published, modified string
	authors, author                             []string // the latter is of 1.0
}

// is reports whether f is a feed. A JSON Feed may lack its version, or end before it
// gives that, if it has members that only JSON Feed has or the server calls it one.
func (f *jsonFeed) is(contentType string) bool {
	if f.inRSS {
		return true
	}
	if f.version == "" {
		isCalled := strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/feed+json")
		return f.listed && (isCalled || f.home != "" || f.url != "")
	}
	version := strings.TrimPrefix(strings.TrimPrefix(f.version, "http"), "s")
	return strings.HasPrefix(version, jsonFeedVersion)
}

func (f *jsonFeed) read(r *jsonReader) {
	r.members(func(key string) {
		switch key {
		case "version":
			f.version = r.text()
		case "title":
			f.title = r.text()
		case "home_page_url":
			f.home = r.text()
		case "feed_url":
			f.url = r.text()
		case "author":
			f.author = r.authors()
		case "authors":
			f.authors = r.authors()
		case "items":
			f.listed = f.listed || r.peek() == '['
			r.elements(func() { f.item(r) })
		case "rss":
			f.rss(r)
		default:
			r.skip()
		}
	})
}

// item reads an item. The one that the document breaks in is none.
func (f *jsonFeed) item(r *jsonReader) {
	if r.peek() != '{' {
		r.drop()
		return
	}
	if f.seen++; f.seen > maxItems {
		r.skip()
		return
	}
	var it jsonItem
	r.members(func(key string) {
		if f.inRSS {
			it.rssMember(key, r)
			return
		}
		switch key {
		case "id":
			it.GUID = r.idText()
		case "url":
			it.Link = r.text()
		case "external_url":
			it.external = r.text()
		case "title":
			it.Title = r.text()
		case "content_html":
			it.Content = r.text()
		case "content_text":
			it.text = r.text()
		case "summary":
			it.Summary = r.text()
		case "image":
			it.Image = r.text()
		case "banner_image":
			it.banner = r.text()
		case "date_published":
			it.published = r.idText()
		case "date_modified":
			it.modified = r.idText()
		case "author":
			it.author = r.authors()
		case "authors":
			it.authors = r.authors()
		case "tags":
			r.elements(func() { it.addTag(r.text()) })
		case "attachments":
			r.elements(func() { it.file(r) })
		default:
			r.skip()
		}
	})
	if !r.failed() {
		f.items = append(f.items, it)
	}
}

// addTag adds a tag that is not there yet.
func (it *jsonItem) addTag(name string) {
	if name != "" && !slices.Contains(it.Categories, name) && len(it.Categories) <= maxCategories {
		it.Categories = append(it.Categories, name)
	}
}

// idText reads an id, which many write as a number.
func (r *jsonReader) idText() string {
	before := r.retyped
	k := r.peek()
	r.inID = true
	text := r.text()
	r.inID = false
	if k != '{' && k != '[' {
		r.retyped = before
	}
	return text
}

// authors reads authors: objects, or names, in a list or alone.
func (r *jsonReader) authors() (list []string) {
	one := func() {
		var name, address string // which counts where no name does
		if r.peek() == '{' {
			r.members(func(key string) {
				switch key {
				case "name":
					name = r.text()
				case "url":
					if to, ok := strings.CutPrefix(r.text(), "mailto:"); ok {
						address, _, _ = strings.Cut(to, "?")
					}
				default:
					r.skip()
				}
			})
		} else {
			name = r.text()
		}
		if name = cmp.Or(name, address); name != "" && len(list) < maxNames && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if r.peek() == '{' {
		one() // the author of 1.0
	} else {
		r.elements(one)
	}
	return list
}

// file reads an attachment. One that has no URL, or that of another, is none.
func (it *jsonItem) file(r *jsonReader) {
	var file feeds.Enclosure
	r.members(func(key string) {
		switch key {
		case "url":
			file.URL = r.text()
		case "mime_type", "type":
			file.Type = r.text()
		case "size_in_bytes", "length":
			if size, err := strconv.ParseFloat(r.idText(), 64); err == nil && size > 0 && size < 1<<62 {
				file.Length = int64(size)
			}
		default:
			r.skip()
		}
	})
	same := func(other feeds.Enclosure) bool { return other.URL == file.URL }
	if file.URL != "" && len(it.Enclosures) <= maxEnclosures && !slices.ContainsFunc(it.Enclosures, same) {
		it.Enclosures = append(it.Enclosures, file)
	}
}

// document makes a document of f, which came from base: it settles who wrote the items
// (the feed's authors where one has none), where they are, and what they say, as HTML.
func (f *jsonFeed) document(c *finisher, base string) *feeds.Document {
	d := c.head(string(c.oneLine([]byte(f.title))), f.home, base, false)
	d.Items = make([]feeds.Item, 0, len(f.items))
	if len(f.authors) == 0 {
		f.authors = f.author
	}
	inherited := strings.Join(f.authors, ", ")
	var calendar date.Reader
	for i := range f.items {
		it := &f.items[i]
		it.Title = string(c.oneLine([]byte(it.Title)))
		if len(it.authors) == 0 {
			it.authors = it.author
		}
		if it.Author = strings.Join(it.authors, ", "); it.Author == "" && c.grow(len(inherited)) {
			it.Author = inherited
		}
		if it.Link = cmp.Or(it.Link, it.external); it.Link == "" && isPage(it.GUID) {
			it.Link = it.GUID
		}
		it.Content = cmp.Or(it.Content, escaper.Replace(it.text))
		if !f.inRSS {
			it.Summary = escaper.Replace(it.Summary)
		}
		it.Image = cmp.Or(it.Image, it.banner)
		for at := range it.Enclosures {
			e := &it.Enclosures[at]
			if e.URL = c.link(e.URL); it.Image == "" && strings.HasPrefix(e.Type, "image/") {
				it.Image = e.URL
			}
		}
		it.Link, it.Image = c.link(it.Link), c.link(it.Image)
		it.Updated, _ = calendar.Read(it.modified)
		var ok bool
		if it.Published, ok = calendar.Read(it.published); !ok {
			it.Published = it.Updated
		}
		d.Items = append(d.Items, it.Item)
	}
	c.finish(d)
	return d
}
