package feeds

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// What an item's key was made from. The byte is hashed with the value, so that
// a guid and a link of the same spelling are different keys. Stored keys depend
// on these bytes: they do not change.
const (
	keyGUID      = 'g' // the guid
	keyLink      = 'l' // no guid: the link
	keyEnclosure = 'e' // neither: the first enclosure's URL
	keyContent   = 'c' // none of them: what the item says

	keyGUIDLink  = 'G' // a guid that several items share, and the link
	keyLinkTitle = 'L' // a link that several items without guid share, and the title
	keyFileTitle = 'E' // the same for an enclosure

	keyAlike  = 'T' // what several items share even so: all of these, and the date
	keyShared = 'S' // no item's key, but the note that one is shared
)

// Identify returns the key of it taken by itself: of its guid, else of its
// link, else of its first enclosure's URL, else of its title, author, summary,
// content and date of publication. Values count byte for byte as the document
// has them after trimming; the time of the fetch never does.
//
// Within a document [AssignKeys] may give an item another key than this, and
// [Diff] the one that it is stored by.
func Identify(it *Item) Key {
	switch {
	case it.GUID != "":
		return makeKey(keyGUID, it.GUID)
	case it.Link != "":
		return makeKey(keyLink, it.Link)
	case len(it.Enclosures) > 0 && it.Enclosures[0].URL != "":
		return makeKey(keyEnclosure, it.Enclosures[0].URL)
	}
	var published [8]byte
	binary.LittleEndian.PutUint64(published[:], uint64(it.Published))
	return makeKey(keyContent, it.Title, it.Author, it.Summary, it.Content, string(published[:]))
}

// Rungs returns the keys that it can have, the first that no other item shares
// being the right one: that of Identify; that with the link, or without a guid with
// the title; that of guid, link, title and date together. Of an item that has none
// of these all three are one.
func Rungs(it *Item) [3]Key {
	first := Identify(it)
	file := ""
	if it.GUID == "" && it.Link == "" {
		if len(it.Enclosures) == 0 || it.Enclosures[0].URL == "" {
			return [3]Key{first, first, first}
		}
		file = it.Enclosures[0].URL
	}
	second := makeKey(keyFileTitle, file, it.Title)
	switch {
	case it.GUID != "":
		second = makeKey(keyGUIDLink, it.GUID, it.Link)
	case it.Link != "":
		second = makeKey(keyLinkTitle, it.Link, it.Title)
	}
	var published [8]byte
	binary.LittleEndian.PutUint64(published[:], uint64(it.Published))
	return [3]Key{first, second, makeKey(keyAlike, it.GUID, it.Link, file, it.Title, string(published[:]))}
}

// SharedKey returns what a store notes, among the keys of a feed, when several
// items were seen to share key, so that none of them is known by it ever after.
func SharedKey(key Key) Key { return makeKey(keyShared, string(key[:])) }

// makeKey hashes the values, each with its length.
func makeKey(kind byte, values ...string) Key {
	var room [512]byte // enough for nearly all
	b := append(room[:0], kind)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		b = append(b, v...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// AssignKeys sets the Key of every item and returns those that are left after
// repeats are dropped, in their order, in the same array. items are in the
// document's order. Of those with the same guid, link, title and date the one that
// was updated last stays, and of these the newest.
//
// A key that items share which are not the same in all of these does not tell them
// apart. All of them go one rung up, none keeps it. Rejected: letting the first or
// the last of them keep it. Whichever is first or last changes as items are added on
// top and drop off at the end, and an item that inherits another one's key would
// overwrite it in the store.
//
// Only a document can show that a key is shared. In a feed that has one item at
// a time, all with the same guid, each is an edit of the one before and replaces
// it, whatever its link: links of honest items change too, and a guid is there
// to say that they are still the same. Once seen it is noted for good, see
// SharedKey, so that an item stays itself when it is the last one left.
//
// repeated says whether there was anything to tell apart or to drop; if not, every
// key is the one of Identify.
func AssignKeys(items []Item, oldestFirst bool) (kept []Item, repeated bool) {
	first := make(map[Key]int, len(items)) // where each key comes first
	for i := range items {
		items[i].Key = Identify(&items[i])
		if _, ok := first[items[i].Key]; !ok {
			first[items[i].Key] = i
		}
	}
	if len(first) == len(items) {
		return items, false
	}
	rungs := make([][3]Key, len(items)) // each made once: a title may be very long
	for i := range items {
		rungs[i] = Rungs(&items[i])
	}
	for level := range 2 {
		shared := make(map[Key]bool)
		clear(first)
		for i := range items {
			key := items[i].Key
			at, ok := first[key]
			if !ok {
				first[key] = i
			} else if rungs[i][2] != rungs[at][2] {
				shared[key] = true
			}
		}
		for i := range items {
			if shared[items[i].Key] {
				items[i].Key = rungs[i][level+1]
			}
		}
	}
	clear(first)
	for i := range items {
		at, ok := first[items[i].Key]
		later := ok && (items[i].Updated > items[at].Updated || items[i].Updated == items[at].Updated && oldestFirst)
		if !ok || later {
			first[items[i].Key] = i
		}
	}
	kept = items[:0]
	for i := range items {
		if first[items[i].Key] == i {
			kept = append(kept, items[i])
		}
	}
	clear(items[len(kept):])
	return kept, true
}

// spellings returns the other ways to spell a URL that sites change between: with
// http and https, with and without "www.".
func spellings(url string) (others []string) {
	rest, secure := strings.CutPrefix(url, "https://")
	if !secure {
		var plain bool
		if rest, plain = strings.CutPrefix(url, "http://"); !plain {
			return nil
		}
	}
	bare := strings.TrimPrefix(rest, "www.")
	for _, other := range [...]string{"http://" + bare, "https://" + bare, "http://www." + bare, "https://www." + bare} {
		if other != url {
			others = append(others, other)
		}
	}
	return others
}
