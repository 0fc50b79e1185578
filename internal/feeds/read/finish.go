package read

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/feeds"
	"feedmill/internal/feeds/read/date"
)

// Bounds on what is kept of an item. A text over its bound is cut before the
// character that would exceed it, and lists lose their end; both are noted. An
// item's key is made from what the document has.
const (
	maxText       = 1 << 20 // bytes of every text
	maxCategories = 256
	maxEnclosures = 64
)

// A finisher makes a document of what a builder left: links that may be relative,
// items that may be there twice, texts of any size.
type finisher struct {
	*maker           // counts what links grow by
	root   *location // what relative links are relative to; nil when unknown
	now    time.Time // for telling absurd dates

	unsafe int // links of unsafeSchemes
}

// head returns a document without items, and sets what links in items are
// relative to.
func (c *finisher) head(title, link, base string, isAtom bool) *feeds.Document {
	c.root = locationOf([]byte(base))
	d := &feeds.Document{Title: c.bounded(title), Link: c.link(link)}
	if home := locationOf([]byte(d.Link)); home != nil && len(home.scheme) > 0 && len(home.host) > 0 && !isAtom {
		// RSS and JSON Feed say nothing of relative links. They are taken as
		// relative to the site, since feeds are often served from elsewhere.
		// In Atom they are relative to xml:base, or else to the document (RFC
		// 4287, section 2).
		c.root = home
	}
	c.unsafe = 0 // only those of items count
	return d
}

// finish drops items that say nothing or are there twice, sets keys and hashes,
// bounds the texts, and puts the oldest first.
func (c *finisher) finish(d *feeds.Document) {
	all := len(d.Items)
	d.Items = slices.DeleteFunc(d.Items, func(it feeds.Item) bool { return isEmpty(&it) })
	found := len(d.Items)
	oldestFirst := ascending(d.Items)
	d.Items, _ = feeds.AssignKeys(d.Items, oldestFirst)
	for i := range d.Items {
		c.bound(&d.Items[i])
		d.Items[i].Hash = feeds.ContentHash(&d.Items[i])
	}
	if !oldestFirst {
		slices.Reverse(d.Items)
	}
	note(d, all-found, "empty item")
	note(d, found-len(d.Items), "duplicate item")
	note(d, c.unsafe, "unsafe link")
	if c.cut {
		d.Notes = append(d.Notes, "cut to size")
	}
}

// ascending reports whether items, in the order of their document, are the
// oldest first. Nearly all feeds show the newest first, and that is what is
// assumed unless every item has a date, none is older than the one before it,
// and they are not all the same. One item out of order is no proof.
func ascending(items []feeds.Item) bool {
	for i := range items {
		if items[i].Published == 0 || i > 0 && items[i].Published < items[i-1].Published {
			return false
		}
	}
	return len(items) > 0 && items[0].Published < items[len(items)-1].Published
}

// note adds a note about n things to d when there are any.
func note(d *feeds.Document, n int, thing string) {
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

func isEmpty(it *feeds.Item) bool {
	return it.GUID == "" && it.Link == "" && it.Title == "" && it.Summary == "" && it.Content == "" &&
		it.Author == "" && it.Image == "" && len(it.Enclosures) == 0 && len(it.Categories) == 0 && it.Published == 0 && it.Updated == 0
}

// unsafeSchemes holds those of links that do harm in the hands of a program that
// opens them without a look.
var unsafeSchemes = map[string]bool{"javascript": true, "vbscript": true, "data": true, "file": true}

// link trims a link and makes it absolute when it is relative. One with a
// scheme stays as it is, whatever the scheme; so does what is no URL.
func (c *finisher) link(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxURL {
		c.cut = true
		return ""
	}
	if n := schemeSize(s); n > 0 {
		if unsafeSchemes[strings.ToLower(s[:n-1])] {
			c.unsafe++
		}
		return s
	}
	return c.maker.link(c.root, []byte(s))
}

// absolute makes the links of the items absolute.
func (c *finisher) absolute(items []feeds.Item) {
	for i := range items {
		it := &items[i]
		it.Link, it.Image = c.link(it.Link), c.link(it.Image)
		for j := range it.Enclosures {
			it.Enclosures[j].URL = c.link(it.Enclosures[j].URL)
		}
	}
}

// bound cuts what is over its bound and drops absurd dates. It comes after the
// keys are made, so that no key depends on the time of the fetch.
func (c *finisher) bound(it *feeds.Item) {
	for _, at := range []*int64{&it.Published, &it.Updated} {
		*at = date.Sensible(*at, c.now)
	}
	for _, text := range [...]*string{&it.GUID, &it.Link, &it.Title, &it.Author, &it.Summary, &it.Content, &it.Image} {
		*text = c.bounded(*text)
	}
	if len(it.Categories) > maxCategories {
		it.Categories, c.cut = slices.Clone(it.Categories[:maxCategories]), true
	}
	for i := range it.Categories {
		it.Categories[i] = c.bounded(it.Categories[i])
	}
	if len(it.Enclosures) > maxEnclosures {
		it.Enclosures, c.cut = slices.Clone(it.Enclosures[:maxEnclosures]), true
	}
	for i := range it.Enclosures {
		e := &it.Enclosures[i]
		e.URL, e.Type = c.bounded(e.URL), c.bounded(e.Type)
	}
}

// bounded trims s and cuts it to maxText bytes at most, before a character.
func (c *finisher) bounded(s string) string {
	s = strings.TrimSpace(s)
	if len(s) <= maxText {
		return s
	}
	c.cut = true
	return strings.ToValidUTF8(strings.Clone(s[:maxText]), "")
}
