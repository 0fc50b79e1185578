package origin

import (
	"strconv"
	"time"
)

// A generator makes items, of which feeds are made. All of them follow from its
// seed.
type generator struct {
	seed      uint64
	newsEvery int // as in Options, never 0
	prose     *prose
}

func newGenerator(seed uint64, newsEvery int) generator {
	return generator{seed: seed, newsEvery: newsEvery, prose: newProse(seed)}
}

// A view is one state of one generated feed: everything its bytes depend on,
// besides the seed.
type view struct {
	number  int
	format  format
	version int // items that appeared since epoch 0
	items   int
	bytes   int // of an item, about
}

// version returns how many items feed n has gained by an epoch. Each feed has
// its turn once in every NewsEvery epochs, at a place drawn for it.
func (g *generator) version(n, epoch int) int {
	k := g.newsEvery
	if k < 0 {
		return 0
	}
	turn := int(mix(g.seed, 2, uint64(n)) % uint64(k))
	return (epoch + turn) / k
}

// firstItem is when the newest item of epoch 0 appeared: the start of 2025.
const firstItem = 1735689600

// itemTime returns when an item of a feed appeared. Items are numbered from
// the newest of epoch 0, which is item 0; older ones have negative numbers.
func (g *generator) itemTime(v view, item int) time.Time {
	within := int64(mix(g.seed, 4, uint64(v.number)) % 3600)
	return time.Unix(firstItem+within+int64(item)*3600, 0).UTC()
}

// An entry is one generated item, in what all formats share. It is a function
// of the seed, the feed's number and the item's, so an item keeps its content
// as long as it is in the feed.
type entry struct {
	serial  int64  // appears in guid and link; grows by one from item to item
	home    string // of the feed, without a slash at the end
	at      time.Time
	draw    dice // for what is drawn while the item is written
	bytes   int  // how many are wanted
	rich    bool // there is room for author, categories, summary
	author  string
	topics  [2]string // the second may be empty
	audio   bool      // has an enclosure
	linkIDs bool      // the link is the guid
}

// home returns the home page of a feed. It is on a reserved domain, so that
// content does not depend on the address that a Server happens to have.
func home(n int) string { return "https://n" + strconv.Itoa(n) + ".example.org" }

// entry returns the item at place i of a view, 0 being the newest.
func (g *generator) entry(v view, home string, i int) entry {
	item := v.version - i
	e := entry{
		serial: 1_000_000 + int64(item),
		home:   home,
		at:     g.itemTime(v, item),
		draw:   dice(mix(g.seed, 5, uint64(v.number), uint64(item))),
		rich:   v.bytes >= 500,
	}
	// Real items differ in length: from three quarters to five quarters.
	e.bytes = v.bytes*3/4 + e.draw.below(v.bytes/2+1)
	e.author = authors[e.draw.below(len(authors))]
	e.topics[0] = topics[e.draw.below(len(topics))]
	if e.draw.below(2) == 0 {
		e.topics[1] = topics[e.draw.below(len(topics))]
	}
	e.audio = e.rich && e.draw.below(10) == 0
	e.linkIDs = mix(g.seed, 6, uint64(v.number))%3 == 0
	return e
}

// link appends the item's link.
func (e *entry) link(b []byte) []byte {
	b = append(append(b, e.home...), "/posts/"...)
	return strconv.AppendInt(b, e.serial, 10)
}

// id appends the item's guid.
func (e *entry) id(b []byte) []byte {
	if e.linkIDs {
		return e.link(b)
	}
	b = append(append(b, "tag:"...), e.home[len("https://"):]...)
	return strconv.AppendInt(append(b, ",2025:"...), e.serial, 10)
}

// media appends the URL of the item's enclosure.
func (e *entry) media(b []byte) []byte {
	return append(e.link(b), ".mp3"...)
}

// A form is how HTML stands in a document.
type form int

const (
	inCDATA form = iota
	inText
	inString
)

// content appends HTML until b is as long as until, roughly: to the nearest
// end of a paragraph. It begins with the item's number, so that no two items
// are alike.
func (g *generator) content(b []byte, e *entry, until int, f form) []byte {
	lead := [...][2]string{{"<p>No. ", "</p>\n"}, {"&lt;p&gt;No. ", "&lt;/p&gt;\n"}, {"<p>No. ", `</p>\n`}}[f]
	b = strconv.AppendInt(append(b, lead[0]...), e.serial, 10)
	b = append(b, lead[1]...)
	for {
		p := &g.prose.paragraphs[e.draw.below(proseSize)]
		next := [...][]byte{p.html, p.escaped, p.json}[f]
		if until-len(b) < len(next)/2 {
			return b
		}
		b = append(b, next...)
	}
}

func isoDate(b []byte, t time.Time) []byte { return t.AppendFormat(b, time.RFC3339) }
