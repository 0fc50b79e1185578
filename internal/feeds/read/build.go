package read

import (
	"bytes"
	"slices"

	"feedmill/internal/feeds"
)

// A feedBuilder makes a document of RSS or of Atom. The formats differ in their
// elements, see headElements, and in what a link is. Of RSS 1.0 only the attribute
// rdf:about differs, and that items stand beside the channel, as they do here and
// there in the others.
type feedBuilder struct {
	*maker
	inAtom bool
	entry  rawItem
	scopes []scope
	next   field  // what the element that opened is for
	href   []byte // the link that it has besides its text
	rank   int    // how good that is

	head    [heads]passage
	links   int        // the rank of the link in head
	authors [][]byte   // elements
	signed  vocabulary // that of authors, in RSS

	items    []feeds.Item
	unsigned []int // items without an author, who have the feed's
	found    int   // items, also those over maxItems
	root     bool  // the root's name alone tells a feed
	channels int   // that began
	known    bool  // it has something that feeds have
	odd      bool  // it has something that they have not
	deep     bool  // elements that mean nothing may have items in them
}

// A scope is an element whose children count: for what.
type scope uint8

const (
	scopeFeed  scope = iota // the root, a channel, and what else stands around items
	scopeItem               //
	scopeGroup              // of Media RSS
	scopeFile               // likewise, a content
)

// isFeed reports whether the document, which has ended, is a feed.
func (b *feedBuilder) isFeed() bool { return b.known || b.root && !b.odd }

func (b *feedBuilder) scope() scope { return b.scopes[len(b.scopes)-1] }

// enter makes the children of the element that opens count.
func (b *feedBuilder) enter(s scope) interest {
	b.scopes = append(b.scopes, s)
	return children
}

// want makes the text of the element that opens count.
func (b *feedBuilder) want(f field) interest {
	b.next = f
	return asText
}

// text says what stands in the element that opened last, of which the text counts, and
// ends it.
func (b *feedBuilder) text(p passage) {
	switch f := b.next; f {
	case fieldLink, headLink:
		if isBlank(p.raw) {
			p.raw = b.href
		}
		b.takeLink(f, p)
	case headAuthor:
		if !isBlank(p.raw) {
			b.authors = append(b.authors, p.raw)
		}
	case fieldImage, fieldThumbnail:
		b.takeImage(f, p)
	case fieldOrigFile:
		if n := len(b.entry.files); n > 0 && !isBlank(p.raw) {
			b.entry.files[n-1].url, b.entry.files[n-1].base = p.raw, p.base
		}
	case fieldEnclosure:
		if last := &b.entry.files[len(b.entry.files)-1]; len(last.url) == 0 {
			last.url = p.raw
		}
	default:
		switch {
		case f < fields:
			b.entry.take(f, p)
		case b.head[f].raw == nil && !isBlank(p.raw):
			b.head[f] = p
		}
	}
	b.href, b.rank = nil, 0
}

// takeLink keeps a link that ranks above those before it.
func (b *feedBuilder) takeLink(f field, p passage) {
	switch {
	case isBlank(p.raw):
	case f == headLink && b.rank > max(b.links, rankSelf):
		b.head[headLink], b.links = p, b.rank
	case f == fieldLink && b.rank > b.entry.rank: // be it the entry itself
		b.entry.link, b.entry.rank = p, b.rank
	}
}

// takeImage keeps the first picture that has an address.
func (b *feedBuilder) takeImage(f field, p passage) {
	if len(b.href) > 0 {
		p.raw = b.href
	} else if b.hasMarkup(p.raw) {
		urls := b.children(p.raw, "url")
		p.raw = nil
		if len(urls) > 0 {
			p.raw = urls[0]
		}
	}
	to := &b.entry.image
	if f == fieldThumbnail {
		to = &b.entry.thumb
	}
	if to.raw == nil && !isBlank(p.raw) {
		*to = p
	}
}

// close ends the innermost element whose children count. An item that lacks its end tag
// is an item, too.
func (b *feedBuilder) close() {
	last := len(b.scopes) - 1
	if b.scopes[last] == scopeItem {
		b.endItem()
	}
	b.scopes = b.scopes[:last]
}

// endItem makes an item of the entry.
func (b *feedBuilder) endItem() {
	if b.found++; b.found <= maxItems {
		it := b.item(&b.entry)
		var named bool
		if it.Author, named = b.author(&b.entry); it.Author == "" && !named {
			if it.Author = b.sourceAuthor(&b.entry); it.Author == "" {
				b.unsigned = append(b.unsigned, len(b.items))
			}
		}
		b.items = append(b.items, it)
	}
	b.entry.reset()
}

// sourceAuthor returns the names of who wrote the feed that an entry is from.
func (b *feedBuilder) sourceAuthor(e *rawItem) string {
	if e.at[fieldSource].raw == nil {
		return ""
	}
	return b.namesOf(slices.Clone(b.children(e.at[fieldSource].raw, "author"))...)
}

// namesOf returns the names, or else the addresses, in elements of Atom.
func (b *feedBuilder) namesOf(people ...[]byte) (names string) {
	b.names = b.names[:0]
	for _, raw := range people {
		b.person(raw)
	}
	return b.joined()
}

// sign gives the feed's author to the items that have none (RFC 4287, 4.2.1).
func (b *feedBuilder) sign() {
	name := b.namesOf(b.authors...)
	for _, i := range b.unsigned {
		if !b.grow(len(name)) {
			return
		}
		b.items[i].Author = name
	}
}

// open begins an element and says what of it counts. e is valid until the next call.
func (b *feedBuilder) open(e *element) interest {
	if len(b.scopes) == 0 {
		return b.openRoot(e)
	}
	inHead := b.scope() == scopeFeed
	isNative := e.vocab == vocabNative
	f, ok := b.fieldOf(e, inHead)
	switch {
	case ok:
		b.known = b.known || f == partItem || f == partChannel || isNative && inHead && b.inAtom
		return b.begin(f, e)
	case !inHead:
		return nothing
	case isNative:
		b.odd = b.odd || b.inAtom || len(b.scopes) == 1
	}
	if b.deep {
		return b.enter(scopeFeed)
	}
	return nothing
}

// openRoot begins the document. RDF, channels and entries are for other things, too.
func (b *feedBuilder) openRoot(e *element) interest {
	switch string(e.local) {
	case "rss", "feed":
		b.root = true
	case "channel": // whose rss somebody forgot
		b.channels++
	}
	if b.inAtom {
		b.known = e.vocab == vocabAtom
		if string(e.local) == "entry" {
			return b.enter(scopeItem)
		}
	}
	b.root = b.root || namespaceOf(e.attr("xmlns")) == vocabRSS
	return b.enter(scopeFeed)
}

// fieldOf returns what e is for.
func (b *feedBuilder) fieldOf(e *element, inHead bool) (f field, ok bool) {
	switch native := e.vocab == vocabNative; {
	case native && inHead:
		f, ok = headElements[btoi(b.inAtom)][string(e.local)]
	case native:
		f, ok = itemElements[btoi(b.inAtom)][string(e.local)]
	case inHead:
		f, ok = foreignHead[foreign{e.vocab, string(e.local)}]
	default:
		f, ok = foreignItem[foreign{e.vocab, string(e.local)}]
	}
	return f, ok
}

// begin begins an element that is for f, and keeps what its attributes say.
func (b *feedBuilder) begin(f field, e *element) interest {
	inFile := b.scope() == scopeFile
	switch f {
	case partOther:
		return nothing
	case partChannel:
		b.channels++
		return b.enter(scopeFeed)
	case partItems:
		return b.enter(scopeFeed)
	case partItem:
		b.entry.about = e.attr("about")
		return b.enter(scopeItem)
	case partGroup:
		return b.enter(scopeGroup)
	case partFile:
		b.entry.files = append(b.entry.files, file{
			url: e.attr("url"), kind: e.attr("type"), medium: e.attr("medium"), length: e.attr("filesize"), base: e.base})
		return b.enter(scopeFile)
	case partTopic:
		b.addText(e.attr("label"))
		return nothing
	case headLink, fieldLink:
		return b.link(f, e)
	case headAtomLink, fieldRelated:
		return b.related(f, e)
	case headAuthor:
		if len(b.authors) > 0 && b.signed != e.vocab {
			return nothing // the same people in other words
		}
		b.signed = e.vocab
	case fieldGUID:
		b.entry.opaque = bytes.EqualFold(bytes.TrimSpace(e.attr("ispermalink")), []byte("false"))
	case fieldAtomContent:
		b.rank = rankSelf // it stands elsewhere (RFC 4287, 4.1.3.2)
		b.takeLink(fieldLink, passage{raw: e.attr("src"), base: e.base})
	case fieldCategory, fieldKeywords:
		if f == fieldCategory && e.vocab == vocabITunes && b.addText(e.attr("text")) {
			return b.enter(scopeGroup) // others may stand in it
		}
		for _, name := range [...]string{"label", "term", "text"} {
			if b.addText(e.attr(name)) {
				return nothing
			}
		}
	case fieldEnclosure:
		b.enclosure(e)
	case fieldImage:
		if string(e.local) == "link" && !isRelation(e.attr("rel"), "image") {
			return nothing
		}
		if b.href = e.attr("href"); len(b.href) == 0 {
			b.href = e.attr("url")
		}
	case fieldThumbnail:
		b.href = bytes.TrimSpace(e.attr("url"))
	case fieldMediaTitle:
		// That of a picture may be the name of who is in it.
		if inFile && (b.entry.at[f].raw != nil || b.entry.files[len(b.entry.files)-1].isPicture()) {
			return nothing
		}
	case fieldMediaDescription:
		if inFile && b.entry.at[f].raw != nil {
			return nothing
		}
	}
	return b.want(f)
}

// addText adds an attribute as if it were a category with that text. It reports
// false when there is nothing in it.
func (b *feedBuilder) addText(text []byte) bool {
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return false
	}
	b.entry.lists = append(b.entry.lists, listed{fieldCategory, passage{raw: text}})
	return true
}

// enclosure adds an enclosure, whichever attribute has its address.
func (b *feedBuilder) enclosure(e *element) {
	f := file{kind: e.attr("type"), length: e.attr("length"), base: e.base}
	for _, name := range [...]string{"url", "href", "resource"} {
		if f.url = bytes.TrimSpace(e.attr(name)); len(f.url) > 0 {
			break
		}
	}
	b.entry.files = append(b.entry.files, f)
}

// link keeps a link of the format: in RSS the text says where, and the last one
// counts; in Atom an attribute does, or else the text, and the best one counts.
func (b *feedBuilder) link(f field, e *element) interest {
	rel, href := e.attr("rel"), e.attr("href")
	if b.inAtom {
		if isRelation(rel, "enclosure") && f == fieldLink {
			b.enclosure(e)
			return b.want(fieldEnclosure)
		}
		if b.rank = rankOf(e); !isBlank(href) {
			b.takeLink(f, passage{raw: href, base: e.base})
			return nothing
		}
		return b.want(f)
	}
	if !isAlternate(rel) || f == headLink && b.channels > 1 && b.links > 0 {
		return nothing
	}
	if b.href, b.rank = href, b.entry.rank+1; f == headLink {
		b.rank = b.links + rankSelf + 1
	}
	return b.want(f)
}

// related keeps a link of Atom that stands in RSS.
func (b *feedBuilder) related(f field, e *element) interest {
	rel, p := e.attr("rel"), passage{raw: bytes.TrimSpace(e.attr("href")), base: e.base}
	switch {
	case f == fieldRelated && isRelation(rel, "enclosure"):
		b.enclosure(e)
		return b.want(fieldEnclosure)
	case !isAlternate(rel):
	case f == headAtomLink && b.head[f].raw == nil:
		b.head[f] = p
	case f == fieldRelated && b.entry.related.raw == nil:
		b.entry.related = p
	}
	return nothing
}

// rankOf tells how good a link of Atom is as the one that leads to the page: 0 for
// one that does not. Of several versions the page goes before what is not HTML.
func rankOf(e *element) int {
	rel, kind := e.attr("rel"), e.attr("type")
	if isRelation(rel, "self") {
		return rankSelf
	}
	if !isAlternate(rel) {
		return 0
	}
	href := bytes.TrimSpace(e.attr("href"))
	n := schemeSize(href)
	isWeb := n == 0 || bytes.EqualFold(href[:n], []byte("http:")) || bytes.EqualFold(href[:n], []byte("https:"))
	switch isHTML := len(kind) == 0 || bytes.Contains(kind, []byte("html")) || bytes.Contains(kind, []byte("HTML")); {
	case isHTML && isWeb:
		return 4
	case isWeb:
		return 3
	}
	return 2
}

// rankSelf is the rank of a link from a document to itself. It leads to an entry
// where nothing else does, but never to the site.
const rankSelf = 1

// isAlternate reports whether a link with that relation leads to what the item or
// the feed is about.
func isAlternate(rel []byte) bool {
	return len(bytes.TrimSpace(rel)) == 0 || isRelation(rel, "alternate")
}

// isRelation reports whether rel names a relation, in whatever case, alone or as the
// IRI that IANA has for it.
func isRelation(rel []byte, name string) bool {
	rel = bytes.TrimSpace(rel)
	if n := len(rel) - len(name); n > 0 && rel[n-1] == '/' && bytes.HasPrefix(rel, []byte("http")) {
		rel = rel[n:]
	}
	return len(rel) == len(name) && bytes.EqualFold(rel, []byte(name))
}
