package store

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"feedmill/internal/feeds"
)

// Under which key an item is stored, where it is not the one that it has been stored
// under so far.

// readerOf says which reader read o's document, for feeds.reader. Two readers, or
// two versions of one, may make different things of one document.
func readerOf(o *feeds.Outcome) int64 {
	reader := int64(feeds.ReadingVersion) << 1
	if o.Reader == feeds.ReaderGofeed {
		reader++
	}
	return reader
}

// share notes the keys that it shares with other items of its feed, if it does.
// The one that was stored by such a key is stored by its own from then on.
func (b *Saver) share(feed int64, it *feeds.Item, s *State) error {
	if it.Key == feeds.Identify(it) {
		return nil
	}
	rungs := feeds.Rungs(it)
	for level := range slices.Index(rungs[:], it.Key) {
		key := rungs[level]
		added, err := b.Rows.Share(feed, feeds.SharedKey(key))
		if err != nil {
			return err
		}
		if !added {
			continue // it was noted before
		}
		if err := b.rekey(feed, key, level+1, s); err != nil {
			return err
		}
	}
	return nil
}

// rekey gives the item that is stored by key the one of that rung.
func (b *Saver) rekey(feed int64, key feeds.Key, rung int, s *State) error {
	it, there, err := b.Rows.ByKey(feed, key)
	if err != nil || !there {
		return err
	}
	own := feeds.Rungs(&it)[rung]
	done, err := b.Rows.Rekey(feed, key, own)
	if done && s.known != nil {
		delete(s.known, key)
		s.known[own] = it.Hash
	}
	return err
}

// A Stored item is one that may turn out to be another's former self.
type Stored struct {
	Key               feeds.Key
	GUID, Link, Title string
	Published         int64 // Unix seconds; 0: it has no date

	taken bool
	meant feeds.Key // of the item with its very date; zero when there is none
}

// suspect finds out whether o's items may be stored by other keys: when another
// reader read what is stored, or when the guids are random and the item that
// arrived last is among o's, with another guid. It loads those that may be meant.
//
// Rejected: asking for each new item whether one like it is stored. That costs a
// fifth of storing it; one row for an outcome of two new items and more costs
// little, and a feed with random guids shows all of its items as new.
func (b *Saver) suspect(o *feeds.Outcome, s *State) (err error) {
	if s.Items == 0 || !s.older && len(o.Items) < 2 {
		return nil
	}
	s.incoming = make(map[feeds.Key]bool, len(o.Items))
	for i := range o.Items {
		s.incoming[o.Items[i].Key] = true
	}
	if !s.older {
		last, err := b.Rows.Newest(o.ID, 1)
		if err != nil || len(last) == 0 || s.incoming[last[0].Key] ||
			!slices.ContainsFunc(o.Items, func(it feeds.Item) bool { return last[0].again(&it) }) {
			return err
		}
		if s.known == nil {
			if err := b.loadKnown([]int64{o.ID}); err != nil {
				return err
			}
		}
	}
	s.rows, err = b.Rows.Newest(o.ID, 4*len(o.Items)+64)
	for i := range s.rows {
		r := &s.rows[i]
		at := slices.IndexFunc(o.Items, func(it feeds.Item) bool { return r.Published != 0 && r.Published == it.Published && r.reread(&it) })
		if at >= 0 {
			r.meant = o.Items[at].Key
		}
	}
	return err
}

// adopt stores it in the place of its former self, if there is one, and reports
// whether there was.
func (b *Saver) adopt(o *feeds.Outcome, it *feeds.Item, s *State) (bool, error) {
	if s.older {
		for _, key := range feeds.FormerKeys(it) {
			if b.removed[o.ID][key] {
				return true, b.Rows.RemoveAlso(o.ID, it.Key, key)
			}
		}
	}
	for i := range s.rows {
		r := &s.rows[i]
		if r.taken || s.incoming[r.Key] || r.meant != it.Key && r.meant != (feeds.Key{}) || !r.again(it) && (!s.older || !r.reread(it)) {
			continue
		}
		r.taken = true // and no other of o's has its key, so what is known of that is not asked for again
		return true, b.replace(o.ID, r.Key, it, s)
	}
	return false, nil
}

// replace puts it in the place of the item that is stored by key, in silence.
func (b *Saver) replace(feed int64, key feeds.Key, it *feeds.Item, s *State) error {
	err := b.Rows.Replace(feed, key, it)
	s.learn(it)
	return err
}

// again reports whether it is the stored item with another guid: link, title and
// date are the same, but for how links are spelled.
func (r *Stored) again(it *feeds.Item) bool {
	return r.Title == Readable(it.Title) && r.Published == it.Published && r.Link != "" && bare(r.Link) == bare(Readable(it.Link))
}

// farthestZone is by how much a date changes when its zone is read rightly.
const farthestZone = 14 * 3600

// reread reports whether it is the stored item as another reader has it: with the
// same date and one more thing in common; or with the same title, about the same
// date, as far as both have one, and a link or a guid that says the same, where the
// stored one has any.
func (r *Stored) reread(it *feeds.Item) bool {
	title := r.Title != "" && r.Title == Readable(it.Title)
	same := alike(r.Link, Readable(it.Link)) || alike(r.GUID, Readable(it.GUID))
	dated := r.Published != 0 && it.Published != 0
	if dated && r.Published == it.Published {
		return title || same
	}
	off := max(r.Published-it.Published, it.Published-r.Published)
	return title && (!dated || off <= farthestZone) && (same || r.Link == "" && r.GUID == "")
}

// alike reports whether two links, or guids, say the same in other spellings: with
// other escapes or blanks, or relative to something, or to something else.
func alike(a, b string) bool {
	a, b = plain(a), plain(b)
	if len(a) < len(b) {
		a, b = b, a
	}
	if _, path, found := strings.Cut(b, "/"); found && path != "" {
		b = path
	}
	return b != "" && (a == b || strings.HasSuffix(a, "/"+b))
}

// plain returns a link without its scheme, escapes and blanks.
func plain(link string) string {
	if unescaped, err := url.PathUnescape(link); err == nil {
		link = unescaped
	}
	return bare(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\u200b' {
			return -1
		}
		return r
	}, link))
}

// bare returns a link without its scheme and without "www.".
func bare(link string) string {
	for _, head := range [...]string{"https://", "http://", "www."} {
		link = strings.TrimPrefix(link, head)
	}
	return link
}
