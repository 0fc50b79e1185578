package read

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
	"feedmill/internal/feeds/read/scan"
)

// jsonFeedVersion begins the version of every JSON Feed, and of nothing else,
// after its scheme: https by the format, http in some.
const jsonFeedVersion = "://jsonfeed.org/version/"

// A jsonFeed is a JSON Feed, 1.0 or 1.1, with what is made something of. The tags
// are for gofeed.
type jsonFeed struct {
	Version string     `json:"version"`
	Title   string     `json:"title,omitempty"`
	Home    string     `json:"home_page_url,omitempty"`
	Items   []jsonItem `json:"items"`

	authors, author []jsonAuthor
	url             string // of the feed itself
	listed          bool   // it has items
	inRSS           bool   // it is RSS in JSON
	seen            int    // how many, also those over maxItems
}

type jsonItem struct {
	ID          string       `json:"id,omitempty"`
	URL         string       `json:"url,omitempty"`
	ExternalURL string       `json:"external_url,omitempty"`
	Title       string       `json:"title,omitempty"`
	HTML        string       `json:"content_html,omitempty"`
	Text        string       `json:"content_text,omitempty"`
	Summary     string       `json:"summary,omitempty"`
	Image       string       `json:"image,omitempty"`
	Banner      string       `json:"banner_image,omitempty"`
	Published   string       `json:"date_published,omitempty"`
	Modified    string       `json:"date_modified,omitempty"`
	Authors     []jsonAuthor `json:"authors,omitempty"`
	Tags        []string     `json:"tags,omitempty"`
	Files       []jsonFile   `json:"attachments,omitempty"`

	author []jsonAuthor // of 1.0
}

type jsonAuthor struct {
	Name string `json:"name"`
}

type jsonFile struct {
	URL  string `json:"url"`
	Type string `json:"mime_type,omitempty"`
	Size int64  `json:"size_in_bytes,omitempty"`
}

// is reports whether f is a feed. A JSON Feed may lack its version, or end before it
// gives that, if it has members that only JSON Feed has or the server calls it one.
func (f *jsonFeed) is(contentType string) bool {
	if f.inRSS {
		return true
	}
	if f.Version == "" {
		isCalled := strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/feed+json")
		return f.listed && (isCalled || f.Home != "" || f.url != "")
	}
	version := strings.TrimPrefix(strings.TrimPrefix(f.Version, "http"), "s")
	return strings.HasPrefix(version, jsonFeedVersion)
}

func (f *jsonFeed) read(r *jsonReader) {
	r.members(func(key string) {
		switch key {
		case "version":
			f.Version = r.text()
		case "title":
			f.Title = r.text()
		case "home_page_url":
			f.Home = r.text()
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
			it.ID = r.idText()
		case "url":
			it.URL = r.text()
		case "external_url":
			it.ExternalURL = r.text()
		case "title":
			it.Title = r.text()
		case "content_html":
			it.HTML = r.text()
		case "content_text":
			it.Text = r.text()
		case "summary":
			it.Summary = r.text()
		case "image":
			it.Image = r.text()
		case "banner_image":
			it.Banner = r.text()
		case "date_published":
			it.Published = r.idText()
		case "date_modified":
			it.Modified = r.idText()
		case "author":
			it.author = r.authors()
		case "authors":
			it.Authors = r.authors()
		case "tags":
			r.elements(func() { it.addTag(r.text()) })
		case "attachments":
			r.elements(func() { it.file(r) })
		default:
			r.skip()
		}
	})
	if !r.failed() {
		f.Items = append(f.Items, it)
	}
}

// addTag takes in a tag, unless it is there.
func (it *jsonItem) addTag(name string) {
	if name = strings.TrimSpace(name); name != "" && !slices.Contains(it.Tags, name) && len(it.Tags) <= maxCategories {
		it.Tags = append(it.Tags, name)
	}
}

// idText is text for what may be a number as well.
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
func (r *jsonReader) authors() (list []jsonAuthor) {
	one := func() {
		var a jsonAuthor
		address := "" // which counts where no name does
		if r.peek() == '{' {
			r.members(func(key string) {
				switch key {
				case "name":
					a.Name = strings.TrimSpace(r.text())
				case "url":
					if to, ok := strings.CutPrefix(strings.TrimSpace(r.text()), "mailto:"); ok {
						address, _, _ = strings.Cut(to, "?")
					}
				default:
					r.skip()
				}
			})
		} else {
			a.Name = strings.TrimSpace(r.text())
		}
		if a.Name == "" {
			a.Name = address
		}
		if a.Name != "" && len(list) < maxNames && !slices.Contains(list, a) {
			list = append(list, a)
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
	var file jsonFile
	r.members(func(key string) {
		switch key {
		case "url":
			file.URL = strings.TrimSpace(r.text())
		case "mime_type", "type":
			file.Type = strings.TrimSpace(r.text())
		case "size_in_bytes", "length":
			if size, err := strconv.ParseFloat(strings.TrimSpace(r.idText()), 64); err == nil && size > 0 && size < 1<<62 {
				file.Size = int64(size)
			}
		default:
			r.skip()
		}
	})
	same := func(other jsonFile) bool { return other.URL == file.URL }
	if file.URL != "" && len(it.Files) <= maxEnclosures && !slices.ContainsFunc(it.Files, same) {
		it.Files = append(it.Files, file)
	}
}

// settle makes of f what its items mean: who wrote them (the feed's authors where
// an item has none), where they are, and what they say, as HTML.
func (f *jsonFeed) settle() {
	if len(f.authors) == 0 {
		f.authors = f.author
	}
	f.Title = inOneLine(f.Title)
	for i := range f.Items {
		it := &f.Items[i]
		it.Title = inOneLine(it.Title)
		if len(it.Authors) == 0 {
			it.Authors = it.author
		}
		if len(it.Authors) == 0 {
			it.Authors = f.authors
		}
		if isBlankText(it.URL) {
			it.URL = it.ExternalURL
		}
		if id := strings.TrimSpace(it.ID); isBlankText(it.URL) && (strings.HasPrefix(id, "http://") || strings.HasPrefix(id, "https://")) {
			it.URL = id
		}
		if isBlankText(it.HTML) {
			it.HTML = escapeText(it.Text)
		}
		if it.Text = ""; !f.inRSS {
			it.Summary = escapeText(it.Summary)
		}
		if isBlankText(it.Image) {
			it.Image = it.Banner
		}
		for at := 0; at < len(it.Files) && isBlankText(it.Image); at++ {
			if strings.HasPrefix(it.Files[at].Type, "image/") {
				it.Image = it.Files[at].URL
			}
		}
	}
}

// inOneLine is oneLine for a string.
func inOneLine(s string) string {
	if !strings.ContainsAny(s, "\n\r") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && scan.IsSpace(byte(r)) }), " ")
}

func isBlankText(s string) bool { return strings.TrimSpace(s) == "" }

// document makes a document of f, which is settled and came from base.
func (f *jsonFeed) document(c *finisher, base string) *feeds.Document {
	d := c.head(f.Title, f.Home, base, false)
	d.Items = make([]feeds.Item, 0, len(f.Items))
	var calendar date.Reader
	inherited := "" // the names of f's authors, which every item may have
	for i := range f.Items {
		from := &f.Items[i]
		it := feeds.Item{
			GUID: strings.TrimSpace(from.ID), Link: c.link(from.URL), Title: strings.TrimSpace(from.Title),
			Summary: strings.TrimSpace(from.Summary), Content: strings.TrimSpace(from.HTML), Image: c.link(from.Image), Categories: from.Tags,
		}
		it.Updated, _ = calendar.Read(from.Modified)
		var ok bool
		if it.Published, ok = calendar.Read(from.Published); !ok {
			it.Published = it.Updated
		}
		switch list := from.Authors; {
		case len(list) > 0 && len(f.authors) > 0 && &list[0] == &f.authors[0]:
			if inherited == "" {
				inherited = namesOf(list)
			}
			if c.grow(len(inherited)) {
				it.Author = inherited
			}
		case len(list) > 0:
			it.Author = namesOf(list)
		}
		for _, file := range from.Files {
			it.Enclosures = append(it.Enclosures, feeds.Enclosure{URL: c.link(file.URL), Type: file.Type, Length: file.Size})
		}
		d.Items = append(d.Items, it)
	}
	c.finish(d)
	return d
}

// namesOf returns the names of authors, of whom there is at least one.
func namesOf(list []jsonAuthor) string {
	if len(list) == 1 {
		return list[0].Name
	}
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return strings.Join(names, ", ")
}

// spellDates spells the dates of f, which is settled, in the one way that gofeed
// knows best.
func (f *jsonFeed) spellDates() {
	var calendar date.Reader
	for i := range f.Items {
		it := &f.Items[i]
		for _, text := range []*string{&it.Modified, &it.Published} {
			if at, ok := calendar.Read(*text); ok {
				*text = time.Unix(at, 0).UTC().Format(time.RFC3339)
			} else {
				*text = ""
			}
		}
		if it.Published == "" {
			it.Published = it.Modified
		}
	}
}
