package feeds

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mmcdole/gofeed"
	ext "github.com/mmcdole/gofeed/extensions"
)

// Bounds on what is kept of an item. A text over its bound is cut before the
// character that would exceed it, and lists lose their end; both are noted. An
// item's key is made from what the document has.
const (
	maxText       = 1 << 20 // bytes of every text
	maxCategories = 256
	maxEnclosures = 64
)

// A converter makes Items of gofeed's.
type converter struct {
	root *url.URL  // what relative links are relative to; nil when unknown
	now  time.Time // for telling absurd dates

	cut    bool // something was over its bound
	unsafe int  // links of unsafeSchemes

	ahead    bool // a date was absurd because it lies too far ahead
	repeated bool // two items had one key
	reversed bool // the document shows the newest first

	left []leftItem // items of the document that are not among those converted
}

// document converts feed. base is where it came from.
func (c *converter) document(feed *gofeed.Feed, base string) *Document {
	d := c.head(feed.Title, feed.Link, base, feed.FeedType == "atom")
	d.Items = make([]Item, 0, len(feed.Items))
	for _, it := range feed.Items {
		d.Items = append(d.Items, c.item(it))
	}
	c.finish(d)
	return d
}

// head returns a document without items, and sets what links in items are
// relative to.
func (c *converter) head(title, link, base string, isAtom bool) *Document {
	if u, err := url.Parse(base); err == nil && u.IsAbs() {
		c.root = u
	}
	d := &Document{Title: c.text(title, maxText), Link: c.link(link)}
	if home, err := url.Parse(d.Link); err == nil && home.IsAbs() && home.Host != "" && !isAtom {
		// RSS and JSON Feed say nothing of relative links. They are taken as
		// relative to the site, since feeds are often served from elsewhere.
		// In Atom they are relative to xml:base, which gofeed has seen to, or
		// else to the document (RFC 4287, section 2).
		c.root = home
	}
	c.unsafe = 0 // only those of items count
	return d
}

// finish drops items that say nothing or are there twice, sets keys and hashes,
// bounds the texts, and puts the oldest first.
func (c *converter) finish(d *Document) {
	all := len(d.Items)
	d.Items = slices.DeleteFunc(d.Items, func(it Item) bool { return isEmpty(&it) })
	found := len(d.Items)
	d.Items, c.repeated = assignKeys(d.Items)
	for i := range d.Items {
		c.bound(&d.Items[i])
		d.Items[i].Hash = ContentHash(&d.Items[i])
	}
	if c.reversed = !ascending(d.Items, c.left); c.reversed {
		slices.Reverse(d.Items)
	}
	d.note(all-found, "empty item")
	d.note(found-len(d.Items), "duplicate item")
	d.note(c.unsafe, "unsafe link")
	if c.cut {
		d.Notes = append(d.Notes, "cut to size")
	}
}

// A leftItem is one that was left out before items[before].
type leftItem struct {
	before    int
	published int64
}

// ascending reports whether items, in the order of their document, are the
// oldest first. left are those that were left out. Nearly all feeds show the newest first, and that is what is
// assumed unless every item has a date, none is older than the one before it,
// and they are not all the same. One item out of order is no proof.
func ascending(items []Item, left []leftItem) bool {
	var first, last int64
	for i, n := 0, 0; n < len(items)+len(left); n++ {
		date := int64(0)
		if at := n - i; at < len(left) && left[at].before == i {
			date = left[at].published
		} else {
			date = items[i].Published
			i++
		}
		if date == 0 || n > 0 && date < last {
			return false
		}
		if last = date; n == 0 {
			first = date
		}
	}
	return first < last
}

// note adds a note about n things when there are any.
func (d *Document) note(n int, thing string) {
	if n > 0 {
		d.Notes = append(d.Notes, count(n, thing))
	}
}

// count returns "1 thing", "2 things" and so on.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

func isEmpty(it *Item) bool {
	return it.GUID == "" && it.Link == "" && it.Title == "" && it.Summary == "" && it.Content == "" &&
		it.Author == "" && it.Image == "" && len(it.Enclosures) == 0 && len(it.Categories) == 0 && it.Published == 0 && it.Updated == 0
}

// item converts one item. Texts are trimmed; nothing is bounded yet.
func (c *converter) item(it *gofeed.Item) Item {
	item := Item{
		GUID:      strings.TrimSpace(it.GUID),
		Title:     strings.TrimSpace(it.Title),
		Author:    authors(it),
		Summary:   strings.TrimSpace(it.Description),
		Content:   strings.TrimSpace(it.Content),
		Published: unixDate(it.PublishedParsed),
		Updated:   unixDate(it.UpdatedParsed),
	}
	link := it.Link
	if link == "" && len(it.Links) > 0 {
		link = it.Links[0] // the external_url of JSON Feed, the rel "self" of Atom
	}
	item.Link = c.link(link)
	media := mediaOf(it.Extensions["media"])
	if item.Summary == "" && item.Content == "" {
		item.Summary = media.description
	}
	switch {
	case it.Image != nil && it.Image.URL != "":
		item.Image = c.link(it.Image.URL)
	default:
		item.Image = c.link(media.image)
	}
	for _, category := range it.Categories {
		if category = strings.TrimSpace(category); category != "" {
			item.Categories = append(item.Categories, category)
		}
	}
	for _, e := range it.Enclosures {
		c.enclose(&item, e.URL, e.Type, e.Length)
	}
	if len(item.Enclosures) == 0 {
		for _, m := range media.files {
			c.enclose(&item, m["url"], m["type"], m["fileSize"])
		}
	}
	return item
}

// enclose adds an enclosure, unless it has no URL.
func (c *converter) enclose(item *Item, link, kind, length string) {
	e := Enclosure{URL: c.link(link), Type: strings.TrimSpace(kind)}
	if n, err := strconv.ParseInt(strings.TrimSpace(length), 10, 64); err == nil && n > 0 {
		e.Length = n
	}
	if e.URL != "" {
		item.Enclosures = append(item.Enclosures, e)
	}
}

// unsafeSchemes holds those of links that do harm in the hands of a program that
// opens them without a look.
var unsafeSchemes = map[string]bool{"javascript": true, "vbscript": true, "data": true, "file": true}

// link trims a link and makes it absolute when it is relative. One with a
// scheme stays as it is, whatever the scheme; so does what is no URL.
func (c *converter) link(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || isPlainURL(s) {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	if u.IsAbs() {
		if unsafeSchemes[u.Scheme] {
			c.unsafe++
		}
		return s
	}
	if c.root == nil {
		return s
	}
	return c.root.ResolveReference(u).String()
}

// authors returns the names of an item's authors, or their e-mail addresses
// where no name is given. gofeed takes only the first of several dc:creator;
// all of them are taken here.
func authors(it *gofeed.Item) string {
	var names []string
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" && len(names) < maxNames && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	people := it.Authors
	if len(people) == 0 {
		people = []*gofeed.Person{it.Author} // of JSON Feed 1.0, beside an empty list of 1.1
	}
	for _, a := range people {
		if a != nil && strings.TrimSpace(a.Name) != "" {
			add(a.Name)
		} else if a != nil {
			add(a.Email)
		}
	}
	if dc := it.DublinCoreExt; dc != nil && (len(names) == 0 || len(dc.Creator) > 1 && slices.Contains(dc.Creator, names[0])) {
		for _, creator := range dc.Creator {
			add(creator)
		}
	}
	return strings.Join(names, ", ")
}

// A media is what the elements of Media RSS in an item say that feed its
// fields when nothing else does.
type media struct {
	image       string
	description string
	files       []map[string]string // attributes of media:content
}

// mediaOf reads the elements of the namespace in an item or in its group.
func mediaOf(elements map[string][]ext.Extension) media {
	var m media
	if elements == nil {
		return m
	}
	m.take(elements)
	for _, group := range elements["group"] {
		m.take(group.Children)
	}
	return m
}

func (m *media) take(elements map[string][]ext.Extension) {
	for _, e := range elements["thumbnail"] {
		if m.image == "" {
			m.image = e.Attrs["url"]
		}
	}
	for _, e := range elements["description"] {
		if m.description == "" {
			m.description = strings.TrimSpace(e.Value)
		}
	}
	for _, e := range elements["content"] {
		switch isImage := e.Attrs["medium"] == "image" || strings.HasPrefix(e.Attrs["type"], "image/"); {
		case !isImage:
			m.files = append(m.files, e.Attrs)
		case m.image == "":
			m.image = e.Attrs["url"]
		}
		m.take(e.Children)
	}
}

// bound cuts what is over its bound and drops absurd dates. It comes after the
// keys are made, so that no key depends on the time of the fetch.
func (c *converter) bound(it *Item) {
	for _, date := range []*int64{&it.Published, &it.Updated} {
		sensible := sensibleDate(*date, c.now)
		c.ahead = c.ahead || sensible == 0 && *date > 0
		*date = sensible
	}
	it.GUID = c.text(it.GUID, maxText)
	it.Link = c.text(it.Link, maxText)
	it.Title = c.text(it.Title, maxText)
	it.Author = c.text(it.Author, maxText)
	it.Summary = c.text(it.Summary, maxText)
	it.Content = c.text(it.Content, maxText)
	it.Image = c.text(it.Image, maxText)
	if len(it.Categories) > maxCategories {
		it.Categories, c.cut = slices.Clone(it.Categories[:maxCategories]), true
	}
	for i := range it.Categories {
		it.Categories[i] = c.text(it.Categories[i], maxText)
	}
	if len(it.Enclosures) > maxEnclosures {
		it.Enclosures, c.cut = slices.Clone(it.Enclosures[:maxEnclosures]), true
	}
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		e.URL, e.Type = c.text(e.URL, maxText), c.text(e.Type, maxText)
	}
}

// text trims s and cuts it to size bytes at most, before a character.
func (c *converter) text(s string, size int) string {
	s = strings.TrimSpace(s)
	if len(s) <= size {
		return s
	}
	c.cut = true
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return strings.Clone(s[:size])
}
